"""Where calibrations of the value meter lie, and how they are fitted anew from past trials.

A checkpoint's calibration is `meter.json` in its folder; that of a checkpoint outside the workspace
(the shipped one) is kept in the workspace's `meters/` once it has been fitted here.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ptrctl.files import read_json
from ptrctl.plan import PLAN_FILE, StopRule, TrialPlan
from ptrctl.terminal import console
from ptrctl.trials import TrialSummary, load_summary
from ptrctl.workspace import Workspace
from recordings.errors import PtrctlError, RecordingError, UsageError
from recordings.records import EndReason, Outcome

if TYPE_CHECKING:
    from policies.checkpoint import Checkpoint
    from policies.meter import Meter
    from policies.meter_scores import TrialValues


def session_meter(
    workspace: Workspace, checkpoint: Checkpoint, folder: Path, task: str, max_steps: int
) -> Meter | None:
    """The calibration that a session uses from its first trial to its last; None without any.

    Args:
        folder: The session's, which keeps a copy: what was foretold does not change under way.
        task, max_steps: What is tried; a calibration from other trials is not used.
    """
    from policies.meter import METER_FILE, load_meter, save_meter

    if checkpoint.info.critic_updates == 0:
        return None
    kept = folder / METER_FILE
    begun = (folder / PLAN_FILE).exists()
    for path in [kept] if begun else _places(workspace, checkpoint):
        meter = load_meter(path)
        if meter is not None and meter.speaks_of(checkpoint.digest, task, max_steps):
            if not begun:
                save_meter(kept, meter)
            return meter
    return None


def stop_rule(meter: Meter | None, task: str, below: float | None) -> StopRule | None:
    """When hopeless trials of a task are given up; None if the operator does not allow it.

    Raises:
        UsageError: Too little is known of the task's chance, or `below` is no chance.
    """
    if below is None:
        return None
    if meter is None or task not in meter.sure_of:
        from policies.meter import FEWEST_OF_EACH, FEWEST_TRIALS

        raise UsageError(
            f"The value meter of this checkpoint is not calibrated on enough trials of {task} with "
            "this time limit.",
            f"`--stop-hopeless` needs at least {FEWEST_TRIALS} scored trials of it, "
            f"{FEWEST_OF_EACH} successes and {FEWEST_OF_EACH} failures among them.",
            "Run `ptrctl evaluate` without `--stop-hopeless` first, then with it under a new "
            "`--session`.",
        )
    return StopRule(below, meter.digest)


def refit(workspace: Workspace, checkpoint: Checkpoint, max_steps: int) -> Meter | None:
    """Fit a checkpoint's calibration to all its trials here and keep it; None if too few."""
    from policies.meter import fit_meter, save_meter

    if checkpoint.info.critic_updates == 0:
        return None
    meter = fit_meter(
        past_trials(workspace, checkpoint.digest, max_steps), checkpoint.digest, max_steps
    )
    if meter is not None:
        save_meter(_places(workspace, checkpoint)[0], meter)
    return meter


def past_trials(workspace: Workspace, digest: str, max_steps: int) -> list[TrialValues]:
    """Every finished, labelled trial of a checkpoint with that time limit in the workspace.

    Practice, sampled actions, and sessions in which hopeless trials were given up have no part:
    those would teach the meter what it foretold itself.
    """
    trials = []
    seen: set[tuple[object, ...]] = set()
    for path in sorted(workspace.trials("").glob("**/" + PLAN_FILE)):
        plan = read_json(path)
        if plan.get("checkpoint_digest") != digest or "start_seeds" not in plan:
            continue
        if usable(TrialPlan.from_json(plan, path), max_steps):
            trials += trial_values(load_summary(path.parent), seen)
    return trials


def usable(plan: TrialPlan, max_steps: int) -> bool:
    """Whether trials of a plan say what an undisturbed trial with that time limit comes to."""
    deterministic = plan.policy_mode == "deterministic"
    return deterministic and plan.max_steps == max_steps and plan.stop_hopeless is None


def trial_values(
    summary: TrialSummary,
    seen: set[tuple[object, ...]] | None = None,
    damaged: list[Path] | None = None,
) -> list[TrialValues]:
    """The critic's values along the counted trials; those whose recordings hold none, or cannot be
    read, are left out. A label that the operator has changed since counts.

    Args:
        seen: Simulated trials that have been taken, added to here: from the same start state the
            same policy does the same, and that once more would say nothing new.
        damaged: Recordings that cannot be read are added to it.
    """
    from policies.meter_scores import TrialValues
    from recordings.reader import read_episode

    trials = []
    for record in summary.counted:
        path = summary.folder / record.episode
        if not record.episode or not path.exists():
            continue
        plan = summary.plan
        if seen is not None and plan.kitchen_seed is not None:
            start = (plan.task, plan.kitchen_seed, record.seed)
            if start in seen:
                continue
            seen.add(start)
        try:
            episode = read_episode(path)
        except RecordingError:
            # The outcomes are in the log: a damaged recording must not cost the result.
            if damaged is not None:
                damaged.append(path)
            continue
        q, outcome = episode.extras.get("q"), episode.label.outcome
        whole = episode.summary.end.reason is not EndReason.FAULT
        if q is not None and len(q) and outcome is not Outcome.UNLABELLED and whole:
            success, task = outcome is Outcome.SUCCESS, episode.info.task
            trials.append(TrialValues(q, success, task, episode.extras.get("chance")))
    return trials


def refit_after(
    workspace: Workspace, checkpoint: Checkpoint, max_steps: int, used: Meter | None = None
) -> str:
    """`refit` after a session, in words; "" for a critic that has not learned.

    A damaged recording of an earlier session must not cost the operator this one's result.

    Args:
        used: The calibration that the session had; it stands where there are too few trials here.
    """
    from policies.meter import FEWEST_OF_EACH, FEWEST_TRIALS

    if checkpoint.info.critic_updates == 0:
        return ""
    try:
        meter = refit(workspace, checkpoint, max_steps)
    except PtrctlError as error:
        console.note(f"The value meter was not calibrated: {error.found}")
        return "not calibrated"
    if meter is None and used is not None:
        return (
            f"calibrated before, on {used.trials} trials ({used.successes} successes); a new "
            f"calibration needs {FEWEST_TRIALS} trials here, {FEWEST_OF_EACH} of each outcome"
        )
    if meter is None:
        return (
            f"uncalibrated: it needs {FEWEST_TRIALS} trials of this checkpoint, "
            f"{FEWEST_OF_EACH} of each outcome"
        )
    error_figure = meter.figures["calibration_error"]
    return (
        f"calibrated on {meter.trials} trials ({meter.successes} successes); calibration error "
        f"{error_figure.value:.2f}, on held-out trials"
    )


def _places(workspace: Workspace, checkpoint: Checkpoint) -> list[Path]:
    """Where a calibration may lie; the first is where one is written."""
    from policies.meter import METER_FILE

    beside = checkpoint.path / METER_FILE
    if workspace.root.resolve() in checkpoint.path.resolve().parents:
        return [beside]
    return [workspace.root / "meters" / f"{checkpoint.short_digest}.json", beside]
