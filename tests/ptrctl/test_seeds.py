"""No start state serves two purposes."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from ptrctl.seeds import LARGEST_SEED, evaluation_seeds, practice_seeds, selection_seeds

SEEDS = st.integers(0, LARGEST_SEED)
COUNTS = st.integers(0, 300)


@given(SEEDS, SEEDS, COUNTS)
def test_purposes_never_share_a_start_state(one: int, other: int, count: int) -> None:
    evaluation = set(evaluation_seeds(one, count))
    selection = set(selection_seeds(other, count))
    practice = set(practice_seeds(other, count))
    small = set(range(count))
    assert len(evaluation | selection | practice | small) == 4 * count


@given(SEEDS, SEEDS, COUNTS)
def test_different_seeds_give_different_start_states(one: int, other: int, count: int) -> None:
    shared = set(evaluation_seeds(one, count)) & set(evaluation_seeds(other, count))
    assert shared == (set(evaluation_seeds(one, count)) if one == other else set())
