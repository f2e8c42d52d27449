"""The port that speed is compared with does the same mathematics as our update."""

from __future__ import annotations

import dataclasses
import random

import numpy as np
import pytest
import torch

from benchmarks.straightforward_port import StraightforwardPort, augment_one_by_one
from policies.augment import to_planes
from policies.config import EncoderConfig, PolicyConfig, TrainingConfig
from policies.learners import make_learner, make_networks
from policies.presets import preset
from policies.replay import ReplayBuffer


def small_paper() -> PolicyConfig:
    """The `paper` preset with two narrow stages, small pictures and no augmentation."""
    paper = preset("paper")
    encoder = dataclasses.replace(
        paper.network.encoder, channels=(8, 16), blocks=(1, 1), strides=(1, 2), embedding=16
    )
    assert isinstance(encoder, EncoderConfig)
    network = dataclasses.replace(
        paper.network, encoder=encoder, image_size=32, task_slots=4, hidden=(16, 16)
    )
    training = dataclasses.replace(
        paper.training, batch_size=6, crop_pixels=0, colour_probability=0.0
    )
    return dataclasses.replace(paper, network=network, training=training)


def made_up_buffer(config: PolicyConfig) -> ReplayBuffer:
    rng = np.random.default_rng(0)
    size = config.network.image_size
    buffer = ReplayBuffer.empty(size, config.algorithm)
    for index in range(4):
        buffer.add_episode(
            rng.integers(0, 256, (9, size, size, 3), dtype=np.uint8),
            rng.normal(size=(9, 7)),
            rng.uniform(-0.05, 0.05, (8, 7)),
            task=index,
            success=index % 2 > 0,
        )
    return buffer


def test_three_updates_have_the_losses_of_ours() -> None:
    config = small_paper()
    buffer, rng = made_up_buffer(config), np.random.default_rng(1)
    ours = make_learner(config, make_networks(config, 0), seed=7)
    port = StraightforwardPort(config, make_networks(config, 0), seed=7)
    port.generator.set_state(ours.critic_generator.get_state())  # type: ignore[attr-defined]
    for _ in range(3):
        batch = buffer.sample(rng, config.training.batch_size)
        mine, theirs = ours.update(batch), port.update(batch)
        for name in ("td", "cql", "actor"):
            assert theirs[name] == pytest.approx(mine[name], rel=2e-4, abs=2e-4), name
    assert isinstance(ours.networks, torch.nn.Module)
    for one, other in zip(ours.networks.parameters(), port.networks.parameters(), strict=True):
        # A step is of the rate's size, 1e-4, however small the gradient: one that is all but 0
        # may go either way, but hardly any is.
        assert (one - other).abs().mean() < 1e-6


def test_pictures_are_augmented_one_by_one_within_the_same_bounds() -> None:
    images = torch.randint(0, 256, (5, 16, 16, 3), dtype=torch.uint8)
    off = TrainingConfig(crop_pixels=0, colour_probability=0.0)
    assert torch.equal(augment_one_by_one(images, off, random.Random(0)), to_planes(images))
    on = TrainingConfig(crop_pixels=2, colour_probability=1.0)
    planes = augment_one_by_one(images, on, random.Random(0))
    assert planes.shape == (5, 3, 16, 16)
    assert 0.0 <= planes.min() <= planes.max() <= 1.0
    assert not torch.equal(planes, to_planes(images))
