"""One attempt at a task by a policy: run, filmed, recorded and labelled.

Evaluation and improvement share it, so that a trial means the same in both.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timezone
from importlib.metadata import version
from pathlib import Path

from hardware.faults import MotionStopped
from hardware.loop import ControlLoop, Decider, Subscriber
from hardware.registry import Cell
from ptrctl.operator.interrupts import Interrupts
from ptrctl.operator.operators import NobodyThere, Operator, Verdict
from ptrctl.plan import StopRule
from ptrctl.rewards import GroundTruth, Reward
from ptrctl.video import TrialFilm
from ptrctl.workflows.hopeless import StopsWhenHopeless
from recordings.records import (
    EndReason,
    EpisodeEnd,
    EpisodeInfo,
    ImageArray,
    Label,
    Outcome,
)
from recordings.writer import EpisodeRecorder, new_episode_id


class AlreadyDoneError(Exception):
    """Nothing is left to attempt: once the arm is at its start pose, the task is done."""


@dataclass(frozen=True)
class AttemptSettings:
    """What all attempts of a session share.

    Args:
        kind: "trial" (evaluate) or "improve".
        max_steps: Time limit in control periods.
        success_steps: Consecutive successful scores that end the attempt.
        episodes: Folder for the recordings.
        stop_hopeless: When the operator allows to give an attempt up; None never does.
        refuse_done: Attempt nothing that a judge finds done before the first step.
    """

    kind: str
    max_steps: int
    success_steps: int
    episodes: Path
    stop_hopeless: StopRule | None = None
    refuse_done: bool = False


@dataclass(frozen=True)
class Listeners:
    """Who watches, and who may speak.

    Args:
        subscribers: Told of every step (panels).
        operator: Starts, holds and stops; labels where nobody else judges.
    """

    subscribers: Sequence[Subscriber] = ()
    operator: Operator = field(default_factory=lambda: NobodyThere(Interrupts()))


@dataclass(frozen=True)
class Attempt:
    """What became of it.

    Args:
        info: Known before.
        end: Known after.
        label: Unlabelled after a fault or a stop by the operator.
        episode: The recording; None if there was not a single step.
        pictures: The film, (H, W, 3) uint8 each.
        redo: The operator wants the same start state again.
    """

    info: EpisodeInfo
    end: EpisodeEnd
    label: Label
    episode: Path | None
    pictures: list[ImageArray] = field(repr=False)
    redo: bool = False

    @property
    def counts(self) -> bool:
        """It was neither ended by a fault nor left without a label."""
        return (
            self.end.reason is not EndReason.FAULT and self.label.outcome is not Outcome.UNLABELLED
        )


def run_attempt(
    cell: Cell,
    decider: Decider,
    settings: AttemptSettings,
    seed: int | None,
    listeners: Listeners,
    reward: Reward | None = None,
) -> Attempt | None:
    """Start from a seed, let the decider act, label and record; None if the operator quits.

    Args:
        cell: Connected.
        decider: The policy.
        settings: Shared by the session.
        seed: Start state; None drives to the start pose and leaves the scene as it is.
        listeners: Panels and the operator.
        reward: Says when the attempt has succeeded; by default the truth, or the operator.

    Raises:
        AlreadyDoneError: The settings refuse a task that is done.
        UsageError: Nobody judges and nobody can be asked.
        PtrctlError, OSError, KeyboardInterrupt: From the parts; the arm holds still and the
            recording keeps what was seen.
    """
    operator = listeners.operator
    reward = reward or GroundTruth()
    reward.check(cell, operator)
    recorder = EpisodeRecorder(settings.episodes)
    film = TrialFilm(cell.view)
    robot = cell.station.robot
    if not bring_to_start(cell, seed, operator):
        return None
    judge = reward.judge(cell)
    if settings.refuse_done and judge is not None and judge.score().success:
        raise AlreadyDoneError
    info = new_episode_info(cell, kind=settings.kind, decided_by=decider.name, seed=seed)
    if settings.stop_hopeless is not None:
        decider = StopsWhenHopeless(decider, settings.stop_hopeless)
    loop = ControlLoop(
        cell.station,
        robot.features.control_rate_hz,
        (recorder, film, *listeners.subscribers),
        operator.signal,
    )
    if not operator.ready(cell.station.observe):
        return None
    end = loop.run_episode(
        info,
        reward.watch(decider, cell),
        max_steps=settings.max_steps,
        judge=judge,
        success_steps=settings.success_steps,
    )
    if end.reason is EndReason.FAULT:
        operator.held(f"The arm was stopped: {end.fault}")
        verdict = Verdict(Label(Outcome.UNLABELLED, end.fault))
    elif isinstance(decider, StopsWhenHopeless) and decider.gave_up:
        verdict = Verdict(decider.label(end))
    else:
        verdict = reward.verdict(cell, end, operator)
    label = verdict.label or Label()
    if recorder.steps:
        episode = recorder.label(label)
        return Attempt(info, end, label, episode, film.pictures, verdict.redo)
    recorder.discard()
    return Attempt(info, end, label, None, film.pictures, verdict.redo)


def bring_to_start(cell: Cell, seed: int | None, operator: Operator) -> bool:
    """Bring the arm to its start pose as often as the operator stops it; False if they quit.

    Raises:
        RobotError: The arm failed; it holds.
    """
    while operator.may_move(cell.station.observe):
        try:
            cell.start(seed, should_stop=operator.halt)
        except MotionStopped:
            operator.held("The arm was stopped and holds.")
        else:
            return True
    return False


def new_episode_info(cell: Cell, *, kind: str, decided_by: str, seed: int | None) -> EpisodeInfo:
    """What is known before an episode; a seed means something in simulation only."""
    station = cell.station
    return EpisodeInfo(
        episode_id=new_episode_id(),
        kind=kind,
        task=cell.task,
        robot=station.robot.identity,
        cameras=station.camera_identities,
        control_rate_hz=station.robot.features.control_rate_hz,
        decided_by=decided_by,
        seed=seed if station.robot.features.simulated else None,
        scene=cell.scene,
        code_version=version("ptrctl"),
        created_at=now_utc(),
    )


def now_utc() -> str:
    """The time now, ISO 8601, to the second."""
    return datetime.now(timezone.utc).isoformat(timespec="seconds")
