"""Behaviour cloning: the baseline, with PTR's networks and a supervised loss."""

from __future__ import annotations

from policies.learner import DEVIATION_WEIGHT, GRIPPER_WEIGHT, LearnerBase
from policies.losses import bc_loss, deviation_loss, toggle_loss
from policies.replay import Batch


class BehaviourCloning(LearnerBase):
    """Regress tanh(mu) on the actions of demonstrations."""

    needs_next = False

    @property
    def only_success(self) -> bool:
        """Whether batches must hold successful episodes only."""
        return self.config.algorithm.bc_on == "success"

    def update(self, batch: Batch) -> dict[str, float]:
        """One step on one batch.

        Returns:
            "arm", "gripper", "deviation" and, where predicted, "toggle": the parts of the loss.
        """
        self._begin_update()
        planes = self._augmented(batch.images).to(self.device)
        batch = batch.map(lambda tensor: tensor.to(self.device))
        networks = self.networks
        inputs = networks.inputs(batch.states, batch.tasks)
        with self._mixed_precision():
            z = networks.embed_for_actor(planes, inputs)
        toggle = networks.predict_toggle(z, inputs)
        pi = networks.policy(z, inputs, toggle)
        weights = self._clone_weights(batch)
        arm, gripper = bc_loss(pi.mu, batch.actions, weights)
        deviation = deviation_loss(pi.mu, pi.log_std, batch.actions, weights)
        loss = arm + GRIPPER_WEIGHT * gripper + DEVIATION_WEIGHT * deviation
        metrics = {"arm": arm, "gripper": gripper, "deviation": deviation}
        if toggle is not None:
            target = networks.toggle_target(batch.toggles)
            metrics["toggle"] = toggle_loss(toggle, target, batch.toggle_known)
            loss = loss + self.config.algorithm.toggle_weight * metrics["toggle"]
        loss.backward()  # type: ignore[no-untyped-call]
        self.optimisers["actor"].step()
        self._end_update()
        return {name: float(value.detach()) for name, value in metrics.items()}
