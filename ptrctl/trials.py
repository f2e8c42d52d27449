"""The trials of an evaluation: one line each in `trials.jsonl`, and what they add up to."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ptrctl.files import append_json_line, read_json_lines
from ptrctl.plan import TRIALS_FILE, TrialPlan, load_plan
from ptrctl.statistics import PairedComparison, Rate, clopper_pearson_interval, compare_paired
from recordings.errors import RecordingError, UsageError

STARTED = "started"
ABORTED = "aborted"
COUNTED = "counted"


@dataclass(frozen=True)
class TrialRecord:
    """One attempt at one trial of a plan.

    Args:
        trial: Index into the plan's start seeds.
        seed: The start state's seed.
        status: "started", then "counted", or "aborted" (a fault, the operator or a kill ended
            it; it is run again).
        success: The task's criterion held at the end; False when aborted.
        reason: Why it failed or was aborted.
        labelled_by: "simulator", "operator", or "meter" if it was given up as hopeless.
        end_reason: Why the episode ended, see `recordings.records.EndReason`.
        progress: 0..1.
        stage: The furthest stage reached.
        steps: Control periods.
        overruns: Periods that began late.
        interventions: Safety rule to the number of steps in which it acted.
        duration_s: On the station's clock.
        video: Path within the session's folder; "" for none.
        episode: Likewise.
        finished_at: UTC, ISO 8601.
    """

    trial: int
    seed: int
    status: str
    success: bool = False
    reason: str = ""
    labelled_by: str = ""
    end_reason: str = ""
    progress: float = 0.0
    stage: str = ""
    steps: int = 0
    overruns: int = 0
    interventions: Mapping[str, int] = field(default_factory=dict)
    duration_s: float = 0.0
    video: str = ""
    episode: str = ""
    finished_at: str = ""


@dataclass(frozen=True)
class TrialSummary:
    """What the trials of one session add up to.

    Args:
        plan: The frozen plan.
        counted: One record a trial, in the order of the plan.
        aborted: Every aborted attempt.
    """

    plan: TrialPlan
    counted: tuple[TrialRecord, ...]
    aborted: tuple[TrialRecord, ...] = ()
    folder: Path = field(default=Path())

    @property
    def rate(self) -> Rate:
        """Successes out of the trials counted."""
        return Rate(sum(record.success for record in self.counted), len(self.counted))

    @property
    def complete(self) -> bool:
        """Every trial of the plan has been counted."""
        return len(self.counted) == self.plan.trials

    @property
    def mean_progress(self) -> float | None:
        """0..1; None where nothing has measured how far trials have come, as on a real arm."""
        if not self.stages:
            return None
        return sum(record.progress for record in self.counted) / len(self.counted)

    @property
    def stages(self) -> dict[str, int]:
        """Furthest stage to the number of trials that ended there."""
        return dict(Counter(record.stage for record in self.counted if record.stage))

    @property
    def interventions(self) -> dict[str, int]:
        """Safety rule to the number of steps in which it acted, over all counted trials."""
        total: Counter[str] = Counter()
        for record in self.counted:
            total.update(record.interventions)
        return dict(total)

    @property
    def overruns(self) -> int:
        """Late control periods over all counted trials."""
        return sum(record.overruns for record in self.counted)

    def to_json(self) -> dict[str, Any]:
        """Everything that a script may want, rates as counts with intervals."""
        low, high = self.rate.interval
        return {
            "plan": self.plan.to_json(),
            "complete": self.complete,
            "successes": self.rate.successes,
            "trials": self.rate.trials,
            "wilson_95": [low, high],
            "clopper_pearson_95": list(
                clopper_pearson_interval(self.rate.successes, self.rate.trials)
            ),
            "mean_progress": self.mean_progress,
            "stages": self.stages,
            "aborts": [
                {"trial": record.trial, "seed": record.seed, "reason": record.reason}
                for record in self.aborted
            ],
            "interventions": self.interventions,
            "overruns": self.overruns,
            "folder": str(self.folder),
        }


class TrialLog:
    """The lines of one session, on the disk before they count.

    A line is written before each attempt and another after it; an attempt without its second
    line was killed, and counts as aborted.

    Args:
        folder: The session's folder.

    Raises:
        RecordingError: The file holds something else.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / TRIALS_FILE
        self.records: list[TrialRecord] = []
        running: TrialRecord | None = None
        for line in read_json_lines(self.path):
            record = self._parse(line)
            if running is not None and record.status == STARTED:
                self.records.append(_killed(running))
            running = record if record.status == STARTED else None
            if running is None:
                self.records.append(record)
        if running is not None:
            self.records.append(_killed(running))

    def _parse(self, line: dict[str, Any]) -> TrialRecord:
        if set(line) != {item.name for item in dataclasses.fields(TrialRecord)}:
            raise RecordingError(
                f"{self.path} holds a line with the fields {', '.join(sorted(line))}.",
                "It should hold the trials of one evaluation, as this ptrctl writes them.",
                "Choose another `--session`.",
            )
        return TrialRecord(**line)

    def start(self, trial: int, seed: int, started_at: str) -> None:
        """Say that an attempt begins."""
        record = TrialRecord(trial=trial, seed=seed, status=STARTED, finished_at=started_at)
        append_json_line(self.path, dataclasses.asdict(record))

    def append(self, record: TrialRecord) -> None:
        """Say how the attempt ended."""
        append_json_line(self.path, dataclasses.asdict(record))
        self.records.append(record)

    def check_starts(self, seeds: Sequence[int]) -> None:
        """Raise `RecordingError` if a line is not of the plan with these start states."""
        for record in self.records:
            if record.trial >= len(seeds) or seeds[record.trial] != record.seed:
                raise RecordingError(
                    f"{self.path} has trial {record.trial + 1} from the start state {record.seed}.",
                    "The session's plan has another there.",
                    "Restore the session's files from a copy, or choose another `--session`.",
                )

    def faults(self, trial: int) -> int:
        """How often a fault has ended this trial."""
        return sum(
            record.end_reason == "fault" and record.trial == trial for record in self.records
        )


def _killed(record: TrialRecord) -> TrialRecord:
    reason = "ptrctl was killed during the trial"
    return dataclasses.replace(record, status=ABORTED, reason=reason, end_reason="killed")


def counted_trials(records: Sequence[TrialRecord]) -> dict[int, TrialRecord]:
    """Trial index to the record that counts; the first wins, so no trial is rolled twice."""
    counted: dict[int, TrialRecord] = {}
    for record in records:
        if record.status == COUNTED:
            counted.setdefault(record.trial, record)
    return counted


def load_summary(folder: Path) -> TrialSummary:
    """The trials of a session, from its folder.

    Raises:
        RecordingError: There is no plan, or the files are damaged.
    """
    return summarise(load_plan(folder), TrialLog(folder).records, folder)


def summarise(plan: TrialPlan, records: Sequence[TrialRecord], folder: Path) -> TrialSummary:
    """Add up the records of a session."""
    counted = counted_trials(records)
    return TrialSummary(
        plan=plan,
        counted=tuple(counted[trial] for trial in sorted(counted)),
        aborted=tuple(record for record in records if record.status == ABORTED),
        folder=folder,
    )


_FLAGS = {
    "task": "--task",
    "robot": "--robot",
    "kitchen_seed": "--kitchen",
    "max_steps": "--max-steps",
    "stop_hopeless": "--stop-hopeless",
}
"""Value of a plan to the flag that sets it."""


def check_comparable(old: TrialPlan, old_name: str, new: TrialPlan, new_name: str) -> None:
    """Check that trials of two plans can be paired by start seed.

    Raises:
        UsageError: They have no start state in common, or differ in task, kitchen or arm.
    """
    rules = tuple(plan.stop_hopeless.below if plan.stop_hopeless else None for plan in (old, new))
    for name, before, after in (
        *(
            (name, getattr(old, name), getattr(new, name))
            for name in ("task", "robot", "kitchen_seed", "criterion", "max_steps")
        ),
        ("stop_hopeless", *rules),
    ):
        if before != after:
            flag = _FLAGS.get(str(name))
            same = f"leave `{flag}` out" if before is None else f"give `{flag} {before}`"
            raise UsageError(
                f"The session {old_name} has {name} {before}, {new_name} has {after}.",
                "Only trials of the same task in the same place can be paired.",
                f"Name another session with `--compare`{f', or {same}' if flag else ''}.",
            )
    if not set(old.start_seeds) & set(new.start_seeds):
        raise UsageError(
            f"The sessions {old_name} and {new_name} share no start state.",
            "Paired trials start from the same seeds.",
            "Name a session with the same `--seed` and kitchen with `--compare`.",
        )


def compare_sessions(old: TrialSummary, new: TrialSummary) -> PairedComparison:
    """Pair two sessions by start seed.

    Raises:
        UsageError: They have finished no start state in common (see `finished_pairs`), or differ in
            task, kitchen or arm.
    """
    check_comparable(old.plan, old.folder.name, new.plan, new.folder.name)
    pairs = finished_pairs(old, new)
    if not pairs:
        raise UsageError(
            f"The sessions {old.folder.name} and {new.folder.name} have finished no trial from the "
            "same start state.",
            "Paired trials start from the same seeds.",
            "Go on with the one that was interrupted.",
        )
    return compare_paired(pairs)


def finished_pairs(old: TrialSummary, new: TrialSummary) -> list[tuple[bool, bool]]:
    """The outcomes, old and new, of the start states that both have finished."""
    outcomes = {record.seed: record.success for record in old.counted}
    return [
        (outcomes[record.seed], record.success) for record in new.counted if record.seed in outcomes
    ]
