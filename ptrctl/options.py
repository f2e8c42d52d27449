"""The options that several commands share, so that one name means one thing everywhere."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from hardware.limits import PICTURE_EDGES
from ptrctl.seeds import LARGEST_DEMO_SEED, LARGEST_SEED
from ptrctl.terminal import console


def _set_json(value: bool) -> bool:
    console.mode.json = value
    return value


WorkspaceOption = Annotated[
    Path,
    typer.Option(
        "--workspace",
        "-w",
        envvar="PTRCTL_WORKSPACE",
        help="Folder that holds ptrctl.toml, demos, checkpoints, trials and reports.",
        show_default="the current folder",
    ),
]
TaskOption = Annotated[
    str | None,
    typer.Option(
        "--task",
        "-t",
        help="Task, in Bridge's naming (put_carrot_on_plate).",
        show_default="the profile's task",
    ),
]
RobotOption = Annotated[
    str | None,
    typer.Option("--robot", help="Arm, by name.", show_default="the profile's, else sim-wx250s"),
]
KitchenOption = Annotated[
    int | None,
    typer.Option(
        "--kitchen",
        min=0,
        help="Seed of the simulated kitchen.",
        show_default="the profile's, else 0",
    ),
]
SeedOption = Annotated[
    int,
    # The generator takes 32 bits of it.
    typer.Option("--seed", min=0, max=2**32 - 1, help="Seed of everything random."),
]
ImageSizeOption = Annotated[
    int,
    typer.Option(
        "--image-size",
        min=PICTURE_EDGES[0],
        max=PICTURE_EDGES[1],
        help="Edge of the pictures, pixels.",
    ),
]
RealtimeOption = Annotated[
    bool | None,
    typer.Option(
        "--realtime/--fast",
        help="Run the simulator at the pace of a real arm, or as fast as it can.",
        show_default=False,
    ),
]
YesOption = Annotated[
    bool, typer.Option("--yes", "-y", help="Answer every question with its default.")
]
JsonOption = Annotated[
    bool,
    typer.Option("--json", callback=_set_json, help="Print one JSON document on stdout."),
]
CheckpointOption = Annotated[
    str | None,
    typer.Option(
        "--checkpoint",
        "-c",
        help="Name in checkpoints/, a path, or `pretrained` for the shipped one.",
        show_default="the task's own, else the shipped one",
    ),
]
DemoSeedOption = Annotated[
    int,
    typer.Option(
        "--seed",
        min=0,
        max=LARGEST_DEMO_SEED,
        help="Of the first start state; others follow.",
    ),
]
TrialSeedOption = Annotated[
    int, typer.Option("--seed", min=0, max=LARGEST_SEED, help="Chooses the start states.")
]
MaxStepsOption = Annotated[
    int, typer.Option("--max-steps", min=1, help="Time limit of a trial in control periods.")
]
StopHopelessOption = Annotated[
    float | None,
    typer.Option(
        "--stop-hopeless",
        min=0.0,
        max=1.0,
        help="Give a trial up, as a failure, when its calibrated chance stays below this.",
        show_default="never",
    ),
]
