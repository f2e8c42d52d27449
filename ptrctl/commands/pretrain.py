"""`ptrctl pretrain`."""

from __future__ import annotations

import enum
from pathlib import Path
from typing import Annotated

import typer

from ptrctl.commands.finetune import LearnerName
from ptrctl.options import JsonOption, SeedOption, WorkspaceOption
from ptrctl.terminal import console


class PrecisionName(str, enum.Enum):
    """Of numbers in the encoder."""

    FLOAT32 = "float32"
    BFLOAT16 = "bfloat16"


def pretrain(
    *,
    data: Annotated[
        list[Path], typer.Option("--data", help="Folder of recordings; repeat for several.")
    ],
    preset: Annotated[
        str | None,
        typer.Option(
            help="Networks and settings: tiny, cpu, cpu-large or paper.",
            show_default="the checkpoint's, else cpu",
        ),
    ] = None,
    learner: Annotated[
        LearnerName, typer.Option(help="PTR, or behaviour cloning.")
    ] = LearnerName.PTR,
    steps: Annotated[int, typer.Option(min=1, help="Updates.")] = 14_000,
    seed: SeedOption = 0,
    name: Annotated[str, typer.Option(help="Name in checkpoints/.")] = "prior",
    checkpoint: Annotated[
        str, typer.Option("--checkpoint", "-c", help="Start from it.", show_default=False)
    ] = "",
    precision: Annotated[
        PrecisionName | None,
        typer.Option(
            help="Of the encoder; bfloat16 where the processor has it, else float32.",
            show_default="the preset's",
        ),
    ] = None,
    workers: Annotated[int, typer.Option(min=1, help="Processes that pack pictures.")] = 2,
    workspace: WorkspaceOption = Path(),
    json: JsonOption = False,
) -> None:
    """Learn many tasks from prior data, as a start for fine-tuning; resumes after a kill."""
    with console.starting():
        from ptrctl.sessions.pretraining import PretrainOptions, run_pretraining
        from ptrctl.sessions.training import folders_exist

    run_pretraining(
        workspace,
        PretrainOptions(
            data=folders_exist(data),
            preset=preset,
            learner=learner.value,
            steps=steps,
            seed=seed,
            name=name,
            workers=workers,
            checkpoint=checkpoint,
            precision=None if precision is None else precision.value,
        ),
    )
