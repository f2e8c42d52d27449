"""The networks of one policy: task embedding, encoder(s), actor, critics, toggle predictor."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from policies.config import NetworkConfig
from policies.encoders import Encoder
from policies.heads import Actor, CriticEnsemble, TanhGaussian, ToggleHead, ValueEnsemble
from recordings.records import STATE_SIZE

TOGGLE_UNIT_M = 0.1
"""Toggle positions are predicted and fed on in units of 10 cm, to be of order one."""


@dataclass(frozen=True)
class Inputs:
    """What the networks know of B states besides the picture.

    Args:
        proprioception: (B, 7), normalised if so configured.
        gripper_position: (B, 3), units of 10 cm from `PolicyNetworks.state_mean`.
        task: (B, K) task embedding.
    """

    proprioception: Tensor
    gripper_position: Tensor
    task: Tensor

    @property
    def condition(self) -> Tensor:
        """(B, K + 7): what steers FiLM."""
        return torch.cat([self.task, self.proprioception], dim=1)


@dataclass(frozen=True)
class Acting:
    """What the networks make of B states.

    Args:
        inputs: What they know besides the pictures.
        z: (B, Z), the actor's embedding of the pictures.
        toggle: (B, 3), see `PolicyNetworks.predict_toggle`; None where it is not predicted.
        pi: The policy.
    """

    inputs: Inputs
    z: Tensor
    toggle: Tensor | None
    pi: TanhGaussian


class PolicyNetworks(nn.Module):
    """All networks of a policy. The learner decides which of them learn from what.

    Attributes:
        encoder: The critic's encoder, and the actor's too where `shared_encoder`.
        actor_encoder: The actor's own encoder, None where shared.
        log_beta: Logarithm of the entropy temperature.
        state_mean, state_std: (7,), fixed by the first training data.
    """

    state_mean: Tensor
    state_std: Tensor

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        self.config = config
        task_size = config.task_embedding or config.task_slots
        self.task_table = nn.Parameter(
            torch.randn(config.task_slots, config.task_embedding)
            if config.task_embedding
            else torch.eye(config.task_slots),
            requires_grad=config.task_embedding > 0,
        )
        size = config.image_size
        condition = task_size + STATE_SIZE
        self.encoder = Encoder(config.encoder, size, condition)
        self.actor_encoder = (
            None if config.shared_encoder else Encoder(config.encoder, size, condition)
        )
        z = config.encoder.embedding
        self.toggle = ToggleHead(z + condition) if config.predict_toggle else None
        offset = 3 if config.predict_toggle else 0
        self.actor = Actor(z + condition + offset, config.hidden)
        seen = condition + offset if config.critic_sees_proprioception else task_size
        self.critic = CriticEnsemble(
            config.ensemble,
            z,
            seen,
            config.hidden,
            layer_norm=config.critic_layer_norm,
            every_layer=config.critic_actions_at == "every layer",
        )
        self.value = (
            ValueEnsemble(config.ensemble, z + seen, config.hidden) if config.value_head else None
        )
        self.log_beta = nn.Parameter(torch.zeros(()))
        self.register_buffer("state_mean", torch.zeros(STATE_SIZE))
        self.register_buffer("state_std", torch.ones(STATE_SIZE))

    def set_state_statistics(
        self, mean: npt.NDArray[np.float32], std: npt.NDArray[np.float32]
    ) -> None:
        """Fix how proprioception is normalised; called once, before training."""
        self.state_mean.copy_(torch.from_numpy(mean))
        self.state_std.copy_(torch.from_numpy(np.maximum(std, 1e-2)))

    def start_task(self, slot: int, similar: Sequence[int]) -> None:
        """Let a new task begin as the mean of similar ones; alone it keeps its own start.

        So does a plain one-hot: it does not learn, so that equal ones could never be told apart.
        """
        if similar and self.config.task_embedding:
            with torch.no_grad():
                self.task_table[slot] = self.task_table[list(similar)].mean(dim=0)

    def inputs(self, states: Tensor, tasks: Tensor) -> Inputs:
        """Prepare (B, 7) states and (B,) int64 task slots."""
        q = states
        if self.config.normalise_proprioception:
            # Bounded, since a robot can stand where no training data was.
            q = ((states - self.state_mean) / self.state_std).clamp(-5.0, 5.0)
        position = (states[:, :3] - self.state_mean[:3]) / TOGGLE_UNIT_M
        return Inputs(q, position, self.task_table[tasks])

    def act(self, planes: Tensor, states: Tensor, tasks: Tensor) -> Acting:
        """The policy in B states. Learners take this apart, to say where gradients go.

        Args:
            planes: (B, 3, S, S) pictures in 0..1.
            states: (B, 7).
            tasks: (B,) int64 task slots.
        """
        inputs = self.inputs(states, tasks)
        z = self.embed_for_actor(planes, inputs)
        toggle = self.predict_toggle(z, inputs)
        return Acting(inputs, z, toggle, self.policy(z, inputs, toggle))

    def critic_embedding(self, planes: Tensor, acting: Acting) -> Tensor:
        """z of the critic, (B, Z); the actor's where they share an encoder."""
        if self.actor_encoder is None:
            return acting.z
        return self.embed_for_critic(planes, acting.inputs)

    def embed_for_critic(self, planes: Tensor, inputs: Inputs) -> Tensor:
        """z of the critic, (B, Z), from (B, 3, S, S) pictures in 0..1."""
        z: Tensor = self.encoder(planes, inputs.condition)
        return z

    def embed_for_actor(self, planes: Tensor, inputs: Inputs) -> Tensor:
        """z of the actor, (B, Z)."""
        encoder = self.encoder if self.actor_encoder is None else self.actor_encoder
        z: Tensor = encoder(planes, inputs.condition)
        return z

    def predict_toggle(self, z: Tensor, inputs: Inputs) -> Tensor | None:
        """Where the gripper will next toggle, (B, 3) in units of 10 cm from `state_mean`."""
        if self.toggle is None:
            return None
        place: Tensor = self.toggle(torch.cat([z, inputs.condition], dim=1))
        return place

    def toggle_target(self, positions_m: Tensor) -> Tensor:
        """Positions (B, 3) in metres in the units of `predict_toggle`."""
        return (positions_m - self.state_mean[:3]) / TOGGLE_UNIT_M

    def toggle_to_metres(self, place: Tensor) -> Tensor:
        """The inverse of `toggle_target`, (B, 3)."""
        return place * TOGGLE_UNIT_M + self.state_mean[:3]

    def policy(self, z: Tensor, inputs: Inputs, toggle: Tensor | None) -> TanhGaussian:
        """pi(.|s) from the actor's embedding; `toggle` is a prediction, taken as given."""
        parts = [z, inputs.proprioception, inputs.task]
        if toggle is not None:
            parts.append(toggle.detach() - inputs.gripper_position)
        distribution: TanhGaussian = self.actor(torch.cat(parts, dim=1))
        return distribution

    def critic_context(self, inputs: Inputs, toggle: Tensor | None) -> Tensor:
        """What enters the critics' first layer beside z and the action."""
        if not self.config.critic_sees_proprioception:
            return inputs.task
        parts = [inputs.condition]
        if toggle is not None:
            parts.append(toggle.detach() - inputs.gripper_position)
        return torch.cat(parts, dim=1)
