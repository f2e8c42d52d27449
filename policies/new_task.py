"""With which embedding a new task begins.

Before anybody has shown it, as the mean of the tasks that do the most similar thing
(`TaskSlots.similar`). With demonstrations, as that one of them, or their mean, by which the policy
would act most like the demonstrations: things of like looks are found in like ways.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from policies.augment import to_planes
from policies.learner import GRIPPER_WEIGHT
from policies.losses import bc_loss, toggle_loss
from policies.networks import PolicyNetworks
from policies.replay import Batch, ReplayBuffer
from policies.tasks import TaskSlots

STEPS = 128
"""Steps of demonstrations that are looked at, at most."""


def begin_new_tasks(
    networks: PolicyNetworks, slots: TaskSlots, known: TaskSlots, shown: Sequence[ReplayBuffer]
) -> dict[str, str]:
    """Let every task that a checkpoint does not know begin as the known one that fits it best.

    Args:
        networks: Rows of their task table are changed.
        slots: All tasks.
        known: Those of the checkpoint.
        shown: Where a task is demonstrated; the first with a success of it is looked at.

    Returns:
        New task to the known one as which it begins, but for those that keep their mean.
    """
    began_as = {}
    for slot, task in enumerate(slots.names):
        if task in known.names:
            continue
        for buffer in shown:
            if len(buffer.successful_steps(slot)):
                best = begin_as_best(networks, slot, known.similar(task), buffer)
                if best is not None:
                    began_as[task] = slots.names[best]
                break
    return began_as


def begin_as_best(
    networks: PolicyNetworks, slot: int, similar: Sequence[int], demonstrations: ReplayBuffer
) -> int | None:
    """Give a task the embedding, of similar tasks or its own, that explains its demonstrations.

    Args:
        networks: Its row of the task table is changed, if another one is better.
        slot: The new task's.
        similar: Slots of the candidates.
        demonstrations: Those of the new task are looked at, successes only.

    Returns:
        The slot whose embedding it has now; None where it keeps its own, which is so too
        without a success, and where embeddings are not learned: equal ones could never be told
        apart again.
    """
    steps = demonstrations.successful_steps(slot)
    table = networks.task_table
    if not table.requires_grad or len(steps) == 0:
        return None
    # Evenly spread, so that every part of every episode is seen.
    chosen = np.linspace(0, len(steps) - 1, min(STEPS, len(steps))).astype(int)
    batch = demonstrations.gather(steps[chosen], with_next=False)
    errors = {slot: _error(networks, batch, slot)}
    errors |= {other: _error(networks, batch, other) for other in similar}
    best = min(errors, key=lambda candidate: errors[candidate])
    if best == slot:
        return None
    with torch.no_grad():
        table[slot] = table[best]
    return best


@torch.no_grad()
def _error(networks: PolicyNetworks, batch: Batch, slot: int) -> float:
    """The loss of cloning, without its deviations, if the task were that of `slot`."""
    tasks = torch.full_like(batch.tasks, slot)
    acting = networks.act(to_planes(batch.images), batch.states, tasks)
    arm, gripper = bc_loss(acting.pi.mu, batch.actions, torch.ones(len(batch)))
    error: Tensor = arm + GRIPPER_WEIGHT * gripper
    if acting.toggle is not None:
        target = networks.toggle_target(batch.toggles)
        error = error + toggle_loss(acting.toggle, target, batch.toggle_known)
    return float(error)
