"""`ptrctl setup`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ptrctl import console
from ptrctl.options import (
    JsonOption,
    KitchenOption,
    RealtimeOption,
    RobotOption,
    TaskOption,
    WorkspaceOption,
    YesOption,
)

Corner = tuple[float, float, float] | None


def setup(
    *,
    robot: RobotOption = None,
    task: TaskOption = None,
    kitchen: KitchenOption = None,
    image_size: Annotated[
        int | None,
        typer.Option("--image-size", min=32, max=640, help="Edge of the recorded pictures."),
    ] = None,
    camera: Annotated[
        str | None, typer.Option("--camera", help="Camera that policies look through.")
    ] = None,
    rate: Annotated[
        float | None, typer.Option("--rate", min=0.5, max=50.0, help="Control steps a second.")
    ] = None,
    box_low: Annotated[
        Corner,
        typer.Option("--box-low", help="Lowest x y z of the gripper in m.", metavar="X Y Z"),
    ] = None,
    box_high: Annotated[
        Corner,
        typer.Option("--box-high", help="Highest x y z of the gripper in m.", metavar="X Y Z"),
    ] = None,
    motion: Annotated[
        bool, typer.Option("--motion/--no-motion", help="Check the arm by a slow motion.")
    ] = True,
    list_tasks: Annotated[
        bool, typer.Option("--list-tasks", help="Only list the tasks of the simulator.")
    ] = False,
    realtime: RealtimeOption = None,
    yes: YesOption = False,
    workspace: WorkspaceOption = Path(),
    json: JsonOption = False,
) -> None:
    """Choose arm, task, camera and workspace box, and check them by a slow motion of the arm.

    Every question is also a flag. Writes a commented ptrctl.toml and a reference picture.
    """
    if list_tasks:
        _list_tasks()
        return

    from ptrctl import wizard
    from ptrctl.cells import make_cell
    from ptrctl.next_command import next_command
    from ptrctl.profile import load_profile, save_profile
    from ptrctl.workspace import open_workspace

    place = open_workspace(workspace)
    given = {
        "robot": robot,
        "task": task,
        "kitchen_seed": kitchen,
        "camera": camera,
        "image_size": image_size,
        "control_rate_hz": rate,
        "workspace_low_m": box_low,
        "workspace_high_m": box_high,
    }
    profile = wizard.ask(load_profile(place), given, take_defaults=yes)
    task_name = profile.task_or_fail()
    live = console.is_interactive() if realtime is None else realtime
    cell = make_cell(profile, task=task_name, realtime=live)
    wrote = []
    rows = {name: f"{value}  ({source})" for name, value, source in profile.described()}
    if motion:
        console.note("The arm moves 3 cm up, left and ahead, slowly. Ctrl-C stops it.")
        if console.is_interactive() and not yes and not wizard.confirm_motion():
            console.note("The arm was not moved and nothing was written.")
            raise typer.Exit(1)
        with cell.station:
            check = wizard.check_motion(cell)
        rows["arm"] = f"follows within {check.worst_m * 1000:.1f} mm"
        wrote = [
            wizard.save_reference_picture(place.root, name, image)
            for name, image in check.pictures.items()
        ]
    wrote.insert(0, save_profile(place, profile))
    console.outcome_panel(
        "The profile is written",
        rows,
        wrote=[place.said(path) for path in wrote],
        next_command=next_command("record", place),
        data={"profile": {name: value for name, value, _ in profile.described()}},
    )


def _list_tasks() -> None:
    from hardware.sim.tasks import all_task_names

    names = all_task_names()
    console.show("\n".join(names))
    console.document({"tasks": names})
