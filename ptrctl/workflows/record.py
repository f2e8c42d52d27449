"""Recording demonstrations until there are as many as were asked for."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from hardware.loop import SUCCESS_STEPS, ControlLoop, Decider, Subscriber
from hardware.registry import Cell
from hardware.robot import WorkspaceBox
from hardware.safety import WORKSPACE_BOX
from ptrctl.operator.operators import Operator, Verdict
from ptrctl.workflows.attempt import bring_to_start, new_episode_info
from recordings.dataset import EpisodeFolder
from recordings.errors import RobotError, UsageError
from recordings.reader import EpisodeSummary
from recordings.records import EndReason, EpisodeEnd, Label, Outcome
from recordings.recovery import Recovered, recover
from recordings.writer import EpisodeRecorder

ATTEMPTS_A_DEMO = 5
"""A demonstrator that needs more than this many attempts for each wanted episode gives up."""


@dataclass(frozen=True)
class RecordPlan:
    """What is to be recorded.

    Args:
        folder: Where the episodes go; those that lie there already count.
        episodes: How many labelled episodes there shall be in the end.
        failures: Share of them that shall be failures, 0..1.
        seed: First start state; later ones count up, never twice the same.
        max_steps: Time limit of an episode.
        end_on_success: The judge ends an episode; otherwise the operator does.
        attempts_a_demo: So many attempts for each missing episode, then a demonstrator that does
            not get on is given up; None for a person, who knows when to stop.
    """

    folder: Path
    episodes: int
    failures: float = 0.0
    seed: int = 0
    max_steps: int = 60
    end_on_success: bool = True
    attempts_a_demo: int | None = ATTEMPTS_A_DEMO

    def __post_init__(self) -> None:
        if self.episodes < 1:
            raise UsageError(
                f"{self.episodes} episodes were asked for.",
                "At least one is needed.",
                "Type `--episodes 10`, for example.",
            )
        if not 0.0 <= self.failures <= 1.0:
            raise UsageError(
                f"The share of failures is {self.failures}.",
                "It lies between 0 and 1.",
                "Type `--failures 0.3`, for example.",
            )

    @property
    def wanted(self) -> dict[Outcome, int]:
        """How many episodes of each outcome there shall be."""
        failures = round(self.episodes * self.failures)
        return {Outcome.SUCCESS: self.episodes - failures, Outcome.FAILURE: failures}


@dataclass(frozen=True)
class RecordResult:
    """What a recording session did.

    Args:
        counts: Outcome to the number of episodes in the folder now.
        kept: Episodes kept in this session.
        dropped: Episodes discarded in this session.
        complete: As many as wanted are there.
        recovered: What an earlier session had left over.
    """

    counts: Counter[Outcome]
    kept: tuple[Path, ...]
    dropped: int
    complete: bool
    recovered: tuple[Recovered, ...] = ()


class RecordListener:
    """Hears of what happens between the episodes. Override what matters."""

    def on_recovered(self, leftovers: Sequence[Recovered]) -> None:
        """An earlier session had left these over."""

    def on_counts(self, counts: Counter[Outcome]) -> None:
        """So many episodes are there now."""

    def on_kept(self, path: Path, end: EpisodeEnd, label: Label) -> None:
        """An episode was kept."""

    def on_dropped(self, end: EpisodeEnd) -> None:
        """An episode was discarded."""


@dataclass
class _Session:
    """Start states and counts of one session; `at_the_box` steps were changed by the box."""

    plan: RecordPlan
    counts: Counter[Outcome]
    used_seeds: set[int]
    kept: list[Path] = field(default_factory=list)
    dropped: int = 0
    steps: int = 0
    at_the_box: int = 0

    def missing(self) -> dict[Outcome, int]:
        return {
            outcome: wanted - self.counts[outcome]
            for outcome, wanted in self.plan.wanted.items()
            if wanted > self.counts[outcome]
        }

    def next_seed(self) -> int:
        seed = max(self.used_seeds, default=self.plan.seed - 1) + 1
        return max(seed, self.plan.seed)

    def wants_failure(self, seed: int) -> bool:
        """Mix failures among successes, the same way for the same seeds."""
        missing = self.missing()
        failures = missing.get(Outcome.FAILURE, 0)
        return random.Random(seed).random() * sum(missing.values()) < failures


def record(
    plan: RecordPlan,
    cell: Cell,
    make_decider: Callable[[int, bool], Decider],
    operator: Operator,
    listener: RecordListener,
    *,
    subscribers: Sequence[Subscriber] = (),
) -> RecordResult:
    """Record until the plan is fulfilled or the operator quits.

    Leftovers of a killed session are recovered first. An episode counts once its file is complete
    and on the disk; an episode without a label does not count towards the plan.

    Args:
        plan: What is wanted.
        cell: Connected.
        make_decider: (seed, shall fail) to whoever drives the arm in the next episode.
        operator: Starts, stops and labels.
        listener: Told of what happens between episodes.
        subscribers: Told of every step, after the recorder.

    Raises:
        RobotError: The arm failed (the episode is kept unless it was discarded), or the
            demonstrator does not get on.
        RecordingError: The disk is full or the folder cannot be written.
    """
    leftovers = tuple(recover(plan.folder))
    if leftovers:
        listener.on_recovered(leftovers)
    there = list(EpisodeFolder(plan.folder).summaries()) if plan.folder.exists() else []
    session = _Session(plan, _count(there), {s.info.seed for s in there if s.info.seed is not None})
    listener.on_counts(session.counts)

    recorder = EpisodeRecorder(plan.folder)
    loop = ControlLoop(
        cell.station,
        cell.station.robot.features.control_rate_hz,
        subscribers=(recorder, *subscribers),
        signal=operator.signal,
    )
    redo_seed: int | None = None
    most = None
    if plan.attempts_a_demo is not None:
        most = plan.attempts_a_demo * sum(session.missing().values())
    attempts = 0
    while session.missing() and not operator.wants_to_quit:
        if attempts == most:
            raise _gave_up(session, cell.station.safety.workspace)
        seed = session.next_seed() if redo_seed is None else redo_seed
        session.used_seeds.add(seed)
        if not bring_to_start(cell, seed, operator):
            break
        if not operator.ready(cell.station.observe):
            break
        attempts += 1
        decider = make_decider(seed, session.wants_failure(seed))
        info = new_episode_info(cell, kind="demo", decided_by=decider.name, seed=seed)
        with _kept_whatever_happens(recorder):
            end = loop.run_episode(
                info,
                decider,
                max_steps=plan.max_steps,
                judge=cell.judge,
                success_steps=SUCCESS_STEPS if plan.end_on_success else None,
            )
            session.steps += end.steps
            session.at_the_box += end.interventions.get(WORKSPACE_BOX, 0)
            verdict = operator.verdict(end)
        redo_seed = seed if verdict.redo else None
        kept = _keep_or_drop(session, recorder, verdict, end, listener)
        if end.reason is EndReason.FAULT:
            raise RobotError(
                end.fault,
                f"The episode is kept, {kept.outcome.value}."
                if kept
                else "The episode was discarded.",
                "Look at the arm, run `ptrctl doctor`, then type the same command to go on.",
            )
    return RecordResult(
        session.counts, tuple(session.kept), session.dropped, not session.missing(), leftovers
    )


@contextmanager
def _kept_whatever_happens(recorder: EpisodeRecorder) -> Iterator[None]:
    """If the operator insists on leaving, or the terminal is gone, the episode is kept without a
    label."""
    try:
        yield
    except BaseException:
        if recorder.waiting and recorder.steps:
            recorder.label(Label())
        raise


def _keep_or_drop(
    session: _Session,
    recorder: EpisodeRecorder,
    verdict: Verdict,
    end: EpisodeEnd,
    listener: RecordListener,
) -> Label | None:
    """Act on the verdict; the label with which the episode is kept."""
    # An episode without a step holds nothing that could be kept.
    if verdict.label is None or recorder.steps == 0:
        recorder.discard()
        session.dropped += 1
        listener.on_dropped(end)
        return None
    path = recorder.label(verdict.label)
    session.counts[verdict.label.outcome] += 1
    session.kept.append(path)
    listener.on_kept(path, end, verdict.label)
    listener.on_counts(session.counts)
    return verdict.label


def _count(summaries: Sequence[EpisodeSummary]) -> Counter[Outcome]:
    return Counter(summary.label.outcome for summary in summaries)


def _gave_up(session: _Session, box: WorkspaceBox) -> RobotError:
    missing = ", ".join(f"{number} {what.value}" for what, number in session.missing().items())
    expected = f"{session.plan.attempts_a_demo} attempts for each missing episode were not enough."
    mend = "Try another `--kitchen` or less `--noise`."
    if 2 * session.at_the_box > session.steps:
        expected += (
            f" The workspace box from {box.low_m} to {box.high_m} m held the arm back in "
            f"{session.at_the_box} of {session.steps} steps."
        )
        mend = "Run `ptrctl setup` and choose a larger box."
    return RobotError(
        f"The demonstrator does not get on: still missing {missing}.",
        expected,
        f"Everything recorded is kept. {mend}",
    )
