"""Whole configurations.

`tiny` is for tests, `cpu` for two cores, `cpu-large` for an hour of them, `paper` as PTR was
published.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

from policies.config import (
    AlgorithmConfig,
    EncoderConfig,
    NetworkConfig,
    PolicyConfig,
    TrainingConfig,
)
from recordings.errors import UsageError, nearest

_PAPER = PolicyConfig(
    preset="paper",
    # ResNet-34 with GroupNorm; the last two stages keep their resolution, as in the authors' code.
    network=NetworkConfig(
        encoder=EncoderConfig(
            stem="imagenet",
            channels=(64, 128, 256, 512),
            blocks=(3, 4, 6, 3),
            strides=(1, 2, 1, 1),
            norm_groups=4,
            spatial_features=8,
            keypoints=0,
            embedding=256,
            film=False,
        ),
        image_size=128,
        shared_encoder=False,
        task_embedding=0,
        normalise_proprioception=False,
        critic_sees_proprioception=False,
        critic_layer_norm=False,
        predict_toggle=False,
    ),
    algorithm=AlgorithmConfig(),
    training=TrainingConfig(
        actor_rate=1e-4,
        critic_rate=3e-4,
        slow_actor=False,
        precision="float32",
        crop_pixels=4,
        target_fraction=0.1,
        online_rate=1.0,
        continue_optimiser=True,
    ),
)

_CPU = PolicyConfig(
    preset="cpu",
    network=NetworkConfig(hidden=(256, 256), task_slots=128, ensemble=4),
    algorithm=AlgorithmConfig(
        n_step=4,
        extraction="advantage",
        cross_fit=True,
        toggles_of="grasp",
        cql_alpha=1.0,
        cal_ql=True,
        clamp_targets=True,
        # None: what critics write into a shared encoder undoes cross-fitting (docs/decisions.md).
        critic_gradient_scale=0.0,
        q_weight=0.1,
        normalise_q=True,
        entropy=False,
        bc_weight=1.0,
        bc_warm_start_steps=1000,
        toggle_weight=1.0,
    ),
    # No change of hue: it costs ten times as much as the other colours together.
    training=TrainingConfig(hue=0.0, rate_schedule="cosine", success_fraction=0.5),
)

# What limits `cpu` is finding things: a third stage and wider ones find more of them, in twice the
# time (docs/decisions.md).
_CPU_LARGE = dataclasses.replace(
    _CPU,
    preset="cpu-large",
    network=dataclasses.replace(
        _CPU.network,
        encoder=EncoderConfig(channels=(32, 64, 128), blocks=(1, 1, 1), strides=(1, 2, 1)),
        task_slots=320,
    ),
)

_TINY = dataclasses.replace(
    _CPU,
    preset="tiny",
    network=NetworkConfig(
        encoder=EncoderConfig(channels=(8, 16), keypoints=8, spatial_features=2, embedding=32),
        image_size=32,
        task_slots=8,
        task_embedding=8,
        hidden=(32, 32),
    ),
    algorithm=dataclasses.replace(_CPU.algorithm, bc_warm_start_steps=50),
    training=TrainingConfig(
        batch_size=16, precision="float32", slow_rate=0.02, colour_probability=0.2
    ),
)

PRESETS: Mapping[str, PolicyConfig] = {
    chosen.preset: chosen for chosen in (_TINY, _CPU, _CPU_LARGE, _PAPER)
}


def preset(name: str) -> PolicyConfig:
    """A named preset.

    Raises:
        UsageError: There is no such preset.
    """
    if name not in PRESETS:
        near, *_ = *nearest(name, PRESETS), "cpu"
        raise UsageError(
            f"There is no preset `{name}`.",
            f"The presets are {', '.join(PRESETS)}.",
            f"Choose one, for example `--preset {near}`.",
        )
    return PRESETS[name]
