"""Scored trials under a plan that was frozen before the first of them."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from hardware.loop import Decider
from hardware.registry import Cell
from ptrctl.plan import TrialPlan, freeze_plan
from ptrctl.statistics import Rate
from ptrctl.threads import ACTING_THREADS, torch_threads
from ptrctl.trials import (
    ABORTED,
    COUNTED,
    TrialLog,
    TrialRecord,
    TrialSummary,
    counted_trials,
    summarise,
)
from ptrctl.video import write_video
from ptrctl.workflows.attempt import (
    Attempt,
    AttemptSettings,
    Listeners,
    now_utc,
    run_attempt,
)
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


EvaluationEvent = TrialStarting | TrialFinished


def evaluate(
    plan: TrialPlan,
    cell: Cell,
    policy: Decider,
    folder: Path,
    *,
    on_event: Callable[[EvaluationEvent], None] = lambda event: None,
    listeners: Listeners | None = None,
) -> TrialSummary:
    """Run every trial of the plan that has not been counted yet.

    Each trial is recorded as an episode and as a video, and counts once its line is on the disk;
    after a kill the same call goes on where it stopped.

    Args:
        plan: Frozen into `folder` before the first trial.
        cell: Connected.
        policy: Acts as the plan's policy mode says.
        folder: The session's.
        on_event: Told of every trial.
        listeners: Panels and the operator.

    Returns:
        The trials so far; incomplete if the operator stopped.

    Raises:
        UsageError: The session was begun under another plan.
        RobotError: A trial was ended by a fault twice.
    """
    plan = freeze_plan(plan, folder)
    log = TrialLog(folder)
    log.check_starts(plan.start_seeds)
    listeners = listeners or Listeners()
    settings = AttemptSettings(
        kind="trial",
        max_steps=plan.max_steps,
        success_steps=plan.success_steps,
        episodes=folder / "episodes",
        stop_hopeless=plan.stop_hopeless,
    )
    # A trial that a kill cut short is kept as an unlabelled recording; it is run again below.
    recover(settings.episodes)
    while True:
        done = counted_trials(log.records)
        remaining = [trial for trial in range(plan.trials) if trial not in done]
        if not remaining:
            break
        trial, seed = remaining[0], plan.start_seeds[remaining[0]]
        on_event(TrialStarting(trial, plan.trials, _rate(log)))
        log.start(trial, seed, now_utc())
        try:
            with torch_threads(ACTING_THREADS):
                attempt = run_attempt(cell, policy, settings, seed, listeners)
        except KeyboardInterrupt:
            log.append(interrupted_record(trial, seed))
            raise
        except RobotError as problem:
            log.append(failed_record(trial, seed, problem))
            raise
        if attempt is None:
            log.append(interrupted_record(trial, seed))
            break
        record = record_attempt(attempt, trial, seed, folder)
        log.append(record)
        write_film(attempt, record, folder)
        on_event(TrialFinished(record, len(counted_trials(log.records)), plan.trials, _rate(log)))
        if attempt.counts or attempt.redo:
            continue
        if attempt.end.reason is not EndReason.FAULT:
            break
        if log.faults(trial) >= ATTEMPTS_PER_TRIAL:
            raise RobotError(
                f"Trial {trial + 1} was ended by a fault {log.faults(trial)} times; the last: "
                f"{attempt.end.fault}",
                "A trial is run again once after a fault.",
                "Run `ptrctl doctor`, mend the cell, then repeat the command: it goes on here.",
            )
    return summarise(plan, log.records, folder)


def record_attempt(attempt: Attempt, trial: int, seed: int, folder: Path) -> TrialRecord:
    """The line of an attempt in the session's folder; see `write_film`."""
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
        episode=str(attempt.episode.relative_to(folder)) if attempt.episode else "",
        finished_at=now_utc(),
    )


def write_film(attempt: Attempt, record: TrialRecord, folder: Path) -> None:
    """Write an attempt's film, if it has one, into the session's folder.

    After its line, and at no cost to it: the verdict is worth more than the film, which takes
    seconds and may find the disk full.
    """
    if record.video:
        with contextlib.suppress(OSError):
            write_video(attempt.pictures, folder / record.video, attempt.info.control_rate_hz)


def failed_record(trial: int, seed: int, problem: RobotError) -> TrialRecord:
    """The line of an attempt that could not be carried out."""
    return dataclasses.replace(
        interrupted_record(trial, seed), reason=problem.found, end_reason=EndReason.FAULT.value
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


def _rate(log: TrialLog) -> Rate:
    counted = counted_trials(log.records).values()
    return Rate(sum(record.success for record in counted), len(counted))
