"""The reference's update, ported to torch line by line as one would at first.

It is what `update_speed.py` compares with. The mathematics is that of the `paper` preset; the
work is done as the reference does it: every picture is repeated for each sampled action before
the actor's encoder sees it, in s and again in s'; pictures are augmented one by one; the layout is
channels first; Adam is not fused; every value is in float32. The critic's encoder sees each
picture once a pass, and what the reference does not compute is not computed here either.

Source: Asap7772/PTR, jaxrl2/agents/cql_encodersep_parallel; losses as in Kumar et al. (2023).
"""

from __future__ import annotations

import copy
import math
import random

import torch
import torch.nn.functional as F
from torch import Tensor

from policies.augment import scale_contrast, scale_saturation, shift_brightness, shift_hue
from policies.config import PolicyConfig, TrainingConfig
from policies.heads import TanhGaussian
from policies.networks import PolicyNetworks
from policies.replay import Batch


def augment_one_by_one(images: Tensor, config: TrainingConfig, rng: random.Random) -> Tensor:
    """Shift and recolour (B, S, S, 3) uint8; returns (B, 3, S, S) float32 in 0..1."""
    size, pixels = images.shape[1], config.crop_pixels
    done = []
    for image in images:
        plane = image.permute(2, 0, 1)[None].float() / 255.0
        if pixels:
            row, column = rng.randint(0, 2 * pixels), rng.randint(0, 2 * pixels)
            padded = F.pad(plane, (pixels, pixels, pixels, pixels), mode="replicate")
            plane = padded[:, :, row : row + size, column : column + size]
        if rng.random() < config.colour_probability:
            changes = [
                (shift_brightness, config.brightness),
                (scale_contrast, config.contrast),
                (scale_saturation, config.saturation),
                (shift_hue, config.hue),
            ]
            rng.shuffle(changes)
            for change, half_range in changes:
                amount = torch.full((1, 1, 1), rng.uniform(-half_range, half_range))
                plane = change(plane, amount.to(plane.device)).clamp(0.0, 1.0)
            plane = (plane * 255).floor() / 255
        done.append(plane)
    return torch.cat(done)


class StraightforwardPort:
    """The reference's critic, actor and temperature steps, in its order.

    Args:
        config: The `paper` preset, or one with its objective and smaller networks.
        networks: Start weights; owned and changed.
        seed: Of augmentation and sampled actions.
        device: "cpu" or "cuda".
    """

    needs_next = True
    only_success = False

    def __init__(
        self, config: PolicyConfig, networks: PolicyNetworks, *, seed: int, device: str = "cpu"
    ) -> None:
        assert networks.actor_encoder is not None
        assert networks.toggle is None
        self.config = config
        self.device = torch.device(device)
        self.networks = networks.to(self.device)
        self.slow = copy.deepcopy(self.networks).requires_grad_(False)
        self.rng = random.Random(seed)
        self.generator = torch.Generator().manual_seed(seed)
        training = config.training
        critic = [*networks.encoder.parameters(), *networks.critic.parameters()]
        actor = [*networks.actor_encoder.parameters(), *networks.actor.parameters()]
        self.critic_optimiser = torch.optim.Adam(critic, lr=training.critic_rate, foreach=False)
        self.actor_optimiser = torch.optim.Adam(actor, lr=training.actor_rate, foreach=False)
        self.temperature_optimiser = torch.optim.Adam(
            [networks.log_beta], lr=training.temperature_rate, foreach=False
        )

    def update(self, batch: Batch) -> dict[str, float]:
        """One step on one batch; returns the losses "td", "cql" and "actor"."""
        training = self.config.training
        batch = batch.map(lambda tensor: tensor.to(self.device))
        pictures = augment_one_by_one(batch.images, training, self.rng)
        next_pictures = augment_one_by_one(batch.next_images, training, self.rng)
        td, cql = self._step_critic(batch, pictures, next_pictures)
        with torch.no_grad():
            for slow, fast in zip(self.slow.parameters(), self.networks.parameters(), strict=True):
                slow.copy_(training.slow_rate * fast + (1.0 - training.slow_rate) * slow)
        actor = self._step_actor(batch, pictures)
        return {"td": td, "cql": cql, "actor": actor}

    def _step_critic(
        self, batch: Batch, pictures: Tensor, next_pictures: Tensor
    ) -> tuple[float, float]:
        algorithm = self.config.algorithm
        n = algorithm.action_samples
        with torch.no_grad():
            next_actions, _ = self._sampled(batch.next_states, batch.tasks, next_pictures, n)
            next_q = self._values(self.slow, batch.tasks, next_pictures, next_actions)
            y = batch.rewards + batch.discounts * next_q.amin(dim=0).amax(dim=1)
            actions, log_pi = self._sampled(batch.states, batch.tasks, pictures, n)
            uniform = torch.rand(actions.shape, generator=self.generator).to(actions) * 2 - 1
        every = torch.cat([batch.actions[:, None], actions, uniform], dim=1)
        q = self._values(self.networks, batch.tasks, pictures, every)
        q_data = q[:, :, 0]
        td = ((q_data - y) ** 2).mean()
        q_policy = q[:, :, 1 : n + 1] - log_pi
        q_random = q[:, :, n + 1 :] + 7 * math.log(2.0)
        cql = (torch.cat([q_policy, q_random], dim=2).logsumexp(dim=2) - q_data).mean()
        self.critic_optimiser.zero_grad()
        (td + algorithm.cql_alpha * cql).backward()  # type: ignore[no-untyped-call]
        self.critic_optimiser.step()
        return float(td.detach()), float(cql.detach())

    def _step_actor(self, batch: Batch, pictures: Tensor) -> float:
        networks = self.networks
        action, log_pi = self._policy(batch.states, batch.tasks, pictures).sample(1, self.generator)
        # As in the reference, the critic is a constant here: its weights get no gradient.
        for module in (networks.encoder, networks.critic):
            module.requires_grad_(False)
        min_q = self._values(networks, batch.tasks, pictures, action)[:, :, 0].amin(dim=0)
        for module in (networks.encoder, networks.critic):
            module.requires_grad_(True)
        beta = networks.log_beta.exp()
        loss = (beta.detach() * log_pi[:, 0] - min_q).mean()
        self.actor_optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        self.actor_optimiser.step()
        entropy = -log_pi.detach().mean()
        temperature = networks.log_beta.exp() * (entropy - self.config.algorithm.target_entropy)
        self.temperature_optimiser.zero_grad()
        temperature.backward()  # type: ignore[no-untyped-call]
        self.temperature_optimiser.step()
        return float(loss.detach())

    def _policy(self, states: Tensor, tasks: Tensor, pictures: Tensor) -> TanhGaussian:
        inputs = self.networks.inputs(states, tasks)
        z = self.networks.embed_for_actor(pictures, inputs)
        return self.networks.policy(z, inputs, None)

    def _sampled(
        self, states: Tensor, tasks: Tensor, pictures: Tensor, count: int
    ) -> tuple[Tensor, Tensor]:
        """`count` actions of each state, (B, n, 7), and their densities: pictures are repeated."""
        repeated = pictures.repeat_interleave(count, dim=0)
        pi = self._policy(
            states.repeat_interleave(count, dim=0),
            tasks.repeat_interleave(count, dim=0),
            repeated,
        )
        actions, log_pi = pi.sample(1, self.generator)
        return actions.reshape(len(states), count, -1), log_pi.reshape(len(states), count)

    def _values(
        self, networks: PolicyNetworks, tasks: Tensor, pictures: Tensor, actions: Tensor
    ) -> Tensor:
        """(E, B, N): pictures once, the embedding repeated for each action."""
        inputs = networks.inputs(torch.zeros(len(tasks), 7, device=self.device), tasks)
        z = networks.embed_for_critic(pictures, inputs)
        count = actions.shape[1]
        values: Tensor = networks.critic(
            z.repeat_interleave(count, dim=0),
            networks.critic_context(inputs, None).repeat_interleave(count, dim=0),
            actions.reshape(-1, 1, actions.shape[2]),
        )
        return values[:, :, 0].reshape(-1, len(tasks), count)
