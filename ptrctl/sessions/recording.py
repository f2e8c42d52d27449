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
from hardware.modules import USUAL_CAMERA
from hardware.registry import Cell
from hardware.teleoperation import TeleoperatedDecider
from hardware.teleoperators.registry import make_teleoperator
from ptrctl.cells import make_cell
from ptrctl.kitchens import warn_of_another_kitchen
from ptrctl.next_command import changed, next_command, parking_command, scene_flags
from ptrctl.operator.at_the_arm import at_the_arm
from ptrctl.operator.demonstrators import KEYBOARD, Demonstrator, chosen_demonstrator
from ptrctl.operator.interrupts import Interrupts
from ptrctl.operator.operators import NobodyThere
from ptrctl.operator.teleoperator import KeyboardTeleoperator
from ptrctl.profile import BUILT_IN, Profile, load_profile
from ptrctl.terminal import console
from ptrctl.terminal.panels import LivePanel, View, episode_line, free_bytes, gigabytes
from ptrctl.workflows.record import (
    ATTEMPTS_A_DEMO,
    RecordListener,
    RecordPlan,
    RecordResult,
    record,
)
from ptrctl.workspace import Workspace, open_workspace
from recordings.dataset import EpisodeFolder
from recordings.errors import UsageError
from recordings.records import EpisodeEnd, Label, Outcome
from recordings.recovery import Recovered

PERSON_MAX_STEPS = 300
SCRIPTED_MAX_STEPS = 60

ELSEWHERE = "record into another workspace with `--workspace`"


@dataclass(frozen=True)
class RecordOptions:
    """What the command line says beyond the profile; None leaves the choice to us.

    Args:
        demonstrator: "keyboard", "scripted" or the name of a device; None takes the profile's.
        demonstrator_options: Settings of the device, "key=value".
        ask: Labels come from the operator.
        realtime: See `make_cell`.
    """

    episodes: int
    demonstrator: str | None
    demonstrator_options: tuple[str, ...]
    noise: float
    failures: float
    ask: bool | None
    max_steps: int | None
    seed: int
    realtime: bool | None


def run_recording(folder: Path, flags: Mapping[str, Any], options: RecordOptions) -> bool:
    """Record and show the outcome; False if a signal cut it short (everything is kept).

    Raises:
        UsageError: The options do not fit each other, the terminal or the task, or another
            `record` is at work on it.
    """
    workspace = open_workspace(folder)
    profile = load_profile(workspace).with_flags(**flags)
    task = profile.task_or_fail()
    demonstrator = chosen_demonstrator(profile, options.demonstrator, options.demonstrator_options)
    by_person = not demonstrator.scripted
    ask = by_person if options.ask is None else options.ask
    _check(options, demonstrator, ask)
    cell = make_cell(profile, task=task, realtime=by_person or bool(options.realtime))
    _check_cell(cell, demonstrator, ask)
    if profile.source("robot") == BUILT_IN and not workspace.profile_path.exists():
        console.note(f"No {workspace.profile_path.name} here: using the simulated arm.")
    if cell.station.robot.features.simulated:
        warn_of_another_kitchen(workspace, profile, task, "these are recorded")
    _warn_of_camera(cell)
    plan = RecordPlan(
        folder=workspace.demos(task),
        episodes=options.episodes,
        failures=options.failures,
        seed=options.seed,
        max_steps=options.max_steps or (PERSON_MAX_STEPS if by_person else SCRIPTED_MAX_STEPS),
        end_on_success=not ask,
        attempts_a_demo=None if by_person else ATTEMPTS_A_DEMO,
    )
    with workspace.alone_in(plan.folder, ELSEWHERE), Interrupts() as interrupts:
        with ExitStack() as stack:
            result = _record(
                stack,
                plan,
                cell,
                profile=profile,
                park=parking_command(workspace, profile),
                demonstrator=demonstrator,
                noise=options.noise,
                ask=ask,
                interrupts=interrupts,
            )
        interrupted = interrupts.requested and not result.complete
        what_next = _same_command(workspace, profile, options)
        if result.complete and result.counts[Outcome.SUCCESS]:
            what_next = next_command("finetune", workspace, task=task)
        elif result.complete:
            what_next = next_command("record", workspace, task=task, **scene_flags(profile))
        _show_outcome(workspace, task, plan, result, what_next=what_next, interrupted=interrupted)
    return not interrupted


def _record(
    stack: ExitStack,
    plan: RecordPlan,
    cell: Cell,
    *,
    profile: Profile,
    park: str,
    demonstrator: Demonstrator,
    noise: float,
    ask: bool,
    interrupts: Interrupts,
) -> RecordResult:
    keyboard = KeyboardTeleoperator() if demonstrator.name == KEYBOARD else None
    device = None
    make_decider = _scripted(cell, noise)
    if not demonstrator.scripted:
        # A device that is missing is told before the arm is touched.
        by_hand = TeleoperatedDecider(
            keyboard or make_teleoperator(demonstrator.name, demonstrator.options),
            lambda: cell.station.robot.commanded_state,
        )
        stack.enter_context(by_hand)
        if by_hand.device.hint:
            console.note(by_hand.device.hint)
        device = None if keyboard else by_hand

        def make_decider(seed: int, shall_fail: bool) -> Decider:
            return by_hand

    stack.enter_context(cell.station)
    if not console.can_steer():
        lines = EpisodeLines(plan)
        return record(plan, cell, make_decider, NobodyThere(interrupts), lines)

    view = View(
        title=f"ptrctl record · {cell.task}",
        control_rate_hz=cell.station.robot.features.control_rate_hz,
        max_steps=plan.max_steps,
        wanted=plan.wanted,
        disk_free_bytes=free_bytes(plan.folder),
    )
    view.rows["driven by"] = demonstrator.words
    if device is not None:
        # Present from the beginning: the panel draws in a thread of its own.
        view.rows["engaged"], view.rows["speed"] = device.engaged, device.speed.words
        view.message = device.device.hint
    panel, operator = stack.enter_context(
        at_the_arm(
            view,
            cell,
            interrupts,
            plan.folder,
            camera=profile.camera,
            teleoperator=keyboard,
            device=device,
            ask=ask,
            park=park,
        )
    )
    listener = PanelListener(panel)
    subscribers: Sequence[Subscriber] = (panel,)
    return record(plan, cell, make_decider, operator, listener, subscribers=subscribers)


def _scripted(cell: Cell, noise: float) -> Callable[[int, bool], Decider]:
    def make(seed: int, shall_fail: bool) -> Decider:
        from hardware.sim.demonstrator import FAILURES

        assert cell.demonstrator is not None, "checked before connecting"
        failure = random.Random(seed).choice(FAILURES) if shall_fail else ""
        return cell.demonstrator(noise=noise, failure=failure)

    return make


def _check(options: RecordOptions, demonstrator: Demonstrator, ask: bool) -> None:
    """Raise `UsageError` if the options do not fit the terminal or each other."""
    by_person = not demonstrator.scripted
    if by_person:
        console.require_panel(
            f"The demonstrator `{demonstrator.name}`",
            "A person drives the arm, and holds it by a key of the terminal.",
            "; on the simulated arm `--demonstrator scripted` needs none",
        )
    if by_person and options.realtime is False:
        raise UsageError(
            f"`--fast` was given for the demonstrator `{demonstrator.name}`.",
            "A person drives the arm at its real pace.",
            "Leave `--fast` out, or add `--demonstrator scripted`.",
        )
    if by_person and options.failures:
        raise UsageError(
            f"`--failures` was given for the demonstrator `{demonstrator.name}`.",
            "Only the scripted demonstrator fails to order.",
            "Leave `--failures` out; label failures with the key `f`.",
        )
    if ask:
        console.require_panel(
            "`--label-by operator`",
            "Silence never counts as success.",
            ", or add `--label-by simulator`",
        )


def _check_cell(cell: Cell, demonstrator: Demonstrator, ask: bool) -> None:
    """Raise `UsageError` if the arm cannot do what the options ask for."""
    name = cell.station.robot.features.name
    if demonstrator.scripted and cell.demonstrator is None:
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


def _warn_of_camera(cell: Cell) -> None:
    """Before anything is recorded that the shipped checkpoint cannot learn from."""
    cameras = cell.station.cameras
    if USUAL_CAMERA not in cameras:
        console.note(
            f"The shipped checkpoint looks through `{USUAL_CAMERA}`, and these are recorded "
            f"with {', '.join(sorted(cameras))}: `ptrctl finetune` will need `--from-scratch` or "
            f"another `--checkpoint`, unless a camera is named `{USUAL_CAMERA}` in "
            "`ptrctl setup` first."
        )


class EpisodeLines(RecordListener):
    """One line an episode, on stderr, where no panel can be drawn."""

    def __init__(self, plan: RecordPlan) -> None:
        self._plan = plan
        self._counts: Counter[Outcome] = Counter()

    def on_recovered(self, leftovers: Sequence[Recovered]) -> None:
        for leftover in leftovers:
            console.warn(in_words(leftover))

    def on_counts(self, counts: Counter[Outcome]) -> None:
        self._counts = counts

    def on_kept(self, path: Path, end: EpisodeEnd, label: Label) -> None:
        words = f"{label.outcome.value} ({label.reason})" if label.reason else label.outcome.value
        wanted = self._plan.wanted.get(label.outcome)
        if wanted:
            words += f", {self._counts[label.outcome]} of {wanted} wanted"
        console.note(episode_line(words, end))

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
    given = changed(options, demonstrator_options="demonstrator_option", ask="label_by")
    if "label_by" in given:
        given["label_by"] = "operator" if options.ask else "simulator"
    given["episodes"] = options.episodes
    return next_command("record", workspace, task=profile.task, **scene_flags(profile), **given)


def _labelling(workspace: Workspace, task: str, folder: Path) -> str:
    """The command that labels the episode without a label, or that shows which ones have none."""
    episodes = EpisodeFolder(folder).summaries()
    names = [one.path.stem for one in episodes if one.label.outcome is Outcome.UNLABELLED]
    if len(names) == 1:
        return next_command(f"data label {names[0]} success", workspace)
    return next_command("data list", workspace, task=task)


def _show_outcome(
    workspace: Workspace,
    task: str,
    plan: RecordPlan,
    result: RecordResult,
    *,
    what_next: str,
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
        rows["unlabelled"] = f"{counts[Outcome.UNLABELLED]}, which do not count"
        rows["to label"] = _labelling(workspace, task, plan.folder)
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
        next_command=what_next,
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
