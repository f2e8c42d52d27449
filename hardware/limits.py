"""What a cell may be like, whoever describes it: a profile, a question, or the light server.

Runs on Python 3.8, and imports nothing that the help of a command would have to wait for.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from operator import lt
from typing import TYPE_CHECKING

from recordings.errors import UsageError

if TYPE_CHECKING:
    from hardware.robot import WorkspaceBox

CONTROL_RATES_HZ = (0.5, 50.0)
PICTURE_EDGES = (32, 640)
"""Of the square pictures, in pixels."""
FARTHEST_M = 2.0
"""No arm here reaches so far; larger numbers are probably millimetres."""
NAME = re.compile(r"[a-z0-9][a-z0-9_]*")
"""What a camera or a task may be called; it becomes part of paths."""


def check_rate(key: str, rate_hz: float, try_next: str) -> None:
    """Raise `UsageError` if no arm is driven at this rate.

    Args:
        key: Where it was set, for the message; so in all of these.
        try_next: What the message tells to do.
    """
    _check_range(key, rate_hz, CONTROL_RATES_HZ, "Hz", try_next)


def check_picture_edge(key: str, edge: int, try_next: str) -> None:
    """Raise `UsageError` if no picture has this edge, in pixels."""
    _check_range(key, edge, PICTURE_EDGES, "pixels", try_next)


def check_box(key: str, low_m: Sequence[float], high_m: Sequence[float], try_next: str) -> None:
    """Raise `UsageError` if these corners (x, y, z) are no workspace box."""
    _check_near(key, (*low_m, *high_m), FARTHEST_M, "m", try_next)
    if not all(map(lt, low_m, high_m)):
        raise UsageError(
            f"`{key}` runs from {_metres(low_m)} to {_metres(high_m)}.",
            "Low is below high on every axis.",
            try_next,
        )


def check_pose(key: str, pose: Sequence[float], try_next: str) -> None:
    """Raise `UsageError` if this is no pose: x, y, z in m, roll, pitch, yaw in rad."""
    _check_near(key, pose[:3], FARTHEST_M, "m", try_next)
    _check_near(key, pose[3:], math.pi, "rad", try_next)


def check_start_inside(
    pose: Sequence[float], box: WorkspaceBox, tolerance_m: float, try_next: str
) -> None:
    """Raise `UsageError` if episodes would begin outside the box, where nothing may move.

    Args:
        pose: x, y, z in m, and what may follow.
        tolerance_m: It may be so far outside.
    """
    inside = (
        low - tolerance_m <= value <= high + tolerance_m
        for low, value, high in zip(box.low_m, pose, box.high_m)  # noqa: B905 (not in Python 3.8)
    )
    if not all(inside):
        raise UsageError(
            f"Episodes would begin at {_metres(pose[:3])}, outside the workspace box from "
            f"{_metres(box.low_m)} to {_metres(box.high_m)} (x y z in m).",
            "The arm can only move inside the box.",
            try_next,
        )


def check_camera_name(name: str, try_next: str) -> None:
    """Raise `UsageError` if a camera cannot be called so."""
    if not NAME.fullmatch(name):
        raise UsageError(
            f"A camera cannot be named `{name}`.",
            "Names have small letters, digits and underscores, and begin with a letter or digit.",
            try_next,
        )


def _check_range(
    key: str, value: float, limits: tuple[float, float], unit: str, try_next: str
) -> None:
    low, high = limits
    if not low <= value <= high:  # NaN is not.
        raise UsageError(
            f"`{key}` is {value}.", f"It must be {low:g} to {high:g} {unit}.", try_next
        )


def _check_near(key: str, values: Sequence[float], limit: float, unit: str, try_next: str) -> None:
    if not all(abs(value) <= limit for value in values):  # NaN fails this too.
        raise UsageError(
            f"`{key}` has the numbers {', '.join(f'{value:g}' for value in values)}.",
            f"They are in {unit}, between {-limit:.4g} and {limit:.4g}.",
            try_next,
        )


def _metres(point: Sequence[float]) -> str:
    return " ".join(f"{round(value, 4):g}" for value in point)
