"""What all learners share: networks, a slow copy, optimisers, resumable state."""

from __future__ import annotations

import copy
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import get_ema_multi_avg_fn

from policies.augment import augment
from policies.config import PolicyConfig
from policies.memory import keep_freed_memory, lay_out_convolutions
from policies.networks import PolicyNetworks
from policies.precision import mixed_precision
from policies.replay import Batch

GRIPPER_WEIGHT = 0.2
"""Of the gripper's cross-entropy beside the arm's Huber loss, so that neither drowns the other."""
DEVIATION_WEIGHT = 0.1
_CRITIC_SEED = 0x5DEECE66
"""Apart from every seed that a person gives, in the 32 bits that the generator takes of a seed."""


def scale_gradient(tensor: Tensor, scale: float) -> Tensor:
    """The same values, with their gradient times `scale`."""
    return tensor if scale == 1.0 else tensor * scale + tensor.detach() * (1.0 - scale)


@dataclass(frozen=True)
class LearnerState:
    """Everything that decides how learning goes on.

    Args:
        tensors: Weights, slow copy, optimiser state, random state, by name.
        updates: Number of updates done.
    """

    tensors: Mapping[str, Tensor]
    updates: int


class Learner(Protocol):
    """What training needs of a method."""

    config: PolicyConfig
    updates: int
    """Number of updates done."""
    cloned: Tensor | None
    """(B,) how much each transition of the last batch was cloned; None if that is not judged."""

    @property
    def needs_next(self) -> bool:
        """Whether batches must hold the next pictures."""
        ...

    @property
    def only_success(self) -> bool:
        """Whether batches must hold successful episodes only."""
        ...

    @property
    def rollout_networks(self) -> PolicyNetworks:
        """The networks that act."""
        ...

    def update(self, batch: Batch) -> dict[str, float]:
        """One step on one batch; returns what is worth watching."""
        ...

    def state_dict(self) -> LearnerState:
        """All state."""
        ...

    def load_state_dict(self, state: LearnerState) -> None:
        """Go on exactly from `state`."""
        ...


class LearnerBase:
    """Networks with their slow copy and optimisers.

    Args:
        config: The whole configuration.
        networks: Start weights; owned and changed by the learner.
        seed: Of augmentation and sampled actions.
        device: "cpu" or "cuda".
        planned_updates: For the cosine schedule; 0 keeps the rates constant.
        earlier_critic_updates: How much the critic had learned before.
    """

    def __init__(
        self,
        config: PolicyConfig,
        networks: PolicyNetworks,
        *,
        seed: int,
        device: str = "cpu",
        planned_updates: int = 0,
        earlier_critic_updates: int = 0,
    ) -> None:
        keep_freed_memory()
        self.config = config
        self.device = torch.device(device)
        self.networks = networks.to(self.device)
        lay_out_convolutions(networks)
        self.slow = copy.deepcopy(self.networks).requires_grad_(False)
        # Draws on the CPU, so that a seed means the same on every device. What only a critic needs
        # is drawn apart: with one seed every learner sees the same pictures.
        self.generator = torch.Generator().manual_seed(seed)
        self.critic_generator = torch.Generator().manual_seed(seed + _CRITIC_SEED)
        self.planned_updates = planned_updates
        self.earlier_critic_updates = earlier_critic_updates
        self.updates = 0
        self.cloned: Tensor | None = None
        self.optimisers = self._make_optimisers()
        self._base_rates = {name: self._rate(name) for name in self.optimisers}
        self._follow = get_ema_multi_avg_fn(  # type: ignore[no-untyped-call]
            1.0 - config.training.slow_rate
        )

    @property
    def rollout_networks(self) -> PolicyNetworks:
        """The networks that act: the slow copy, or the fast ones as in the paper."""
        return self.slow if self.config.training.slow_actor else self.networks

    def state_dict(self) -> LearnerState:
        """All state, as copies."""
        tensors: dict[str, Tensor] = {
            "random": self.generator.get_state(),
            "critic_random": self.critic_generator.get_state(),
        }
        for prefix, networks in (("fast", self.networks), ("slow", self.slow)):
            for name, value in networks.state_dict().items():
                tensors[f"{prefix}/{name}"] = value.detach().clone().contiguous()
        for name, optimiser in self.optimisers.items():
            for index, slots in optimiser.state_dict()["state"].items():
                for slot, value in slots.items():
                    tensors[f"optimiser/{name}/{index}/{slot}"] = value.clone().contiguous()
        return LearnerState(tensors, self.updates)

    def load_state_dict(self, state: LearnerState) -> None:
        """Go on exactly from `state`."""
        for prefix, networks in (("fast", self.networks), ("slow", self.slow)):
            start = f"{prefix}/"
            networks.load_state_dict(
                {
                    name[len(start) :]: value
                    for name, value in state.tensors.items()
                    if name.startswith(start)
                }
            )
        for name, optimiser in self.optimisers.items():
            slots: dict[int, dict[str, Tensor]] = {}
            for key, value in state.tensors.items():
                if key.startswith(f"optimiser/{name}/"):
                    _, _, index, slot = key.split("/")
                    parameter = optimiser.param_groups[0]["params"][int(index)]
                    # In the weights' memory layout: fused Adam walks both as flat memory.
                    like = parameter if value.shape == parameter.shape else value
                    restored = torch.empty_like(like, dtype=value.dtype).copy_(value)
                    slots.setdefault(int(index), {})[slot] = restored
            groups = optimiser.state_dict()["param_groups"]
            optimiser.load_state_dict({"state": slots, "param_groups": groups})
        for name, generator in (
            ("random", self.generator),
            ("critic_random", self.critic_generator),
        ):
            generator.set_state(state.tensors[name].to(torch.uint8).cpu())
        self.updates = state.updates

    def _optimised(self) -> dict[str, list[nn.Parameter]]:
        """Parameters by optimiser. A shared encoder and the task table go with the actor."""
        networks = self.networks
        actor: list[nn.Module | None] = [networks.actor, networks.toggle]
        critic: list[nn.Module | None] = [networks.critic, networks.value]
        if networks.actor_encoder is None:
            actor.append(networks.encoder)
        else:
            actor.append(networks.actor_encoder)
            critic.append(networks.encoder)
        groups = {
            name: [p for module in modules if module is not None for p in module.parameters()]
            for name, modules in (("actor", actor), ("critic", critic))
        }
        if networks.task_table.requires_grad:
            groups["actor"].append(networks.task_table)
        return {**groups, "temperature": [networks.log_beta]}

    def _rate(self, name: str) -> float:
        training = self.config.training
        rates = {
            "actor": training.actor_rate,
            "critic": training.critic_rate,
            "temperature": training.temperature_rate,
        }
        return rates[name]

    def _make_optimisers(self) -> dict[str, torch.optim.Adam]:
        return {
            name: torch.optim.Adam(parameters, lr=self._rate(name), fused=True)
            for name, parameters in self._optimised().items()
        }

    def _begin_update(self) -> None:
        factor = 1.0
        if self.config.training.rate_schedule == "cosine" and self.planned_updates:
            done = min(self.updates / self.planned_updates, 1.0)
            factor = 0.1 + 0.9 * 0.5 * (1.0 + math.cos(math.pi * done))
        for name, optimiser in self.optimisers.items():
            optimiser.zero_grad(set_to_none=True)
            for group in optimiser.param_groups:
                group["lr"] = factor * self._base_rates[name]

    def _end_update(self) -> None:
        """Let the slow copy follow."""
        slow, fast = list(self.slow.parameters()), list(self.networks.parameters())
        with torch.no_grad():
            self._follow(slow, fast, self.updates)
        self.updates += 1

    def _augmented(self, images: Tensor) -> Tensor:
        return augment(images, self.config.training, self.generator)

    def _augmented_next(self, images: Tensor) -> Tensor:
        return augment(images, self.config.training, self.critic_generator)

    def _mixed_precision(self) -> torch.autocast:
        return mixed_precision(self.device.type, self.config.training.precision)

    def _clone_weights(self, batch: Batch) -> Tensor:
        """(B,) 1 for transitions that may be cloned."""
        if self.config.algorithm.bc_on == "all":
            return torch.ones(len(batch), device=self.device)
        return batch.success.float()
