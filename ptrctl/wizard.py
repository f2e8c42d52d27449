"""The questions of `ptrctl setup`, each of which is also a flag, and the check of the arm."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from hardware.loop import ControlLoop, Signal, Subscriber
from hardware.registry import Cell, robot_names
from ptrctl import console
from ptrctl.interrupts import Interrupts
from ptrctl.workflows.attempt import new_episode_info
from ptrctl.workspace import Profile
from recordings.errors import RobotError, UsageError
from recordings.records import (
    ACTION_SIZE,
    GRIPPER,
    Decision,
    EndReason,
    EpisodeInfo,
    FloatArray,
    Observation,
    Step,
)

FLAGS = {
    "robot": "--robot",
    "task": "--task",
    "kitchen_seed": "--kitchen",
    "image_size": "--image-size",
}
"""Field of the profile to the flag that answers the question without asking."""

CHECK_STEP_M = 0.01
CHECK_STEPS = 3
"""The arm moves 3 cm there and back on every axis."""
CHECK_TOLERANCE_M = 0.015
SETTLE_STEPS = 2


def ask(profile: Profile, given: Mapping[str, Any], *, take_defaults: bool) -> Profile:
    """The profile with every open question answered.

    Args:
        profile: Its values are the defaults.
        given: Field to the value from its flag, None where the flag was left out.
        take_defaults: Ask nothing.

    Raises:
        UsageError: Questions are open, and there is nobody to ask.
        KeyboardInterrupt: The operator pressed Ctrl-C.
    """
    profile = profile.with_flags(**given)
    open_questions = [name for name in FLAGS if given.get(name) is None]
    if take_defaults or not open_questions:
        return profile
    if not console.is_interactive():
        raise UsageError(
            "There is no terminal to ask questions on.",
            f"Not answered yet: {', '.join(FLAGS[name] for name in open_questions)}.",
            "Add those flags, or `--yes` to take the defaults.",
        )
    answers: dict[str, Any] = {}
    if "robot" in open_questions:
        answers["robot"] = _ask_robot(profile)
    if "task" in open_questions:
        answers["task"] = _ask_task(profile)
    if "kitchen_seed" in open_questions:
        answers["kitchen_seed"] = _ask_number("Which simulated kitchen (seed)?", profile, 0)
    if "image_size" in open_questions:
        answers["image_size"] = _ask_image_size(profile)
    return profile.answered(**answers)


def _ask_robot(profile: Profile) -> str:
    import questionary

    names = robot_names()
    default = profile.robot if profile.robot in names else names[0]
    return str(questionary.select("Which arm?", choices=names, default=default).unsafe_ask())


def _ask_task(profile: Profile) -> str:
    import questionary

    from hardware.sim.tasks import all_task_names

    question = questionary.autocomplete(
        "Which task? (Tab lists them)",
        choices=all_task_names(),
        default=profile.task or "put_carrot_on_plate",
        validate=lambda text: bool(text.strip()) or "Type the name of a task.",
    )
    return str(question.unsafe_ask()).strip()


def _ask_number(words: str, profile: Profile, least: int) -> int:
    import questionary

    def valid(text: str) -> bool | str:
        return (text.isdecimal() and int(text) >= least) or f"Type a whole number from {least} up."

    default = str(profile.kitchen_seed)
    return int(questionary.text(words, default=default, validate=valid).unsafe_ask())


def _ask_image_size(profile: Profile) -> int:
    import questionary

    sizes = sorted({64, 96, 128, 256, profile.image_size})
    question = questionary.select(
        "Edge of the recorded pictures in pixels?",
        choices=[str(size) for size in sizes],
        default=str(profile.image_size),
    )
    return int(question.unsafe_ask())


def confirm_motion() -> bool:
    """Whether the operator lets the arm move now."""
    import questionary

    return bool(questionary.confirm("Is the space around the arm free?", default=True).unsafe_ask())


@dataclass(frozen=True)
class MotionCheck:
    """How the arm followed the check motion.

    Args:
        worst_m: Largest distance between where the arm was sent and where it was measured.
        pictures: Seen at the start pose, (H, W, 3) uint8, by camera name.
    """

    worst_m: float
    pictures: Mapping[str, Any]


class _SlowMotion:
    """A `Decider` that moves a little along each axis and back."""

    name = "setup"

    def __init__(self) -> None:
        self._actions = _check_actions()
        self.total = len(self._actions)
        self._index = 0

    def begin(self, info: EpisodeInfo) -> None:
        self._index = 0

    def act(self, observation: Observation) -> Decision:
        if self._index >= self.total:
            return Decision(np.zeros(ACTION_SIZE), done=True)
        self._index += 1
        return Decision(self._actions[self._index - 1])


def _check_actions() -> list[FloatArray]:
    actions = []
    for axis in (2, 1, 0):
        for sign in (+1.0, -1.0):
            for step in range(CHECK_STEPS + SETTLE_STEPS):
                action = np.zeros(ACTION_SIZE)
                action[GRIPPER] = 1.0
                action[axis] = sign * CHECK_STEP_M if step < CHECK_STEPS else 0.0
                actions.append(action)
    return actions


class _Follow(Subscriber):
    """Compares the measured pose with the sum of what was sent, after each settling."""

    def __init__(self, progress: console.Progress) -> None:
        self._progress = progress
        self._start: FloatArray | None = None
        self._sent = np.zeros(3)
        self.worst_m = 0.0
        self.first: Observation | None = None

    def on_step(self, step: Step) -> None:
        if self._start is None:
            self._start = step.observation.state[:3].copy()
            self.first = step.observation
        if step.index and step.index % (CHECK_STEPS + SETTLE_STEPS) == 0:
            gap = step.observation.state[:3] - self._start - self._sent
            self.worst_m = max(self.worst_m, float(np.linalg.norm(gap)))
        self._sent = self._sent + step.sent_action[:3]
        self._progress.update(step.index + 1)


def check_motion(cell: Cell) -> MotionCheck:
    """Move the arm slowly by 3 cm up, left and ahead, each time back, and compare.

    Args:
        cell: Connected.

    Raises:
        RobotError: The arm failed or did not follow.
        KeyboardInterrupt: The operator stopped it; the arm holds.
    """
    cell.start(0)
    motion = _SlowMotion()
    info = new_episode_info(cell, kind="setup", decided_by=motion.name, seed=0)
    with (
        Interrupts() as interrupts,
        console.progress("Moving the arm slowly (Ctrl-C stops it)", motion.total) as progress,
    ):
        follow = _Follow(progress)
        loop = ControlLoop(
            cell.station,
            cell.station.robot.features.control_rate_hz,
            subscribers=(follow,),
            signal=lambda: Signal.STOP if interrupts.requested else Signal.RUN,
        )
        end = loop.run_episode(info, motion, max_steps=motion.total + 1, success_steps=None)
        if interrupts.requested:
            raise KeyboardInterrupt
    if end.reason is EndReason.FAULT:
        raise RobotError(
            end.fault, "The arm was stopped.", "Look at the arm, then run `ptrctl setup` again."
        )
    if follow.worst_m > CHECK_TOLERANCE_M:
        raise RobotError(
            f"The arm was {follow.worst_m * 1000:.0f} mm away from where it was sent.",
            f"At most {CHECK_TOLERANCE_M * 1000:.0f} mm are expected.",
            "Check that nothing blocks the arm, then run `ptrctl setup` again.",
        )
    assert follow.first is not None, "the motion has steps"
    pictures = {name: frame.image for name, frame in follow.first.frames.items()}
    return MotionCheck(follow.worst_m, pictures)


def save_reference_picture(folder: Path, camera: str, image: Any) -> Path:
    """Keep what the camera saw, to notice later that it was moved; replaced at every setup."""
    from PIL import Image

    path = folder / f"reference-{camera}.png"
    folder.mkdir(parents=True, exist_ok=True)
    Image.fromarray(image).save(path)
    return path
