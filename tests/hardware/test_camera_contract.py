"""What every camera must do. A new camera joins by adding a way to open it to `CAMERAS`."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import pytest

from hardware.camera import Camera
from hardware.clock import MonotonicClock, SimulatedClock
from hardware.registry import CellRequest, camera_kind, make_camera
from hardware.settings import setting_helps
from recordings.errors import RobotError
from tests.hardware.cameras.streams import (
    HEIGHT,
    WIDTH,
    make_realsense_recording,
    make_video,
    scenes,
)

SIZE = 32
Make = Callable[[Path], Camera]


def real(kind: str, **values) -> Camera:
    request = CellRequest("put_carrot_on_plate", image_size=SIZE, clock=MonotonicClock())
    return make_camera("wrist", {"kind": kind, **values}, request)


def pattern(folder: Path) -> Camera:
    return real("test-pattern")


def uvc_video(folder: Path) -> Camera:
    video = make_video(folder / "scene.avi", scenes(60))
    return real("uvc", device=str(video), width=WIDTH, height=HEIGHT, loop=True, max_age_s=30.0)


def realsense_playback(folder: Path) -> Camera:
    pytest.importorskip("pyrealsense2")
    path = make_realsense_recording(folder / "scene.db3", scenes(90))
    return real("realsense", recording=str(path), width=WIDTH, height=HEIGHT, max_age_s=30.0)


def simulated(folder: Path) -> Camera:
    from hardware.sim.robot import SimCamera
    from hardware.sim.world import SimWorld

    world = SimWorld("put_carrot_on_plate", 0)
    return SimCamera(world, SimulatedClock(), "wrist", SIZE, SIZE)


CAMERAS = [
    pattern,
    uvc_video,
    realsense_playback,
    pytest.param(simulated, marks=pytest.mark.sim),
]


@pytest.fixture(params=CAMERAS)
def camera(request, tmp_path):
    with ExitStack() as stack:
        made = request.param(tmp_path)
        stack.callback(made.disconnect)
        yield made


def test_it_is_a_camera_and_says_what_it_is_before_connecting(camera) -> None:
    assert isinstance(camera, Camera)
    features = camera.features
    assert (features.name, features.height, features.width) == ("wrist", SIZE, SIZE)
    assert camera.identity["kind"]


def test_its_pictures_are_rgb_of_the_promised_size_and_in_order_of_time(camera) -> None:
    last_s = -np.inf
    with camera:
        for _ in range(5):
            frame = camera.read()
            assert frame.image.shape == (SIZE, SIZE, 3)
            assert frame.image.dtype == np.uint8
            assert last_s <= frame.captured_s <= frame.arrived_s
            last_s = frame.captured_s


def test_a_picture_that_was_read_does_not_change_afterwards(camera) -> None:
    with camera:
        first = camera.read()
        copy = first.image.copy()
        for _ in range(5):
            camera.read()
    np.testing.assert_array_equal(first.image, copy)


def test_its_identity_fits_into_a_recording(camera) -> None:
    def is_plain(value: object) -> bool:
        if isinstance(value, dict):
            return all(isinstance(key, str) and is_plain(part) for key, part in value.items())
        return value is None or isinstance(value, (str, bool, int, float))

    with camera:
        assert is_plain(dict(camera.identity))


def test_disconnecting_twice_and_without_connecting_is_fine(camera) -> None:
    camera.disconnect()
    with camera:
        pass
    camera.disconnect()


def test_it_can_be_connected_again(camera) -> None:
    for _ in range(2):
        with camera:
            assert camera.read().image.any()


def test_reading_a_disconnected_camera_is_an_error(camera) -> None:
    if camera.identity["kind"] == "sim":
        pytest.skip("the simulated camera has no connection")
    with camera:
        pass
    with pytest.raises(RobotError, match="not connected"):
        camera.read()


@pytest.mark.parametrize("name", ["realsense", "test-pattern", "uvc"])
def test_each_kind_describes_itself_and_every_setting(name) -> None:
    kind = camera_kind(name)
    assert kind.name == name
    assert kind.summary
    assert all(setting_helps(kind.settings).values())
