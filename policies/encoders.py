"""From a picture to an embedding z.

A ResNet of basic blocks, learned spatial embeddings (and, if wanted, spatial-softmax keypoints),
then a linear layer, LayerNorm and tanh. `paper` is the ResNet-34 of PTR's code; `cpu` is the same
with fewer and narrower blocks.

Source: Asap7772/PTR, jaxrl2/networks/encoders/{resnet_encoderv1,spatial_softmax,networks}.py.
"""

from __future__ import annotations

import math
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from policies.config import EncoderConfig


def truncated_normal_(weight: Tensor, variance: float) -> None:
    """Fill with a normal cut at two deviations whose variance after cutting is `variance`."""
    # 0.8796... is the deviation of a unit normal cut at +-2, as in jax.nn.initializers.
    deviation = math.sqrt(variance) / 0.87962566103423978
    nn.init.trunc_normal_(weight, std=deviation, a=-2 * deviation, b=2 * deviation)


class Convolution(nn.Module):
    """A convolution, padded as TensorFlow's SAME: (0, 1) for kernel 3 and stride 2.

    It is followed by GroupNorm, or has a bias where there is none (`groups` 0). With `padding`
    it has so much on every side.
    """

    def __init__(
        self,
        channels_in: int,
        channels_out: int,
        kernel: int,
        stride: int,
        groups: int,
        padding: int | None = None,
    ) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(channels_out, channels_in, kernel, kernel))
        truncated_normal_(self.weight.data, 2.0 / (channels_in * kernel**2))
        self.bias = None if groups else nn.Parameter(torch.zeros(channels_out))
        self.norm = nn.GroupNorm(groups, channels_out, eps=1e-5) if groups else nn.Identity()
        self.stride = stride
        self.total_padding = max(kernel - stride, 0) if padding is None else 2 * padding

    def forward(self, planes: Tensor) -> Tensor:
        before = self.total_padding // 2
        if self.total_padding % 2:
            after = self.total_padding - before
            planes = F.pad(planes, (before, after, before, after))
            before = 0
        convolved = F.conv2d(planes, self.weight, self.bias, self.stride, before)
        normed: Tensor = self.norm(convolved)
        return normed


class BasicBlock(nn.Module):
    """conv - norm - ReLU - conv - norm (- FiLM), plus the input, then ReLU."""

    def __init__(self, channels_in: int, channels_out: int, stride: int, groups: int) -> None:
        super().__init__()
        self.first = Convolution(channels_in, channels_out, 3, stride, groups)
        self.second = Convolution(channels_out, channels_out, 3, 1, groups)
        changes = stride != 1 or channels_in != channels_out
        self.skip: nn.Module = (
            Convolution(channels_in, channels_out, 1, stride, groups) if changes else nn.Identity()
        )

    def forward(self, planes: Tensor, film: Tensor | None) -> Tensor:
        """`film` is (B, 2, C): how much to add to the scale 1, and the shift."""
        # In place wherever no gradient needs the old values: fresh memory costs more than sums.
        inner = self.second(F.relu_(self.first(planes)))
        if film is not None:
            scale, shift = film.to(inner.dtype)[:, :, :, None, None].unbind(dim=1)
            # The shift is spread out first: a sum of bfloat16 that broadcasts is many times slower.
            spread = shift.expand_as(inner).contiguous(memory_format=torch.channels_last)
            inner = (inner * (1 + scale)).add_(spread)
        return F.relu_(inner.add_(self.skip(planes)))


class _GradientInLayout(torch.autograd.Function):
    """The same values; the gradient comes back in their memory layout.

    Gradients of two layouts are added up several times as slowly as copied into one.
    """

    @staticmethod
    def forward(ctx: Any, planes: Tensor) -> Tensor:
        ctx.channels_last = planes.is_contiguous(memory_format=torch.channels_last)
        return planes.view_as(planes)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        gradient = gradient.contiguous()
        if ctx.channels_last:
            gradient = gradient.contiguous(memory_format=torch.channels_last)
        return gradient


class SpatialEmbedding(nn.Module):
    """e[c, f] = sum over h, w of x[c, h, w] K[c, h, w, f]: learned pooling, channel-major."""

    def __init__(self, channels: int, height: int, features: int) -> None:
        super().__init__()
        self.kernel = nn.Parameter(torch.empty(channels, height * height, features))
        # LeCun-normal; fan-in counts the channels too, as in the authors' code.
        truncated_normal_(self.kernel.data, 1.0 / (channels * height * height))

    def forward(self, planes: Tensor) -> Tensor:
        # By way of channels first, since moving whole planes is quick: one step is slower, and
        # bmm's backward would copy again what it is not given contiguous.
        planes = _GradientInLayout.apply(planes)  # type: ignore[no-untyped-call]
        first = planes.contiguous(memory_format=torch.contiguous_format)
        flat = first.flatten(2).permute(1, 0, 2).contiguous()
        pooled = torch.bmm(flat, self.kernel.to(flat.dtype))
        return pooled.permute(1, 0, 2).flatten(1)


class Keypoints(nn.Module):
    """Where K learned features are, as (x, y) in -1..1: the mean place under a softmax."""

    grid: Tensor

    def __init__(self, channels: int, height: int, count: int) -> None:
        super().__init__()
        self.maps = nn.Conv2d(channels, count, 1)
        self.sharpness = nn.Parameter(torch.full((count, 1), 3.0))
        along = torch.linspace(-1.0, 1.0, height)
        rows, columns = torch.meshgrid(along, along, indexing="ij")
        grid = torch.stack([columns.flatten(), rows.flatten()], dim=1)
        self.register_buffer("grid", grid, persistent=False)

    def forward(self, planes: Tensor) -> Tensor:
        maps = self.maps(planes).contiguous(memory_format=torch.contiguous_format)
        maps = maps.flatten(2).float()
        # Standardised maps have a peak from the start; raw ones are all but flat, and the mean
        # place of a flat map says nothing that could be learned from.
        standardised = F.layer_norm(maps, maps.shape[2:], eps=1e-6)
        weights = (self.sharpness * standardised).softmax(dim=2)
        places: Tensor = weights @ self.grid
        return places.flatten(1)


class Encoder(nn.Module):
    """Pictures, with what conditions them, to embeddings.

    Args:
        config: Sizes.
        image_size: Edge of the pictures.
        condition_size: Length of the vector that steers FiLM (unused without FiLM).
    """

    def __init__(self, config: EncoderConfig, image_size: int, condition_size: int) -> None:
        super().__init__()
        self.config = config
        groups = config.norm_groups
        width = config.channels[0]
        size = image_size // 2
        if config.stem == "imagenet":
            # Not SAME, in the source; its other convolutions and the pooling are.
            self.stem = Convolution(3, width, 7, 2, groups, padding=3)
            size //= 2
        else:
            self.stem = Convolution(3, width, 3, 2, groups)
        blocks: list[BasicBlock] = []
        widths: list[int] = []
        for channels, count, stage_stride in zip(
            config.channels, config.blocks, config.strides, strict=True
        ):
            for index in range(count):
                stride = stage_stride if index == 0 else 1
                blocks.append(BasicBlock(width, channels, stride, groups))
                widths.append(channels)
                width = channels
                size //= stride
        self.blocks = nn.ModuleList(blocks)
        self.film_widths = widths
        self.film: nn.Module | None = None
        if config.film:
            last = nn.Linear(128, 2 * sum(widths))
            nn.init.zeros_(last.weight)
            nn.init.zeros_(last.bias)
            self.film = nn.Sequential(nn.Linear(condition_size, 128), nn.ReLU(), last)
        self.spatial: nn.Module = (
            SpatialEmbedding(width, size, config.spatial_features)
            if config.pooling == "spatial"
            else nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten())
        )
        self.keypoints = Keypoints(width, size, config.keypoints) if config.keypoints else None
        features = config.spatial_features if config.pooling == "spatial" else 1
        pooled = width * features + 2 * config.keypoints
        self.bottleneck = nn.Linear(pooled, config.embedding)
        truncated_normal_(self.bottleneck.weight.data, 2.0 / (pooled + config.embedding))
        nn.init.zeros_(self.bottleneck.bias)
        self.norm = nn.LayerNorm(config.embedding, eps=1e-6)

    def forward(self, planes: Tensor, condition: Tensor) -> Tensor:
        """Embed pictures.

        Args:
            planes: (B, 3, S, S) in 0..1.
            condition: (B, C) float32, steers FiLM.

        Returns:
            (B, Z) float32 in -1..1.
        """
        features = self.feature_map(planes, condition)
        pooled = self.spatial(features)
        if self.keypoints is not None:
            pooled = torch.cat([pooled, self.keypoints(features).to(pooled.dtype)], dim=1)
        return torch.tanh(self.norm(self.bottleneck(pooled).float()))

    def feature_map(self, planes: Tensor, condition: Tensor) -> Tensor:
        """The last stage's features, (B, C, H, W)."""
        # Centred, so that the first features tell objects apart rather than repeat the brightness;
        # PTR's ResNet takes 0..1 as it is.
        centred = planes if self.config.stem == "imagenet" else planes - 0.5
        features = F.relu_(self.stem(centred))
        if self.config.stem == "imagenet":
            features = F.max_pool2d(
                F.pad(features, (0, 1, 0, 1), value=-math.inf), kernel_size=3, stride=2
            )
        films: list[Tensor | None] = [None] * len(self.blocks)
        if self.film is not None:
            parts = self.film(condition).split([2 * width for width in self.film_widths], dim=1)
            films = [part.unflatten(1, (2, -1)) for part in parts]
        for block, film in zip(self.blocks, films, strict=True):
            features = block(features, film)
        return features
