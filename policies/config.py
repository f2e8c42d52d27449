"""Everything that decides how a policy is built and trained, checked on creation.

A `PolicyConfig` is saved with every checkpoint and read back from its JSON. Where its numbers come
from: `policies.presets`.
"""

from __future__ import annotations

import dataclasses
import json
import typing
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeVar

from recordings.errors import CheckpointError, UsageError

INFO_FILE = "checkpoint.json"
"""In a checkpoint's folder: its config, and what else using the weights rightly depends on."""
Learner = Literal["bc", "ptr", "iql"]
Precision = Literal["float32", "bfloat16"]
LEARNERS: tuple[Learner, ...] = ("bc", "ptr", "iql")


def _check(holds: bool, name: str, value: object, expected: str) -> None:
    if not holds:
        raise UsageError(
            f"The setting `{name}` is {value!r}.",
            f"It must be {expected}.",
            "Correct it in the config, or choose a preset with `--preset cpu`.",
        )


def _check_fractions(config: object, *names: str) -> None:
    for name in names:
        value = getattr(config, name)
        _check(0.0 <= value <= 1.0, name, value, "between 0 and 1")


def _check_positive(config: object, *names: str) -> None:
    for name in names:
        value = getattr(config, name)
        _check(value > 0, name, value, "greater than 0")


def _check_not_negative(config: object, *names: str) -> None:
    for name in names:
        value = getattr(config, name)
        _check(value >= 0, name, value, "0 or more")


@dataclass(frozen=True)
class EncoderConfig:
    """From a picture to an embedding.

    Args:
        stem: "imagenet" is conv 7x7 stride 2 and max-pool stride 2; "plain" is conv 3x3 stride 2.
        channels: Channels of each stage of residual blocks.
        blocks: Number of residual blocks of each stage.
        strides: Stride of each stage's first block.
        norm_groups: Groups of GroupNorm; 0 for no normalisation (faster on a CPU).
        pooling: "spatial" learned embeddings, or the "average" of each channel (an ablation).
        spatial_features: Learned spatial embeddings for each channel.
        keypoints: Spatial-softmax keypoints, 0 for none.
        embedding: Size of the embedding z.
        film: Scale and shift each block by a function of the task and the proprioception.
    """

    stem: Literal["imagenet", "plain"] = "plain"
    channels: tuple[int, ...] = (16, 64)
    blocks: tuple[int, ...] = (1, 1)
    strides: tuple[int, ...] = (1, 2)
    norm_groups: int = 0
    pooling: Literal["spatial", "average"] = "spatial"
    spatial_features: int = 8
    keypoints: int = 32
    embedding: int = 256
    film: bool = True

    def __post_init__(self) -> None:
        _check(self.stem in ("imagenet", "plain"), "stem", self.stem, '"imagenet" or "plain"')
        pooling = ("spatial", "average")
        _check(self.pooling in pooling, "pooling", self.pooling, " or ".join(pooling))
        _check(len(self.channels) > 0, "channels", self.channels, "one number a stage")
        for name in ("blocks", "strides"):
            value = getattr(self, name)
            _check(len(value) == len(self.channels), name, value, "as long as `channels`")
        for name in ("channels", "blocks", "strides"):
            value = getattr(self, name)
            _check(min(value) > 0, name, value, "positive numbers")
        _check_positive(self, "spatial_features", "embedding")
        _check_not_negative(self, "norm_groups", "keypoints")
        if self.norm_groups:
            fits = all(width % self.norm_groups == 0 for width in self.channels)
            _check(fits, "norm_groups", self.norm_groups, "a divisor of every stage's channels")


@dataclass(frozen=True)
class NetworkConfig:
    """Encoder and heads.

    Args:
        encoder: How pictures are embedded.
        image_size: Edge of the square picture in pixels.
        shared_encoder: Actor and critic use one encoder.
        task_slots: Number of tasks the networks have room for.
        task_embedding: Size of the learned task embedding; 0 keeps the plain one-hot.
        normalise_proprioception: Subtract the mean and divide by the deviation of the first
            training data; PTR fed raw values.
        critic_sees_proprioception: PTR's code hid it from the critic.
        hidden: Widths of the heads' hidden layers.
        ensemble: Number of critics.
        critic_layer_norm: LayerNorm after each hidden layer of the critic.
        critic_actions_at: The action enters the critic at "every layer", or at the "first layer"
            only (an ablation).
        predict_toggle: Auxiliary head that predicts where the gripper will next open or close.
        value_head: V(s) beside the critics; implicit Q-learning needs it.
    """

    encoder: EncoderConfig = field(default_factory=EncoderConfig)
    image_size: int = 64
    shared_encoder: bool = True
    task_slots: int = 64
    task_embedding: int = 32
    normalise_proprioception: bool = True
    critic_sees_proprioception: bool = True
    hidden: tuple[int, ...] = (256, 256, 256)
    ensemble: int = 2
    critic_layer_norm: bool = True
    critic_actions_at: Literal["every layer", "first layer"] = "every layer"
    predict_toggle: bool = True
    value_head: bool = False

    def __post_init__(self) -> None:
        _check_positive(self, "image_size", "task_slots", "ensemble")
        _check_not_negative(self, "task_embedding")
        places = ("every layer", "first layer")
        at = self.critic_actions_at
        _check(at in places, "critic_actions_at", at, " or ".join(places))
        _check(len(self.hidden) > 0, "hidden", self.hidden, "at least one width")
        _check(min(self.hidden) > 0, "hidden", self.hidden, "positive numbers")


@dataclass(frozen=True)
class AlgorithmConfig:
    """The objective.

    Args:
        learner: "bc" (behaviour cloning), "ptr", or "iql" (implicit Q-learning, a control).
        discount: gamma.
        terminal_steps: How many last steps of a success are rewarded and terminal.
        n_step: Steps of real reward before the bootstrap.
        cql_alpha: Weight of the conservative term.
        cql_version: 1 mean, 2 log-sum-exp, 3 log-sum-exp with density corrections.
        action_samples: Policy actions, and random actions, for each state.
        cal_ql: Bound sampled values of policy actions from below by Monte-Carlo returns.
        clamp_targets: Clamp TD targets to the range that returns can have.
        critic_gradient_scale: Scale of the critic's gradient into a shared encoder.
        q_weight: Weight of the value term of the actor loss.
        normalise_q: Divide the value term by the mean |Q|, as TD3+BC does.
        entropy: Entropy term with a learned temperature.
        target_entropy: Target of the policy's entropy in nats.
        bc_weight: Weight of the cloning term of PTR's actor loss.
        bc_on: Clone "success" episodes or "all".
        bc_warm_start_steps: PTR's actor only clones for this many first updates.
        extraction: How the actor learns from the critic: through the "value" of its own actions,
            or by cloning all episodes, each action weighted by its "advantage".
        baseline: An action's value is compared with that of the "policy" in the same state, or of
            what "successes" did as long after their beginning.
        trust_success: Actions of successful episodes have at least the weight 1.
        advantage_temperature: An action whose advantage is minus this gets the weight 1/e.
        cross_fit: Critic i of E learns nothing of the i-th part of the places; that part's
            advantages are taken from it. Else a critic knows an episode's outcome by its place.
        expectile: Of implicit Q-learning.
        toggle_weight: Weight of the auxiliary loss.
        toggles_of: Learn where to toggle the gripper from each "success", or also from each
            "grasp" of a failed episode: the measured opening tells that something was held.
    """

    learner: Learner = "ptr"
    discount: float = 0.96
    terminal_steps: int = 3
    n_step: int = 1
    cql_alpha: float = 10.0
    cql_version: Literal[1, 2, 3] = 3
    action_samples: int = 4
    cal_ql: bool = False
    clamp_targets: bool = False
    critic_gradient_scale: float = 1.0
    q_weight: float = 1.0
    normalise_q: bool = False
    entropy: bool = True
    target_entropy: float = -7.0
    bc_weight: float = 0.0
    bc_on: Literal["success", "all"] = "success"
    bc_warm_start_steps: int = 0
    extraction: Literal["value", "advantage"] = "value"
    baseline: Literal["policy", "successes"] = "successes"
    trust_success: bool = True
    advantage_temperature: float = 3.0
    cross_fit: bool = False
    expectile: float = 0.7
    toggle_weight: float = 0.0
    toggles_of: Literal["success", "grasp"] = "success"

    def __post_init__(self) -> None:
        for name, choices in (
            ("learner", LEARNERS),
            ("extraction", ("value", "advantage")),
            ("baseline", ("policy", "successes")),
            ("toggles_of", ("success", "grasp")),
        ):
            value = getattr(self, name)
            _check(value in choices, name, value, " or ".join(choices))
        _check(0.0 < self.discount < 1.0, "discount", self.discount, "between 0 and 1")
        _check(self.cql_version in (1, 2, 3), "cql_version", self.cql_version, "1, 2 or 3")
        _check(self.bc_on in ("success", "all"), "bc_on", self.bc_on, '"success" or "all"')
        _check_positive(self, "terminal_steps", "n_step", "action_samples", "advantage_temperature")
        _check_fractions(self, "critic_gradient_scale", "expectile")
        _check_not_negative(
            self, "cql_alpha", "q_weight", "bc_weight", "bc_warm_start_steps", "toggle_weight"
        )


@dataclass(frozen=True)
class TrainingConfig:
    """Optimisation, augmentation and mixing of data.

    Args:
        batch_size: Transitions in a batch.
        actor_rate, critic_rate, temperature_rate: Adam's learning rates. A shared encoder uses
            the actor's.
        rate_schedule: "constant", or "cosine" down to a tenth over the planned updates.
        slow_rate: tau: the slow copy moves this part of the way after every update.
        slow_actor: Next actions and roll-outs use the slow copy's actor and encoder.
        precision: "bfloat16" runs the encoder in mixed precision where the processor has it, see
            `policies.precision`.
        crop_pixels: Random shift of pictures.
        colour_probability: How often colours are jittered.
        brightness, contrast, saturation, hue: Half ranges of the jitter.
        target_fraction: Share of target data in a batch when fine-tuning with prior data.
        success_fraction: Share of a batch that comes from successful episodes, in every source
            that also has failures; the failures' share is drawn one half evenly, for the critic,
            and one half by how much each is cloned. None draws from all alike.
        online_fraction: Share of a batch that is the robot's own experience when improving.
        online_rate: Learning rates between trials, as a share of those of training; they fall by
            `rate_schedule` over the planned updates. What full rates led to: docs/decisions.md.
        continue_optimiser: Fine-tuning keeps the optimiser's state where the checkpoint has it.
    """

    batch_size: int = 64
    actor_rate: float = 1e-3
    critic_rate: float = 1e-3
    temperature_rate: float = 3e-4
    rate_schedule: Literal["constant", "cosine"] = "constant"
    slow_rate: float = 0.005
    slow_actor: bool = True
    precision: Precision = "bfloat16"
    crop_pixels: int = 1
    colour_probability: float = 0.8
    brightness: float = 0.2
    contrast: float = 0.1
    saturation: float = 0.1
    hue: float = 0.03
    target_fraction: float = 0.5
    success_fraction: float | None = None
    online_fraction: float = 0.5
    online_rate: float = 0.2
    continue_optimiser: bool = False

    def __post_init__(self) -> None:
        _check_positive(self, "batch_size", "actor_rate", "critic_rate", "temperature_rate")
        _check_fractions(
            self, "slow_rate", "colour_probability", "target_fraction", "online_fraction"
        )
        _check_positive(self, "online_rate")
        if self.success_fraction is not None:
            _check_fractions(self, "success_fraction")
        _check_not_negative(self, "crop_pixels", "brightness", "contrast", "saturation", "hue")
        for name, choices in (
            ("rate_schedule", ("constant", "cosine")),
            ("precision", ("float32", "bfloat16")),
        ):
            value = getattr(self, name)
            _check(value in choices, name, value, " or ".join(choices))


@dataclass(frozen=True)
class PolicyConfig:
    """A policy's whole configuration; `preset` names where it came from."""

    preset: str = "custom"
    network: NetworkConfig = field(default_factory=NetworkConfig)
    algorithm: AlgorithmConfig = field(default_factory=AlgorithmConfig)
    training: TrainingConfig = field(default_factory=TrainingConfig)

    def __post_init__(self) -> None:
        # Alone, a critic that leaves out its part of the places would leave out all of them.
        fits = not self.algorithm.cross_fit or self.network.ensemble > 1
        _check(fits, "ensemble", self.network.ensemble, "2 or more with `cross_fit`")

    @property
    def learns_critic(self) -> bool:
        """Whether the learner trains the critics."""
        return self.algorithm.learner != "bc"

    def to_dict(self) -> dict[str, Any]:
        """Plain values that JSON can hold."""
        plain: dict[str, Any] = json.loads(json.dumps(dataclasses.asdict(self)))
        return plain

    @staticmethod
    def from_dict(values: Mapping[str, Any]) -> PolicyConfig:
        """The inverse of `to_dict`.

        Raises:
            CheckpointError: A setting is unknown or of the wrong kind.
            UsageError: A value is out of range.
        """
        return _from_plain(PolicyConfig, values)

    def with_precision(self, precision: Precision | None) -> PolicyConfig:
        """The same training in another precision; None changes nothing."""
        if precision is None:
            return self
        training = dataclasses.replace(self.training, precision=precision)
        return dataclasses.replace(self, training=training)

    def with_learner(self, learner: Learner) -> PolicyConfig:
        """The same training with another learner; the same networks but for what it needs."""
        return dataclasses.replace(
            self,
            network=dataclasses.replace(self.network, value_head=learner == "iql"),
            algorithm=dataclasses.replace(self.algorithm, learner=learner),
        )


Config = TypeVar("Config")


def _from_plain(kind: type[Config], values: Mapping[str, Any]) -> Config:
    hints = typing.get_type_hints(kind)
    unknown = sorted(set(values) - set(hints))
    if unknown:
        raise CheckpointError(
            f"The config has settings that this version does not know: {', '.join(unknown)}.",
            f"Known settings of {kind.__name__} are {', '.join(hints)}.",
            "Update ptrctl, then check with `ptrctl --version`.",
        )
    built: dict[str, Any] = {}
    for name, value in values.items():
        hint = hints[name]
        if dataclasses.is_dataclass(hint):
            built[name] = _from_plain(typing.cast("type[Any]", hint), value)
        elif isinstance(value, list):
            built[name] = tuple(value)
        else:
            built[name] = value
    return kind(**built)
