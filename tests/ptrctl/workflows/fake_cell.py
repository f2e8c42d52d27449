"""A cell without physics: the gripper moves by what is asked, a dot in the picture shows where.

The task is done when the gripper is at the goal; a fault can be planted at any step.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import TracebackType
from typing import Any

import numpy as np

from hardware.camera import CameraFeatures
from hardware.clock import SimulatedClock
from hardware.registry import Cell
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
from recordings.records import (
    Decision,
    EpisodeInfo,
    FloatArray,
    Frame,
    Observation,
    Score,
)

GOAL_X_M = 0.30


class FakeArm:
    """One axis that matters: x. Fails once at each step number in `faults` (counted over all)."""

    features = RobotFeatures(
        name="fake",
        embodiment="fake",
        control_rate_hz=5.0,
        workspace=WorkspaceBox((0.0, -0.5, 0.0), (0.5, 0.5, 0.5)),
        joint_names=(),
        joint_low_rad=(),
        joint_high_rad=(),
        simulated=True,
    )
    identity: Mapping[str, Any] = {"name": "fake"}

    def __init__(self, faults: set[int] | None = None) -> None:
        self.faults = faults or set()
        self.applied = 0
        self.state: FloatArray = np.zeros(7)
        self.starts: list[int | None] = []

    def connect(self) -> None:
        self.move_to_start()

    def disconnect(self) -> None: ...

    def move_to_start(
        self, *, seed: int | None = None, should_stop: ShouldStop = never_stop
    ) -> None:
        self.starts.append(seed)
        self.state = np.array([0.1 + 0.001 * (seed or 0), 0.0, 0.1, 0.0, 0.0, 0.0, 1.0])

    def read_state(self) -> RobotState:
        return RobotState(self.state.copy(), np.zeros(0), 0.0)

    @property
    def commanded_state(self) -> FloatArray:
        return self.state.copy()

    def reachable(self, target_state: FloatArray) -> bool:
        return True

    def apply(self, action: FloatArray) -> FloatArray:
        self.applied += 1
        if self.applied in self.faults:
            raise RobotError("Motor 3 reports overheating.", "It should be below 70 °C.")
        self.state[:6] += action[:6]
        self.state[6] = action[6]
        return action

    def stop(self, kind: Stop = Stop.HOLD, *, should_stop: ShouldStop = never_stop) -> None: ...

    def __enter__(self) -> FakeArm:
        self.connect()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.disconnect()


class FakeCamera:
    """Paints the gripper's x as a bright column."""

    features = CameraFeatures("front", 32, 32)
    identity: Mapping[str, Any] = {"kind": "fake", "serial": "0"}

    def __init__(self, arm: FakeArm) -> None:
        self.arm = arm

    def connect(self) -> None: ...

    def disconnect(self) -> None: ...

    def read(self) -> Frame:
        image = np.full((32, 32, 3), 30, np.uint8)
        image[:, int(np.clip(self.arm.state[0] * 64, 0, 31))] = 220
        return Frame(image, 0.0, 0.0)

    def __enter__(self) -> FakeCamera:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None: ...


class FakeJudge:
    def __init__(self, arm: FakeArm) -> None:
        self.arm = arm

    def score(self) -> Score:
        done = bool(self.arm.state[0] >= GOAL_X_M)
        progress = float(np.clip(self.arm.state[0] / GOAL_X_M, 0, 1))
        return Score(done, 1.0 if done else progress, "placed" if done else "reached")


class Walker:
    """Goes ahead at a speed, or only from start states with an even seed."""

    name = "policy:0123456789ab"

    def __init__(self, step_m: float = 0.05, *, only_even: bool = False) -> None:
        self.step_m = step_m
        self.only_even = only_even
        self._step_m = step_m

    def begin(self, info: EpisodeInfo) -> None:
        lazy = self.only_even and (info.seed or 0) % 2 == 1
        self._step_m = 0.0 if lazy else self.step_m

    def act(self, observation: Observation) -> Decision:
        return Decision(np.array([self._step_m, 0, 0, 0, 0, 0, 1.0]), extras={"q": 1.0})


def make_fake_cell(
    faults: set[int] | None = None, *, judged: bool = True, arm: FakeArm | None = None
) -> Cell:
    """A cell around one `FakeArm`; not yet connected."""
    arm = arm or FakeArm(faults)
    station = Station(arm, [FakeCamera(arm)], clock=SimulatedClock())
    return Cell(
        station=station,
        task="go_ahead",
        criterion="the gripper is 30 cm ahead",
        backward_task="",
        scene={},
        start=lambda seed, should_stop=never_stop: arm.move_to_start(
            seed=seed, should_stop=should_stop
        ),
        judge=FakeJudge(arm) if judged else None,
    )
