"""Paired comparison of two methods whose trials come in cells: one trained policy each.

Trials of one policy are not independent of each other, so a test over all pairs alone would find
differences in luck of training. Here a cell, one (target, training seed), is the unit as well.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from ptrctl.statistics import PairedComparison, compare_paired

CellKey = TypeVar("CellKey")
Cells = Mapping[CellKey, Sequence[bool]]
"""Cell to the outcome from each start state, in one order for all methods."""

_RESAMPLES = 10_000
_TAILS = (2.5, 97.5)


@dataclass(frozen=True)
class ClusteredComparison:
    """A new method against an old one over the cells that both have.

    Args:
        pairs: All matched trials taken together.
        cells: Number of cells.
        sign_flip_p: Exact two-sided p-value of `sign_flip_p_value` over the cells.
        points: Pooled difference of success in percentage points, new less old.
        points_95: Its cluster bootstrap interval.
    """

    pairs: PairedComparison
    cells: int
    sign_flip_p: float
    points: float
    points_95: tuple[float, float]

    @property
    def p_value(self) -> float:
        """The greater of McNemar's and the sign-flip test's: the one to report."""
        return max(self.pairs.p_value, self.sign_flip_p)


def compare_cells(old: Cells[CellKey], new: Cells[CellKey]) -> ClusteredComparison:
    """Compare over the cells that both have.

    Args:
        old, new: Cells; those of one key have equally many trials, from the same start states.

    Raises:
        ValueError: There is no common cell, or the trials of one cannot be matched.
    """
    common = [key for key in old if key in new]
    if not common:
        raise ValueError("the two methods have no cell in common")
    for key in common:
        if len(old[key]) != len(new[key]) or not old[key]:
            raise ValueError(f"{len(old[key])} and {len(new[key])} trials cannot be matched")
    differences = [sum(new[key]) - sum(old[key]) for key in common]
    trials = [len(old[key]) for key in common]
    return ClusteredComparison(
        pairs=compare_paired(
            pair for key in common for pair in zip(old[key], new[key], strict=True)
        ),
        cells=len(common),
        sign_flip_p=sign_flip_p_value(differences),
        points=100.0 * sum(differences) / sum(trials),
        points_95=bootstrap_interval(differences, trials, scale=100.0),
    )


def sign_flip_p_value(differences: Sequence[int]) -> float:
    """Exact two-sided permutation test: under equality each cell's difference may change its sign.

    Args:
        differences: Successes of the new method less those of the old, one whole number a cell.

    Returns:
        The share of the 2^cells choices of signs whose sum is at least as far from 0 as that of
        the differences. All are counted, by the number of ways to reach each sum.
    """
    ways: Counter[int] = Counter({0: 1})
    for difference in differences:
        longer: Counter[int] = Counter()
        for total, count in ways.items():
            longer[total + difference] += count
            longer[total - difference] += count
        ways = longer
    observed = abs(sum(differences))
    extreme = sum(count for total, count in ways.items() if abs(total) >= observed)
    return float(extreme / (1 << len(differences)))


def bootstrap_interval(
    amounts: Sequence[int], trials: Sequence[int], *, scale: float = 1.0
) -> tuple[float, float]:
    """95 % percentile interval of sum(amounts) / sum(trials), cells drawn with replacement.

    Args:
        amounts: Successes, or differences of successes, one a cell.
        trials: Of each cell.
        scale: Factor of the result, 100 for points.
    """
    rng = np.random.default_rng(0)
    drawn = rng.integers(len(amounts), size=(_RESAMPLES, len(amounts)))
    rates = np.asarray(amounts)[drawn].sum(axis=1) / np.asarray(trials)[drawn].sum(axis=1)
    low, high = np.percentile(scale * rates, _TAILS)
    return float(low), float(high)
