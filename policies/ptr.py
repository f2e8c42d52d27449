"""PTR: conservative Q-learning over many tasks, then over the few demonstrations of a new one.

One update, in PTR's order: critic (with the old actor and the slow copy's targets), then the
actor through the new critic, then the temperature. Each picture is encoded once; actions are
sampled on its embedding. With a shared encoder the heads first collect their gradients at the
embedding, and the encoder goes backward once for all of them.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor
from torch.func import functional_call

from policies import losses
from policies.config import PolicyConfig
from policies.heads import TanhGaussian
from policies.learner import (
    DEVIATION_WEIGHT,
    GRIPPER_WEIGHT,
    LearnerBase,
    LearnerState,
    scale_gradient,
)
from policies.networks import Inputs, PolicyNetworks
from policies.pace import Pace
from policies.replay import Batch


@dataclass(frozen=True)
class _Embedded:
    """A batch after the encoders. Leaves collect the heads' gradients.

    Args:
        inputs, head_inputs: With the task embedding in the graph, and as a leaf.
        z_critic, z_actor: In the encoders' graph; the same tensor if the encoder is shared.
        critic_leaf, actor_leaf: The same values as leaves.
        toggle: Predicted toggle positions.
        pi: The policy.
    """

    inputs: Inputs
    head_inputs: Inputs
    z_critic: Tensor
    z_actor: Tensor
    critic_leaf: Tensor
    actor_leaf: Tensor
    toggle: Tensor | None
    pi: TanhGaussian


class PTR(LearnerBase):
    """Conservative critic, actor through the critic, and a cloning term where configured."""

    needs_next = True
    only_success = False

    def __init__(self, config: PolicyConfig, networks: PolicyNetworks, **rest: Any) -> None:
        super().__init__(config, networks, **rest)
        self.pace = Pace(self.device)

    def state_dict(self) -> LearnerState:
        """All state, as copies."""
        state = super().state_dict()
        return replace(state, tensors={**state.tensors, **self.pace.state_dict()})

    def load_state_dict(self, state: LearnerState) -> None:
        """Go on exactly from `state`."""
        super().load_state_dict(state)
        self.pace.load_state_dict(state.tensors)

    def update(self, batch: Batch) -> dict[str, float]:
        """One step on one batch.

        Returns:
            "td", "cql", "q_data", "q_policy", "q_random" and "target"; where the actor clones,
            "arm", "gripper" and, by advantage, "failure_weight"; where it learns through values,
            "actor", "entropy" and, with a learned temperature, "beta"; where predicted, "toggle".
        """
        self._begin_update()
        planes = self._augmented(batch.images).to(self.device)
        next_planes = self._augmented_next(batch.next_images).to(self.device)
        batch = batch.map(lambda tensor: tensor.to(self.device))
        embedded = self._embed(planes, batch)
        target = self._target(next_planes, batch)
        metrics, advantage = self._update_critic(embedded, target, batch)
        metrics |= self._update_actor(embedded, planes, batch, advantage)
        self._end_update()
        return {name: float(value.detach()) for name, value in metrics.items()}

    def _embed(self, planes: Tensor, batch: Batch) -> _Embedded:
        networks = self.networks
        inputs = networks.inputs(batch.states, batch.tasks)
        with self._mixed_precision():
            z_critic = networks.embed_for_critic(planes, inputs)
            z_actor = z_critic
            if networks.actor_encoder is not None:
                z_actor = networks.embed_for_actor(planes, inputs)
        critic_leaf = z_critic.detach().requires_grad_()
        actor_leaf = critic_leaf if z_actor is z_critic else z_actor.detach().requires_grad_()
        head_inputs = replace(inputs, task=inputs.task.detach().requires_grad_())
        toggle = networks.predict_toggle(actor_leaf, head_inputs)
        pi = networks.policy(actor_leaf, head_inputs, toggle)
        return _Embedded(
            inputs, head_inputs, z_critic, z_actor, critic_leaf, actor_leaf, toggle, pi
        )

    @torch.no_grad()
    def _target(self, next_planes: Tensor, batch: Batch) -> Tensor:
        """y, (B,) or (E, B): the max-Q backup over n policy actions in the next state."""
        algorithm = self.config.algorithm
        slow = self.slow
        acting = self.rollout_networks
        inputs = slow.inputs(batch.next_states, batch.tasks)
        acting_inputs = acting.inputs(batch.next_states, batch.tasks)
        with self._mixed_precision():
            z = slow.embed_for_critic(next_planes, inputs)
            one_pass = acting is slow and slow.actor_encoder is None
            z_acting = z if one_pass else acting.embed_for_actor(next_planes, acting_inputs)
        toggle = acting.predict_toggle(z_acting, acting_inputs)
        pi = acting.policy(z_acting, acting_inputs, toggle)
        actions, _ = pi.sample(algorithm.action_samples, self.critic_generator)
        next_q = slow.critic(z, slow.critic_context(inputs, toggle), actions)
        y = losses.td_target(batch.rewards, batch.discounts, next_q, each_alone=algorithm.cross_fit)
        if algorithm.clamp_targets:
            y = losses.clamp_target(y, algorithm.discount)
        return y

    def _update_critic(
        self, embedded: _Embedded, y: Tensor, batch: Batch
    ) -> tuple[dict[str, Tensor], Tensor]:
        """Metrics, and the advantages (B,) of the data's actions before the step."""
        algorithm = self.config.algorithm
        networks = self.networks
        n = algorithm.action_samples
        with torch.no_grad():
            sampled, log_pi = embedded.pi.sample(n, self.critic_generator)
            uniform = torch.rand(sampled.shape, generator=self.critic_generator).to(sampled) * 2 - 1
        # A shared encoder must not be drowned by values, which are far larger than actions.
        shared = networks.actor_encoder is None
        scale = algorithm.critic_gradient_scale if shared else 1.0
        inputs = replace(
            embedded.head_inputs, task=scale_gradient(embedded.head_inputs.task, scale)
        )
        q = networks.critic(
            scale_gradient(embedded.critic_leaf, scale),
            networks.critic_context(inputs, embedded.toggle),
            torch.cat([batch.actions[:, None], sampled, uniform], dim=1),
        )
        q_data, q_policy, q_random = q[:, :, 0], q[:, :, 1 : n + 1], q[:, :, n + 1 :]
        bounded = losses.cal_ql_bound(q_policy, batch.returns) if algorithm.cal_ql else q_policy
        seen = torch.ones_like(q_data)
        if algorithm.cross_fit:
            seen = losses.cross_fit_mask(batch.groups, len(q_data))
        td = losses.td_loss(q_data, y, seen)
        cql = losses.masked_mean(
            losses.cql_regularizer(q_data, bounded, log_pi, q_random, algorithm.cql_version), seen
        )
        groups = batch.groups if algorithm.cross_fit else None
        worth = losses.held_out_advantage(q_data.detach(), torch.zeros_like(y), groups)
        self.pace.note(worth[batch.success], batch.steps[batch.success])
        if algorithm.baseline == "policy":
            policy = q_policy.detach().mean(dim=2)
            advantage = losses.held_out_advantage(q_data.detach(), policy, groups)
        else:
            advantage = worth - self.pace.at(batch.steps)
        loss = td + algorithm.cql_alpha * cql
        loss.backward()  # type: ignore[no-untyped-call]
        if not shared:
            torch.autograd.backward(
                [embedded.z_critic],
                [embedded.critic_leaf.grad],
                # A learned task embedding steers the actor's encoder too, which is yet to come.
                retain_graph=embedded.inputs.task.requires_grad,
            )
        self.optimisers["critic"].step()
        metrics = {
            "td": td,
            "cql": cql,
            "q_data": q_data.mean(),
            "q_policy": q_policy.mean(),
            "q_random": q_random.mean(),
            "target": y.mean(),
        }
        return metrics, advantage

    def _update_actor(
        self, embedded: _Embedded, planes: Tensor, batch: Batch, advantage: Tensor
    ) -> dict[str, Tensor]:
        algorithm = self.config.algorithm
        metrics: dict[str, Tensor] = {}
        loss = torch.zeros((), device=self.device)
        if embedded.toggle is not None:
            target = self.networks.toggle_target(batch.toggles)
            metrics["toggle"] = losses.toggle_loss(embedded.toggle, target, batch.toggle_known)
            loss = loss + algorithm.toggle_weight * metrics["toggle"]
        critic_updates = self.earlier_critic_updates + self.updates
        warm_start = algorithm.bc_weight > 0 and critic_updates < algorithm.bc_warm_start_steps
        if algorithm.bc_weight > 0:
            weights = self._clone_weights(batch)
            if algorithm.extraction == "advantage" and not warm_start:
                weight = losses.advantage_weight(advantage, algorithm.advantage_temperature)
                if not batch.success.all():
                    failed = 1.0 - batch.success.float()
                    metrics["failure_weight"] = losses.masked_mean(weight, failed)
                weights = torch.maximum(weights, weight) if algorithm.trust_success else weight
                self.cloned = weights
            pi = embedded.pi
            metrics["arm"], metrics["gripper"] = losses.bc_loss(pi.mu, batch.actions, weights)
            deviation = losses.deviation_loss(pi.mu, pi.log_std, batch.actions, weights)
            cloning = metrics["arm"] + GRIPPER_WEIGHT * metrics["gripper"]
            loss = loss + algorithm.bc_weight * (cloning + DEVIATION_WEIGHT * deviation)
        log_pi: Tensor | None = None
        if algorithm.q_weight > 0 and algorithm.extraction == "value" and not warm_start:
            action, log_pi_of_samples = embedded.pi.sample(1, self.critic_generator)
            log_pi = log_pi_of_samples[:, 0]
            min_q = self._value_for_actor(embedded, planes, action)
            beta = self.networks.log_beta.detach().exp() if algorithm.entropy else 0.0
            metrics["actor"] = losses.actor_loss(
                log_pi, min_q, beta, normalise_q=algorithm.normalise_q
            )
            metrics["entropy"] = -log_pi.mean()
            loss = loss + algorithm.q_weight * metrics["actor"]
        loss.backward()  # type: ignore[no-untyped-call]
        ends, gradients = [embedded.z_actor], [embedded.actor_leaf.grad]
        if embedded.inputs.task.requires_grad:
            ends.append(embedded.inputs.task)
            gradients.append(embedded.head_inputs.task.grad)
        torch.autograd.backward(ends, gradients)
        self.optimisers["actor"].step()
        if algorithm.entropy and log_pi is not None:
            temperature = losses.temperature_loss(
                self.networks.log_beta, log_pi, algorithm.target_entropy
            )
            temperature.backward()  # type: ignore[no-untyped-call]
            self.optimisers["temperature"].step()
            metrics["beta"] = self.networks.log_beta.detach().exp()
        return metrics

    def _value_for_actor(self, embedded: _Embedded, planes: Tensor, action: Tensor) -> Tensor:
        """min_i Q_i(s, a) by the new critic, (B,); gradients reach the action only."""
        networks = self.networks
        with torch.no_grad(), self._mixed_precision():
            z = embedded.critic_leaf.detach()
            if networks.actor_encoder is not None:
                z = networks.embed_for_critic(planes, embedded.inputs)
        context = networks.critic_context(embedded.head_inputs, embedded.toggle).detach()
        weights = {name: value.detach() for name, value in networks.critic.named_parameters()}
        q: Tensor = functional_call(networks.critic, weights, (z, context, action))
        return q[:, :, 0].amin(dim=0)
