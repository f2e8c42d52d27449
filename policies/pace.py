"""What successful episodes are worth as time goes by: the baseline that failures are held against.

Where an episode will end is seldom to be seen in one action. It is to be seen in its value falling
behind that of the successes: an empty gripper that goes on as if it held something has a value far
below theirs at that time, though no action would be much better in its place. On mixed data this
tells the useful steps of failed episodes from the others far better than Q(s, a) - V(s) does; see
docs/decisions.md.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

STEPS_A_BIN = 3
BINS = 32
FORGETTING = 0.98
"""Share of what was known that an update keeps."""


class Pace:
    """Mean value of successful episodes by the time since their beginning."""

    def __init__(self, device: torch.device) -> None:
        self.sums = torch.zeros(BINS, device=device)
        self.counts = torch.zeros(BINS, device=device)

    def note(self, values: Tensor, steps: Tensor) -> None:
        """Take up values (S,) of successes at steps (S,) int64."""
        bins = self._bins(steps)
        self.sums = (FORGETTING * self.sums).index_add_(0, bins, values)
        self.counts = (FORGETTING * self.counts).index_add_(0, bins, torch.ones_like(values))

    def at(self, steps: Tensor) -> Tensor:
        """(B,) for steps (B,) int64.

        Times that hardly any success reaches take the value of the last that some do: who is
        still under way then is late.
        """
        seen = self.counts > 0.5
        known = torch.where(seen, torch.arange(BINS, device=seen.device), 0).cummax(dim=0).values
        means = self.sums / self.counts.clamp(min=1e-6)
        return means[known][self._bins(steps)]

    def state_dict(self) -> dict[str, Tensor]:
        """As copies."""
        return {"pace/sums": self.sums.clone(), "pace/counts": self.counts.clone()}

    def load_state_dict(self, tensors: Mapping[str, Tensor]) -> None:
        """Go on exactly from `state_dict`."""
        self.sums = tensors["pace/sums"].to(self.sums)
        self.counts = tensors["pace/counts"].to(self.counts)

    def _bins(self, steps: Tensor) -> Tensor:
        return (steps // STEPS_A_BIN).clamp(max=BINS - 1)
