"""`ptrctl evaluate`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ptrctl.options import (
    CheckpointOption,
    JsonOption,
    KitchenOption,
    MaxStepsOption,
    RealtimeOption,
    RobotOption,
    StopHopelessOption,
    TaskOption,
    TrialSeedOption,
    WorkspaceOption,
)
from ptrctl.seeds import MOST_TRIALS
from recordings.errors import INTERRUPTED


def evaluate(
    *,
    task: TaskOption = None,
    checkpoint: CheckpointOption = None,
    trials: Annotated[
        int, typer.Option("--trials", "-n", min=1, max=MOST_TRIALS, help="Scored trials.")
    ] = 50,
    kitchen: KitchenOption = None,
    seed: TrialSeedOption = 0,
    session: Annotated[
        str | None,
        typer.Option(
            help="Name of the folder under trials/.", show_default="from task and checkpoint"
        ),
    ] = None,
    compare: Annotated[
        str, typer.Option(help="Session to pair with, trial by trial.", show_default=False)
    ] = "",
    max_steps: MaxStepsOption = 40,
    stop_hopeless: StopHopelessOption = None,
    robot: RobotOption = None,
    realtime: RealtimeOption = None,
    workspace: WorkspaceOption = Path(),
    json: JsonOption = False,
) -> None:
    """Score a policy over trials whose plan is frozen before the first; goes on where it stopped.

    The result is a count with its 95 % Wilson interval, and a report with videos.
    """
    from ptrctl.sessions.evaluation import run_evaluation
    from ptrctl.sessions.session_options import EvaluateOptions

    finished = run_evaluation(
        workspace,
        {"robot": robot, "task": task, "kitchen_seed": kitchen},
        EvaluateOptions(
            checkpoint=checkpoint,
            trials=trials,
            seed=seed,
            session=session,
            compare=compare,
            max_steps=max_steps,
            stop_hopeless=stop_hopeless,
            realtime=realtime is True,
        ),
    )
    if not finished:
        raise typer.Exit(INTERRUPTED)
