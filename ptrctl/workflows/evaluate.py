"""Scored trials under a plan that was frozen before the first of them."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

from hardware.loop import Decider
from hardware.registry import Cell
from ptrctl.plan import TrialPlan, freeze_plan
from ptrctl.trials import TrialSummary, summarise
from ptrctl.workflows.attempt import AttemptSettings, Listeners, run_attempt
from ptrctl.workflows.logged_trials import LoggedTrials, TrialEvent


def evaluate(
    plan: TrialPlan,
    cell: Cell,
    policy: Decider,
    folder: Path,
    *,
    on_event: Callable[[TrialEvent], None] = lambda event: None,
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
    trials = LoggedTrials(folder, plan.trials, on_event)
    trials.log.check_starts(plan.start_seeds)
    settings = AttemptSettings(
        kind="trial",
        max_steps=plan.max_steps,
        success_steps=plan.success_steps,
        episodes=trials.episodes,
        stop_hopeless=plan.stop_hopeless,
    )
    trials.recover()
    run = partial(run_attempt, cell, policy, settings, listeners=listeners or Listeners())
    while remaining := [trial for trial in range(plan.trials) if trial not in trials.counted]:
        trial, seed = remaining[0], plan.start_seeds[remaining[0]]
        attempt = trials.attempt(trial, seed, partial(run, seed))
        if attempt is None:
            break
        trials.keep(trials.record(attempt, trial, seed), attempt)
        if not trials.may_go_on(attempt, trial):
            break
    return summarise(plan, trials.log.records, folder)
