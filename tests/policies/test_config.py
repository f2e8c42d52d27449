from __future__ import annotations

import dataclasses
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policies.config import (
    AlgorithmConfig,
    EncoderConfig,
    NetworkConfig,
    PolicyConfig,
    TrainingConfig,
)
from policies.presets import PRESETS, preset
from recordings.errors import CheckpointError, UsageError


@pytest.mark.parametrize("name", PRESETS)
def test_every_preset_survives_json(name: str) -> None:
    config = preset(name)
    assert PolicyConfig.from_dict(json.loads(json.dumps(config.to_dict()))) == config
    assert config.preset == name


@given(
    channels=st.lists(st.integers(1, 64), min_size=1, max_size=4),
    discount=st.floats(0.01, 0.99),
    version=st.sampled_from([1, 2, 3]),
    rate=st.floats(1e-6, 1.0),
    schedule=st.sampled_from(["constant", "cosine"]),
    shared=st.booleans(),
)
def test_every_valid_config_survives_json(
    *, channels: list[int], discount: float, version: int, rate: float, schedule: str, shared: bool
) -> None:
    encoder = EncoderConfig(
        channels=tuple(channels), blocks=(1,) * len(channels), strides=(2,) * len(channels)
    )
    config = PolicyConfig(
        network=NetworkConfig(encoder=encoder, shared_encoder=shared),
        algorithm=AlgorithmConfig(discount=discount, cql_version=version),  # type: ignore[arg-type]
        training=TrainingConfig(actor_rate=rate, rate_schedule=schedule),  # type: ignore[arg-type]
    )
    assert PolicyConfig.from_dict(json.loads(json.dumps(config.to_dict()))) == config


@pytest.mark.parametrize(
    ("make", "name"),
    [
        (lambda: EncoderConfig(blocks=(1,)), "blocks"),
        (lambda: EncoderConfig(norm_groups=5), "norm_groups"),
        (lambda: NetworkConfig(ensemble=0), "ensemble"),
        (lambda: NetworkConfig(hidden=()), "hidden"),
        (lambda: AlgorithmConfig(discount=1.0), "discount"),
        (lambda: AlgorithmConfig(learner="dqn"), "learner"),  # type: ignore[arg-type]
        (lambda: AlgorithmConfig(cql_version=4), "cql_version"),  # type: ignore[arg-type]
        (lambda: TrainingConfig(batch_size=0), "batch_size"),
        (lambda: TrainingConfig(target_fraction=1.5), "target_fraction"),
        (lambda: TrainingConfig(precision="float8"), "precision"),  # type: ignore[arg-type]
    ],
)
def test_a_wrong_value_is_named(make: object, name: str) -> None:
    with pytest.raises(UsageError, match=f"setting `{name}`"):
        make()  # type: ignore[operator]


def test_a_setting_from_another_version_is_refused() -> None:
    values = preset("tiny").to_dict()
    values["network"]["quantum"] = True
    with pytest.raises(CheckpointError, match="quantum"):
        PolicyConfig.from_dict(values)


def test_an_unknown_preset_lists_the_presets() -> None:
    with pytest.raises(UsageError, match="tiny, cpu, cpu-large, paper"):
        preset("huge")


def test_the_paper_preset_has_the_published_numbers() -> None:
    config = preset("paper")
    algorithm, training = config.algorithm, config.training
    assert (algorithm.cql_alpha, algorithm.cql_version, algorithm.action_samples) == (10.0, 3, 4)
    assert (algorithm.discount, algorithm.terminal_steps, algorithm.n_step) == (0.96, 3, 1)
    assert (algorithm.bc_weight, algorithm.target_entropy) == (0.0, -7.0)
    assert (training.actor_rate, training.critic_rate) == (1e-4, 3e-4)
    assert (training.temperature_rate, training.slow_rate) == (3e-4, 0.005)
    assert (training.batch_size, config.network.image_size) == (64, 128)
    assert not config.network.critic_sees_proprioception
    assert not config.network.encoder.film


def test_bc_and_ptr_share_everything_but_the_learner() -> None:
    bc, ptr = preset("cpu").with_learner("bc"), preset("cpu").with_learner("ptr")
    assert dataclasses.replace(bc, algorithm=ptr.algorithm) == ptr


def test_cross_fitting_needs_a_critic_for_what_another_leaves_out() -> None:
    cpu = preset("cpu")
    alone = dataclasses.replace(cpu.network, ensemble=1)
    with pytest.raises(UsageError, match="ensemble"):
        dataclasses.replace(cpu, network=alone)
