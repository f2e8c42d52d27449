"""Learners by name."""

from __future__ import annotations

import torch

from policies.behaviour_cloning import BehaviourCloning
from policies.config import PolicyConfig
from policies.iql import ImplicitQLearning
from policies.learner import Learner
from policies.networks import PolicyNetworks
from policies.ptr import PTR

LEARNERS: dict[str, type[BehaviourCloning] | type[PTR] | type[ImplicitQLearning]] = {
    "bc": BehaviourCloning,
    "ptr": PTR,
    "iql": ImplicitQLearning,
}


def make_networks(config: PolicyConfig, seed: int) -> PolicyNetworks:
    """Fresh networks, the same for the same seed; torch's global random state is left alone."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return PolicyNetworks(config.network)


def make_learner(
    config: PolicyConfig,
    networks: PolicyNetworks,
    *,
    seed: int,
    device: str = "cpu",
    planned_updates: int = 0,
    earlier_critic_updates: int = 0,
) -> Learner:
    """The learner that `config.algorithm.learner` names, on the given start weights."""
    return LEARNERS[config.algorithm.learner](
        config,
        networks,
        seed=seed,
        device=device,
        planned_updates=planned_updates,
        earlier_critic_updates=earlier_critic_updates,
    )
