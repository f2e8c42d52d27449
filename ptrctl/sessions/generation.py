"""Puts `ptrctl data generate` together. Apart from `sessions.data`: it loads the simulator."""

from __future__ import annotations

from pathlib import Path

from hardware.sim.recipes import prior_recipe
from ptrctl.next_command import next_command
from ptrctl.terminal import console
from ptrctl.workflows.generate import generate
from ptrctl.workspace import Workspace


def run_generation(
    recipe: str, episodes_per_task: int, out: Path, *, workers: int, image_size: int
) -> None:
    """Make the recordings of a recipe that are missing, and show the outcome.

    Raises:
        UsageError: Unknown recipe, or another process is at work in the folder.
    """
    total = len(prior_recipe(recipe, episodes_per_task))
    with console.progress("making episodes", total) as bar:
        result = generate(
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
