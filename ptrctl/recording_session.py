"""Puts `ptrctl record` together: arm, keys, panel and workflow, and tells how it ended."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hardware.loop import Decider, Subscriber
from hardware.registry import Cell
from hardware.teleoperation import TeleoperatedDecider
from ptrctl import console
from ptrctl.at_the_arm import at_the_arm
from ptrctl.cells import make_cell
from ptrctl.interrupts import Interrupts
from ptrctl.next_command import changed, next_command, scene_flags
from ptrctl.operator_side import NobodyThere
from ptrctl.panels import LivePanel, View, episode_line, free_bytes, gigabytes
from ptrctl.profile import BUILT_IN, Profile, load_profile
from ptrctl.teleoperator import KeyboardTeleoperator
from ptrctl.workflows.record import RecordListener, RecordPlan, RecordResult, record
from ptrctl.workspace import Workspace, open_workspace
from recordings.errors import UsageError
from recordings.records import EpisodeEnd, Label, Outcome
from recordings.recovery import Recovered

KEYBOARD_MAX_STEPS = 300
SCRIPTED_MAX_STEPS = 60


@dataclass(frozen=True)
class RecordOptions:
    """What the command line says beyond the profile; None leaves the choice to us.

    Args:
        ask: Labels come from the operator.
        realtime: See `make_cell`.
    """

    episodes: int = 10
    by_keyboard: bool = True
    noise: float = 0.5
    failures: float = 0.0
    ask: bool | None = None
    max_steps: int | None = None
    seed: int = 0
    realtime: bool | None = None


def run_recording(folder: Path, flags: Mapping[str, Any], options: RecordOptions) -> bool:
    """Record and show the outcome; False if a signal cut it short (everything is kept).

    Raises:
        UsageError: The options do not fit each other, the terminal or the task.
    """
    workspace = open_workspace(folder)
    profile = load_profile(workspace).with_flags(**flags)
    task = profile.task_or_fail()
    ask = options.by_keyboard if options.ask is None else options.ask
    _check(options, ask)
    cell = make_cell(profile, task=task, realtime=options.by_keyboard or bool(options.realtime))
    _check_cell(cell, options, ask)
    if profile.source("robot") == BUILT_IN and not workspace.profile_path.exists():
        console.note(f"No {workspace.profile_path.name} here: using the simulated arm.")
    default_steps = KEYBOARD_MAX_STEPS if options.by_keyboard else SCRIPTED_MAX_STEPS
    plan = RecordPlan(
        folder=workspace.demos(task),
        episodes=options.episodes,
        failures=options.failures,
        seed=options.seed,
        max_steps=options.max_steps or default_steps,
        end_on_success=not ask,
    )
    with Interrupts() as interrupts:
        with ExitStack() as stack:
            result = _record(
                stack,
                plan,
                cell,
                profile=profile,
                options=options,
                ask=ask,
                interrupts=interrupts,
            )
        interrupted = interrupts.requested and not result.complete
        again = _same_command(workspace, profile, options)
        _show_outcome(workspace, task, plan, result, again=again, interrupted=interrupted)
    return not interrupted


def _record(
    stack: ExitStack,
    plan: RecordPlan,
    cell: Cell,
    *,
    profile: Profile,
    options: RecordOptions,
    ask: bool,
    interrupts: Interrupts,
) -> RecordResult:
    stack.enter_context(cell.station)
    teleoperator = KeyboardTeleoperator() if options.by_keyboard else None
    make_decider = _deciders(cell, options, teleoperator)
    if not console.is_interactive():
        lines = PlainLines(plan)
        return record(plan, cell, make_decider, NobodyThere(interrupts), lines)

    view = View(
        title=f"ptrctl record · {cell.task}",
        control_rate_hz=cell.station.robot.features.control_rate_hz,
        max_steps=plan.max_steps,
        wanted=plan.wanted,
        disk_free_bytes=free_bytes(plan.folder),
    )
    view.rows["driven by"] = "keyboard" if teleoperator else "scripted demonstrator"
    panel, operator = stack.enter_context(
        at_the_arm(
            view,
            cell,
            interrupts,
            plan.folder,
            camera=profile.camera,
            teleoperator=teleoperator,
            ask=ask,
        )
    )
    listener = PanelListener(panel)
    subscribers: Sequence[Subscriber] = (panel,)
    return record(plan, cell, make_decider, operator, listener, subscribers=subscribers)


def _deciders(
    cell: Cell, options: RecordOptions, teleoperator: KeyboardTeleoperator | None
) -> Callable[[int, bool], Decider]:
    decider = None
    if teleoperator is not None:
        decider = TeleoperatedDecider(teleoperator, lambda: cell.station.robot.commanded_state)

    def make(seed: int, shall_fail: bool) -> Decider:
        if decider is not None:
            return decider
        from hardware.sim.demonstrator import FAILURES

        assert cell.demonstrator is not None, "checked before connecting"
        failure = random.Random(seed).choice(FAILURES) if shall_fail else ""
        return cell.demonstrator(noise=options.noise, failure=failure)

    return make


def _check(options: RecordOptions, ask: bool) -> None:
    """Raise `UsageError` if the options do not fit the terminal or each other."""
    if options.by_keyboard and not console.is_interactive():
        raise UsageError(
            "The keyboard demonstrator needs a terminal, and there is none.",
            "Keys are read from the terminal in which ptrctl runs.",
            "Add `--demonstrator scripted`, or run the command in a terminal.",
        )
    if options.by_keyboard and options.realtime is False:
        raise UsageError(
            "`--fast` was given for the keyboard demonstrator.",
            "A person drives the arm at its real pace.",
            "Leave `--fast` out, or add `--demonstrator scripted`.",
        )
    if options.by_keyboard and options.failures:
        raise UsageError(
            "`--failures` was given for the keyboard demonstrator.",
            "Only the scripted demonstrator fails to order.",
            "Leave `--failures` out; label failures with the key `f`.",
        )
    if ask and not console.is_interactive():
        raise UsageError(
            "`--label-by operator` needs a terminal, and there is none.",
            "Silence never counts as success.",
            "Add `--label-by simulator`.",
        )


def _check_cell(cell: Cell, options: RecordOptions, ask: bool) -> None:
    """Raise `UsageError` if the arm cannot do what the options ask for."""
    name = cell.station.robot.features.name
    if not options.by_keyboard and cell.demonstrator is None:
        raise UsageError(
            f"The arm {name} has no scripted demonstrator.",
            "Only simulated arms have one.",
            "Add `--demonstrator keyboard`.",
        )
    if not ask and cell.judge is None:
        raise UsageError(
            f"Nobody judges episodes on the arm {name}.",
            "Only a simulator knows the truth.",
            "Add `--label-by operator`.",
        )


class PlainLines(RecordListener):
    """One line an episode, on stderr, where there is no terminal."""

    def __init__(self, plan: RecordPlan) -> None:
        self._plan = plan
        self._counts: Counter[Outcome] = Counter()

    def on_recovered(self, leftovers: Sequence[Recovered]) -> None:
        for leftover in leftovers:
            console.warn(in_words(leftover))

    def on_counts(self, counts: Counter[Outcome]) -> None:
        self._counts = counts

    def on_kept(self, path: Path, end: EpisodeEnd, label: Label) -> None:
        number = self._counts[Outcome.SUCCESS] + self._counts[Outcome.FAILURE]
        words = f"{label.outcome.value} ({label.reason})" if label.reason else label.outcome.value
        console.note(episode_line(number, self._plan.episodes, end, words))

    def on_dropped(self, end: EpisodeEnd) -> None:
        console.note("An episode was discarded.")


class PanelListener(RecordListener):
    """Keeps the panel's counts and message up to date."""

    def __init__(self, panel: LivePanel) -> None:
        self._panel = panel

    def on_recovered(self, leftovers: Sequence[Recovered]) -> None:
        self._say(" ".join(in_words(leftover) for leftover in leftovers))

    def on_counts(self, counts: Counter[Outcome]) -> None:
        self._panel.view.counts = Counter(counts)
        self._panel.refresh()

    def on_kept(self, path: Path, end: EpisodeEnd, label: Label) -> None:
        self._say(f"Kept as {label.outcome.value}: {path.name}")

    def on_dropped(self, end: EpisodeEnd) -> None:
        self._say("Discarded.")

    def _say(self, words: str) -> None:
        self._panel.view.message = words
        self._panel.refresh()


def in_words(leftover: Recovered) -> str:
    """What became of an episode that a killed session had left over."""
    return f"{leftover.reason} It is {leftover.fate.value}: {leftover.path.name}."


def _same_command(workspace: Workspace, profile: Profile, options: RecordOptions) -> str:
    """What to type to go on towards the same total."""
    given = changed(options, by_keyboard="demonstrator", ask="label_by")
    if "demonstrator" in given:
        given["demonstrator"] = "scripted"
    if "label_by" in given:
        given["label_by"] = "operator" if options.ask else "simulator"
    given["episodes"] = options.episodes
    return next_command("record", workspace, task=profile.task, **scene_flags(profile), **given)


def _show_outcome(
    workspace: Workspace,
    task: str,
    plan: RecordPlan,
    result: RecordResult,
    *,
    again: str,
    interrupted: bool,
) -> None:
    counts, wanted = result.counts, plan.wanted
    rows: dict[str, object] = {"task": task}
    for outcome, number in wanted.items():
        if number or counts[outcome]:
            rows[outcome.value] = (
                f"{counts[outcome]} of {number} wanted" if number else str(counts[outcome])
            )
    if counts[Outcome.UNLABELLED]:
        rows["unlabelled"] = (
            f"{counts[Outcome.UNLABELLED]} (label with `ptrctl data label`; they do not count)"
        )
    rows["this time"] = f"{len(result.kept)} kept, {result.dropped} discarded"
    rows["recovered"] = f"{len(result.recovered)} left over from an interrupted session"
    if not result.recovered:
        del rows["recovered"]
    rows["disk left"] = gigabytes(free_bytes(plan.folder))
    title = "The demonstrations are complete" if result.complete else "Recording stopped early"
    console.outcome_panel(
        "Interrupted; everything recorded is kept" if interrupted else title,
        rows,
        wrote=[workspace.said(plan.folder)] if result.kept else [],
        next_command=next_command("finetune", workspace, task=task) if result.complete else again,
        good=result.complete,
        data={
            "task": task,
            "complete": result.complete,
            "interrupted": interrupted,
            "counts": {outcome.value: counts[outcome] for outcome in Outcome},
            "wanted": {outcome.value: number for outcome, number in wanted.items()},
            "kept": [str(path) for path in result.kept],
            "dropped": result.dropped,
            "recovered": [in_words(leftover) for leftover in result.recovered],
        },
    )
