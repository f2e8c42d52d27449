"""`ptrctl setup`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from hardware.limits import CONTROL_RATES_HZ, PICTURE_EDGES
from ptrctl.options import (
    JsonOption,
    KitchenOption,
    RealtimeOption,
    RobotOption,
    WorkspaceOption,
    YesOption,
)
from ptrctl.terminal import console
from recordings.errors import RobotError

Corner = tuple[float, float, float] | None
Pose = tuple[float, float, float, float, float, float] | None

ARM, CAMERAS, CHECK = "Arm", "Cameras", "Check"

TOLERANCE_PERCENT = 2.0
"""Of the picture's width, at the corner that has moved most. Two pixels of 128 are 1.6 %."""


def setup(
    *,
    robot: RobotOption = None,
    option: Annotated[
        list[str] | None,
        typer.Option(
            "--option",
            metavar="KEY=VALUE",
            help="A setting of the arm, may be repeated.",
            rich_help_panel=ARM,
        ),
    ] = None,
    port: Annotated[
        str | None,
        typer.Option("--port", help="The arm's port (/dev/ttyUSB0).", rich_help_panel=ARM),
    ] = None,
    address: Annotated[
        str | None,
        typer.Option("--address", help="The arm's or server's address.", rich_help_panel=ARM),
    ] = None,
    rate: Annotated[
        float | None,
        typer.Option(
            "--rate",
            min=CONTROL_RATES_HZ[0],
            max=CONTROL_RATES_HZ[1],
            help="Control steps a second.",
            rich_help_panel=ARM,
        ),
    ] = None,
    box_low: Annotated[
        Corner,
        typer.Option(
            "--box-low",
            help="Lowest x y z of the gripper in m.",
            metavar="X Y Z",
            rich_help_panel=ARM,
        ),
    ] = None,
    box_high: Annotated[
        Corner,
        typer.Option(
            "--box-high",
            help="Highest x y z of the gripper in m.",
            metavar="X Y Z",
            rich_help_panel=ARM,
        ),
    ] = None,
    start_pose: Annotated[
        Pose,
        typer.Option(
            "--start-pose",
            help="Where episodes begin on a real arm: m, and rad from gripper-down.",
            metavar="X Y Z ROLL PITCH YAW",
            rich_help_panel=ARM,
        ),
    ] = None,
    camera: Annotated[
        list[str] | None,
        typer.Option(
            "--camera",
            metavar="NAME[=KIND,KEY=VALUE,...]",
            help="NAME=KIND,... is a camera of a real arm, may be repeated; NAME alone is the one "
            "that policies look through.",
            rich_help_panel=CAMERAS,
        ),
    ] = None,
    image_size: Annotated[
        int | None,
        typer.Option(
            "--image-size",
            min=PICTURE_EDGES[0],
            max=PICTURE_EDGES[1],
            help="Edge of the recorded pictures.",
            rich_help_panel=CAMERAS,
        ),
    ] = None,
    task: Annotated[
        list[str] | None,
        typer.Option(
            "--task",
            "-t",
            help="Task, in Bridge's naming; repeated, the first is the default and --task of other "
            "commands must be one of them.",
            show_default="the profile's task",
        ),
    ] = None,
    kitchen: KitchenOption = None,
    motion: Annotated[
        bool,
        typer.Option(
            "--motion/--no-motion",
            help="Check the arm by a slow motion, and take reference pictures.",
            rich_help_panel=CHECK,
        ),
    ] = True,
    check_scene: Annotated[
        bool,
        typer.Option(
            "--check-scene",
            help="Only compare the cameras with their reference pictures; nothing moves.",
            rich_help_panel=CHECK,
        ),
    ] = False,
    tolerance: Annotated[
        float,
        typer.Option(
            "--tolerance",
            min=0.1,
            max=50.0,
            help="What a corner of the picture may have moved, in percent of its width.",
            rich_help_panel=CHECK,
        ),
    ] = TOLERANCE_PERCENT,
    list_tasks: Annotated[
        bool, typer.Option("--list-tasks", help="Only list the tasks of the simulator.")
    ] = False,
    realtime: RealtimeOption = None,
    yes: YesOption = False,
    workspace: WorkspaceOption = Path(),
    json: JsonOption = False,
) -> None:
    """Choose arm, cameras, tasks and workspace box; check them by a slow motion.

    Every question is also a flag. Writes ptrctl.toml and reference pictures.
    """
    if list_tasks:
        _list_tasks()
        return

    from ptrctl.sessions.setup import SetupOptions, run_scene_check, run_setup
    from ptrctl.setup.wizard import SetupFlags

    flags = SetupFlags(
        robot=robot,
        options=tuple(option or ()),
        port=port,
        address=address,
        tasks=tuple(task or ()),
        kitchen=kitchen,
        cameras=tuple(camera or ()),
        image_size=image_size,
        rate=rate,
        box_low=box_low,
        box_high=box_high,
        start_pose=start_pose,
    )
    if check_scene:
        if not run_scene_check(workspace, flags, tolerance):
            raise typer.Exit(RobotError.exit_code)
        return
    if not run_setup(workspace, flags, SetupOptions(motion, realtime, yes)):
        raise typer.Exit(1)


def _list_tasks() -> None:
    from hardware.sim.tasks import all_task_names

    names = all_task_names()
    console.show("\n".join(names))
    console.document({"tasks": names})
