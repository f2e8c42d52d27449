"""Reference pictures: what each camera saw at setup, and how far it has moved since."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from hardware.cameras.view_change import ViewChange, overlay, view_change
from hardware.registry import Cell
from ptrctl.profile import Profile
from ptrctl.setup.device_choice import TEST_PATTERN
from ptrctl.workspace import Workspace
from recordings.errors import UsageError
from recordings.records import ImageArray

IN_PLACE, MOVED, UNCLEAR = "in place", "moved", "not comparable"
NO_REFERENCE = "no reference picture"


@dataclass(frozen=True)
class SceneCheck:
    """One camera compared with its reference picture.

    Args:
        camera: Its name.
        state: `IN_PLACE`, `MOVED`, `UNCLEAR` or `NO_REFERENCE`.
        change: How far it has moved; None if that cannot be told.
        now: (H, W, 3) uint8.
        reference: Likewise; None if there is none.
        overlay_path: Where both pictures lie over each other, if there are two.
    """

    camera: str
    state: str
    change: ViewChange | None
    now: ImageArray
    reference: ImageArray | None = None
    overlay_path: Path | None = None

    @property
    def as_data(self) -> dict[str, Any]:
        """For JSON."""
        motion = None if self.change is None else asdict(self.change)
        return {"camera": self.camera, "state": self.state, "motion": motion}

    @property
    def words(self) -> str:
        """What has become of the camera, in a sentence or two."""
        if self.state == NO_REFERENCE:
            return "`ptrctl setup` stores one when it checks the arm by a motion."
        if self.change is None:
            return "The pictures cannot be compared: too little of one is found in the other."
        if self.state == IN_PLACE and self.change.farthest_share < 0.005:
            return "Nothing has moved."
        return f"{in_words(self.change, self.now.shape[1])} {self.advice}".rstrip()

    @property
    def advice(self) -> str:
        """What to do about it."""
        if self.state != MOVED or self.change is None:
            return ""
        sideways = "right" if self.change.right_px > 0 else "left"
        upright = "down" if self.change.down_px > 0 else "up"
        turns = [
            words
            for words, moved in (
                (sideways, abs(self.change.right_px)),
                (upright, abs(self.change.down_px)),
            )
            if moved >= 0.5
        ]
        return f"Turn the camera {' and '.join(turns)}." if turns else "Turn or move it back."


def in_words(change: ViewChange, width: int) -> str:
    """The motion of a picture of that width, as people say it."""
    parts = []
    for pixels, words in ((change.right_px, ("right", "left")), (change.down_px, ("down", "up"))):
        if abs(pixels) >= 0.5:
            share = abs(pixels) / width
            parts.append(f"{abs(pixels):.1f} px ({share:.1%} of the width) {words[pixels < 0]}")
    if abs(change.turn_deg) >= 0.3:
        way = "clockwise" if change.turn_deg > 0 else "counter-clockwise"
        parts.append(f"turned {abs(change.turn_deg):.1f}° {way}")
    if abs(change.size - 1) >= 0.005:
        parts.append(f"{abs(change.size - 1):.1%} {'larger' if change.size > 1 else 'smaller'}")
    if not parts:
        parts = ["hardly moved"]
    return f"The view is {', '.join(parts)}; a corner moved by {change.farthest_share:.1%}."


def reference_path(workspace: Workspace, camera: str) -> Path:
    """Where a camera's reference picture lies."""
    return workspace.root / f"reference-{camera}.png"


def save_reference_picture(workspace: Workspace, camera: str, image: ImageArray) -> Path:
    """Keep what the camera saw; replaced at every setup."""
    return _save(reference_path(workspace, camera), image)


def _save(path: Path, image: ImageArray) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(image).save(path)
    return path


def check_scene(
    workspace: Workspace, profile: Profile, cell: Cell, tolerance_percent: float
) -> list[SceneCheck]:
    """Compare every camera with its reference picture. Nothing moves.

    A test pattern, which never stands still, has none and is left out.

    Args:
        workspace: Has the reference pictures; the overlays are written beside them.
        profile: Whether the cameras can be opened without the arm.
        cell: Not connected.
        tolerance_percent: What the corner that moved most may have moved, of the width.

    Raises:
        UsageError: No camera has a reference picture, or one is no picture.
        RobotError: A camera fails.
    """
    references = {
        name: _load(reference_path(workspace, name))
        for name in cell.station.cameras
        if reference_path(workspace, name).exists()
    }
    if not references:
        raise UsageError(
            f"There is no reference picture in `{workspace.root}`.",
            "`ptrctl setup` stores one of each camera when it checks the arm by a motion.",
            f"Run `ptrctl setup{workspace.flag()}` first.",
        )
    return [
        _compared(workspace, name, references[name], now, tolerance_percent)
        if name in references
        else SceneCheck(name, NO_REFERENCE, None, now)
        for name, now in _pictures(profile, cell).items()
        if name in references or profile.cameras.get(name, {}).get("kind") != TEST_PATTERN
    ]


def _load(path: Path) -> ImageArray:
    try:
        with Image.open(path) as picture:
            return np.asarray(picture.convert("RGB"))
    except (OSError, SyntaxError, ValueError) as problem:
        raise UsageError(
            f"`{path}` is no picture: {problem}.",
            "It is the picture that `ptrctl setup` stored.",
            "Delete it and run `ptrctl setup` again.",
        ) from problem


def _pictures(profile: Profile, cell: Cell) -> dict[str, ImageArray]:
    """What the cameras see now. Cameras of their own need no arm, which may be switched off."""
    cameras = cell.station.cameras
    with ExitStack() as stack:
        if profile.cameras:
            for camera in cameras.values():
                stack.enter_context(camera)
        else:
            stack.enter_context(cell.station)
        return {name: camera.read().image for name, camera in cameras.items()}


def _compared(
    workspace: Workspace,
    name: str,
    reference: ImageArray,
    now: ImageArray,
    tolerance_percent: float,
) -> SceneCheck:
    if reference.shape != now.shape:
        size = (now.shape[1], now.shape[0])
        reference = np.asarray(Image.fromarray(reference).resize(size, Image.Resampling.LANCZOS))
    change = view_change(reference, now)
    if change is None:
        state = UNCLEAR
    else:
        state = MOVED if change.farthest_share * 100 > tolerance_percent else IN_PLACE
    path = _save(workspace.root / f"scene-{name}.png", overlay(reference, now))
    return SceneCheck(name, state, change, now, reference, path)
