"""Implicit Q-learning, a control: values of the data's own actions only, cloned by advantage.

Source: Kostrikov et al., Offline Reinforcement Learning with Implicit Q-Learning, 2022.
"""

from __future__ import annotations

import torch
from torch import Tensor

from policies import losses
from policies.learner import DEVIATION_WEIGHT, GRIPPER_WEIGHT, LearnerBase, scale_gradient
from policies.replay import Batch

LARGEST_WEIGHT = 100.0
"""Of exp(A / T), as in the authors' code."""


class ImplicitQLearning(LearnerBase):
    """Expectile V, Q towards it after `n_step` rewards, and cloning weighted by exp((Q - V) / T).

    The source has one-step targets. With more, what follows within n steps is the data's own.
    """

    needs_next = True
    only_success = False

    def update(self, batch: Batch) -> dict[str, float]:
        """One step on one batch.

        Returns:
            "td", "value", "q_data", "target", "weight" and the parts of the cloning loss.
        """
        self._begin_update()
        algorithm, networks = self.config.algorithm, self.networks
        planes = self._augmented(batch.images).to(self.device)
        next_planes = self._augmented_next(batch.next_images).to(self.device)
        batch = batch.map(lambda tensor: tensor.to(self.device))
        inputs = networks.inputs(batch.states, batch.tasks)
        two_encoders = networks.actor_encoder is not None
        with self._mixed_precision():
            z = networks.embed_for_critic(planes, inputs)
            z_actor = networks.embed_for_actor(planes, inputs) if two_encoders else z
        toggle = networks.predict_toggle(z_actor, inputs)
        scale = 1.0 if two_encoders else algorithm.critic_gradient_scale
        seen_by_critic = scale_gradient(z, scale)
        context = scale_gradient(networks.critic_context(inputs, toggle), scale)

        assert networks.value is not None
        v = networks.value(seen_by_critic, context)
        with torch.no_grad():
            slow_q = self.slow.critic(z, context, batch.actions[:, None])[:, :, 0].amin(dim=0)
        everything = torch.ones_like(v)
        value = losses.expectile_loss(slow_q - v, algorithm.expectile, everything)
        q = networks.critic(seen_by_critic, context, batch.actions[:, None])[:, :, 0]
        y = self._target(next_planes, batch)
        td = losses.td_loss(q, y, everything)

        advantage = slow_q - v.detach().mean(dim=0)
        weights = (advantage / algorithm.advantage_temperature).exp().clamp(max=LARGEST_WEIGHT)
        pi = networks.policy(z_actor, inputs, toggle)
        arm, gripper = losses.bc_loss(pi.mu, batch.actions, weights)
        deviation = losses.deviation_loss(pi.mu, pi.log_std, batch.actions, weights)
        loss = td + value + arm + GRIPPER_WEIGHT * gripper + DEVIATION_WEIGHT * deviation
        metrics = {"td": td, "value": value, "q_data": q.mean(), "target": y.mean()}
        metrics |= {"weight": weights.mean(), "arm": arm, "gripper": gripper}
        if toggle is not None:
            place = networks.toggle_target(batch.toggles)
            metrics["toggle"] = losses.toggle_loss(toggle, place, batch.toggle_known)
            loss = loss + algorithm.toggle_weight * metrics["toggle"]
        loss.backward()  # type: ignore[no-untyped-call]
        self.optimisers["critic"].step()
        self.optimisers["actor"].step()
        self._end_update()
        return {name: float(value.detach()) for name, value in metrics.items()}

    @torch.no_grad()
    def _target(self, next_planes: Tensor, batch: Batch) -> Tensor:
        """y = r + gamma^n m V(s'), (B,)."""
        networks = self.networks
        inputs = networks.inputs(batch.next_states, batch.tasks)
        with self._mixed_precision():
            z = networks.embed_for_critic(next_planes, inputs)
        toggle = networks.predict_toggle(z, inputs)
        assert networks.value is not None
        v = networks.value(z, networks.critic_context(inputs, toggle)).mean(dim=0)
        gamma = self.config.algorithm.discount
        y = batch.rewards + batch.discounts * v
        return losses.clamp_target(y, gamma)
