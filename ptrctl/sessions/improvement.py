"""Puts `ptrctl improve` together: arm, checkpoint, offline data, panel, report."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from ptrctl.checkpoints import (
    RECOMMENDED_FILE,
    TRAINING,
    recommend,
    recommended,
    stands_for,
)
from ptrctl.files import read_json
from ptrctl.meters import refit_after, session_meter, stop_rule
from ptrctl.plan import PLAN_FILE, PRACTICE_FOLDER, freeze_same
from ptrctl.practice_plan import ImprovePlan
from ptrctl.profile import Profile
from ptrctl.report import Improvement, Report, write_report
from ptrctl.seeds import practice_seeds, selection_seeds
from ptrctl.sessions.practice_display import ShowsProbability, telling
from ptrctl.sessions.practice_learner import make_learner, practice_request
from ptrctl.sessions.practice_reward import make_reward
from ptrctl.sessions.session_options import ImproveOptions
from ptrctl.sessions.training import expected_update_s
from ptrctl.sessions.trial_session import (
    EXPECTED_TRIAL_S,
    films_lacking,
    get_ready,
    trial_session,
)
from ptrctl.sessions.what_next import Place, more_demonstrations, next_evaluation
from ptrctl.terminal import console
from ptrctl.terminal.dashboard import Display, Stage
from ptrctl.trials import TrialSummary
from ptrctl.workflows.attempt import Listeners, now_utc
from ptrctl.workflows.improve import improve
from ptrctl.workflows.improve_result import ImproveResult, facts_about_practice
from ptrctl.workspace import Workspace
from recordings.errors import UsageError

if TYPE_CHECKING:
    from hardware.registry import Cell
    from policies.checkpoint import Checkpoint
    from policies.meter import Meter

EXPECTED_CLASSIFIER_S = 120.0


def run_improvement(folder: Path, flags: dict[str, Any], options: ImproveOptions) -> bool:
    """Practise and show the outcome; False if a signal cut it short (everything is kept)."""
    _check_session(options.session)
    ready = get_ready(folder, flags, options)
    workspace, profile, name, checkpoint, cell = ready
    plan = make_plan(cell, checkpoint, name, profile, options)
    session = options.folder_name(plan)
    trials = workspace.trials(session)
    meter = session_meter(workspace, checkpoint, trials, cell.task, options.max_steps)
    rule = stop_rule(meter, cell.task, options.stop_hopeless)
    plan = dataclasses.replace(plan, stop_hopeless=rule)
    warn_of_memory(plan, cell)
    stage = Stage("improve", expected_s=expected_s(plan), several_parts=True)
    with trial_session(ready, session) as here:
        with here.on_the_arm(
            "improve", stage, _most_steps(plan), labelled_by_operator=plan.reward == "operator"
        ) as (shown, listeners):
            result = practise(
                workspace,
                plan,
                cell,
                checkpoint,
                session,
                options=options,
                shown=shown,
                stage=stage.name,
                listeners=listeners,
                stopping=lambda: here.interrupts.requested,
                meter=meter,
            )
        for tried in (result.before, *result.candidates):
            refit_after(workspace, tried.checkpoint, plan.max_steps)
        report = write_report(_report(plan, result), workspace.reports / f"{session}.html")
        _show(
            workspace,
            plan,
            result,
            session=session,
            report=report,
            what_next=_next(Place.of(plan, workspace, profile), plan, result, options),
            interrupted=here.interrupts.requested,
            did_nothing=here.did_nothing,
            backward=cell.backward_task,
        )
    return result.complete or not here.interrupts.requested


def _check_session(name: str | None) -> None:
    """Raise `UsageError` for a name that its checkpoints could not have."""
    if name is not None and re.fullmatch(rf"{TRAINING}(-\d+)?", name):
        raise UsageError(
            f"`--session {name}` is what the folder of a training is called.",
            "Practice keeps its checkpoints in a folder of the session's name beside that.",
            "Choose another name.",
        )


def _most_steps(plan: ImprovePlan) -> int:
    """Of any of its trials: those from memory have more time."""
    from policies.carrying import MOST_PERIODS

    return max(MOST_PERIODS, plan.max_steps) if plan.backward else plan.max_steps


def warn_of_memory(plan: ImprovePlan, cell: Cell) -> None:
    """On an arm: where it will put things down without looking."""
    from policies.carrying import NEARBY_M

    if plan.backward and not cell.station.robot.features.simulated:
        console.note(
            f"From memory the arm puts things down up to {NEARBY_M * 100:.0f} cm from where they "
            "lay: keep the counter clear there."
        )


def expected_s(plan: ImprovePlan) -> float:
    """A guess of the time that a classifier's training, practice and selection take."""
    classifier = EXPECTED_CLASSIFIER_S if plan.reward == "classifier" else 0.0
    selection = len(plan.selection_seeds)
    return classifier + expected_practice_s(plan.trials, plan.updates_per_trial, selection)


def expected_practice_s(trials: int, updates_per_trial: int, selection_trials: int) -> float:
    """A guess of the time that practice and the scored trials of its candidates take."""
    practice = trials * (EXPECTED_TRIAL_S + updates_per_trial * expected_update_s())
    measured = 1 + -(-trials // ImprovePlan.candidate_every)
    return practice + measured * selection_trials * EXPECTED_TRIAL_S


def make_plan(
    cell: Cell, checkpoint: Checkpoint, name: str, profile: Profile, options: ImproveOptions
) -> ImprovePlan:
    """What will be practised.

    Raises:
        UsageError: The backward task is the task itself, or the simulator has no such task.
    """
    from hardware.sim.tasks import parse_task

    if options.backward == cell.task:
        raise UsageError(
            f"`--backward {options.backward}` is the task itself.",
            f"The task that undoes it is `{cell.backward_task}`.",
            f"Name that one: `--backward {cell.backward_task}`.",
        )
    features = cell.station.robot.features
    if options.backward and features.simulated:
        parse_task(options.backward)
    return ImprovePlan(
        task=cell.task,
        backward=options.backward,
        trials=options.trials,
        practice_seeds=practice_seeds(options.seed, options.trials),
        selection_seeds=selection_seeds(options.seed, options.selection_trials),
        robot=features.name,
        kitchen_seed=profile.kitchen_seed if features.simulated else None,
        criterion=cell.criterion,
        checkpoint=name,
        checkpoint_digest=checkpoint.digest,
        updates_per_trial=options.updates_per_trial,
        noise_scale=options.noise_scale,
        max_steps=options.max_steps,
        seed=options.seed,
        reward=options.reward or ("judge" if cell.judge is not None else "operator"),
        created_at=now_utc(),
        code_version=version("ptrctl"),
        begun_with=options.to_go_on(),
    )


def _run_folder(
    workspace: Workspace, plan: ImprovePlan, checkpoint: Checkpoint, session: str
) -> Path:
    """Where checkpoints from practice are kept: beside the one it began with if that was fine-tuned
    here, else under the task's name. What the checkpoint was called when the session began counts.
    """
    frozen = workspace.trials(session) / PLAN_FILE
    called = str(read_json(frozen)["checkpoint"]) if frozen.exists() else plan.checkpoint
    # A path means the name that it is the folder of.
    run = Path(called) if "/" in called else workspace.checkpoint(called)
    ours = run.resolve().parent == workspace.checkpoint("").resolve()
    tuned = ours and bool({"target", "online"} & {*checkpoint.info.data})
    if tuned and (run / RECOMMENDED_FILE).exists():
        return workspace.checkpoint(run.resolve().name)
    return workspace.checkpoint(plan.task)


def practise(
    workspace: Workspace,
    plan: ImprovePlan,
    cell: Cell,
    checkpoint: Checkpoint,
    session: str,
    *,
    options: ImproveOptions,
    shown: Display,
    stage: str,
    listeners: Listeners,
    stopping: Callable[[], bool],
    meter: Meter | None = None,
) -> ImproveResult:
    """Practise as one stage of a display, and recommend a checkpoint.

    Raises:
        UsageError: The policy does not know the backward task, or the plan has changed.
    """
    if (workspace.trials(session) / PLAN_FILE).exists():
        # Before a classifier is trained for a plan that is not this session's.
        freeze_same(plan.to_json(), workspace.trials(session))
    shown.begin(stage)
    request = practice_request(workspace, plan, checkpoint, options.learner)
    told = make_reward(
        workspace,
        plan,
        checkpoint,
        request,
        workspace.trials(session),
        examples=options.examples,
        prior=options.prior,
        accept=options.accept_classifier,
        shown=shown,
        stopping=stopping,
    )
    learner = make_learner(workspace, plan, checkpoint, request, options.prior, shown)
    run = _run_folder(workspace, plan, checkpoint, session)
    listeners = dataclasses.replace(
        listeners, subscribers=(*listeners.subscribers, ShowsProbability(shown))
    )
    result = improve(
        plan,
        cell,
        learner,
        workspace.trials(session),
        run / session,
        on_event=telling(shown),
        listeners=listeners,
        meter=meter,
        reward=told.reward,
        compare_labels=plan.reward != "judge",
        stopping=stopping,
    )
    result = dataclasses.replace(result, classifier=told.rates)
    if result.complete and result.kept and stands_for(run, checkpoint.digest, session):
        recommend(
            run,
            result.recommended.path,
            result.verdict,
            digest=result.recommended.digest,
            before=result.before.checkpoint.digest,
            training=recommended(run).get("training", ""),
        )
    shown.finish(stage, result.in_words)
    return result


def improvement_of(result: ImproveResult) -> Improvement:
    """What a report says about practice."""
    return Improvement(
        outcomes=result.own,
        selection_before=result.before.selection.rate,
        selection_after=result.after,
        verdict=result.verdict,
        kept=result.kept,
    )


def _report(plan: ImprovePlan, result: ImproveResult) -> Report:
    sessions = {"selection, before": result.before.selection}
    for candidate in result.candidates:
        sessions[f"selection, {candidate.checkpoint.path.name}"] = candidate.selection
    return Report(
        title=f"{plan.task}: {len(result.practice)} trials of autonomous practice",
        lead=f"Practice of the checkpoint {plan.checkpoint}. A trial succeeds when "
        f"{plan.criterion}.",
        sessions=sessions,
        improvement=improvement_of(result),
        notes=(
            "Selection trials choose between checkpoints; a claim needs `ptrctl evaluate`, "
            "which uses other start states.",
        ),
        facts={
            **facts_about_practice(plan, result),
            "ptrctl": plan.code_version,
            "started from": plan.checkpoint_digest,
        },
    )


def _next(place: Place, plan: ImprovePlan, result: ImproveResult, options: ImproveOptions) -> str:
    """Go on; or score the recommended checkpoint; or show the policy more."""
    if not result.complete:
        return place.command("improve", **{**options.flags(), "checkpoint": plan.checkpoint})
    if _lacks(plan, result) == "demonstrations":
        return more_demonstrations(place)
    called = _called(place.workspace, result) if result.kept else plan.checkpoint
    return next_evaluation(place, called, result.recommended.digest)


def _called(workspace: Workspace, result: ImproveResult) -> str:
    """What to call the checkpoint that was kept: by its path if the name stands for another."""
    path = result.recommended.path
    run = path.parents[1]
    named = recommended(run).get("digest") == result.recommended.digest
    return run.name if named and run == workspace.checkpoint(run.name) else workspace.said(path)


def _lacks(plan: ImprovePlan, result: ImproveResult) -> Literal["trials", "demonstrations"] | None:
    """What a practice that came to nothing lacks."""
    successes = sum(record.success for record in result.practice)
    never = not successes and not result.before.selection.rate.successes and not result.kept
    unlearned = bool(plan.updates_per_trial and not result.candidates)
    if not result.complete or not (never or unlearned):
        return None
    return "trials" if 2 * successes >= plan.trials else "demonstrations"


def _selected(plan: ImprovePlan, selection: TrialSummary) -> str:
    planned = f", of {len(plan.selection_seeds)} planned trials"
    return str(selection.rate) + ("" if selection.complete else planned)


def _show(
    workspace: Workspace,
    plan: ImprovePlan,
    result: ImproveResult,
    *,
    session: str,
    report: Path,
    what_next: str,
    interrupted: bool,
    did_nothing: bool,
    backward: str,
) -> None:
    successes = sum(record.success for record in result.practice)
    told = result.from_memory
    rows: dict[str, object] = {
        "task": plan.task + (f", alternating with {plan.backward}" if plan.backward else ""),
        "practice": f"{successes} successes in {len(result.practice)} of {plan.trials} trials",
        "selection before": _selected(plan, result.before.selection),
        "selection after": result.after or "not measured",
        "verdict": result.verdict,
        **facts_about_practice(plan, result),
        "aborted": len(result.aborted),
        **films_lacking(result.practice, workspace.trials(session) / PRACTICE_FOLDER),
    }
    lacks = _lacks(plan, result)
    if lacks == "trials":
        rows["advice"] = "too few trials to learn from: more of them (--trials, --session NAME)"
    elif lacks == "demonstrations":
        few = "too few trials" if successes else "no trial"
        undo = "" if plan.backward or not backward else f", or add `--backward {backward}`"
        rows["advice"] = f"{few} succeeded: show the task in more demonstrations{undo}"
    path = result.recommended.path
    called = _called(workspace, result) if result.complete and result.kept else ""
    if called == workspace.said(path):
        rows["name"] = f"{called}; the shorter name stands for another checkpoint, and stays so"
    title = "The practice stopped early"
    if result.complete:
        title = "The practice was complete before; nothing was run"
        if not did_nothing:
            title = "The practice is complete"
    elif interrupted:
        title = "Interrupted; every finished trial is kept"
    console.outcome_panel(
        title,
        rows,
        wrote=[
            workspace.said(workspace.trials(session)),
            *([workspace.said(path)] if result.kept else []),
            workspace.said(report),
        ],
        next_command=what_next,
        good=result.complete and result.kept,
        data={
            "task": plan.task,
            "session": session,
            "complete": result.complete,
            "did_nothing": did_nothing,
            "practice": [record.success for record in result.practice],
            "selection_before": str(result.before.selection.rate),
            "selection_before_complete": result.before.selection.complete,
            "selection_after": None if result.after is None else str(result.after),
            "kept": result.kept,
            "verdict": result.verdict,
            "recommended": str(path),
            "recommended_digest": result.recommended.digest,
            "reward": plan.reward,
            "classifier": None if result.classifier is None else result.classifier.to_json(),
            "agreement": None if result.agreement is None else str(result.agreement),
            "uncertain": result.uncertain,
            "from_memory": None if told is None else [told.successes, told.trials],
            "aborts": [record.reason for record in result.aborted],
            "report": str(report),
        },
    )
