"""Puts `ptrctl evaluate` together: arm, checkpoint, plan, panel, report."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from hardware.registry import Cell
from ptrctl.cells import make_cell
from ptrctl.checkpoints import PRETRAINED, is_taken, open_checkpoint
from ptrctl.files import count_lines, read_json
from ptrctl.kitchens import warn_of_another_kitchen
from ptrctl.meters import refit_after, session_meter, stop_rule
from ptrctl.next_command import changed, next_command, parking_command, scene_flags
from ptrctl.operator.at_the_arm import PARK, at_the_arm
from ptrctl.operator.interrupts import Interrupts
from ptrctl.operator.operators import NobodyThere
from ptrctl.plan import PLAN_FILE, PRACTICE_FOLDER, TrialPlan, load_plan
from ptrctl.profile import BUILT_IN, Profile, load_profile
from ptrctl.report import Report, write_report
from ptrctl.seeds import evaluation_seeds
from ptrctl.statistics import PairedComparison
from ptrctl.terminal import console
from ptrctl.terminal.dashboard import Display, OnPanel, Stage, display
from ptrctl.terminal.panels import View, free_bytes
from ptrctl.trials import (
    COUNTED,
    TrialLog,
    TrialRecord,
    TrialSummary,
    check_comparable,
    compare_sessions,
    counted_trials,
    load_summary,
)
from ptrctl.workflows.attempt import Listeners, now_utc
from ptrctl.workflows.evaluate import EvaluationEvent, TrialFinished, TrialStarting, evaluate
from ptrctl.workflows.hopeless import LABELLED_BY
from ptrctl.workspace import Workspace, check_folder_name, check_name, open_workspace
from recordings.dataset import EpisodeFolder
from recordings.errors import RecordingError, UsageError
from recordings.reader import read_summary
from recordings.records import Outcome

if TYPE_CHECKING:
    from policies.checkpoint import Checkpoint
    from policies.meter import Meter
    from ptrctl.sessions.improvement import ImproveOptions

MAX_STEPS = 40
EXPECTED_TRIAL_S = 0.7
MORE = 10
"""Demonstrations that are asked for beside those that did not teach the task."""
PRACTICE = "improve-"
"""With this the names of sessions of practice begin."""
OTHER_SESSION = "name another session with `--session NAME`"


@dataclass(frozen=True)
class EvaluateOptions:
    """What the command line says beyond the profile.

    Args:
        checkpoint: Its name; None takes the task's own, else the shipped one.
        trials: Number of scored trials.
        seed: Chooses the start states.
        session: Name of the folder under trials/; None makes one from task and checkpoint.
        compare: Session to pair with, "" for none.
        max_steps: Time limit in control periods.
        stop_hopeless: Give a trial up below this chance of success; None never does.
        realtime: Run a simulated arm at the pace of a real one.
    """

    checkpoint: str | None = None
    trials: int = 50
    seed: int = 0
    session: str | None = None
    compare: str = ""
    max_steps: int = MAX_STEPS
    stop_hopeless: float | None = None
    realtime: bool = False


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


class Ready(NamedTuple):
    """A policy and the cell that it fits, not yet connected.

    Args:
        workspace, profile: Whose they are.
        name: Of the checkpoint.
        checkpoint, cell: What acts, and where.
    """

    workspace: Workspace
    profile: Profile
    name: str
    checkpoint: Checkpoint
    cell: Cell


def get_ready(
    folder: Path, flags: dict[str, Any], options: EvaluateOptions | ImproveOptions
) -> Ready:
    """Find the checkpoint, the task's own or else the shipped one by default, and its cell.

    Raises:
        PtrctlError: There is no task, no such checkpoint, it is another arm's, or the session
            cannot be called so.
    """
    if options.session is not None:
        check_folder_name(options.session, "--session")
    workspace = open_workspace(folder)
    profile = load_profile(workspace).with_flags(**flags)
    task = profile.task_or_fail()
    if profile.source("robot") == BUILT_IN:
        console.note(f"No {workspace.profile_path.name} here: using the simulated arm.")
    name = options.checkpoint or default_checkpoint(workspace, task)
    checkpoint = open_checkpoint(workspace, name)
    cell = make_cell(profile, task=task, realtime=options.realtime)
    check_checkpoint_fits(checkpoint, cell)
    warn_of_another_kitchen(workspace, profile, task, "the trials run")
    return Ready(workspace, profile, name, checkpoint, cell)


def run_evaluation(folder: Path, flags: dict[str, Any], options: EvaluateOptions) -> bool:
    """Evaluate and show the outcome; False if a signal cut it short (everything is kept)."""
    workspace, profile, name, checkpoint, cell = get_ready(folder, flags, options)
    task = cell.task
    plan = make_plan(cell, checkpoint, name, profile, options)
    hopeless = "" if options.stop_hopeless is None else "-stop"
    session = options.session or session_name(plan) + hopeless
    meter = session_meter(workspace, checkpoint, workspace.trials(session), task, options.max_steps)
    plan = dataclasses.replace(plan, stop_hopeless=stop_rule(meter, task, options.stop_hopeless))
    if options.compare:
        _check_other_session(workspace, plan, session)
    stage = Stage("evaluate", expected_s=plan.trials * EXPECTED_TRIAL_S)
    alone = workspace.alone_in(workspace.trials(session), OTHER_SESSION)
    with alone, Interrupts() as interrupts:
        done_before = count_lines(workspace.trials(session))
        with (
            cell.station,
            listening(
                f"ptrctl evaluate · {task}",
                [stage],
                cell,
                interrupts,
                workspace.trials(session),
                max_steps=options.max_steps,
                camera=profile.camera,
                park=parking_command(workspace, profile),
            ) as (shown, listeners),
        ):
            summary = run_trials(
                plan,
                cell,
                checkpoint,
                workspace.trials(session),
                shown=shown,
                stage=stage.name,
                listeners=listeners,
                meter=meter,
            )
        words = refit_after(workspace, checkpoint, options.max_steps)
        evaluation = finish(workspace, summary, options.compare, meter=words)
        _show(
            workspace,
            evaluation,
            session,
            what_next=_next(workspace, profile, checkpoint, plan, options, summary.complete),
            interrupted=interrupts.requested,
            did_nothing=count_lines(summary.folder) == done_before,
        )
    return summary.complete or not interrupts.requested


def _check_other_session(workspace: Workspace, plan: TrialPlan, session: str) -> None:
    """Raise before the first trial if the trials could not be paired after the last."""
    other = plan.compare_with
    sessions = {path.parent.name for path in workspace.trials("").glob(f"*/{PLAN_FILE}")}
    check_name(other, sessions, "session", "--compare")
    check_comparable(load_plan(workspace.trials(other)), other, plan, session)


def default_checkpoint(workspace: Workspace, task: str) -> str:
    """The task's own checkpoint if it has one, else the shipped one."""
    if is_taken(workspace, task):
        return task
    console.note(f"No checkpoint for {task} yet: trying the shipped one (zero-shot).")
    return PRETRAINED


def check_checkpoint_fits(checkpoint: Checkpoint, cell: Cell) -> None:
    """Raise `CheckpointError` if the checkpoint would move this arm wrongly."""
    from policies.checkpoint import check_fits

    features = cell.station.robot.features
    check_fits(
        checkpoint,
        robot=features.embodiment,
        cameras=sorted(cell.station.cameras),
        control_rate_hz=features.control_rate_hz,
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
    )


def place_and_policy(task: str, kitchen_seed: int | None, digest: str) -> str:
    """The same for the same policy in the same place: a repeated command finds its session."""
    kitchen = "" if kitchen_seed is None else f"-kitchen{kitchen_seed}"
    return f"{task}{kitchen}-{digest[:8]}"


def session_name(plan: TrialPlan) -> str:
    """Of the scored trials of a plan."""
    return place_and_policy(plan.task, plan.kitchen_seed, plan.checkpoint_digest)


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


def reporter(
    shown: Display, phase: Callable[[], str] = lambda: ""
) -> Callable[[EvaluationEvent], None]:
    """Tells a display about trials; `phase` says what they are for."""

    def tell(event: EvaluationEvent) -> None:
        if isinstance(event, TrialStarting):
            words = str(event.rate) if event.rate.trials else ""
            shown.advance(event.rate.trials, event.total, phase() + words)
        elif isinstance(event, TrialFinished):
            shown.trial(event.record.success if event.record.status == COUNTED else None)
            shown.advance(event.done, event.total, phase() + str(event.rate))

    return tell


@contextmanager
def listening(
    title: str,
    stages: Sequence[Stage],
    cell: Cell,
    interrupts: Interrupts,
    folder: Path,
    *,
    max_steps: int = MAX_STEPS,
    camera: str = "",
    park: str = PARK,
) -> Iterator[tuple[Display, Listeners]]:
    """A display, and who speaks for the operator: signals in simulation, keys on hardware.

    Raises:
        UsageError: The operator would have to label trials, and there is no terminal.
    """
    if cell.judge is not None:
        with display(title, stages) as shown:
            yield shown, Listeners((shown.listener,), NobodyThere(interrupts))
        return
    if not console.is_interactive():
        raise UsageError(
            "There is no terminal.",
            f"On the arm {cell.station.robot.features.name} the operator labels every trial "
            "with a key.",
            "Run the command in a terminal.",
        )
    view = View(
        title=title,
        control_rate_hz=cell.station.robot.features.control_rate_hz,
        max_steps=max_steps,
        disk_free_bytes=free_bytes(folder),
    )
    with at_the_arm(
        view, cell, interrupts, folder, camera=camera, wait_for_start=True, park=park
    ) as (panel, operator):
        yield OnPanel(panel, stages), Listeners((panel,), operator)


def finish(
    workspace: Workspace, summary: TrialSummary, compare: str, *, meter: str = ""
) -> Evaluation:
    """Compare with another session if one is named, and write the report."""
    plan = summary.plan
    sessions, comparisons = {plan.checkpoint: summary}, {}
    comparison = None
    if compare:
        other = load_summary(workspace.trials(compare))
        comparison = compare_sessions(other, summary)
        sessions = {compare: other, summary.folder.name: summary}
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


def _next(
    workspace: Workspace,
    profile: Profile,
    checkpoint: Checkpoint,
    plan: TrialPlan,
    options: EvaluateOptions,
    complete: bool,
) -> str:
    """Go on; or practise what the policy has learned; or show it more; or teach it the task."""
    same = {"task": plan.task, **scene_flags(profile)}
    if not complete:
        given = {**changed(options), "checkpoint": plan.checkpoint}
        return next_command("evaluate", workspace, **same, **given)
    if plan.task in checkpoint.info.tasks.names:
        done, begun = _practised(workspace, plan)
        if done:
            return more_demonstrations(workspace, same)
        return next_command("improve", workspace, **same, **begun, checkpoint=plan.checkpoint)
    if _successes(workspace, plan.task):
        return next_command("finetune", workspace, task=plan.task)
    return next_command("record", workspace, **same)


def _practised(workspace: Workspace, plan: TrialPlan) -> tuple[bool, dict[str, Any]]:
    """Whether a practice of the policy's has had all its trials: it would not be begun again; and
    the flags with which one that was begun goes on."""
    from ptrctl.sessions.improvement import begun_with

    mine = place_and_policy(plan.task, plan.kitchen_seed, plan.checkpoint_digest)
    begun: dict[str, Any] = {}
    for frozen in sorted(workspace.trials("").glob(f"{PRACTICE}{mine}*/{PLAN_FILE}")):
        with contextlib.suppress(RecordingError):
            done = counted_trials(TrialLog(frozen.parent / PRACTICE_FOLDER).records)
            practice = read_json(frozen)
            if len(done) >= practice.get("trials", 0):
                return True, {}
            begun = begun or begun_with(practice)
    return False, begun


def scored(
    workspace: Workspace, task: str, kitchen_seed: int | None, digest: str
) -> TrialSummary | None:
    """A policy's trials in a place; None if they have not begun, or cannot be read."""
    folder = workspace.trials(place_and_policy(task, kitchen_seed, digest))
    if not (folder / PLAN_FILE).exists():
        return None
    try:
        return load_summary(folder)
    except RecordingError:
        return None


def next_evaluation(
    workspace: Workspace,
    same: Mapping[str, Any],
    kitchen_seed: int | None,
    called: str,
    digest: str,
) -> str:
    """Score a checkpoint, or go on scoring it; more demonstrations where that is done.

    Args:
        same: The task and the flags of where it is done.
        kitchen_seed: Of that place; None on hardware.
        called, digest: Of the checkpoint; "" is what the task's name stands for.
    """
    there = scored(workspace, same["task"], kitchen_seed, digest)
    if there is None:
        return next_command("evaluate", workspace, **same, checkpoint=called)
    if there.complete:
        return more_demonstrations(workspace, same)
    # Begun under another plan than the default, they go on only with that.
    begun = {"trials": there.plan.trials, "max_steps": there.plan.max_steps}
    return next_command("evaluate", workspace, **same, checkpoint=called, **begun)


def more_demonstrations(workspace: Workspace, same: Mapping[str, Any]) -> str:
    """How to record ten more of the task than there are.

    Args:
        same: The task and the flags of where it is done.
    """
    there = _successes(workspace, same["task"])
    return next_command("record", workspace, **same, episodes=there + MORE if there else None)


def _successes(workspace: Workspace, task: str) -> int:
    folder = workspace.demos(task)
    count = 0
    for path in EpisodeFolder(folder).paths() if folder.is_dir() else ():
        # A damaged recording costs no result: who records or learns next says what is wrong.
        with contextlib.suppress(RecordingError):
            count += read_summary(path).label.outcome is Outcome.SUCCESS
    return count


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
    if stages:
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
    if evaluation.comparison:
        rows["paired"] = str(evaluation.comparison)
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


def films_lacking(counted: Sequence[TrialRecord], folder: Path) -> dict[str, str]:
    """A row for a panel if some trials have no film: it could not be written."""
    lacking = sum(not (record.video and (folder / record.video).exists()) for record in counted)
    return {"films": f"{lacking} of {len(counted)} could not be written"} if lacking else {}


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
