"""Puts `ptrctl demo` together: the whole loop on a task and kitchen held out from prior data."""

from __future__ import annotations

import platform
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ptrctl.cells import make_cell
from ptrctl.checkpoints import PRETRAINED, open_checkpoint
from ptrctl.operator.interrupts import Interrupts
from ptrctl.operator.operators import NobodyThere
from ptrctl.profile import Profile, save_profile
from ptrctl.report import Improvement, Report, write_report
from ptrctl.sessions.demo_state import (
    ELSEWHERE,
    STATE_FILE,
    DemoOptions,
    DemoState,
    require_own_folder,
)
from ptrctl.sessions.evaluation import comparison_json, make_plan, run_trials
from ptrctl.sessions.improvement import expected_practice_s, improvement_of, practise
from ptrctl.sessions.improvement import make_plan as make_practice_plan
from ptrctl.sessions.session_options import EvaluateOptions, ImproveOptions
from ptrctl.sessions.training import FinetuneOptions, expected_update_s, finetune_task
from ptrctl.sessions.trial_session import EXPECTED_TRIAL_S, check_checkpoint_fits, listening
from ptrctl.statistics import Rate
from ptrctl.terminal import console
from ptrctl.terminal.dashboard import Display, Stage
from ptrctl.trials import TrialSummary, compare_sessions, load_summary
from ptrctl.workflows.attempt import Listeners
from ptrctl.workflows.finetune import read_metrics
from ptrctl.workflows.record import RecordListener, RecordPlan, record
from ptrctl.workspace import Workspace, open_workspace
from recordings.records import EpisodeEnd, Label, Outcome

if TYPE_CHECKING:
    from hardware.registry import Cell
    from policies.checkpoint import Checkpoint

RECORD, TUNE, BEFORE, PRACTISE, AFTER = (
    "record demonstrations",
    "fine-tune",
    "evaluate",
    "improve",
    "evaluate again",
)
ZERO_SHOT, SCRATCH_TUNE, SCRATCH = "zero-shot", "train from scratch", "evaluate from scratch"
NAME, SCRATCH_NAME = "demo", "demo-from-scratch"
CHARTED = ("arm", "gripper", "toggle", "td")


class _Stopped(Exception):
    """A signal asked for an end between two trials."""


def run_demo(folder: Path, options: DemoOptions) -> bool:
    """Run every stage that is not done yet, and show the outcome; False after a signal."""
    workspace = open_workspace(folder)
    with workspace.alone_in(workspace.root, ELSEWHERE):
        require_own_folder(workspace)
        return _run_alone(workspace, options)


def _run_alone(workspace: Workspace, options: DemoOptions) -> bool:
    from hardware.sim.recipes import DEMO_KITCHEN, DEMO_TASK

    profile = Profile(task=DEMO_TASK, kitchen_seed=DEMO_KITCHEN)
    start = open_checkpoint(workspace, options.checkpoint)
    state = DemoState(workspace.root / STATE_FILE, options, start.digest)
    if not workspace.profile_path.exists():
        save_profile(workspace, profile)
    cell = make_cell(profile, task=DEMO_TASK, realtime=False)
    check_checkpoint_fits(start, cell)
    stages = expected_stages(options)
    try:
        with cell.station, Interrupts() as interrupts:
            title = f"ptrctl demo · {DEMO_TASK} in kitchen {DEMO_KITCHEN}"
            with listening(title, stages, cell, interrupts, workspace.root) as (shown, listeners):
                demo = _Demo(
                    workspace, profile, cell, options, state, start, shown, listeners, interrupts
                )
                report = demo.run()
    except _Stopped:
        console.interrupted()
        return False
    _show(workspace, demo, report)
    return True


def expected_stages(options: DemoOptions) -> list[Stage]:
    """The stages in order, with guesses of their durations on two cores."""
    scored = options.trials * EXPECTED_TRIAL_S
    practice = expected_practice_s(options.practice, options.updates, options.selection)
    stages = [
        Stage(RECORD, options.demonstrations * EXPECTED_TRIAL_S),
        Stage(TUNE, options.steps * expected_update_s()),
        Stage(BEFORE, scored),
        Stage(PRACTISE, practice, several_parts=True),
        Stage(AFTER, scored),
    ]
    if options.baselines:
        baselines = [
            Stage(ZERO_SHOT, scored),
            Stage(SCRATCH_TUNE, options.steps * expected_update_s()),
            Stage(SCRATCH, scored),
        ]
        stages = [*stages[:2], *baselines, *stages[2:]]
    return stages


@dataclass
class _Demo:
    """One call: the parts, and what the stages led to."""

    workspace: Workspace
    profile: Profile
    cell: Cell
    options: DemoOptions
    state: DemoState
    start: Checkpoint
    shown: Display
    listeners: Listeners
    interrupts: Interrupts

    def run(self) -> Path:
        """Every stage, then the report."""
        self.stage(RECORD, self.record)
        tuned = self.checkpoint(self.stage(TUNE, lambda: self.finetune(NAME, TUNE)))
        if self.options.baselines:
            self.stage(ZERO_SHOT, lambda: self.evaluate(ZERO_SHOT, self.start, PRETRAINED))
            scratch = self.checkpoint(
                self.stage(SCRATCH_TUNE, lambda: self.finetune(SCRATCH_NAME, SCRATCH_TUNE))
            )
            self.stage(SCRATCH, lambda: self.evaluate(SCRATCH, scratch, SCRATCH_NAME))
        self.stage(BEFORE, lambda: self.evaluate(BEFORE, tuned, NAME))
        practised = self.checkpoint(self.stage(PRACTISE, lambda: self.practise(tuned)))
        self.stage(AFTER, lambda: self.evaluate(AFTER, practised, NAME))
        return write_report(self.report(), self.workspace.reports / "demo.html")

    def stage(self, name: str, work: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        """Run a stage unless it is done; its result as kept on the disk."""
        kept = self.state.stages.get(name, {})
        if kept.get("done"):
            self.shown.finish(name, kept.get("words", ""), reused=True)
            return kept
        began_s = time.monotonic()
        try:
            result = work()
        except BaseException:
            self.state.interrupted(name, time.monotonic() - began_s)
            raise
        self.state.done(name, time.monotonic() - began_s, **result)
        if self.interrupts.requested:
            raise _Stopped
        return self.state.stages[name]

    def checkpoint(self, result: dict[str, Any]) -> Checkpoint:
        from policies.checkpoint import load_checkpoint

        return load_checkpoint(self.workspace.root / result["checkpoint"])

    def record(self) -> dict[str, Any]:
        plan = RecordPlan(
            folder=self.workspace.demos(self.cell.task),
            episodes=self.options.demonstrations,
            seed=self.options.seed * 1000,
        )
        self.shown.begin(RECORD)
        assert self.cell.demonstrator is not None, "the simulator has one"
        demonstrator = self.cell.demonstrator()
        result = record(
            plan,
            self.cell,
            lambda seed, shall_fail: demonstrator,
            NobodyThere(self.interrupts),
            _Recording(self.shown, plan.episodes),
            subscribers=self.listeners.subscribers,
        )
        if not result.complete:
            raise _Stopped
        words = f"{result.counts[Outcome.SUCCESS]} successes"
        self.shown.finish(RECORD, words)
        return {"words": words}

    def finetune(self, name: str, stage: str) -> dict[str, Any]:
        options = FinetuneOptions(
            checkpoint=self.options.checkpoint,
            from_scratch=name == SCRATCH_NAME,
            preset=self.start.info.config.preset,
            steps=self.options.steps,
            seed=self.options.seed,
            name=name,
            learner=self.start.info.config.algorithm.learner,
        )
        result = finetune_task(
            self.workspace,
            self.cell.task,
            options,
            camera=self.profile.camera,
            shown=self.shown,
            stage=stage,
            stop=lambda: self.interrupts.requested,
        )
        path = result.trained.checkpoint.path.relative_to(self.workspace.root)
        return {"checkpoint": str(path), "words": result.trained.reason}

    def evaluate(self, stage: str, checkpoint: Checkpoint, name: str) -> dict[str, Any]:
        options = EvaluateOptions(trials=self.options.trials, seed=self.options.seed)
        plan = make_plan(self.cell, checkpoint, name, self.profile, options)
        summary = run_trials(
            plan,
            self.cell,
            checkpoint,
            self.workspace.trials(stage_folder(stage)),
            shown=self.shown,
            stage=stage,
            listeners=self.listeners,
        )
        if not summary.complete:
            raise _Stopped
        return {"words": str(summary.rate)}

    def practise(self, tuned: Checkpoint) -> dict[str, Any]:
        options = ImproveOptions(
            trials=self.options.practice,
            selection_trials=self.options.selection,
            updates_per_trial=self.options.updates,
            seed=self.options.seed,
        )
        plan = make_practice_plan(self.cell, tuned, NAME, self.profile, options)
        result = practise(
            self.workspace,
            plan,
            self.cell,
            tuned,
            stage_folder(PRACTISE),
            options=options,
            shown=self.shown,
            stage=PRACTISE,
            listeners=self.listeners,
            stopping=lambda: self.interrupts.requested,
        )
        if not result.complete:
            raise _Stopped
        practice = improvement_of(result)
        return {
            "checkpoint": str(result.recommended.path.relative_to(self.workspace.root)),
            "words": result.in_words,
            "outcomes": list(practice.outcomes),
            "selection_before": asdict(practice.selection_before),
            "selection_after": practice.selection_after and asdict(practice.selection_after),
            "verdict": practice.verdict,
            "kept": practice.kept,
        }

    def summary(self, stage: str) -> TrialSummary:
        return load_summary(self.workspace.trials(stage_folder(stage)))

    @property
    def seconds(self) -> dict[str, float]:
        """Stage to the time that it has used, interrupted calls included."""
        return {name: float(kept["seconds"]) for name, kept in self.state.stages.items()}

    def sessions(self) -> dict[str, TrialSummary]:
        """What the report and the outcome call the scored sessions."""
        names = {BEFORE: "fine-tuned", AFTER: "after practice"}
        if self.options.baselines:
            names = {ZERO_SHOT: "zero-shot", SCRATCH: "from scratch", **names}
        return {name: self.summary(stage) for stage, name in names.items()}

    def improvement(self) -> Improvement:
        kept = self.state.stages[PRACTISE]
        return Improvement(
            outcomes=tuple(kept["outcomes"]),
            selection_before=Rate(**kept["selection_before"]),
            selection_after=kept["selection_after"] and Rate(**kept["selection_after"]),
            verdict=kept["verdict"],
            kept=kept["kept"],
        )

    def report(self) -> Report:
        sessions = self.sessions()
        tuned = sessions["fine-tuned"]
        others = {name: other for name, other in sessions.items() if other is not tuned}
        comparisons = {}
        for name, other in others.items():
            if name == "after practice":
                comparisons["after practice against fine-tuned"] = compare_sessions(tuned, other)
            else:
                comparisons[f"fine-tuned against {name}"] = compare_sessions(other, tuned)
        curves = read_metrics(self.workspace.checkpoint(NAME))
        return Report(
            title=f"A new task from {self.options.demonstrations} demonstrations",
            lead=f"{self.cell.task} in kitchen {self.profile.kitchen_seed}, which no prior data "
            f"has shown. A trial succeeds when {self.cell.criterion}.",
            sessions=sessions,
            comparisons=comparisons,
            improvement=self.improvement(),
            training={name: curves[name] for name in CHARTED if name in curves},
            stages_s=self.seconds,
            notes=(
                "Everything here happened in simulation; outcomes are the simulator's ground "
                "truth, and the figures are this run's own.",
            ),
            facts={
                "ptrctl": version("ptrctl"),
                "torch": version("torch"),
                "mujoco": version("mujoco"),
                "python": platform.python_version(),
                "started from": f"{self.options.checkpoint} ({self.start.short_digest})",
                "seed": str(self.options.seed),
            },
        )


class _Recording(RecordListener):
    """Tells a display about demonstrations."""

    def __init__(self, shown: Display, wanted: int) -> None:
        self._shown = shown
        self._wanted = wanted

    def on_counts(self, counts: Counter[Outcome]) -> None:
        self._shown.advance(counts[Outcome.SUCCESS], self._wanted, "scripted demonstrations")

    def on_kept(self, path: Path, end: EpisodeEnd, label: Label) -> None:
        self._shown.trial(label.outcome is Outcome.SUCCESS)


def stage_folder(stage: str) -> str:
    """The folder of a stage's trials."""
    return f"demo-{stage.replace(' ', '-')}"


def _show(workspace: Workspace, demo: _Demo, report: Path) -> None:
    sessions, seconds = demo.sessions(), demo.seconds
    rows: dict[str, object] = {"task": demo.cell.task}
    for name, summary in sessions.items():
        rows[name] = f"{summary.rate}  95 % Wilson interval"
    pair = compare_sessions(sessions["fine-tuned"], sessions["after practice"])
    rows["practice"] = demo.improvement().verdict
    rows["paired"] = str(pair)
    rows["time"] = ", ".join(f"{name} {console.duration(s)}" for name, s in seconds.items())
    rows["together"] = console.duration(sum(seconds.values()))
    console.outcome_panel(
        "The demo is complete",
        rows,
        wrote=[workspace.said(workspace.root), workspace.said(report)],
        next_command="ptrctl setup",
        data={
            "task": demo.cell.task,
            "sessions": {name: summary.to_json() for name, summary in sessions.items()},
            "paired_practice": comparison_json(pair),
            "practice": demo.state.stages[PRACTISE],
            "seconds": seconds,
            "report": str(report),
        },
    )
