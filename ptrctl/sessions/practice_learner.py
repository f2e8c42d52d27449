"""What practice learns from: the checkpoint, with the demonstrations and prior data there are."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ptrctl.checkpoints import rehearsal_of
from ptrctl.practice_plan import ImprovePlan
from ptrctl.sessions.training import packing
from ptrctl.terminal.dashboard import Display
from ptrctl.workflows.finetune import TrainingRequest, load_demonstrations, pack_prior
from ptrctl.workspace import Workspace
from recordings.dataset import EpisodeFolder
from recordings.records import Outcome

if TYPE_CHECKING:
    from policies.checkpoint import Checkpoint
    from policies.config import Learner
    from policies.online import OnlineLearner


def practice_request(
    workspace: Workspace, plan: ImprovePlan, checkpoint: Checkpoint, learner: Learner | None
) -> TrainingRequest:
    """How the data of a practice session is packed."""
    config = checkpoint.info.config
    return TrainingRequest(
        run=workspace.checkpoint(plan.task),
        steps=1,
        learner=learner or config.algorithm.learner,
        init=checkpoint,
        preset=config.preset,
        seed=plan.seed,
        robot=checkpoint.info.robot,
        cache=workspace.root / ".cache" / "packed",
        camera=checkpoint.info.camera,
    )


def make_learner(
    workspace: Workspace,
    plan: ImprovePlan,
    checkpoint: Checkpoint,
    request: TrainingRequest,
    prior: Sequence[Path],
    shown: Display,
) -> OnlineLearner:
    """The checkpoint with what offline data there is.

    A task that it has never seen takes a spare slot: the first successes to learn from are those
    of a policy that tries.
    """
    from policies.online import OnlineLearner

    demos = workspace.demos(plan.task)
    folders = tuple(prior) or rehearsal_of(checkpoint)
    data = pack_prior(folders, request, packing(shown)) if folders else None
    target = None
    if demos.is_dir() and EpisodeFolder(demos).counts()[Outcome.SUCCESS]:
        target = load_demonstrations(demos, request, packing(shown)).train
    return OnlineLearner(
        checkpoint,
        prior=data,
        target=target,
        new_tasks=[task for task in (plan.task, plan.backward) if task],
        config=request.config,
        planned_updates=plan.trials * plan.updates_per_trial,
        seed=plan.seed,
    )
