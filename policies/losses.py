"""The losses, in the papers' symbols: tensors in, scalars out, nothing else.

B states, E critics, n sampled actions of each state, d = 7 action dimensions.

Sources: PTR (Kumar et al., 2023) and its code, jaxrl2/agents/cql_encodersep_parallel; CQL (Kumar
et al., 2020); Cal-QL (Nakamoto et al., 2023), the bound; TD3+BC (Fujimoto and Gu, 2021), the
scale of the value term.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from policies.labelling import value_range
from recordings.records import ACTION_SIZE, GRIPPER


def td_target(r: Tensor, discount: Tensor, next_q: Tensor, *, each_alone: bool = False) -> Tensor:
    """y = r + gamma^n m max_j min_i Qbar_i(s', a'_j): the max-Q backup, without entropy.

    Args:
        r: (B,) rewards over the n-step window.
        discount: (B,) gamma^n, 0 where the window ends in success.
        next_q: (E, B, n) target critics at sampled next actions.
        each_alone: Give each critic its own target, (E, B), for critics that learn from
            different data; else (B,).
    """
    lowest = next_q if each_alone else next_q.amin(dim=0)
    return r + discount * lowest.amax(dim=-1)


def clamp_target(y: Tensor, gamma: float) -> Tensor:
    """y within what returns can be, see `value_range`."""
    return y.clamp(*value_range(gamma))


def td_loss(q: Tensor, y: Tensor, seen: Tensor) -> Tensor:
    """Mean over critics and batch of (Q_i(s, a) - y)^2, without a half.

    Args:
        q: (E, B).
        y: (B,) or (E, B).
        seen: (E, B), see `cross_fit_mask`.
    """
    return masked_mean((q - y) ** 2, seen)


def masked_mean(values: Tensor, seen: Tensor) -> Tensor:
    """Mean of the values (E, B) whose `seen` is 1."""
    return (values * seen).sum() / seen.sum().clamp(min=1.0)


def cross_fit_mask(groups: Tensor, members: int) -> Tensor:
    """Which critic learns from which transition, (E, B) of 0 and 1: critic i leaves out the
    groups g with g mod E = i.

    Args:
        groups: (B,) int64.
        members: E.
    """
    left_out = torch.arange(members, device=groups.device)[:, None] == groups % members
    return 1.0 - left_out.float()


def held_out_advantage(q_data: Tensor, baseline: Tensor, groups: Tensor | None = None) -> Tensor:
    """A = Q(s, a) - b, (B,), by the critic that has not learned from the transition.

    Cross-fitting (Chernozhukov et al., 2018): a critic that has seen an episode knows how it
    ended, by the look of its place, and finds nothing to choose between the steps on the way.

    Args:
        q_data: (E, B) at the data's action.
        baseline: (E, B) or (B,): V_i(s), or what successes were worth at that time.
        groups: (B,) int64 as for `cross_fit_mask`; None takes the mean over all critics.
    """
    advantages = q_data - baseline
    if groups is None:
        return advantages.mean(dim=0)
    return advantages.gather(0, (groups % len(advantages))[None])[0]


def advantage_weight(advantage: Tensor, temperature: float) -> Tensor:
    """exp(A / T), at most 1: what is no worse than usual is cloned in full, (B,)."""
    return (advantage / temperature).clamp(max=0.0).exp()


def expectile_loss(difference: Tensor, expectile: float, seen: Tensor) -> Tensor:
    """Mean of |tau - 1(u < 0)| u^2 for u = Q - V, (E, B) (Kostrikov et al., 2022)."""
    weight = torch.where(difference < 0, 1.0 - expectile, expectile)
    return masked_mean(weight * difference**2, seen)


def cal_ql_bound(q_policy: Tensor, returns: Tensor) -> Tensor:
    """Values of policy actions, at least the data's return: max(Q_i(s, a_j), G(s)).

    Args:
        q_policy: (E, B, n).
        returns: (B,) Monte-Carlo returns.
    """
    return torch.maximum(q_policy, returns[:, None])


def cql_regularizer(
    q_data: Tensor, q_policy: Tensor, log_pi: Tensor, q_random: Tensor, version: int
) -> Tensor:
    """R_i: how far sampled actions are valued above the data's, (E, B).

    Version 1 takes the mean over policy actions; 2 the log-sum-exp over policy and random
    actions; 3 the same with each action's density taken out.

    Args:
        q_data: (E, B).
        q_policy: (E, B, n) at a_j ~ pi(.|s).
        log_pi: (B, n), no gradient.
        q_random: (E, B, n) at u_j uniform on [-1, 1]^7.
        version: 1, 2 or 3.
    """
    if version == 1:
        return q_policy.mean(dim=2) - q_data
    if version == 3:
        q_policy = q_policy - log_pi
        q_random = q_random + ACTION_SIZE * math.log(2.0)
    return torch.cat([q_policy, q_random], dim=2).logsumexp(dim=2) - q_data


def actor_loss(
    log_pi: Tensor, min_q: Tensor, beta: Tensor | float, *, normalise_q: bool = False
) -> Tensor:
    """Mean of beta log pi(a|s) - min_i Q_i(s, a).

    Args:
        log_pi, min_q: (B,) at a ~ pi(.|s), with gradient.
        beta: Entropy temperature, no gradient.
        normalise_q: Divide the values by their mean size, so that the term's weight means the
            same whatever the values.
    """
    if normalise_q:
        min_q = min_q / min_q.detach().abs().mean().clamp(min=1e-3)
    return (beta * log_pi - min_q).mean()


def temperature_loss(log_beta: Tensor, log_pi: Tensor, target_entropy: float) -> Tensor:
    """beta (H - H_target) with H = -mean log pi taken as given."""
    return log_beta.exp() * (-log_pi.detach().mean() - target_entropy)


def bc_loss(mu: Tensor, actions: Tensor, weights: Tensor) -> tuple[Tensor, Tensor]:
    """How far the deterministic action is from the data's.

    The arm's six dimensions: Huber loss of tanh(mu), quadratic within 0.1. The gripper: binary
    cross-entropy of the wish to open, since a squared error of a saturated tanh has no gradient
    where it is most wrong.

    Args:
        mu: (B, 7) before the tanh.
        actions: (B, 7) in [-0.99, 0.99].
        weights: (B,) 1 to count, 0 to leave out.

    Returns:
        Arm loss and gripper loss, means over what counts.
    """
    total = weights.sum().clamp(min=1.0)
    arm = F.smooth_l1_loss(
        torch.tanh(mu[:, :GRIPPER]), actions[:, :GRIPPER], beta=0.1, reduction="none"
    ).mean(dim=1)
    # sigmoid(2u) = (tanh(u) + 1) / 2 is the opening that tanh(u) stands for.
    gripper = F.binary_cross_entropy_with_logits(
        2.0 * mu[:, GRIPPER], (actions[:, GRIPPER] + 1.0) / 2.0, reduction="none"
    )
    return (weights * arm).sum() / total, (weights * gripper).sum() / total


def deviation_loss(mu: Tensor, log_std: Tensor, actions: Tensor, weights: Tensor) -> Tensor:
    """Negative log-likelihood of the data's actions as a function of sigma alone.

    It gives a cloned policy a spread to explore with, and leaves its mean alone.

    Args:
        mu, log_std: (B, 7).
        actions: (B, 7) in [-0.99, 0.99].
        weights: (B,) 1 to count, 0 to leave out.
    """
    error = torch.atanh(actions) - mu.detach().clamp(-2.7, 2.7)
    loss = (0.5 * (error / log_std.exp()) ** 2 + log_std).mean(dim=1)
    return (weights * loss).sum() / weights.sum().clamp(min=1.0)


def toggle_loss(predicted: Tensor, target: Tensor, known: Tensor) -> Tensor:
    """Huber loss of predicted gripper-toggle positions, both (B, 3); known (B,) bool."""
    loss = F.smooth_l1_loss(predicted, target, beta=0.1, reduction="none").mean(dim=1)
    weights = known.to(loss.dtype)
    return (weights * loss).sum() / weights.sum().clamp(min=1.0)
