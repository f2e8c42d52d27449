"""`ptrctl finetune`."""

from __future__ import annotations

import enum
from pathlib import Path
from typing import Annotated

import typer

from ptrctl.options import JsonOption, SeedOption, TaskOption, WorkspaceOption
from ptrctl.terminal import console


class LearnerName(str, enum.Enum):
    """How to learn."""

    PTR = "ptr"
    BC = "bc"


def finetune(
    *,
    task: TaskOption = None,
    checkpoint: Annotated[
        str | None,
        typer.Option("--checkpoint", "-c", help="Where to start.", show_default="pretrained"),
    ] = None,
    from_scratch: Annotated[
        bool, typer.Option("--from-scratch", help="Start from random weights.")
    ] = False,
    preset: Annotated[
        str | None,
        typer.Option(
            help="Networks when starting from scratch.",
            show_default="the shipped checkpoint's",
        ),
    ] = None,
    demos: Annotated[
        Path | None,
        typer.Option(help="Folder of demonstrations.", show_default="demos/<task>"),
    ] = None,
    prior: Annotated[
        list[Path] | None,
        typer.Option(
            help="Folder of prior data to mix in; repeat for several.",
            show_default="the checkpoint's rehearsal set",
        ),
    ] = None,
    steps: Annotated[int, typer.Option(min=1, help="Updates.")] = 500,
    learner: Annotated[
        LearnerName, typer.Option(help="PTR, or behaviour cloning.")
    ] = LearnerName.PTR,
    seed: SeedOption = 0,
    name: Annotated[
        str | None, typer.Option(help="Name in checkpoints/.", show_default="the task's")
    ] = None,
    workspace: WorkspaceOption = Path(),
    json: JsonOption = False,
) -> None:
    """Learn a task from its demonstrations, starting from a checkpoint; resumes after a kill."""
    from ptrctl.checkpoints import PRETRAINED

    with console.starting():
        from ptrctl.sessions.training import (
            FinetuneOptions,
            check_one_start,
            folders_exist,
            run_finetuning,
        )

    check_one_start(from_scratch, checkpoint, preset)
    run_finetuning(
        workspace,
        {"task": task},
        FinetuneOptions(
            checkpoint=checkpoint or PRETRAINED,
            from_scratch=from_scratch,
            preset=preset,
            demos=demos,
            prior=folders_exist(prior or []),
            steps=steps,
            learner=learner.value,
            seed=seed,
            name=name,
        ),
    )
