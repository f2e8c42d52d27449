"""Puts `ptrctl pretrain` together: data, panel, outcome."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ptrctl.checkpoints import open_checkpoint
from ptrctl.next_command import next_command
from ptrctl.profile import Profile, load_profile
from ptrctl.sessions.training import (
    OTHER_NAME,
    expected_update_s,
    new_run,
    packing,
    training,
    training_json,
    training_rows,
)
from ptrctl.terminal import console
from ptrctl.terminal.dashboard import Stage, display
from ptrctl.workflows.finetune import TrainingRequest, embodiment_of, pack_prior, pretrain
from ptrctl.workspace import Workspace, open_workspace

if TYPE_CHECKING:
    from policies.config import Learner, Precision

PRESET = "cpu"
"""Of a pre-training from random weights."""


@dataclass(frozen=True)
class PretrainOptions:
    """What the command line says.

    Args:
        data: Folders of recordings of many tasks.
        preset: Networks and settings; None takes the checkpoint's, or `PRESET`.
        learner: "ptr" or "bc".
        steps: Updates.
        seed: Of everything random.
        name: Of the result.
        workers: Processes that pack pictures.
        checkpoint: Start from this one; "" starts from random weights.
        precision: Of the encoder; None keeps the preset's.
    """

    data: tuple[Path, ...]
    preset: str | None
    learner: Learner
    steps: int
    seed: int
    name: str
    workers: int
    checkpoint: str
    precision: Precision | None


def run_pretraining(folder: Path, options: PretrainOptions) -> None:
    """Pre-train and show the outcome."""
    workspace = open_workspace(folder)
    profile = load_profile(workspace)
    init = open_checkpoint(workspace, options.checkpoint) if options.checkpoint else None
    request = TrainingRequest(
        run=new_run(workspace, options.name),
        steps=options.steps,
        learner=options.learner,
        init=init,
        preset=options.preset or (init.info.config.preset if init else PRESET),
        seed=options.seed,
        robot=embodiment_of(options.data),
        cache=workspace.root / ".cache" / "packed",
        camera=init.info.camera if init else profile.camera,
        settings_of="preset",
        precision=options.precision,
    )
    pack_stage = Stage("pack the pictures", expected_s=60.0)
    train_stage = Stage("pre-train", expected_s=options.steps * expected_update_s())
    with (
        workspace.alone_in(request.run, OTHER_NAME),
        display("ptrctl pretrain", [pack_stage, train_stage]) as shown,
    ):
        shown.begin(pack_stage.name)
        data = pack_prior(options.data, request, packing(shown), workers=options.workers)
        shown.finish(pack_stage.name, f"{len(data)} transitions of {len(data.tasks)} tasks")
        shown.begin(train_stage.name)
        trained = pretrain(request, data, training(shown), compact=True)
        shown.finish(train_stage.name, trained.reason)
    rows = {
        "data": f"{len(data)} transitions of {len(data.tasks)} tasks ({data.digest[:12]})",
        **training_rows(request, trained, options.checkpoint),
    }
    console.outcome_panel(
        "The pre-training is complete",
        rows,
        wrote=[workspace.said(trained.checkpoint.path)],
        next_command=_after_pretraining(workspace, profile, options.name),
        data={"data_digest": data.digest, **training_json(options.name, trained)},
    )


def _after_pretraining(workspace: Workspace, profile: Profile, name: str) -> str:
    """Fine-tune on a task that has been demonstrated, or demonstrate one first."""
    demonstrated = workspace.demonstrated_tasks()
    if not demonstrated:
        return next_command("record", workspace, task=profile.some_task)
    task = profile.task if profile.task in demonstrated else demonstrated[0]
    return next_command("finetune", workspace, task=task, checkpoint=name)
