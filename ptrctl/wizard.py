"""The questions of `ptrctl setup`, each of which is also a flag, and the check of the arm."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from hardware.loop import ControlLoop, Signal, Subscriber
from hardware.registry import SIMULATED, Cell, robot_names
from hardware.robot import WorkspaceBox
from hardware.station import Station
from ptrctl import console
from ptrctl.cells import make_cell
from ptrctl.interrupts import Interrupts
from ptrctl.profile import DEFAULT_TASK, Profile
from ptrctl.workflows.attempt import new_episode_info
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
    "camera": "--camera",
    "image_size": "--image-size",
    "control_rate_hz": "--rate",
    "workspace_low_m": "--box-low",
    "workspace_high_m": "--box-high",
}
"""Field of the profile to the flag that answers the question without asking."""

Corner = tuple[float, float, float]
"""x, y, z in m, in the arm's base frame."""

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
        return replace(profile, task=profile.task or DEFAULT_TASK)
    if not console.is_interactive():
        raise UsageError(
            "There is no terminal to ask questions on.",
            f"Not answered yet: {', '.join(FLAGS[name] for name in open_questions)}.",
            "Add those flags, or `--yes` to take the defaults.",
        )
    if "robot" in open_questions:
        profile = profile.answered(robot=_ask_robot(profile))
    if "task" in open_questions:
        profile = profile.answered(task=_ask_task(profile))
    if "kitchen_seed" in open_questions:
        profile = profile.answered(kitchen_seed=_ask_kitchen(profile))
    arm = make_cell(profile, task=profile.task or DEFAULT_TASK, realtime=False).station
    if "camera" in open_questions:
        profile = profile.answered(camera=_ask_camera(profile, sorted(arm.cameras)))
    if "image_size" in open_questions:
        profile = profile.answered(image_size=_ask_image_size(profile))
    if "control_rate_hz" in open_questions:
        rate_hz = _ask_rate(arm.robot.features.control_rate_hz)
        profile = profile.answered(control_rate_hz=rate_hz)
    if {"workspace_low_m", "workspace_high_m"} <= set(open_questions):
        low_m, high_m = _ask_box(profile, arm.robot.features.workspace)
        profile = profile.answered(workspace_low_m=low_m, workspace_high_m=high_m)
    return profile


def _ask_robot(profile: Profile) -> str:
    import questionary

    names = robot_names()
    default = profile.robot if profile.robot in names else names[0]
    return str(questionary.select("Which arm?", choices=names, default=default).unsafe_ask())


def _ask_task(profile: Profile) -> str:
    import questionary

    from hardware.sim.tasks import all_task_names

    names, simulated = all_task_names(), profile.robot == SIMULATED

    def valid(text: str) -> bool | str:
        name = text.strip()
        if name in names or (name and not simulated):
            return True
        near = difflib.get_close_matches(name, names, n=3)
        return f"Did you mean {' or '.join(near)}?" if near else "Tab lists the tasks."

    question = questionary.autocomplete(
        "Which task? (Tab lists them)",
        choices=names,
        default=profile.task or DEFAULT_TASK,
        validate=valid,
    )
    return str(question.unsafe_ask()).strip()


def _ask_kitchen(profile: Profile) -> int:
    import questionary

    question = questionary.text(
        "Which simulated kitchen (seed)?",
        default=str(profile.kitchen_seed),
        validate=lambda text: text.isdecimal() or "Type a whole number from 0 up.",
    )
    return int(question.unsafe_ask())


def _ask_camera(profile: Profile, names: Sequence[str]) -> str:
    import questionary

    default = profile.camera if profile.camera in names else names[0]
    question = questionary.select("Which camera?", choices=list(names), default=default)
    return str(question.unsafe_ask())


def _ask_rate(rate_hz: float) -> float:
    """An arm has one rate; the question shows it."""
    import questionary

    question = questionary.select("Control rate in steps a second?", choices=[f"{rate_hz:g}"])
    return float(question.unsafe_ask())


def _ask_box(profile: Profile, own: WorkspaceBox) -> tuple[Corner | None, Corner | None]:
    """Both corners, or None twice for the arm's own box."""
    import questionary

    def valid(text: str) -> bool | str:
        try:
            return not text.strip() or _box(text) is not None
        except ValueError:
            return "Type six numbers in m: the lowest x y z, then the highest x y z."

    words = " ".join(f"{value:g}" for value in (*own.low_m, *own.high_m))
    low, high = profile.workspace_low_m, profile.workspace_high_m
    question = questionary.text(
        f"Workspace box in m, lowest x y z, highest x y z? (empty: the arm's own, {words})",
        default=" ".join(f"{value:g}" for value in (*low, *high)) if low and high else "",
        validate=valid,
    )
    answer = str(question.unsafe_ask())
    return _box(answer) if answer.strip() else (None, None)


def _box(text: str) -> tuple[Corner, Corner]:
    """Two corners from six numbers.

    Raises:
        ValueError: They are no box.
    """
    a, b, c, d, e, f = (float(word) for word in text.split())
    box = WorkspaceBox((a, b, c), (d, e, f))
    return box.low_m, box.high_m


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


def _check_inside(station: Station) -> None:
    """Raise `UsageError` if the arm starts outside its workspace box: there it could not move."""
    here_m, box = station.robot.read_state().state[:3], station.safety.workspace
    if np.any(here_m < box.low_m) or np.any(here_m > box.high_m):
        raise UsageError(
            f"The arm starts at {_metres(here_m)}, outside the workspace box from "
            f"{_metres(box.low_m)} to {_metres(box.high_m)} (x y z in m).",
            "Episodes begin inside the box.",
            "Give a box around that point with `--box-low X Y Z --box-high X Y Z`.",
        )


def _metres(point: Sequence[float] | FloatArray) -> str:
    return " ".join(f"{value:.2f}" for value in point)


def check_motion(cell: Cell) -> MotionCheck:
    """Move the arm slowly by 3 cm up, left and ahead, each time back, and compare.

    Args:
        cell: Connected.

    Raises:
        RobotError: The arm failed or did not follow.
        UsageError: The arm starts outside its workspace box.
        KeyboardInterrupt: The operator stopped it; the arm holds.
    """
    cell.start(0)
    _check_inside(cell.station)
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
