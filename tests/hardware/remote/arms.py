"""Arms for the tests of the server: one that obeys, with motions that can be watched.

Runs on Python 3.8, where `python -m hardware.remote.serve tests.hardware.remote.arms` serves it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from hardware.camera import Camera
from hardware.clock import SimulatedClock
from hardware.faults import MotionStopped
from hardware.kinds import ArmKind, ArmRequest
from hardware.robot import Robot, RobotState, ShouldStop, Stop, never_stop
from hardware.settings import setting
from hardware.station import Station
from recordings.errors import RobotError
from recordings.records import FloatArray
from tests.hardware.fakes import FakeCamera, FakeRobot

START: FloatArray = np.array([0.25, 0.0, 0.15, 0.0, 0.0, 0.0, 1.0])


class SlowRobot(FakeRobot):
    """Its motions take `motion_s` and ask every control period whether to stop.

    Args:
        clock: Paces motions.
        motion_s: How long they take.
    """

    def __init__(self, clock: object, motion_s: float = 0.0) -> None:
        super().__init__()
        self.clock = clock
        self.motion_s = motion_s
        self.connected = False
        self.fails: dict[str, Exception] = {}

    def connect(self) -> None:
        self.connected = True
        super().connect()

    def disconnect(self) -> None:
        self.connected = False
        super().disconnect()

    def move_to_start(
        self, *, seed: int | None = None, should_stop: ShouldStop = never_stop
    ) -> None:
        self._move(should_stop)
        self.state = START.copy()
        super().move_to_start(seed=seed)

    def read_state(self) -> RobotState:
        self._fail("read")
        return RobotState(self.state.copy(), np.zeros(1), self.clock.now_s())

    def apply(self, action: FloatArray) -> FloatArray:
        self._fail("apply")
        self.log.append("apply")
        return super().apply(action)

    def stop(self, kind: Stop = Stop.HOLD, *, should_stop: ShouldStop = never_stop) -> None:
        if kind is Stop.PARK:
            self._move(should_stop)
        super().stop(kind)
        self._fail("stop")

    def _move(self, should_stop: ShouldStop) -> None:
        self._fail("move")
        end_s = self.clock.now_s() + self.motion_s
        while self.clock.now_s() < end_s:
            self.clock.wait_until_s(self.clock.now_s() + 0.05)
            if should_stop():
                super().stop(Stop.HOLD)
                raise MotionStopped("The motion was stopped; the arm holds.")

    def _fail(self, where: str) -> None:
        if where in self.fails:
            raise self.fails[where]


def slow_station(motion_s: float = 0.0, clock: object | None = None) -> Station:
    """A station with a `SlowRobot` and a grey camera of 8 pixels."""
    clock = clock or SimulatedClock()
    return Station(SlowRobot(clock, motion_s), [FakeCamera(clock)], clock=clock)


@dataclass(frozen=True)
class SlowSettings:
    """How a `SlowRobot` is."""

    motion_s: float = setting(0.0, "How long a motion takes, s.")
    refuses: bool = setting(False, "Whether it refuses to be connected.")


def _make(settings: SlowSettings, request: ArmRequest) -> tuple[Robot, Sequence[Camera]]:
    robot = SlowRobot(request.clock, settings.motion_s)
    if settings.refuses:
        raise RobotError("The arm refuses.", "It does not.", "Say refuses=false.")
    return robot, []


KIND = ArmKind(
    name="slow",
    summary="an arm for tests",
    settings=SlowSettings,
    make=_make,
    discover=lambda: [],
    check=lambda settings: [],
)
