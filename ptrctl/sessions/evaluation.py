"""Puts `ptrctl evaluate` together: arm, checkpoint, plan, panel, report."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hardware.registry import Cell
from ptrctl.meters import refit_after, session_meter, stop_rule
from ptrctl.plan import PLAN_FILE, TrialPlan
from ptrctl.profile import Profile
from ptrctl.report import Report, write_report
from ptrctl.seeds import evaluation_seeds
from ptrctl.sessions.session_options import EvaluateOptions
from ptrctl.sessions.trial_session import (
    EXPECTED_TRIAL_S,
    films_lacking,
    get_ready,
    reporter,
    trial_session,
)
from ptrctl.sessions.what_next import Place, after_evaluation
from ptrctl.statistics import PairedComparison
from ptrctl.terminal import console
from ptrctl.terminal.dashboard import Display, Stage
from ptrctl.trials import (
    TrialSummary,
    check_comparable,
    compare_sessions,
    finished_pairs,
    load_summary,
)
from ptrctl.workflows.attempt import Listeners, now_utc
from ptrctl.workflows.evaluate import evaluate
from ptrctl.workflows.hopeless import LABELLED_BY
from ptrctl.workspace import Workspace, check_name
from recordings.errors import UsageError

if TYPE_CHECKING:
    from policies.checkpoint import Checkpoint
    from policies.meter import Meter


@dataclass(frozen=True)
class Evaluation:
    """What a session led to.

    Args:
        summary: Its trials.
        comparison: With the other session, if one was named.
        report: The page.
        meter: What the value meter rests on now, in words; "" for an untrained critic.
    """

    summary: TrialSummary
    comparison: PairedComparison | None
    report: Path
    meter: str = ""


def run_evaluation(folder: Path, flags: dict[str, Any], options: EvaluateOptions) -> bool:
    """Evaluate and show the outcome; False if a signal cut it short (everything is kept)."""
    ready = get_ready(folder, flags, options)
    workspace, profile, name, checkpoint, cell = ready
    plan = make_plan(cell, checkpoint, name, profile, options)
    session = options.folder_name(plan)
    trials = workspace.trials(session)
    meter = session_meter(workspace, checkpoint, trials, cell.task, options.max_steps)
    rule = stop_rule(meter, cell.task, options.stop_hopeless)
    plan = dataclasses.replace(plan, stop_hopeless=rule)
    if options.compare:
        _check_other_session(workspace, plan, session)
    stage = Stage("evaluate", expected_s=plan.trials * EXPECTED_TRIAL_S)
    with trial_session(ready, session) as here:
        with here.on_the_arm("evaluate", stage, options.max_steps) as (shown, listeners):
            summary = run_trials(
                plan,
                cell,
                checkpoint,
                trials,
                shown=shown,
                stage=stage.name,
                listeners=listeners,
                meter=meter,
            )
        words = refit_after(workspace, checkpoint, options.max_steps, meter)
        place = Place.of(plan, workspace, profile)
        _show(
            workspace,
            finish(workspace, summary, options.compare, meter=words),
            session,
            what_next=after_evaluation(place, checkpoint, plan, options, summary.complete),
            interrupted=here.interrupts.requested,
            did_nothing=here.did_nothing,
        )
    return summary.complete or not here.interrupts.requested


def _check_other_session(workspace: Workspace, plan: TrialPlan, session: str) -> None:
    """Raise before the first trial if the trials could not be paired after the last."""
    other = plan.compare_with
    sessions = {path.parent.name for path in workspace.trials("").glob(f"*/{PLAN_FILE}")}
    check_name(other, sessions, "session", "--compare")
    done = load_summary(workspace.trials(other))
    check_comparable(done.plan, other, plan, session)
    if not done.counted:
        raise UsageError(
            f"No trial of the session {other} has been finished.",
            "Each of the new trials is paired with one of that session.",
            f"Finish `{other}` first, or leave `--compare` out.",
        )


def make_plan(
    cell: Cell, checkpoint: Checkpoint, name: str, profile: Profile, options: EvaluateOptions
) -> TrialPlan:
    """What will be tried."""
    features = cell.station.robot.features
    test = "95 % Wilson interval; the number of trials is fixed beforehand"
    if options.compare:
        test = f"exact McNemar, two-sided, paired by start state with {options.compare}; " + test
    return TrialPlan(
        task=cell.task,
        criterion=cell.criterion,
        trials=options.trials,
        start_seeds=evaluation_seeds(options.seed, options.trials),
        robot=features.name,
        kitchen_seed=profile.kitchen_seed if features.simulated else None,
        checkpoint=name,
        checkpoint_digest=checkpoint.digest,
        max_steps=options.max_steps,
        test=test,
        compare_with=options.compare,
        created_at=now_utc(),
        code_version=version("ptrctl"),
        begun_with=options.to_go_on(),
    )


def run_trials(
    plan: TrialPlan,
    cell: Cell,
    checkpoint: Checkpoint,
    folder: Path,
    *,
    shown: Display,
    stage: str,
    listeners: Listeners,
    meter: Meter | None = None,
) -> TrialSummary:
    """The trials of a plan by the deterministic policy, as one stage of a display."""
    from policies.policy import Policy

    policy = Policy.from_checkpoint(checkpoint, new_tasks=[cell.task], meter=meter)
    shown.begin(stage)
    summary = evaluate(plan, cell, policy, folder, on_event=reporter(shown), listeners=listeners)
    shown.finish(stage, str(summary.rate))
    return summary


def finish(
    workspace: Workspace, summary: TrialSummary, compare: str, *, meter: str = ""
) -> Evaluation:
    """Compare with another session if one is named, and write the report."""
    plan = summary.plan
    sessions, comparisons = {plan.checkpoint: summary}, {}
    comparison = None
    if compare:
        other = load_summary(workspace.trials(compare))
        sessions = {compare: other, summary.folder.name: summary}
        if finished_pairs(other, summary):
            comparison = compare_sessions(other, summary)
            comparisons = {f"{plan.checkpoint} against {compare}": comparison}
    where = "in simulation" if plan.kitchen_seed is not None else f"on {plan.robot}"
    report = Report(
        title=f"{plan.task}: {summary.rate.successes} of {summary.rate.trials}",
        lead=f"Scored trials of the checkpoint {plan.checkpoint} {where}. "
        f"A trial succeeds when {plan.criterion}.",
        sessions=sessions,
        comparisons=comparisons,
        notes=()
        if summary.complete
        else (f"{plan.trials - summary.rate.trials} of {plan.trials} trials are still to run.",),
        facts={
            "ptrctl": plan.code_version,
            "checkpoint": plan.checkpoint_digest,
            **({"value meter": meter} if meter else {}),
        },
    )
    path = write_report(report, workspace.reports / f"{summary.folder.name}.html")
    return Evaluation(summary, comparison, path, meter)


def _show(
    workspace: Workspace,
    evaluation: Evaluation,
    session: str,
    *,
    what_next: str,
    interrupted: bool,
    did_nothing: bool,
) -> None:
    summary, plan = evaluation.summary, evaluation.summary.plan
    rows: dict[str, object] = {
        "task": plan.task,
        "success means": plan.criterion,
        "checkpoint": f"{plan.checkpoint} ({plan.checkpoint_digest[:12]})",
        "success": f"{summary.rate}  95 % Wilson interval, {plan.trials} trials planned",
    }
    stages = ", ".join(f"{name} {n}" for name, n in summary.stages.items() if name)
    if summary.mean_progress is not None:
        # Only a simulator sees how far a trial that failed has come.
        rows["mean progress"] = f"{summary.mean_progress:.2f}"
        rows["furthest stage"] = stages
    rows["aborted"] = len(summary.aborted)
    rows |= films_lacking(summary.counted, summary.folder)
    if plan.stop_hopeless is not None:
        rows["given up"] = (
            f"{sum(r.labelled_by == LABELLED_BY for r in summary.counted)} as hopeless"
        )
    if evaluation.meter:
        rows["value meter"] = evaluation.meter
    if plan.compare_with:
        nothing = f"nothing yet: {plan.compare_with} and these have finished no start in common"
        rows["paired"] = str(evaluation.comparison or nothing)
    console.outcome_panel(
        "The trials were complete before; nothing was run"
        if summary.complete and did_nothing
        else "The trials are complete"
        if summary.complete
        else "Interrupted; every finished trial is kept"
        if interrupted
        else "The trials stopped early",
        rows,
        wrote=[workspace.said(summary.folder), workspace.said(evaluation.report)],
        next_command=what_next,
        good=summary.complete,
        data={
            **summary.to_json(),
            "session": session,
            "did_nothing": did_nothing,
            "comparison": None
            if evaluation.comparison is None
            else comparison_json(evaluation.comparison),
            "report": str(evaluation.report),
            "value_meter": evaluation.meter,
        },
    )


def comparison_json(pair: PairedComparison) -> dict[str, Any]:
    """A paired comparison for scripts."""
    return {
        "pairs": pair.pairs,
        "before": pair.old.successes,
        "after": pair.new.successes,
        "only_before": pair.only_old,
        "only_after": pair.only_new,
        "both": pair.both,
        "neither": pair.neither,
        "mcnemar_p_two_sided": pair.p_value,
        "e_value_after_better": pair.e_value,
    }
