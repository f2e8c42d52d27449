"""`ptrctl data generate`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ptrctl.options import ImageSizeOption, JsonOption


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
    image_size: ImageSizeOption = 128,
    json: JsonOption = False,
) -> None:
    """Make simulated data of many tasks for `ptrctl pretrain`; goes on where it stopped."""
    from ptrctl.sessions.generation import run_generation

    run_generation(recipe, episodes_per_task, out, workers=workers, image_size=image_size)
