"""A robot and a camera without physics, for tests of what surrounds them."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import numpy as np

from hardware.camera import CameraFeatures
from hardware.clock import SimulatedClock
from hardware.robot import (
    RobotFeatures,
    RobotState,
    ShouldStop,
    Stop,
    WorkspaceBox,
    never_stop,
)
from hardware.station import Station
from recordings.errors import RobotError
from recordings.records import Decision, EpisodeInfo, FloatArray, Frame, Observation

BOX = WorkspaceBox((0.1, -0.2, 0.0), (0.4, 0.2, 0.3))


class FakeRobot:
    """Goes exactly where it is told, at once, and remembers what it was told in `log`."""

    def __init__(self) -> None:
        self.state = np.array([0.25, 0.0, 0.15, 0.0, 0.0, 0.0, 1.0])
        self.log: list[str] = []
        self.fail_at: int | None = None
        self.applied = 0
        self.unreachable_beyond_x_m = np.inf

    @property
    def features(self) -> RobotFeatures:
        return RobotFeatures("fake", "fake", 5.0, BOX, ("joint",), (-3.0,), (3.0,), simulated=True)

    @property
    def identity(self) -> Mapping[str, Any]:
        return {"name": "fake", "serial": "0"}

    def connect(self) -> None:
        self.log.append("connect")

    def disconnect(self) -> None:
        self.log.append("disconnect")

    def move_to_start(
        self, *, seed: int | None = None, should_stop: ShouldStop = never_stop
    ) -> None:
        self.log.append(f"start {seed}")

    def read_state(self) -> RobotState:
        return RobotState(self.state.copy(), np.zeros(1), 0.0)

    @property
    def commanded_state(self) -> FloatArray:
        return self.state.copy()

    def reachable(self, target_state: FloatArray) -> bool:
        return bool(target_state[0] <= self.unreachable_beyond_x_m)

    def apply(self, action: FloatArray) -> FloatArray:
        if self.fail_at is not None and self.applied == self.fail_at:
            raise RobotError("Motor 4 is overloaded.", "No error.", "Switch the arm off and on.")
        self.applied += 1
        self.state[:6] += action[:6]
        self.state[6] = action[6]
        return action

    def stop(self, kind: Stop = Stop.HOLD, *, should_stop: ShouldStop = never_stop) -> None:
        self.log.append(f"stop {kind.value}")

    def __enter__(self) -> FakeRobot:
        self.connect()
        return self

    def __exit__(self, *_: object) -> None:
        self.disconnect()


class FakeCamera:
    """Shows a grey that grows lighter."""

    def __init__(self, clock: SimulatedClock) -> None:
        self._clock = clock
        self._shade = 0

    @property
    def features(self) -> CameraFeatures:
        return CameraFeatures("grey", 8, 8)

    @property
    def identity(self) -> Mapping[str, Any]:
        return {"kind": "fake"}

    def connect(self) -> None: ...

    def disconnect(self) -> None: ...

    def read(self) -> Frame:
        self._shade = (self._shade + 1) % 256
        image = np.full((8, 8, 3), self._shade, np.uint8)
        return Frame(image, self._clock.now_s(), self._clock.now_s())

    def __enter__(self) -> FakeCamera:
        return self

    def __exit__(self, *_: object) -> None: ...


class FixedDecider:
    """Asks for the same action again and again, `steps` times."""

    name = "fixed"

    def __init__(self, action: FloatArray, steps: int = 1000) -> None:
        self.action = action
        self.left = steps

    def begin(self, info: EpisodeInfo) -> None: ...

    def act(self, observation: Observation) -> Decision:
        self.left -= 1
        return Decision(self.action, done=self.left < 0, extras={"q": 0.5})


def fake_station() -> tuple[Station, FakeRobot, SimulatedClock]:
    """A station of fakes on a simulated clock."""
    clock = SimulatedClock()
    robot = FakeRobot()
    return Station(robot, [FakeCamera(clock)], clock=clock), robot, clock


def episode_info(**changes: Any) -> EpisodeInfo:
    """What is known of a test episode."""
    values: dict[str, Any] = {
        "episode_id": "test",
        "kind": "demo",
        "task": "put_carrot_on_plate",
        "robot": {"name": "fake"},
        "cameras": {"grey": {"height": 8, "width": 8}},
        "control_rate_hz": 5.0,
        "decided_by": "fixed",
        "seed": 0,
    }
    return EpisodeInfo(**{**values, **changes})


class FastClock:
    """The machine's clock, `factor` times as fast: for peers whose time can be scaled as well."""

    def __init__(self, factor: float) -> None:
        self.factor = factor

    def now_s(self) -> float:
        return time.monotonic() * self.factor

    def wait_until_s(self, moment_s: float) -> None:
        left_s = moment_s - self.now_s()
        if left_s > 0:
            time.sleep(left_s / self.factor)
