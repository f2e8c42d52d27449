"""Random shifts and colours of training pictures, vectorised over the batch.

Source: Asap7772/PTR, jaxrl2/agents/drq/augmentations.py. torchvision's ColorJitter is not the
same: there brightness multiplies and contrast uses the grey mean.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from policies.config import TrainingConfig


def augment(images: Tensor, config: TrainingConfig, generator: torch.Generator) -> Tensor:
    """Shift and recolour each picture by itself.

    Args:
        images: (B, S, S, 3) uint8.
        config: Sizes of the changes; a change of size 0 is left out.
        generator: Decides; on the CPU.

    Returns:
        (B, 3, S, S) float32 in 0..1, multiples of 1/255 as if stored as uint8.
    """
    planes = to_planes(random_crop(images, config.crop_pixels, generator))
    if config.colour_probability > 0:
        planes = colour_jitter(planes, config, generator)
        planes = planes.mul_(255).floor_().div_(255)
    return planes


def to_planes(images: Tensor) -> Tensor:
    """(B, S, S, 3) uint8 to (B, 3, S, S) float32 in 0..1."""
    return images.permute(0, 3, 1, 2).contiguous().float().div_(255)


def random_crop(images: Tensor, pixels: int, generator: torch.Generator) -> Tensor:
    """Repeat the edge by `pixels` on each side, then cut out the old size at a random offset.

    Args:
        images: (B, S, S, 3) uint8.
        pixels: Offsets are uniform on 0..2*pixels in each direction.
        generator: Decides; on the CPU.
    """
    if pixels == 0:
        return images
    count, size = images.shape[0], images.shape[1]
    offsets = torch.randint(0, 2 * pixels + 1, (count, 2), generator=generator).tolist()
    tall = torch.cat([images[:, :1]] * pixels + [images] + [images[:, -1:]] * pixels, dim=1)
    padded = torch.cat([tall[:, :, :1]] * pixels + [tall] + [tall[:, :, -1:]] * pixels, dim=2)
    # Slices copy whole rows: ten times as fast as gathering pixels by index.
    return torch.stack(
        [
            padded[index, row : row + size, column : column + size]
            for index, (row, column) in enumerate(offsets)
        ]
    )


def colour_jitter(planes: Tensor, config: TrainingConfig, generator: torch.Generator) -> Tensor:
    """Brightness, contrast, saturation and hue, once each, in an order of each picture's own.

    Args:
        planes: (B, 3, S, S) float32 in 0..1; changed in place.
        config: Half ranges, and the probability that a picture is changed at all.
        generator: Decides; on the CPU.
    """
    changes: list[tuple[Callable[[Tensor, Tensor], Tensor], float]] = [
        (change, half_range)
        for change, half_range in (
            (shift_brightness, config.brightness),
            (scale_contrast, config.contrast),
            (scale_saturation, config.saturation),
            (shift_hue, config.hue),
        )
        if half_range > 0
    ]
    count = len(planes)
    chosen = torch.rand(count, generator=generator) < config.colour_probability
    order = torch.rand(count, len(changes), generator=generator).argsort(dim=1)
    amounts = torch.rand(count, len(changes), generator=generator) * 2 - 1
    for turn in range(len(changes)):
        for index, (change, half_range) in enumerate(changes):
            pictures = torch.nonzero(chosen & (order[:, turn] == index))[:, 0]
            if len(pictures) == 0:
                continue
            amount = (amounts[pictures, index] * half_range)[:, None, None].to(planes.device)
            pictures = pictures.to(planes.device)
            planes[pictures] = change(planes[pictures], amount).clamp_(0.0, 1.0)
    return planes


def shift_brightness(planes: Tensor, amount: Tensor) -> Tensor:
    """x + amount. `planes` is (B, 3, S, S), `amount` (B, 1, 1)."""
    return planes + amount[:, None]


def scale_contrast(planes: Tensor, amount: Tensor) -> Tensor:
    """(1 + amount) (x - mean) + mean, with the mean of each channel of each picture."""
    mean = planes.mean(dim=(2, 3), keepdim=True)
    return (planes - mean).mul_(1 + amount[:, None]).add_(mean)


def scale_saturation(planes: Tensor, amount: Tensor) -> Tensor:
    """HSV saturation times 1 + amount, at most 1; hue and value stay."""
    value = planes.amax(dim=1)
    least = planes.amin(dim=1)
    # Saturation (value - least) / value reaches 1 where the least channel reaches 0.
    most = value / (value - least).clamp_(min=1e-6)
    factor = torch.minimum(1 + amount, most)
    return value[:, None] - factor[:, None] * (value[:, None] - planes)


def shift_hue(planes: Tensor, amount: Tensor) -> Tensor:
    """HSV hue plus `amount` turns; saturation and value stay."""
    red, green, blue = planes.unbind(dim=1)
    value = planes.amax(dim=1)
    chroma = value - planes.amin(dim=1)
    divisor = chroma.clamp(min=1e-6)
    sixths = torch.where(
        value == red,
        (green - blue) / divisor,
        torch.where(value == green, (blue - red) / divisor + 2, (red - green) / divisor + 4),
    )
    sixths = sixths + 6 * amount
    channels = []
    for offset in (5.0, 3.0, 1.0):
        place = torch.remainder(sixths + offset, 6.0)
        channels.append(value - chroma * torch.minimum(place, 4 - place).clamp_(0.0, 1.0))
    return torch.stack(channels, dim=1)
