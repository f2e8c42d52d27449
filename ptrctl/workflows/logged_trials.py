"""Trials and their lines: one before each attempt, and one that says what came of it.

Scored trials and practice share it, so that a fault, a stop and a kill mean the same in both.
"""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from ptrctl.statistics import Rate
from ptrctl.threads import ACTING_THREADS, torch_threads
from ptrctl.trials import ABORTED, COUNTED, TrialLog, TrialRecord, counted_trials
from ptrctl.video import write_video
from ptrctl.workflows.attempt import Attempt, now_utc
from recordings.errors import RobotError
from recordings.records import EndReason, Outcome
from recordings.recovery import recover

ATTEMPTS_PER_TRIAL = 2
"""A fault is not the policy's failure: the trial is run once more, then the session stops."""


@dataclass(frozen=True)
class TrialStarting:
    """A trial begins.

    Args:
        trial: Index in the plan.
        total: Number of trials in the plan.
        rate: Successes so far.
    """

    trial: int
    total: int
    rate: Rate


@dataclass(frozen=True)
class TrialFinished:
    """A trial was counted or aborted, and its line is on the disk.

    Args:
        record: The line.
        done: Trials counted so far.
        total: Number of trials in the plan.
        rate: Successes so far.
    """

    record: TrialRecord
    done: int
    total: int
    rate: Rate


TrialEvent = TrialStarting | TrialFinished


@dataclass
class LoggedTrials:
    """The trials in a session's folder.

    Args:
        folder: Of their lines, recordings and films.
        total: Number of trials in the plan.
        on_event: Told of every trial.
        called: What one is called in messages.
    """

    folder: Path
    total: int
    on_event: Callable[[TrialEvent], None]
    called: str = "Trial"

    @cached_property
    def log(self) -> TrialLog:
        """Their lines."""
        return TrialLog(self.folder)

    @property
    def episodes(self) -> Path:
        """Folder of their recordings."""
        return self.folder / "episodes"

    @property
    def counted(self) -> dict[int, TrialRecord]:
        """Trial index to the line that counts."""
        return counted_trials(self.log.records)

    @property
    def rate(self) -> Rate:
        """Successes of those counted."""
        return Rate(sum(record.success for record in self.counted.values()), len(self.counted))

    def recover(self) -> None:
        """Keep what a kill cut short as unlabelled recordings; those trials are run again."""
        recover(self.episodes)

    def attempt(self, trial: int, seed: int, run: Callable[[], Attempt | None]) -> Attempt | None:
        """Attempt a trial between its lines; `keep` writes the second of one that was carried out.

        Args:
            trial: Index in the plan.
            seed: Of its start state.
            run: Carries it out; None if the operator stopped before its first step.

        Raises:
            RobotError: The arm; its line says so.
        """
        self.on_event(TrialStarting(trial, self.total, self.rate))
        self.log.start(trial, seed, now_utc())
        try:
            with torch_threads(ACTING_THREADS):
                attempt = run()
        except KeyboardInterrupt:
            self.log.append(interrupted_record(trial, seed))
            raise
        except RobotError as problem:
            self.log.append(
                dataclasses.replace(
                    interrupted_record(trial, seed),
                    reason=problem.found,
                    end_reason=EndReason.FAULT.value,
                )
            )
            raise
        if attempt is None:
            self.log.append(interrupted_record(trial, seed))
        return attempt

    def record(self, attempt: Attempt, trial: int, seed: int) -> TrialRecord:
        """The line of an attempt, for `keep`."""
        end, score = attempt.end, attempt.end.final_score
        success = attempt.label.outcome is Outcome.SUCCESS
        return TrialRecord(
            trial=trial,
            seed=seed,
            status=COUNTED if attempt.counts else ABORTED,
            success=attempt.counts and success,
            reason=attempt.label.reason,
            labelled_by=attempt.label.labelled_by,
            end_reason=end.reason.value,
            progress=score.progress if score else float(success),
            stage=score.stage if score else "",
            steps=end.steps,
            overruns=end.overruns,
            interventions=dict(end.interventions),
            duration_s=end.duration_s,
            video=f"videos/{attempt.info.episode_id}.mp4" if attempt.pictures else "",
            episode=str(attempt.episode.relative_to(self.folder)) if attempt.episode else "",
            finished_at=now_utc(),
        )

    def keep(self, record: TrialRecord, attempt: Attempt) -> None:
        """Write the line of an attempt, then its film.

        The film comes after the line, and at no cost to it: the verdict is worth more than the
        film, which takes seconds and may find the disk full.
        """
        self.log.append(record)
        if record.video:
            with contextlib.suppress(OSError):
                rate_hz = attempt.info.control_rate_hz
                write_video(attempt.pictures, self.folder / record.video, rate_hz)
        self.on_event(TrialFinished(record, len(self.counted), self.total, self.rate))

    def may_go_on(self, attempt: Attempt, trial: int) -> bool:
        """Whether the session goes on after an attempt: it counts or is made once more. False if
        the operator has ended it.

        Raises:
            RobotError: A fault has ended the trial twice.
        """
        if attempt.counts or attempt.redo:
            return True
        if attempt.end.reason is not EndReason.FAULT:
            return False
        faults = self.log.faults(trial)
        if faults < ATTEMPTS_PER_TRIAL:
            return True
        raise RobotError(
            f"{self.called} {trial + 1} was ended by a fault {faults} times; the last: "
            f"{attempt.end.fault}",
            "A trial is run again once after a fault.",
            "Run `ptrctl doctor`, mend the cell, then repeat the command: it goes on here.",
        )


def interrupted_record(trial: int, seed: int) -> TrialRecord:
    """The line of an attempt that the operator's interrupt ended."""
    return TrialRecord(
        trial=trial,
        seed=seed,
        status=ABORTED,
        reason="interrupted by the operator",
        end_reason=EndReason.OPERATOR_STOP.value,
        finished_at=now_utc(),
    )
