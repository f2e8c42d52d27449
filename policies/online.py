"""Learning from the robot's own trials, mixed with the data that it started from."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from policies.checkpoint import Checkpoint, CheckpointInfo, code_version, count_critic_updates
from policies.config import PolicyConfig
from policies.learner import LearnerState
from policies.learners import make_learner
from policies.mixing import Mixture
from policies.networks import PolicyNetworks
from policies.new_task import begin_new_tasks
from policies.packed_episodes import TransitionData
from policies.policy import Policy
from policies.replay import ReplayBuffer
from policies.storage import BEGIN_ANEW, complete_state, read_tensors, write_tensors
from policies.training import check_rates, learn, mean_metrics, offline_sources
from recordings.errors import CheckpointError, RecordingError
from recordings.images import resize_image
from recordings.records import ImageArray

FIRST_SUCCESSES = 4
"""Without demonstrations nothing is learned between trials before so many have succeeded: half of a
batch from one or two made a policy forget in 150 updates how to do what it had just done."""


class OnlineLearner:
    """A checkpoint that goes on learning between trials.

    Every batch has its fixed share of the robot's own transitions, the rest is offline data:
    prior and target as in fine-tuning. A learner that clones successes only draws the online
    share from successful trials, so that failures cost it nothing.

    Args:
        checkpoint: Where to start.
        prior, target: Offline data; either may be None.
        new_tasks: Tasks that the checkpoint has never seen and shall learn from trials alone.
        config: Defaults to the checkpoint's. Rates are its `online_rate` share.
        planned_updates: For its schedule of rates; 0 keeps them constant.
        seed: Of sampling, augmentation and exploration.
        device: "cpu" or "cuda".
    """

    def __init__(
        self,
        checkpoint: Checkpoint,
        *,
        prior: TransitionData | None = None,
        target: TransitionData | None = None,
        new_tasks: Sequence[str] = (),
        config: PolicyConfig | None = None,
        planned_updates: int = 0,
        seed: int = 0,
        device: str = "cpu",
    ) -> None:
        self.checkpoint = checkpoint
        self.config = config or checkpoint.info.config
        self.seed = seed
        offline = {
            role: data for role, data in (("prior", prior), ("target", target)) if data is not None
        }
        check_rates(offline, checkpoint, "leave out what was recorded at another rate")
        self._names = sorted(
            {*new_tasks, *(name for data in offline.values() for name in data.tasks)}
        )
        self._device = device
        networks, self.tasks = checkpoint.networks(self._names)
        self.online = ReplayBuffer.empty(self.config.network.image_size, self.config.algorithm)
        share = self.config.training.online_fraction
        buffers = {
            role: ReplayBuffer.from_packed(
                data, self.tasks, self.config.algorithm, checkpoint.info.camera
            )
            for role, data in offline.items()
        }
        self.mixture = Mixture(
            [
                *(
                    (buffer, (1.0 - share) * fraction)
                    for buffer, fraction in offline_sources(buffers, self.config)
                ),
                (self.online, share),
            ]
        )
        demonstrations = [buffers["target"]] if "target" in buffers else []
        self._shown = [*demonstrations, self.online]
        self._start(networks, _with_online_rates(self.config), planned_updates)
        self._data = {role: data.digest for role, data in offline.items()}
        self.successes = 0
        """Trials taken up that have succeeded."""

    def _start(self, networks: PolicyNetworks, config: PolicyConfig, planned_updates: int) -> None:
        known = self.checkpoint.info.tasks
        self.began_as = begin_new_tasks(networks, self.tasks, known, self._shown)
        self.learner = make_learner(
            config,
            networks,
            seed=self.seed,
            device=self._device,
            planned_updates=planned_updates,
            earlier_critic_updates=self.checkpoint.info.critic_updates,
        )
        self._rng = np.random.default_rng(self.seed)
        self._metrics: dict[str, float] = {}

    def begin_again(self, planned_updates: int) -> None:
        """Forget all updates, keep the trials, and learn from now on at the rates of training.

        A task that the checkpoint does not know begins as the known one that its demonstrations
        fit best, or without any the robot's own successes: see `policies.new_task`.
        """
        networks, _ = self.checkpoint.networks(self._names)
        self._start(networks, self.config, planned_updates)
        self.mixture.forget_weights()

    def add_episode(
        self,
        images: ImageArray,
        states: npt.NDArray[np.floating],
        actions: npt.NDArray[np.floating],
        task: str,
        success: bool,
    ) -> None:
        """Take up one finished, labelled trial of N steps.

        Args:
            images: (N+1, H, W, 3) uint8 of the checkpoint's camera; resized here.
            states: (N+1, 7), see `recordings.records.STATE_NAMES`.
            actions: (N, 7), sent to the arm, in its units.
            task: Its name.
            success: Whether it succeeded.

        Raises:
            CheckpointError: The policy does not know the task.
        """
        slot = self.tasks.slot(task)
        if len(actions) == 0:
            return
        size = self.online.image_size
        resized = np.stack([resize_image(image, size) for image in images])
        self.online.add_episode(resized, states, actions, slot, success)
        self.successes += success

    @property
    def has_something_new(self) -> bool:
        """Whether updates between trials can teach more than prior data, learned from already."""
        return "target" in self._data or self.successes >= FIRST_SUCCESSES

    @property
    def updates(self) -> int:
        """Done since the checkpoint."""
        return self.learner.updates

    def update(self, count: int) -> dict[str, float]:
        """Do `count` updates; returns the mean of their metrics.

        Raises:
            RecordingError: There is nothing to learn from yet.
        """
        only_success = self.learner.only_success
        if not self.mixture.can_sample(only_success=only_success):
            raise RecordingError(
                "There is no episode to learn from yet.",
                "Learning between trials needs offline data or a finished trial"
                + (" that succeeded." if only_success else "."),
                "Name demonstrations with `--demos`, or go on with `ptrctl improve`.",
            )
        batch_size = self.config.training.batch_size
        self._metrics = mean_metrics(
            [learn(self.learner, self.mixture, self._rng, batch_size) for _ in range(count)]
        )
        return self._metrics

    def save_state(self, path: Path) -> None:
        """Write what `load_state` needs to go on exactly; the trials are in their recordings."""
        state = self.learner.state_dict()
        notes = {
            "updates": state.updates,
            "sampler": self._rng.bit_generator.state,
            "parent": self.checkpoint.digest,
            "trials": self.online.episodes,
            "data": self._data,
            "learner": self.config.algorithm.learner,
            "metrics": self._metrics,
        }
        write_tensors(path, {**state.tensors, **self.mixture.state_dict()}, notes)

    def load_state(self, path: Path) -> None:
        """Go on from `save_state`, once the same trials have been added again.

        Raises:
            CheckpointError: The file is damaged, or belongs to another checkpoint, learner, trials
                or data.
        """
        tensors, notes = read_tensors(path, BEGIN_ANEW)
        here = (self.checkpoint.digest, self.online.episodes)
        if (notes.get("parent"), notes.get("trials")) != here:
            raise CheckpointError(
                f"`{path}` was written after {notes.get('trials')} trials from the checkpoint "
                f"{str(notes.get('parent'))[:12]}.",
                f"There are {here[1]} trials from the checkpoint {here[0][:12]}.",
                "Begin a new session with `ptrctl improve --session NAME`.",
            )
        learner = self.config.algorithm.learner
        if notes.get("learner", learner) != learner:
            raise CheckpointError(
                f"`{path}` was learned by {notes['learner']}.",
                f"This practice learns by {learner}.",
                f"Go on with `ptrctl improve --learner {notes['learner']}`, or begin a new session "
                "with `--session NAME`.",
            )
        if notes.get("data", self._data) != self._data:
            raise CheckpointError(
                f"`{path}` was learned beside other demonstrations or prior data.",
                "Practice goes on with the data that it began with.",
                "Learn from them with `ptrctl finetune`, or begin a new session with "
                "`ptrctl improve --session NAME`.",
            )
        with complete_state(path):
            self.learner.load_state_dict(LearnerState(tensors, int(notes["updates"])))
            self.mixture.load_state_dict(tensors)
            self._rng.bit_generator.state = notes["sampler"]
        self._metrics = notes.get("metrics", {})

    def policy(self, *, stochastic: bool = True, noise_scale: float = 1.0) -> Policy:
        """The policy as it is now; it changes with further updates."""
        return Policy(
            self.learner.rollout_networks,
            self.tasks,
            camera=self.checkpoint.info.camera,
            name=f"policy:{self.checkpoint.short_digest}+{self.learner.updates}",
            values=self.info().critic_updates > 0,
            stochastic=stochastic,
            seed=self.seed,
            noise_scale=noise_scale,
        )

    def info(self) -> CheckpointInfo:
        """What a checkpoint of the present weights says about itself, for `save_checkpoint`."""
        earlier = self.checkpoint.info
        return dataclasses.replace(
            earlier,
            config=self.config,
            code_version=code_version(),
            metrics=self._metrics,
            tasks=self.tasks,
            data={**self._data, "online": f"{self.online.episodes} trials"},
            steps=earlier.steps + self.learner.updates,
            critic_updates=count_critic_updates(self.config, earlier, self.learner.updates),
            parent=self.checkpoint.digest,
        )


def _with_online_rates(config: PolicyConfig) -> PolicyConfig:
    training = config.training
    slower = dataclasses.replace(
        training,
        actor_rate=training.actor_rate * training.online_rate,
        critic_rate=training.critic_rate * training.online_rate,
    )
    return dataclasses.replace(config, training=slower)
