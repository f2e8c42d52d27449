"""Which checkpoint to use: values that rise along held-out demonstrations, and cloning error.

Source: PTR prefers checkpoints whose Q rises along held-out target demonstrations; the mean rank
correlation is our operational form of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from scipy.stats import rankdata

from policies.augment import to_planes
from policies.checkpoint import Checkpoint
from policies.heads import TanhGaussian
from policies.networks import Inputs, PolicyNetworks
from policies.replay import Batch, ReplayBuffer, TransitionData
from recordings.records import GRIPPER

RISING = 0.8
"""A mean correlation from here on counts as rising."""


@dataclass(frozen=True)
class HeldOutScore:
    """How a checkpoint does on demonstrations that it has not seen.

    Args:
        rising: Mean over episodes of Spearman's correlation between time and min Q, -1..1;
            NaN where the critic has not been trained.
        arm_error: Mean absolute error of the six arm dimensions, as a share of the range.
        gripper_error: Share of steps in which the gripper is told the opposite.
        toggle_error_m: Median distance between predicted and true next toggle positions, metres;
            NaN where none is predicted.
    """

    rising: float
    arm_error: float
    gripper_error: float
    toggle_error_m: float


def spearman_with_time(values: npt.NDArray[np.floating]) -> float:
    """Spearman's rank correlation of a series with time; 0 for a constant or a single value."""
    if len(values) < 2 or np.ptp(values) == 0:
        return 0.0
    ranks = rankdata(values)
    return float(np.corrcoef(np.arange(len(values)), ranks)[0, 1])


def score_held_out(checkpoint: Checkpoint, demonstrations: TransitionData) -> HeldOutScore:
    """Judge a checkpoint on successful demonstrations of tasks that it knows.

    Raises:
        CheckpointError: It does not know their task.
        RecordingError: They have no labelled episode or lack its camera.
    """
    networks, slots = checkpoint.networks()
    networks.eval()
    buffer = ReplayBuffer.from_packed(
        demonstrations, slots, checkpoint.info.config.algorithm, checkpoint.info.camera
    )
    values, arm, gripper, toggle = [], [], [], []
    for start in range(0, len(buffer), 256):
        indices = np.arange(start, min(start + 256, len(buffer)))
        batch = buffer.gather(indices, with_next=False)
        seen = _look(networks, batch)
        values.append(seen.values)
        arm.append(seen.arm_errors)
        gripper.append(seen.gripper_errors)
        toggle.append(seen.toggle_errors_m)
    all_values = np.concatenate(values)
    rising = float("nan")
    if checkpoint.info.critic_updates:
        episodes = np.split(all_values, buffer.episode_starts[1:])
        rising = float(np.mean([spearman_with_time(episode) for episode in episodes]))
    distances = np.concatenate(toggle)
    return HeldOutScore(
        rising=rising,
        arm_error=float(np.concatenate(arm).mean()),
        gripper_error=float(np.concatenate(gripper).mean()),
        toggle_error_m=float(np.median(distances)) if len(distances) else float("nan"),
    )


def rank_checkpoints(
    scored: Sequence[tuple[Checkpoint, HeldOutScore]],
) -> list[tuple[Checkpoint, HeldOutScore]]:
    """Best first.

    Checkpoints whose value rises come before those whose value does not; within each, the smaller
    cloning error wins, and the earlier checkpoint among equals. Values that all rise say nothing
    more about each other: the correlation of one held-out episode is noisy.
    """

    def key(item: tuple[Checkpoint, HeldOutScore]) -> tuple[bool, float, int]:
        checkpoint, score = item
        rises = score.rising >= RISING
        return (not rises, score.arm_error + score.gripper_error, checkpoint.info.steps)

    return sorted(scored, key=key)


@dataclass(frozen=True)
class _Seen:
    values: npt.NDArray[np.float32]
    arm_errors: npt.NDArray[np.float32]
    gripper_errors: npt.NDArray[np.bool_]
    toggle_errors_m: npt.NDArray[np.float32]


@torch.no_grad()
def _look(networks: PolicyNetworks, batch: Batch) -> _Seen:
    inputs: Inputs = networks.inputs(batch.states, batch.tasks)
    planes = to_planes(batch.images)
    z = networks.embed_for_actor(planes, inputs)
    toggle = networks.predict_toggle(z, inputs)
    pi: TanhGaussian = networks.policy(z, inputs, toggle)
    z_critic = z if networks.actor_encoder is None else networks.embed_for_critic(planes, inputs)
    q = networks.critic(z_critic, networks.critic_context(inputs, toggle), batch.actions[:, None])
    errors = (pi.mode - batch.actions).abs()
    distances = np.empty(0, np.float32)
    if toggle is not None:
        metres = (networks.toggle_to_metres(toggle) - batch.toggles).norm(dim=1)
        distances = metres[batch.toggle_known].numpy()
    return _Seen(
        values=q[:, :, 0].amin(dim=0).numpy(),
        # Normalised actions span 2.
        arm_errors=(errors[:, :GRIPPER].mean(dim=1) / 2.0).numpy(),
        gripper_errors=((pi.mode[:, GRIPPER] > 0) != (batch.actions[:, GRIPPER] > 0)).numpy(),
        toggle_errors_m=distances,
    )
