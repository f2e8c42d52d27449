"""`ptrctl demo`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ptrctl.options import JsonOption
from ptrctl.seeds import MOST_TRIALS
from ptrctl.terminal import console
from recordings.errors import INTERRUPTED


def demo(
    *,
    checkpoint: Annotated[
        str, typer.Option("--checkpoint", "-c", help="Where to start.")
    ] = "pretrained",
    baselines: Annotated[
        bool,
        typer.Option(
            "--baselines", help="Also try zero-shot and from scratch, on the same starts."
        ),
    ] = False,
    quick: Annotated[
        bool, typer.Option("--quick", help="Everything once, in seconds; figures mean nothing.")
    ] = False,
    steps: Annotated[int, typer.Option(min=1, help="Updates of fine-tuning.")] = 500,
    trials: Annotated[
        int, typer.Option(min=1, max=MOST_TRIALS, help="Scored trials before and after.")
    ] = 50,
    practice: Annotated[int, typer.Option(min=1, help="Autonomous trials.")] = 20,
    seed: Annotated[
        int, typer.Option("--seed", min=0, max=9999, help="Seed of everything random.")
    ] = 0,
    workspace: Annotated[
        Path, typer.Option("--workspace", "-w", help="Folder for the demo, of its own.")
    ] = Path("demo-workspace"),
    json: JsonOption = False,
) -> None:
    """Watch the whole loop on the simulated arm: record, fine-tune, evaluate, improve, evaluate.

    The task and the kitchen are new to the shipped checkpoint. Repeating the command goes on.
    """
    with console.starting():
        from ptrctl.sessions.demo import run_demo
    from ptrctl.sessions.demo_state import DemoOptions, quickly

    options = DemoOptions(
        steps=steps,
        trials=trials,
        practice=practice,
        checkpoint=checkpoint,
        baselines=baselines,
        seed=seed,
    )
    if not run_demo(workspace, quickly(options) if quick else options):
        raise typer.Exit(INTERRUPTED)
