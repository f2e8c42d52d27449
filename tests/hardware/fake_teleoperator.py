"""A device whose readings a test writes."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from hardware.faults import LostConnection
from hardware.teleoperator import NORMAL, Button, HandPose, Rate, Speed, TeleopReading
from recordings.records import FloatArray


class FakeTeleoperator:
    """Says what its attributes say.

    Args:
        now_s: Stamps readings unless `received_s` is set.
    """

    name = "fake"
    hint = ""

    def __init__(self, now_s: Callable[[], float]) -> None:
        self.speed: Speed = NORMAL
        self.now_s = now_s
        self.received_s: float | None = None
        self.engaged = True
        self.motion: Rate | HandPose = Rate()
        self.opening: float | None = None
        self.pressed: list[Button] = []
        self.gone = False
        self.log: list[str] = []

    def push(self, *values: float) -> None:
        self.motion = Rate(np.array(values))

    def put_hand(
        self, position_m: FloatArray, rotation: FloatArray | None = None, *, absolute: bool = False
    ) -> None:
        turned = np.eye(3) if rotation is None else rotation
        self.motion = HandPose(np.asarray(position_m, dtype=np.float64), turned, absolute)

    def connect(self) -> None:
        self.log.append("connect")

    def disconnect(self) -> None:
        self.log.append("disconnect")

    def begin(self) -> None:
        self.log.append("begin")
        self.pressed.clear()

    def read(self) -> TeleopReading:
        if self.gone:
            raise LostConnection("The fake is gone.")
        received_s = self.now_s() if self.received_s is None else self.received_s
        pressed, self.pressed = tuple(self.pressed), []
        return TeleopReading(received_s, self.engaged, self.motion, self.opening, pressed)
