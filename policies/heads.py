"""What sits on the embedding: an ensemble of critics, a tanh-Gaussian actor, a toggle predictor.

Source: Asap7772/PTR, jaxrl2/networks/{mlp,learned_std_normal_policy}.py.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from recordings.records import ACTION_SIZE

LOG_STD_RANGE = (-5.0, 2.0)


class EnsembleLinear(nn.Module):
    """E linear layers side by side whose input comes in parts.

    The parts' products are added up, so that a part which all of a state's sampled actions share
    is multiplied once for the state and not once for each action.

    Args:
        members: E.
        parts: Size of each part of the input.
        out: Size of the output.
        gain: Of the orthogonal initialisation.
    """

    def __init__(self, members: int, parts: tuple[int, ...], out: int, gain: float) -> None:
        super().__init__()
        self.parts = parts
        self.weight = nn.Parameter(torch.empty(members, out, sum(parts)))
        self.bias = nn.Parameter(torch.zeros(members, 1, 1, out))
        for member in self.weight.data:
            nn.init.orthogonal_(member, gain=gain)

    def forward(self, *inputs: Tensor) -> Tensor:
        """Each input is (B, N or 1, part), or (E, B, N, part); returns (E, B, N, out)."""
        total: Tensor = self.bias
        for part, weight in zip(
            inputs, torch.split(self.weight, list(self.parts), dim=2), strict=True
        ):
            batch, count = part.shape[-3], part.shape[-2]
            flat = part.flatten(-3, -2).expand(weight.shape[0], -1, -1)
            product = torch.bmm(flat, weight.transpose(1, 2))
            total = total + product.reshape(-1, batch, count, product.shape[-1])
        return total


class CriticEnsemble(nn.Module):
    """Q_1..Q_E(s, a), with the action and the embedding fed again to every layer.

    Args:
        members: E.
        embedding: Size of z.
        context: Size of what enters at the first layer only (task, proprioception).
        hidden: Widths.
        layer_norm: LayerNorm after each hidden layer.
        every_layer: Whether action and embedding enter every layer, or the first one only.
    """

    def __init__(
        self,
        members: int,
        embedding: int,
        context: int,
        hidden: tuple[int, ...],
        *,
        layer_norm: bool,
        every_layer: bool = True,
    ) -> None:
        super().__init__()
        self.layer_norm = layer_norm
        self.every_layer = every_layer
        again = (ACTION_SIZE, embedding) if every_layer else ()
        sizes = [(context, ACTION_SIZE, embedding), *((width, *again) for width in hidden)]
        self.layers = nn.ModuleList(
            EnsembleLinear(members, parts, after, math.sqrt(2.0))
            for parts, after in zip(sizes, hidden, strict=False)
        )
        self.output = EnsembleLinear(members, sizes[-1], 1, 0.01)

    def forward(self, embedding: Tensor, context: Tensor, actions: Tensor) -> Tensor:
        """Value N actions of each state.

        Args:
            embedding: (B, Z).
            context: (B, C).
            actions: (B, N, 7) in -1..1.

        Returns:
            (E, B, N).
        """
        state = embedding[:, None]
        hidden = context[:, None]
        again = (actions, state) if self.every_layer else ()
        for index, layer in enumerate(self.layers):
            hidden = layer(hidden, *(again if index else (actions, state)))
            if self.layer_norm:
                hidden = F.layer_norm(hidden, hidden.shape[-1:])
            hidden = F.relu(hidden)
        values: Tensor = self.output(hidden, *again)[..., 0]
        return values


class ValueEnsemble(nn.Module):
    """V_1..V_E(s), for implicit Q-learning.

    Args:
        members: E.
        inputs: Size of the state's embedding with its context.
        hidden: Widths.
    """

    def __init__(self, members: int, inputs: int, hidden: tuple[int, ...]) -> None:
        super().__init__()
        self.layers = nn.ModuleList(
            EnsembleLinear(members, (before,), after, math.sqrt(2.0))
            for before, after in itertools.pairwise((inputs, *hidden))
        )
        self.output = EnsembleLinear(members, (hidden[-1],), 1, 0.01)

    def forward(self, embedding: Tensor, context: Tensor) -> Tensor:
        """(E, B) from (B, Z) and (B, C)."""
        hidden = torch.cat([embedding, context], dim=1)[:, None]
        for layer in self.layers:
            hidden = layer(hidden)
            hidden = F.relu(F.layer_norm(hidden, hidden.shape[-1:]))
        values: Tensor = self.output(hidden)[..., 0, 0]
        return values


@dataclass(frozen=True)
class TanhGaussian:
    """a = tanh u with u normal.

    Args:
        mu, log_std: (B, 7).
    """

    mu: Tensor
    log_std: Tensor

    @property
    def mode(self) -> Tensor:
        """The deterministic action tanh mu, (B, 7)."""
        return torch.tanh(self.mu)

    def sample(self, count: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Draw `count` actions of each state; gradients flow through them.

        Returns:
            Actions (B, N, 7) and log pi(a|s) (B, N).
        """
        shape = (self.mu.shape[0], count, self.mu.shape[1])
        noise = torch.randn(shape, generator=generator).to(self.mu)
        pre_tanh = self.mu[:, None] + self.log_std.exp()[:, None] * noise
        return torch.tanh(pre_tanh), self.log_density(pre_tanh)

    def log_density(self, pre_tanh: Tensor) -> Tensor:
        """log pi of tanh(u) for u of (B, N, 7): (B, N)."""
        mu, log_std = self.mu[:, None], self.log_std[:, None]
        normal = -0.5 * ((pre_tanh - mu) / log_std.exp()) ** 2 - log_std - _HALF_LOG_TWO_PI
        # log(1 - tanh(u)^2), written so that it neither overflows nor loses digits.
        squash = 2.0 * (math.log(2.0) - pre_tanh - F.softplus(-2.0 * pre_tanh))
        return (normal - squash).sum(dim=-1)


_HALF_LOG_TWO_PI = 0.5 * math.log(2.0 * math.pi)


def _mlp(sizes: tuple[int, ...], gain: float) -> nn.Sequential:
    layers: list[nn.Module] = []
    for before, after in itertools.pairwise(sizes):
        linear = nn.Linear(before, after)
        nn.init.orthogonal_(linear.weight, gain=gain)
        nn.init.zeros_(linear.bias)
        layers += [linear, nn.ReLU()]
    return nn.Sequential(*layers)


def _output(before: int, after: int, gain: float) -> nn.Linear:
    linear = nn.Linear(before, after)
    nn.init.orthogonal_(linear.weight, gain=gain)
    nn.init.zeros_(linear.bias)
    return linear


class Actor(nn.Module):
    """pi(a|s): an MLP with a mean and a log deviation for each action dimension."""

    def __init__(self, inputs: int, hidden: tuple[int, ...]) -> None:
        super().__init__()
        self.trunk = _mlp((inputs, *hidden), gain=1.0)
        self.mu = _output(hidden[-1], ACTION_SIZE, gain=0.01)
        self.log_std = _output(hidden[-1], ACTION_SIZE, gain=0.01)

    def forward(self, inputs: Tensor) -> TanhGaussian:
        """`inputs` is (B, I)."""
        hidden = self.trunk(inputs)
        return TanhGaussian(self.mu(hidden), self.log_std(hidden).clamp(*LOG_STD_RANGE))


class ToggleHead(nn.Module):
    """Where the gripper will next open or close: (B, I) to (B, 3), in units of 10 cm."""

    def __init__(self, inputs: int) -> None:
        super().__init__()
        self.trunk = _mlp((inputs, 128), gain=1.0)
        self.place = _output(128, 3, gain=0.1)

    def forward(self, inputs: Tensor) -> Tensor:
        place: Tensor = self.place(self.trunk(inputs))
        return place
