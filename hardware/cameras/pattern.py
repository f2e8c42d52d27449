"""A camera that is not there: a moving pattern, to try an arm before its camera is wired."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from hardware.camera import CameraFeatures
from hardware.checks import Finding
from hardware.clock import Clock
from hardware.connected import Connected
from hardware.faults import CameraFault
from hardware.kinds import CameraKind, Discovered
from recordings.records import Frame


@dataclass(frozen=True)
class PatternSettings:
    """There is nothing to set."""


class PatternCamera(Connected):
    """Diagonal stripes that wander with time, so that a frozen display is seen as such.

    Args:
        name: As in recordings.
        clock: Stamps the pictures and moves the stripes.
        size: Edge of the picture in pixels.
    """

    def __init__(self, name: str, clock: Clock, size: int) -> None:
        self._features = CameraFeatures(name, size, size)
        self._clock = clock
        self._connected = False

    @property
    def features(self) -> CameraFeatures:
        return self._features

    @property
    def identity(self) -> Mapping[str, Any]:
        return {"kind": "test-pattern"}

    def connect(self) -> None:
        self._connected = True

    def disconnect(self) -> None:
        self._connected = False

    def read(self) -> Frame:
        if not self._connected:
            raise CameraFault(f"The camera {self._features.name} is not connected.")
        now_s = self._clock.now_s()
        size = self._features.height
        ramp = np.add.outer(np.arange(size), np.arange(size)) + int(now_s * 40)
        image = np.stack([ramp % 256, (2 * ramp) % 256, np.full_like(ramp, 90)], axis=-1)
        return Frame(image.astype(np.uint8), now_s, self._clock.now_s())


def _make(name: str, settings: PatternSettings, clock: Clock, image_size: int) -> PatternCamera:
    return PatternCamera(name, clock, image_size)


def _discover() -> Sequence[Discovered]:
    return [Discovered("a moving pattern instead of a camera")]


def _check(settings: PatternSettings) -> Sequence[Finding]:
    return []


KIND = CameraKind(
    name="test-pattern",
    summary="no camera: a moving pattern, to try the arm without one",
    settings=PatternSettings,
    make=_make,
    discover=_discover,
    check=_check,
)
