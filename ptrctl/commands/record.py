"""`ptrctl record`."""

from __future__ import annotations

import enum
from pathlib import Path
from typing import Annotated

import typer

from ptrctl.options import (
    DemoSeedOption,
    JsonOption,
    KitchenOption,
    RealtimeOption,
    RobotOption,
    TaskOption,
    WorkspaceOption,
)
from recordings.errors import INTERRUPTED


class LabelBy(str, enum.Enum):
    """Who says what became of an episode."""

    OPERATOR = "operator"
    SIMULATOR = "simulator"


def record(
    *,
    task: TaskOption = None,
    episodes: Annotated[
        int,
        typer.Option(
            "--episodes",
            "-n",
            min=1,
            help="How many successes there shall be in the end, with those already there; "
            "--failures makes a share of them failures.",
        ),
    ] = 10,
    demonstrator: Annotated[
        str | None,
        typer.Option(
            "--demonstrator",
            help="Who drives the arm: keyboard, scripted, spacemouse, gamepad, leader, phone, or "
            "a device of your own.",
            show_default="the profile's, else keyboard",
        ),
    ] = None,
    demonstrator_option: Annotated[
        list[str] | None,
        typer.Option(
            "--demonstrator-option",
            metavar="KEY=VALUE",
            help="A setting of that device (docs/teleoperation.md); may be repeated.",
        ),
    ] = None,
    noise: Annotated[
        float, typer.Option(min=0.0, max=2.0, help="How hasty the scripted demonstrator is.")
    ] = 0.5,
    failures: Annotated[
        float,
        typer.Option(
            min=0.0, max=1.0, help="Share of the episodes that shall be failures (scripted only)."
        ),
    ] = 0.0,
    label_by: Annotated[
        LabelBy | None,
        typer.Option(
            "--label-by",
            help="Who labels the episodes.",
            show_default="operator for a person, simulator for scripted",
        ),
    ] = None,
    max_steps: Annotated[
        int | None,
        typer.Option(
            "--max-steps",
            min=1,
            help="Time limit of an episode in control periods.",
            show_default="300 for a person, 60 for scripted",
        ),
    ] = None,
    kitchen: KitchenOption = None,
    seed: DemoSeedOption = 0,
    robot: RobotOption = None,
    realtime: RealtimeOption = None,
    workspace: WorkspaceOption = Path(),
    json: JsonOption = False,
) -> None:
    """Record demonstrations of a task, and go on towards the total if there are some already.

    Every episode is safe on the disk before it counts. Keys are shown on the screen.
    """
    from ptrctl.sessions.recording import RecordOptions, run_recording

    finished = run_recording(
        workspace,
        {"robot": robot, "task": task, "kitchen_seed": kitchen},
        RecordOptions(
            episodes=episodes,
            demonstrator=demonstrator,
            demonstrator_options=tuple(demonstrator_option or ()),
            noise=noise,
            failures=failures,
            ask=None if label_by is None else label_by is LabelBy.OPERATOR,
            max_steps=max_steps,
            seed=seed,
            realtime=realtime,
        ),
    )
    if not finished:
        raise typer.Exit(INTERRUPTED)
