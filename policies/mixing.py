"""Batches from several sources in fixed proportions."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

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
        counts = split_counts(count, [fraction for _, fraction in usable])
        return Batch.join(
            [
                buffer.sample(
                    rng,
                    share,
                    only_success=only_success,
                    success_fraction=success_fraction,
                    with_next=with_next,
                )
                for (buffer, _), share in zip(usable, counts, strict=True)
                if share
            ]
        )

    def can_sample(self, *, only_success: bool = False) -> bool:
        """Whether any source has a transition of the wanted kind."""
        return bool(self._usable(only_success))

    def _usable(self, only_success: bool) -> list[tuple[ReplayBuffer, float]]:
        return [
            (buffer, fraction)
            for buffer, fraction in self.sources
            if fraction > 0 and (buffer.successful_transitions if only_success else len(buffer))
        ]
