"""The check of an arm at setup: a slow, announced motion that the operator can stop."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from hardware.faults import MotionStopped
from hardware.limits import check_start_inside
from hardware.loop import ControlLoop, Signal, Subscriber
from hardware.registry import Cell
from hardware.robot import ShouldStop
from ptrctl.operator.holding import how_to_hold, watching
from ptrctl.terminal import console
from ptrctl.workflows.attempt import new_episode_info
from recordings.errors import RobotError
from recordings.records import (
    ACTION_SIZE,
    CONTROL_RATE_HZ,
    GRIPPER,
    Decision,
    EndReason,
    EpisodeInfo,
    FloatArray,
    ImageArray,
    Observation,
    Step,
)

STEP_M = 0.01
STEPS = 3
"""The arm moves 3 cm there and back on every axis."""
TOLERANCE_M = 0.015
SETTLE_STEPS = 2
"""All of these are control periods at 5 Hz; at a higher rate there are more and smaller steps."""


@dataclass(frozen=True)
class MotionCheck:
    """How the arm followed the check motion.

    Args:
        worst_m: Largest distance between where the arm was sent and where it was measured.
        pictures: Seen at the start pose, (H, W, 3) uint8, by camera name.
    """

    worst_m: float
    pictures: Mapping[str, ImageArray]


class _SlowMotion:
    """A `Decider` that moves a little along each axis and back."""

    name = "setup"

    def __init__(self, rate_hz: float) -> None:
        finer = max(1, round(rate_hz / CONTROL_RATE_HZ))
        self._actions = _actions(finer)
        self.leg = (STEPS + SETTLE_STEPS) * finer
        self.total = len(self._actions)
        self._index = 0

    def begin(self, info: EpisodeInfo) -> None:
        self._index = 0

    def act(self, observation: Observation) -> Decision:
        if self._index >= self.total:
            return Decision(np.zeros(ACTION_SIZE), done=True)
        self._index += 1
        return Decision(self._actions[self._index - 1])


def _actions(finer: int) -> list[FloatArray]:
    actions = []
    for axis in (2, 1, 0):
        for sign in (+1.0, -1.0):
            for step in range((STEPS + SETTLE_STEPS) * finer):
                action = np.zeros(ACTION_SIZE)
                action[GRIPPER] = 1.0
                action[axis] = sign * STEP_M / finer if step < STEPS * finer else 0.0
                actions.append(action)
    return actions


class _Follow(Subscriber):
    """Compares the measured pose with the sum of what was sent, after each settling."""

    def __init__(self, progress: console.Progress, leg: int) -> None:
        self._progress = progress
        self._leg = leg
        self._start: FloatArray | None = None
        self._sent = np.zeros(3)
        self.worst_m = 0.0
        self.first: Observation | None = None

    def on_step(self, step: Step) -> None:
        if self._start is None:
            self._start = step.observation.state[:3].copy()
            self.first = step.observation
        if step.index and step.index % self._leg == 0:
            gap = step.observation.state[:3] - self._start - self._sent
            self.worst_m = max(self.worst_m, float(np.linalg.norm(gap)))
        self._sent = self._sent + step.sent_action[:3]
        self._progress.update(step.index + 1)


def check_motion(cell: Cell) -> MotionCheck:
    """Move the arm slowly by 3 cm up, left and ahead, each time back, and compare.

    Args:
        cell: Connected.

    Raises:
        RobotError: The arm failed or did not follow; it holds.
        UsageError: The arm starts outside its workspace box.
        KeyboardInterrupt: The operator stopped it; the arm holds.
    """
    with watching() as should_stop:
        try:
            return _checked(cell, should_stop)
        except MotionStopped as stopped:
            console.note("The arm was stopped and holds. Nothing was written.")
            raise KeyboardInterrupt from stopped


def _checked(cell: Cell, should_stop: ShouldStop) -> MotionCheck:
    if not cell.station.robot.features.simulated:
        console.note("The arm goes to its start pose.")
    cell.start(0, should_stop)
    check_start_inside(
        cell.station.robot.read_state().state.tolist(),
        cell.station.safety.workspace,
        TOLERANCE_M,
        "Give a box around that point with `--box-low X Y Z --box-high X Y Z`.",
    )
    rate_hz = cell.station.robot.features.control_rate_hz
    motion = _SlowMotion(rate_hz)
    info = new_episode_info(cell, kind="setup", decided_by=motion.name, seed=0)
    words = f"Moving the arm slowly. {how_to_hold()}"
    with console.progress(words, motion.total) as progress:
        follow = _Follow(progress, motion.leg)
        loop = ControlLoop(
            cell.station,
            rate_hz,
            subscribers=(follow,),
            signal=lambda: Signal.STOP if should_stop() else Signal.RUN,
        )
        end = loop.run_episode(info, motion, max_steps=motion.total + 1, success_steps=None)
    if end.reason is EndReason.OPERATOR_STOP:
        raise MotionStopped("The check was stopped; the arm holds.")
    if end.reason is EndReason.FAULT:
        raise RobotError(
            end.fault, "The arm was stopped.", "Look at the arm, then run `ptrctl setup` again."
        )
    if follow.worst_m > TOLERANCE_M:
        raise RobotError(
            f"The arm was {follow.worst_m * 1000:.0f} mm away from where it was sent.",
            f"At most {TOLERANCE_M * 1000:.0f} mm are expected.",
            "Check that nothing blocks the arm, then run `ptrctl setup` again.",
        )
    assert follow.first is not None, "the motion has steps"
    pictures = {name: frame.image for name, frame in follow.first.frames.items()}
    return MotionCheck(follow.worst_m, pictures)
