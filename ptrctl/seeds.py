"""Start states by purpose: what is used for one is never used for another.

Demonstrations and prior data use small seeds (0, 1, 2, ...). Each purpose here has a range of its
own, and each `--seed` a part of it.
"""

from __future__ import annotations

_EVALUATION, _SELECTION, _PRACTICE = 100_000_000, 200_000_000, 300_000_000
MOST_TRIALS = 10_000
"""Of one session: so many start states each `--seed` has."""
LARGEST_DEMO_SEED = 99_000_000
"""Of `ptrctl record`, whose start states count up from it."""
LARGEST_SEED = 9_999
"""Of `--seed`, so that the ranges stay apart."""


def evaluation_seeds(seed: int, count: int) -> tuple[int, ...]:
    """Start states of scored trials; the same for every checkpoint, so that trials pair up."""
    return _range(_EVALUATION, seed, count)


def selection_seeds(seed: int, count: int) -> tuple[int, ...]:
    """Start states on which `improve` chooses between checkpoints."""
    return _range(_SELECTION, seed, count)


def practice_seeds(seed: int, count: int) -> tuple[int, ...]:
    """Start states of autonomous practice."""
    return _range(_PRACTICE, seed, count)


def _range(first: int, seed: int, count: int) -> tuple[int, ...]:
    assert 0 <= seed <= LARGEST_SEED
    assert 0 <= count <= MOST_TRIALS
    begin = first + seed * MOST_TRIALS
    return tuple(range(begin, begin + count))
