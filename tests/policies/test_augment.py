from __future__ import annotations

import colorsys
import dataclasses

import numpy as np
import pytest
import torch

from policies import augment
from policies.config import TrainingConfig

CONFIG = TrainingConfig(crop_pixels=2, colour_probability=0.8, hue=0.03)


def pictures(count: int, size: int = 16, seed: int = 0) -> torch.Tensor:
    rng = np.random.default_rng(seed)
    return torch.from_numpy(rng.integers(0, 256, (count, size, size, 3), dtype=np.uint8))


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_augmented_pictures_are_whole_steps_between_0_and_1() -> None:
    planes = augment.augment(pictures(32), CONFIG, generator())
    assert planes.shape == (32, 3, 16, 16)
    assert planes.min() >= 0
    assert planes.max() <= 1
    steps = planes * 255
    assert torch.allclose(steps, steps.round(), atol=1e-3)


def test_nothing_changes_when_everything_is_switched_off() -> None:
    off = dataclasses.replace(CONFIG, crop_pixels=0, colour_probability=0.0)
    images = pictures(4)
    assert torch.equal(augment.augment(images, off, generator()), augment.to_planes(images))


def test_the_same_generator_gives_the_same_pictures() -> None:
    one, other, third = (
        augment.augment(pictures(8), CONFIG, generator(seed)) for seed in (5, 5, 6)
    )
    assert torch.equal(one, other)
    assert not torch.equal(one, third)


def test_crops_shift_by_at_most_the_padding_and_repeat_the_edge() -> None:
    images = pictures(200)
    cropped = augment.random_crop(images, 2, generator())
    padded = np.pad(images.numpy(), ((0, 0), (2, 2), (2, 2), (0, 0)), mode="edge")
    seen = set()
    for index in range(len(images)):
        matches = [
            (row, column)
            for row in range(5)
            for column in range(5)
            if (padded[index, row : row + 16, column : column + 16] == cropped[index].numpy()).all()
        ]
        assert len(matches) == 1
        seen.update(matches)
    assert len(seen) == 25


def test_about_four_fifths_of_the_pictures_are_recoloured() -> None:
    still = dataclasses.replace(CONFIG, crop_pixels=0)
    images = pictures(500, size=4)
    changed = augment.augment(images, still, generator()) != augment.to_planes(images)
    assert 0.74 < changed.flatten(1).any(dim=1).float().mean() < 0.86


def test_brightness_adds_and_contrast_scales_about_each_channels_mean() -> None:
    planes = torch.tensor([[0.2, 0.4], [0.1, 0.3], [0.5, 0.7]]).reshape(1, 3, 1, 2)
    amount = torch.full((1, 1, 1), 0.1)
    assert torch.allclose(augment.shift_brightness(planes, amount), planes + 0.1)
    scaled = augment.scale_contrast(planes.clone(), amount)
    assert scaled.flatten().tolist() == pytest.approx([0.19, 0.41, 0.09, 0.31, 0.49, 0.71])


@pytest.mark.parametrize("amount", [-0.1, -0.03, 0.0, 0.03, 0.1])
def test_saturation_and_hue_agree_with_the_standard_library(amount: float) -> None:
    rng = np.random.default_rng(1)
    colours = rng.uniform(0, 1, (50, 3)).astype(np.float32)
    colours[:3] = [[0, 0, 0], [1, 1, 1], [0.5, 0.5, 0.5]]
    planes = torch.from_numpy(colours.T.copy()).reshape(1, 3, 50, 1)
    size = torch.full((1, 1, 1), amount)
    saturated = augment.scale_saturation(planes, size)[0, :, :, 0].T.numpy()
    turned = augment.shift_hue(planes, size)[0, :, :, 0].T.numpy()
    for index, colour in enumerate(colours):
        h, s, v = colorsys.rgb_to_hsv(*colour)
        expected = colorsys.hsv_to_rgb(h, min(s * (1 + amount), 1.0), v)
        assert saturated[index] == pytest.approx(expected, abs=1e-5)
        assert turned[index] == pytest.approx(colorsys.hsv_to_rgb((h + amount) % 1, s, v), abs=1e-5)
