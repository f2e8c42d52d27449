"""`ptrctl data generate`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ptrctl.options import JsonOption


def generate(
    *,
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for the recordings.")],
    recipe: Annotated[
        str, typer.Option(help="What to make: prior-v1, mixed-v1, recoloured-v1 or looks-v1.")
    ] = "prior-v1",
    episodes_per_task: Annotated[
        int, typer.Option("--episodes-per-task", min=1, help="Episodes of each task.")
    ] = 100,
    workers: Annotated[int, typer.Option(min=1, help="Processes.")] = 2,
    image_size: Annotated[
        int, typer.Option("--image-size", min=32, max=640, help="Edge of the pictures, pixels.")
    ] = 128,
    json: JsonOption = False,
) -> None:
    """Make simulated data of many tasks for `ptrctl pretrain`; goes on where it stopped."""
    from hardware.sim.recipes import prior_recipe
    from ptrctl.next_command import next_command
    from ptrctl.terminal import console
    from ptrctl.workflows import generate as workflow
    from ptrctl.workspace import Workspace

    total = len(prior_recipe(recipe, episodes_per_task))
    with console.progress("making episodes", total) as bar:
        result = workflow.generate(
            recipe,
            episodes_per_task,
            out,
            workers=workers,
            image_size=image_size,
            on_progress=lambda done, total: bar.update(done),
        )
    console.outcome_panel(
        "The prior data is complete",
        {"recipe": recipe, "episodes": f"{result.total}, of which {result.made} made now"},
        wrote=[out],
        next_command=next_command("pretrain", Workspace(Path()), data=out),
        data={"recipe": recipe, "made": result.made, "total": result.total},
    )
