"""Batches from several sources in fixed proportions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from policies.replay import Batch, ReplayBuffer


def split_counts(total: int, fractions: Sequence[float]) -> list[int]:
    """Whole counts that add up to `total`, as near as can be to the fractions.

    The largest remainders are rounded up; among equals the earlier wins.

    Args:
        total: Batch size.
        fractions: Not negative, with a positive sum; they are scaled to add up to 1.
    """
    shares = np.asarray(fractions, dtype=np.float64)
    assert (shares >= 0).all()
    assert shares.sum() > 0
    exact = total * shares / shares.sum()
    counts = np.floor(exact + 1e-9).astype(int)
    by_remainder = np.argsort(counts - exact, kind="stable")
    counts[by_remainder[: total - counts.sum()]] += 1
    return [int(count) for count in counts]


class Mixture:
    """Several buffers, each with its exact share of every batch.

    Args:
        sources: Buffers with their fractions; empty buffers are passed over.
    """

    def __init__(self, sources: Sequence[tuple[ReplayBuffer, float]]) -> None:
        self.sources = tuple(sources)

    def sample(
        self,
        rng: np.random.Generator,
        count: int,
        *,
        only_success: bool = False,
        success_fraction: float | None = None,
        with_next: bool = True,
    ) -> Batch:
        """Draw a batch; see `ReplayBuffer.sample`."""
        usable = self._usable(only_success)
        counts = split_counts(count, [self.sources[source][1] for source in usable])
        batches = []
        for source, share in zip(usable, counts, strict=True):
            if share:
                batch = self.sources[source][0].sample(
                    rng,
                    share,
                    only_success=only_success,
                    success_fraction=success_fraction,
                    with_next=with_next,
                )
                batches.append(replace(batch, sources=torch.full_like(batch.rows, source)))
        return Batch.join(batches)

    def note_weights(self, batch: Batch, weights: Tensor) -> None:
        """Keep how much the transitions of a batch are cloned, (B,) in 0..1."""
        values = weights.detach().cpu().numpy()
        sources, rows = batch.sources.numpy(), batch.rows.numpy()
        for source in np.unique(sources):
            here = sources == source
            self.sources[source][0].note_weights(rows[here], values[here])

    def state_dict(self) -> dict[str, Tensor]:
        """How much everything is cloned, by source; as copies."""
        return {
            f"weights/{source}": torch.from_numpy(buffer.weights.copy())
            for source, (buffer, _) in enumerate(self.sources)
        }

    def load_state_dict(self, tensors: Mapping[str, Tensor]) -> None:
        """The inverse of `state_dict`, for the same sources."""
        for source, (buffer, _) in enumerate(self.sources):
            buffer.weights[:] = tensors[f"weights/{source}"].numpy()

    def forget_weights(self) -> None:
        """Draw from everything evenly again."""
        for buffer, _ in self.sources:
            buffer.weights[:] = 1.0

    def can_sample(self, *, only_success: bool = False) -> bool:
        """Whether any source has a transition of the wanted kind."""
        return bool(self._usable(only_success))

    def _usable(self, only_success: bool) -> list[int]:
        return [
            source
            for source, (buffer, fraction) in enumerate(self.sources)
            if fraction > 0 and (buffer.successful_transitions if only_success else len(buffer))
        ]
