"""How far a camera has moved, on pictures of kitchens that were moved by known amounts."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from scipy import ndimage

from hardware.cameras.view_change import REST_SHARE, overlay, view_change
from hardware.sim.world import SimWorld
from recordings.records import ImageArray

pytestmark = pytest.mark.sim

LARGE, MARGIN = 480, 40
KITCHENS = (1, 3)


@pytest.fixture(scope="session")
def kitchens() -> dict[tuple[int, int], ImageArray]:
    """(kitchen, layout of its things) to a large picture."""
    pictures = {}
    for kitchen in KITCHENS:
        world = SimWorld("put_carrot_on_plate", kitchen)
        for layout in (0, 1):
            world.reset(layout)
            pictures[kitchen, layout] = world.render(LARGE, LARGE)
        world.close()
    return pictures


def taken(
    large: ImageArray,
    size: int = 128,
    *,
    right: float = 0.0,
    down: float = 0.0,
    turn_deg: float = 0.0,
    growth: float = 1.0,
    bright: float = 1.0,
    offset: float = 0.0,
    noise: int = 0,
) -> ImageArray:
    """What a camera sees that shows its picture shifted (in shares of the width) and turned."""
    inner = LARGE - 2 * MARGIN
    angle = np.radians(turn_deg)
    forward = growth * np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    back = np.linalg.inv(forward)
    middle = np.full(2, (LARGE - 1) / 2)
    start = middle - back @ (middle + inner * np.array([down, right]))
    moved = [ndimage.affine_transform(large[..., c] * 1.0, back, start, order=1) for c in range(3)]
    cut = np.stack(moved, axis=-1)[MARGIN:-MARGIN, MARGIN:-MARGIN]
    small = Image.fromarray(cut.astype(np.uint8)).resize((size, size), Image.Resampling.LANCZOS)
    values = np.asarray(small) * bright + offset
    values = values + np.random.default_rng(noise).normal(0.0, 2.0, values.shape)
    return np.clip(values, 0, 255).astype(np.uint8)


@settings(max_examples=12)
@given(
    kitchen=st.sampled_from(KITCHENS),
    size=st.sampled_from([96, 128, 256]),
    right=st.floats(-0.1, 0.1),
    down=st.floats(-0.1, 0.1),
    turn_deg=st.floats(-6, 6),
    growth=st.floats(0.92, 1.08),
    bright=st.floats(0.7, 1.2),
    offset=st.floats(-15, 15),
)
def test_a_known_motion_is_measured_whatever_the_light(
    kitchens: dict[tuple[int, int], ImageArray],
    kitchen: int,
    size: int,
    right: float,
    down: float,
    turn_deg: float,
    growth: float,
    bright: float,
    offset: float,
) -> None:
    reference = taken(kitchens[kitchen, 0], size)
    now = taken(
        kitchens[kitchen, 0],
        size,
        right=right,
        down=down,
        turn_deg=turn_deg,
        growth=growth,
        bright=bright,
        offset=offset,
        noise=1,
    )
    change = view_change(reference, now)
    assert change is not None
    assert change.right_px == pytest.approx(right * size, abs=0.006 * size)
    assert change.down_px == pytest.approx(down * size, abs=0.006 * size)
    assert change.turn_deg == pytest.approx(turn_deg, abs=0.6)
    assert change.size == pytest.approx(growth, abs=0.01)


@settings(max_examples=8)
@given(
    kitchen=st.sampled_from(KITCHENS),
    right=st.floats(-0.1, 0.1),
    down=st.floats(-0.1, 0.1),
    turn_deg=st.floats(-6, 6),
)
def test_with_all_things_moved_the_answer_is_right_or_there_is_none(
    kitchens: dict[tuple[int, int], ImageArray],
    kitchen: int,
    right: float,
    down: float,
    turn_deg: float,
) -> None:
    now = taken(kitchens[kitchen, 1], right=right, down=down, turn_deg=turn_deg, noise=1)
    change = view_change(taken(kitchens[kitchen, 0]), now)
    if change is not None:
        assert change.right_px == pytest.approx(right * 128, abs=1.0)
        assert change.down_px == pytest.approx(down * 128, abs=1.0)


@pytest.mark.parametrize("kitchen", KITCHENS)
@pytest.mark.parametrize("size", [64, 128, 256])
def test_a_camera_that_stood_still_is_known_to_though_all_things_were_moved(
    kitchens: dict[tuple[int, int], ImageArray], kitchen: int, size: int
) -> None:
    now = taken(kitchens[kitchen, 1], size, bright=0.8, noise=1)
    change = view_change(taken(kitchens[kitchen, 0], size), now)
    assert change is not None
    assert change.farthest_share < REST_SHARE


def test_the_corners_tell_how_far_a_turn_moves_the_picture(
    kitchens: dict[tuple[int, int], ImageArray],
) -> None:
    change = view_change(taken(kitchens[1, 0]), taken(kitchens[1, 0], turn_deg=5.0))
    assert change is not None
    assert abs(change.right_px) < 1.0
    assert change.farthest_share == pytest.approx(np.radians(5.0) * np.sqrt(0.5), abs=0.01)


def test_pictures_of_other_places_are_not_comparable(
    kitchens: dict[tuple[int, int], ImageArray],
) -> None:
    here = taken(kitchens[1, 0])
    noise = np.random.default_rng(0).integers(0, 256, here.shape).astype(np.uint8)
    ramp = np.add.outer(np.arange(128), np.arange(128))
    stripes = np.stack([ramp % 256, 2 * ramp % 256, 0 * ramp + 90], axis=-1).astype(np.uint8)
    others = [
        np.rot90(here).copy(),
        here[:, ::-1].copy(),
        here[::-1].copy(),
        noise,
        stripes,
        np.zeros_like(here),
        np.full_like(here, 255),
    ]
    for other in others:
        assert view_change(here, other) is None
        assert view_change(other, here) is None


def test_a_covered_half_does_not_matter_much(kitchens: dict[tuple[int, int], ImageArray]) -> None:
    now = taken(kitchens[1, 0], right=0.05)
    now[80:] = 40
    change = view_change(taken(kitchens[1, 0]), now)
    assert change is not None
    assert change.right_px == pytest.approx(6.4, abs=1.0)


def test_sizes_must_agree() -> None:
    with pytest.raises(ValueError, match="sizes"):
        view_change(np.zeros((64, 64, 3), np.uint8), np.zeros((64, 96, 3), np.uint8))


def test_pictures_need_not_be_square(kitchens: dict[tuple[int, int], ImageArray]) -> None:
    reference = taken(kitchens[1, 0], 256)[40:220]
    now = taken(kitchens[1, 0], 256, right=0.04)[40:220]
    change = view_change(reference, now)
    assert change is not None
    assert change.right_px == pytest.approx(0.04 * 256, abs=1.0)
    assert abs(change.down_px) < 1.0


def test_the_overlay_is_grey_where_nothing_has_moved(
    kitchens: dict[tuple[int, int], ImageArray],
) -> None:
    here = taken(kitchens[1, 0])
    same = overlay(here, here)
    assert (same[..., 0] == same[..., 1]).all()
    moved = overlay(here, taken(kitchens[1, 0], right=0.1)).astype(int)
    assert np.abs(moved[..., 0] - moved[..., 1]).max() > 50
