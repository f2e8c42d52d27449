"""A trained policy that acts: what the control loop calls once a period."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np
import torch

from policies.augment import to_planes
from policies.checkpoint import Checkpoint
from policies.meter import Meter
from policies.networks import PolicyNetworks
from policies.normalise import unnormalise_actions
from policies.tasks import TaskSlots
from recordings.errors import RobotError
from recordings.images import resize_image
from recordings.records import GRIPPER, Decision, EpisodeInfo, FloatArray, ImageArray, Observation

GRIPPER_HYSTERESIS = 0.1
"""The gripper changes its mind only this far beyond the middle, so that it does not flutter."""


class Policy:
    """Decides actions from pictures and proprioception.

    Args:
        networks: The networks that act.
        tasks: Their task slots.
        camera: Name of the camera to look through.
        name: For recordings, "policy:<digest>".
        values: Whether the critic has been trained, so that its value is worth keeping.
        stochastic: Sample actions rather than take the mode.
        seed: Of the samples; each episode draws its own from this and the seed of its start state,
            or else `trial_seed`, or else its identity.
        noise_scale: Scale of the samples' deviation.
        meter: What the critic's values mean for success; None keeps the plain value only.
    """

    def __init__(
        self,
        networks: PolicyNetworks,
        tasks: TaskSlots,
        *,
        camera: str,
        name: str = "policy:untrained",
        values: bool = False,
        stochastic: bool = False,
        seed: int = 0,
        noise_scale: float = 1.0,
        meter: Meter | None = None,
    ) -> None:
        self.networks = networks.eval()
        self.tasks = tasks
        self.camera = camera
        self.values = values
        self.stochastic = stochastic
        self.seed = seed
        self.noise_scale = noise_scale
        self.meter = meter
        self.trial_seed: int | None = None
        """Stands in for the seed of a start state that has none: of an arm, or of a scene that is
        left as it was."""
        self._name = name
        self._task = torch.zeros(1, dtype=torch.int64)
        self._generator = torch.Generator()
        self._open = True
        self._decided = 0

    @classmethod
    def from_checkpoint(
        cls,
        checkpoint: Checkpoint,
        *,
        new_tasks: Sequence[str] = (),
        meter: Meter | None = None,
    ) -> Policy:
        """A policy from a checkpoint, which takes the mode.

        Args:
            new_tasks: Tasks to try although the checkpoint has not learned them (zero-shot).
            meter: Fitted on this checkpoint's trials.

        Raises:
            CheckpointError: The weights are damaged.
        """
        networks, tasks = checkpoint.networks(new_tasks)
        return cls(
            networks,
            tasks,
            camera=checkpoint.info.camera,
            name=f"policy:{checkpoint.short_digest}",
            values=checkpoint.info.critic_updates > 0,
            meter=meter,
        )

    @property
    def name(self) -> str:
        """For recordings: "policy:<digest>"."""
        return self._name

    def begin(self, info: EpisodeInfo) -> None:
        """Take up the episode's task.

        Raises:
            CheckpointError: The policy does not know the task.
        """
        self._task = torch.tensor([self.tasks.slot(info.task)])
        # The start state's seed alone where there is one, so that a trial can be repeated.
        seed = self.trial_seed if info.seed is None else info.seed
        start = info.episode_id if seed is None else str(seed)
        digest = hashlib.sha256(f"{self.seed}/{start}".encode()).digest()
        self._generator.manual_seed(int.from_bytes(digest[:8], "little") >> 1)
        self._open = True
        self._decided = 0

    @torch.no_grad()
    def act(self, observation: Observation) -> Decision:
        """The action for this period.

        `extras["q"]` is its smallest value over the critics, and with a meter `extras["chance"]`
        what that has meant for success, 0..1; neither is there if the critic has not learned.

        Raises:
            RobotError: The camera is not among the observation's.
        """
        if self.camera not in observation.frames:
            raise RobotError(
                f"The policy looks through the camera `{self.camera}`, which gave no picture.",
                f"There are pictures of {', '.join(observation.frames) or 'no camera'}.",
                "Check the cameras with `ptrctl doctor`.",
            )
        image = resize_image(observation.frames[self.camera].image, self.networks.config.image_size)
        action, q = self.decide(image, observation.state)
        extras = {"q": q} if self.values else {}
        if self.values and self.meter is not None:
            extras["chance"] = self.meter.chance(q, self._decided)
        self._decided += 1
        return Decision(action=self._steady(action), extras=extras)

    @torch.no_grad()
    def decide(self, image: ImageArray, state: FloatArray) -> tuple[FloatArray, float]:
        """The action (7,) in the arm's units and its value.

        Args:
            image: (S, S, 3) uint8 of the networks' size.
            state: (7,).
        """
        networks = self.networks
        device = networks.state_mean.device
        planes = to_planes(torch.from_numpy(np.array(image))[None]).to(device)
        states = torch.from_numpy(np.asarray(state, np.float32))[None].to(device)
        acting = networks.act(planes, states, self._task.to(device))
        action = acting.pi.mode
        if self.stochastic:
            noise = torch.randn(action.shape, generator=self._generator).to(device)
            deviation = acting.pi.log_std.exp()
            action = torch.tanh(acting.pi.mu + self.noise_scale * deviation * noise)
        z = networks.critic_embedding(planes, acting)
        context = networks.critic_context(acting.inputs, acting.toggle)
        values = networks.critic(z, context, action[:, None])
        return unnormalise_actions(action[0].cpu().numpy()), float(values.amin())

    def _steady(self, action: FloatArray) -> FloatArray:
        """Fully open or closed, with hysteresis."""
        margin = -GRIPPER_HYSTERESIS if self._open else GRIPPER_HYSTERESIS
        self._open = bool(action[GRIPPER] > 0.5 + margin)
        steady = action.copy()
        steady[GRIPPER] = 1.0 if self._open else 0.0
        return steady
