"""Puts `ptrctl setup` together: the questions, the slow motion, what is written, and the views."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from hardware.faults import MotionStopped
from hardware.modules import SIMULATED
from hardware.registry import Cell
from hardware.robot import Stop
from ptrctl.cells import make_cell
from ptrctl.next_command import next_command
from ptrctl.operator.at_the_arm import at_rest
from ptrctl.operator.holding import how_to_hold, watching
from ptrctl.profile import Profile, load_profile, save_profile
from ptrctl.setup import questions, wizard
from ptrctl.setup.device_choice import TEST_PATTERN, camera_in_words, in_words
from ptrctl.setup.motion_check import MotionCheck, check_motion
from ptrctl.setup.scene_check import (
    IN_PLACE,
    MOVED,
    NO_REFERENCE,
    UNCLEAR,
    SceneCheck,
    check_scene,
    save_reference_picture,
)
from ptrctl.setup.wizard import SetupFlags
from ptrctl.setup.writable import require_writable
from ptrctl.terminal import console
from ptrctl.workspace import Workspace, open_workspace
from recordings.errors import PtrctlError, UsageError

TITLES = {
    MOVED: "A camera has moved",
    UNCLEAR: "The pictures cannot be compared",
    NO_REFERENCE: "A camera has no reference picture",
    IN_PLACE: "The cameras stand where they stood",
}
"""State of a camera to what is said if it is the worst one, the worst first."""


@dataclass(frozen=True)
class SetupOptions:
    """How setup works, beyond the answers.

    Args:
        motion: Check the arm by a slow motion.
        realtime: Run a simulated arm at its pace; None lets a terminal decide.
        yes: Take defaults, ask nothing.
    """

    motion: bool
    realtime: bool | None
    yes: bool


def run_setup(folder: Path, flags: SetupFlags, options: SetupOptions) -> bool:
    """Ask, check by a motion, write the profile and the reference pictures, show the outcome.

    Returns:
        False if the operator declined the motion; then nothing is written.

    Raises:
        PtrctlError: See `wizard.ask` and `check_motion`; nothing is written.
        KeyboardInterrupt: The operator aborted; nothing is written.
    """
    workspace = open_workspace(folder)
    require_writable(workspace.root)
    with console.asking():
        profile = wizard.ask(_earlier(workspace), flags, take_defaults=options.yes)
    realtime = console.is_interactive() if options.realtime is None else options.realtime
    rows = _rows(profile)
    with ExitStack() as stack:
        with _answers_kept(workspace, profile):
            cell = make_cell(profile, task=profile.task_or_fail(), realtime=realtime)
            if not options.motion:
                wrote = [save_profile(workspace, profile)]
            elif not _may_move(cell, yes=options.yes):
                console.note(
                    "The arm was not moved and nothing was written. `--no-motion` writes the "
                    "profile without the motion."
                )
                _tell_answers(workspace, profile)
                console.document({"declined": True})
                return False
            else:
                stack.enter_context(cell.station)
                check = check_motion(cell)
                wrote = _save(workspace, profile, check)
                rows["arm"] = f"follows within {check.worst_m * 1000:.1f} mm"
        if options.motion and not cell.station.robot.features.simulated:
            console.note(_parked(cell, next_command("stop", workspace, park=True)))
    console.outcome_panel(
        "The profile is written",
        rows,
        wrote=[workspace.said(path) for path in wrote],
        next_command=next_command("record", workspace),
        data={"profile": {name: value for name, value, _ in profile.described()}},
    )
    return True


def _earlier(workspace: Workspace) -> Profile:
    """The profile there is; one that cannot be read is kept beside it, and left out."""
    try:
        return load_profile(workspace)
    except UsageError as problem:
        kept = workspace.profile_path.with_name(f"{workspace.profile_path.name}.unreadable")
        shutil.copy2(workspace.profile_path, kept)
        console.warn(f"{problem.found} It is kept as `{workspace.said(kept)}`; setup begins anew.")
        return Profile()


@contextmanager
def _answers_kept(workspace: Workspace, profile: Profile) -> Iterator[None]:
    """If the check fails or is stopped, nothing is written; this says how to give the same answers
    again."""
    try:
        yield
    except PtrctlError:
        _tell_answers(workspace, profile)
        raise
    except KeyboardInterrupt as interrupt:
        _tell_answers(workspace, profile)
        told = "Nothing was written.", "Run the command above to give the same answers again."
        raise KeyboardInterrupt(*told) from interrupt


def _tell_answers(workspace: Workspace, profile: Profile) -> None:
    console.note("The same answers as a command:")
    console.note(answers_as_command(workspace, profile), wrap=False)


def _default_first(profile: Profile) -> tuple[str, ...]:
    """Its tasks; of several flags the first is the default."""
    first = (profile.task,) if profile.task else ()
    return tuple(dict.fromkeys((*first, *profile.tasks)))


def answers_as_command(workspace: Workspace, profile: Profile) -> str:
    """The `ptrctl setup` that would give this profile without a question."""
    cameras = tuple(f"{n}={camera_in_words(values)}" for n, values in profile.cameras.items())
    options = in_words(profile.robot_options)
    command = next_command(
        "setup",
        workspace,
        robot=profile.robot,
        option=tuple(options.split(",")) if options else (),
        task=_default_first(profile),
        kitchen=profile.kitchen_seed if profile.robot == SIMULATED else None,
        camera=(*cameras, profile.camera),
        image_size=profile.image_size,
        rate=profile.control_rate_hz,
    )
    for flag, numbers in (
        ("--box-low", profile.workspace_low_m),
        ("--box-high", profile.workspace_high_m),
        ("--start-pose", profile.start_pose),
    ):
        if numbers is not None:
            command += f" {flag} {questions.numbers_in_words(numbers)}"
    return command


def _rows(profile: Profile) -> dict[str, object]:
    """What is in the profile and where it came from."""
    rows: dict[str, object] = {}
    for key, value, source in profile.described():
        if key == "cameras":
            for name, settings in value.items():
                rows[f"camera {name}"] = f"{camera_in_words(settings)}  ({source})"
        elif isinstance(value, Mapping):
            rows[key] = f"{in_words(value)}  ({source})"
        elif isinstance(value, tuple):
            rows[key] = f"{' '.join(str(item) for item in value)}  ({source})"
        else:
            rows[key] = f"{value}  ({source})"
    return rows


def _may_move(cell: Cell, *, yes: bool) -> bool:
    """Announce the motion and ask; a real arm never moves unasked."""
    simulated = cell.station.robot.features.simulated
    way = "" if simulated else "goes to its start pose, then "
    console.note(f"The arm {way}moves 3 cm up, left and ahead, slowly. {how_to_hold()}")
    if yes:
        return True
    if console.is_interactive():
        # Enter, held down through the defaults, moves no real arm.
        with console.asking():
            return questions.confirm("Is the space around the arm free?", default=simulated)
    if simulated:
        return True
    raise UsageError(
        "There is nobody to ask whether the space around the arm is free.",
        "A real arm does not move unasked.",
        "See to it and add `--yes`, or add `--no-motion`.",
    )


def _save(workspace: Workspace, profile: Profile, check: MotionCheck) -> list[Path]:
    pictures = [
        save_reference_picture(workspace, name, image)
        for name, image in check.pictures.items()
        if profile.cameras.get(name, {}).get("kind") != TEST_PATTERN  # It never stands still.
    ]
    return [save_profile(workspace, profile), *pictures]


def _parked(cell: Cell, park: str) -> str:
    console.note(f"The arm goes to where it parks. {how_to_hold()}")
    with watching() as should_stop:
        try:
            cell.station.stop(Stop.PARK, should_stop=should_stop)
        except MotionStopped:
            return at_rest(Stop.HOLD, cell.station.robot.features, park)
    return at_rest(Stop.PARK, cell.station.robot.features)


def run_scene_check(folder: Path, flags: SetupFlags, tolerance_percent: float) -> bool:
    """Compare the cameras with their reference pictures and show the outcome.

    Returns:
        Whether all are within the tolerance.
    """
    workspace = open_workspace(folder)
    require_writable(workspace.root)
    profile = load_profile(workspace).with_flags(
        robot=flags.robot, task=next(iter(flags.tasks), None), kitchen_seed=flags.kitchen
    )
    cell = make_cell(profile, task=profile.some_task, realtime=False)
    checks = check_scene(workspace, profile, cell, tolerance_percent)
    for check in checks:
        _show_pictures(check)
    states = {check.state for check in checks}
    good = states == {IN_PLACE}
    differs = bool(states & {MOVED, UNCLEAR})
    console.outcome_panel(
        next(title for state, title in TITLES.items() if state in states),
        [(check.camera, f"{check.state}. {check.words}") for check in checks],
        wrote=[workspace.said(check.overlay_path) for check in checks if check.overlay_path],
        next_command=next_command("record", workspace)
        if good
        else next_command("setup", workspace, check_scene=differs),
        good=good,
        data={
            "in_place": good,
            "tolerance_percent": tolerance_percent,
            "cameras": [check.as_data for check in checks],
        },
    )
    if differs:
        console.note(
            "Move the camera until the overlay is grey and check again, or run `ptrctl setup` to "
            "take a new reference picture: recordings from before then show another view."
        )
    return good


def _show_pictures(check: SceneCheck) -> None:
    """Reference, present picture and overlay beside each other, where somebody sees them."""
    if check.reference is None or not console.results().is_terminal:
        return
    from rich.table import Table
    from rich.text import Text

    from hardware.cameras.view_change import overlay
    from ptrctl.terminal.halfblocks import HalfBlocks

    size = console.results().size
    columns, rows = (size.width - 4) // 3, max(6, size.height - 12)
    pictures = (check.reference, check.now, overlay(check.reference, check.now))
    table = Table.grid(padding=(0, 1))
    table.add_row(
        *(
            Text(words, style="bold")
            for words in (f"{check.camera}: reference", "now", "both (red was, cyan is)")
        )
    )
    table.add_row(*(HalfBlocks(picture, columns, rows) for picture in pictures))
    console.show(table)
