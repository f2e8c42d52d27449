"""Which checkpoint to use: what can be told from demonstrations that it has not seen.

Source: PTR prefers checkpoints whose Q rises along held-out target demonstrations; the mean rank
correlation is our operational form of it. benchmarks/checkpoint_choice.py compares the criteria.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import numpy.typing as npt
import torch
from scipy.stats import rankdata
from torch import Tensor

from policies import losses
from policies.augment import to_planes
from policies.checkpoint import Checkpoint
from policies.config import AlgorithmConfig
from policies.networks import PolicyNetworks
from policies.packed_episodes import TransitionData
from policies.replay import Batch, ReplayBuffer
from recordings.records import GRIPPER

Kept = TypeVar("Kept")


@dataclass(frozen=True)
class HeldOutScore:
    """How a checkpoint does on demonstrations that it has not seen.

    Args:
        rising: Mean over episodes of Spearman's correlation between time and min Q, -1..1;
            NaN where the critic has not been trained.
        td_error: Mean over critics and steps of (Q - y)^2, y as in training but from the
            checkpoint's own networks; NaN where the critic has not been trained.
        arm_error: Mean absolute error of the six arm dimensions, as a share of the range.
        gripper_error: Share of steps in which the gripper is told the opposite.
        toggle_error_m: Median distance between predicted and true next toggle positions, metres;
            NaN where none is predicted.
    """

    rising: float
    td_error: float
    arm_error: float
    gripper_error: float
    toggle_error_m: float

    @property
    def action_error(self) -> float:
        """Of arm and gripper together, 0..2."""
        return self.arm_error + self.gripper_error


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
    algorithm = checkpoint.info.config.algorithm
    generator = torch.Generator().manual_seed(0)
    looks = []
    for start in range(0, len(buffer), 256):
        indices = np.arange(start, min(start + 256, len(buffer)))
        looks.append(_look(networks, buffer.gather(indices), algorithm, generator))
    rising = td_error = float("nan")
    if checkpoint.info.critic_updates:
        values = np.concatenate([look.values for look in looks])
        episodes = np.split(values, buffer.episode_starts[1:])
        rising = float(np.mean([spearman_with_time(episode) for episode in episodes]))
        td_error = float(np.concatenate([look.td_errors for look in looks]).mean())
    distances = np.concatenate([look.toggle_errors_m for look in looks])
    return HeldOutScore(
        rising=rising,
        td_error=td_error,
        arm_error=float(np.concatenate([look.arm_errors for look in looks]).mean()),
        gripper_error=float(np.concatenate([look.gripper_errors for look in looks]).mean()),
        toggle_error_m=float(np.median(distances)) if len(distances) else float("nan"),
    )


# ---- criteria -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Criterion:
    """A rule that chooses between the checkpoints of one run.

    Args:
        cost: Of a checkpoint after so many steps with such a score; the smallest is best, and the
            later checkpoint among equals. NaN, where a score says nothing, is worse than all else.
        figures: What it went by, in words; "" where the score says nothing.
        late: Only checkpoints of the second half of a run are candidates.
    """

    cost: Callable[[int, HeldOutScore], tuple[float, ...]]
    figures: Callable[[HeldOutScore], str]
    late: bool = False

    def candidates(self, checkpoints: Sequence[Kept]) -> Sequence[Kept]:
        """Those among which to choose, of all that a run kept, oldest first."""
        return checkpoints[len(checkpoints) // 2 :] if self.late else checkpoints

    def order(self, steps: int, score: HeldOutScore) -> tuple[float, ...]:
        """A key that sorts checkpoints best first."""
        cost = self.cost(steps, score)
        return (*(math.inf if math.isnan(part) else part for part in cost), -steps)


def _in_words(value: float, form: str) -> str:
    return "" if math.isnan(value) else format(value, form)


CRITERIA: Mapping[str, Criterion] = {
    "last": Criterion(lambda steps, score: (), lambda score: ""),
    "rise of Q": Criterion(
        lambda steps, score: (-score.rising,), lambda score: _in_words(score.rising, "+.2f")
    ),
    "TD error": Criterion(
        lambda steps, score: (score.td_error,),
        lambda score: _in_words(score.td_error, ".3g"),
        late=True,
    ),
    "action error": Criterion(
        lambda steps, score: (score.action_error,),
        lambda score: _in_words(score.action_error, ".3f"),
    ),
}
"""By name."""

DEFAULT_CRITERION = "TD error"
"""What `ptrctl finetune` goes by: the winner of the comparison in docs/checkpoint-choice.md."""


def rank_checkpoints(
    scored: Sequence[tuple[Checkpoint, HeldOutScore]], criterion: str = DEFAULT_CRITERION
) -> list[tuple[Checkpoint, HeldOutScore]]:
    """Best first.

    Args:
        scored: Candidates of one run.
        criterion: One of `CRITERIA`.
    """
    order = CRITERIA[criterion].order
    return sorted(scored, key=lambda item: order(item[0].info.steps, item[1]))


# ---- looking ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Look:
    values: npt.NDArray[np.float32]
    td_errors: npt.NDArray[np.float32]
    arm_errors: npt.NDArray[np.float32]
    gripper_errors: npt.NDArray[np.bool_]
    toggle_errors_m: npt.NDArray[np.float32]


@torch.no_grad()
def _look(
    networks: PolicyNetworks,
    batch: Batch,
    algorithm: AlgorithmConfig,
    generator: torch.Generator,
) -> _Look:
    planes = to_planes(batch.images)
    acting = networks.act(planes, batch.states, batch.tasks)
    z = networks.critic_embedding(planes, acting)
    context = networks.critic_context(acting.inputs, acting.toggle)
    q = networks.critic(z, context, batch.actions[:, None])[:, :, 0]
    y = _target(networks, batch, algorithm, generator)
    chosen, toggle = acting.pi.mode, acting.toggle
    errors = (chosen - batch.actions).abs()
    distances = np.empty(0, np.float32)
    if toggle is not None:
        metres = (networks.toggle_to_metres(toggle) - batch.toggles).norm(dim=1)
        distances = metres[batch.toggle_known].numpy()
    return _Look(
        values=q.amin(dim=0).numpy(),
        td_errors=((q - y) ** 2).mean(dim=0).numpy(),
        # Normalised actions span 2.
        arm_errors=(errors[:, :GRIPPER].mean(dim=1) / 2.0).numpy(),
        gripper_errors=((chosen[:, GRIPPER] > 0) != (batch.actions[:, GRIPPER] > 0)).numpy(),
        toggle_errors_m=distances,
    )


def _target(
    networks: PolicyNetworks,
    batch: Batch,
    algorithm: AlgorithmConfig,
    generator: torch.Generator,
) -> Tensor:
    """y, (B,) or (E, B), as the learner has it."""
    planes = to_planes(batch.next_images)
    acting = networks.act(planes, batch.next_states, batch.tasks)
    z = networks.critic_embedding(planes, acting)
    context = networks.critic_context(acting.inputs, acting.toggle)
    if networks.value is not None:
        next_v: Tensor = networks.value(z, context).mean(dim=0)
        y = batch.rewards + batch.discounts * next_v
    else:
        actions, _ = acting.pi.sample(algorithm.action_samples, generator)
        next_q = networks.critic(z, context, actions)
        y = losses.td_target(batch.rewards, batch.discounts, next_q, each_alone=algorithm.cross_fit)
    if algorithm.clamp_targets or networks.value is not None:
        y = losses.clamp_target(y, algorithm.discount)
    return y
