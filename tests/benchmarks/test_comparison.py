"""Statistics of paired cells, against numbers worked out by hand."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.ptr_bench.comparison import bootstrap_interval, compare_cells, sign_flip_p_value


@pytest.mark.parametrize(
    ("differences", "p_value"),
    [
        # Sums of +-2 +-1: 3, 1, -1, -3; two of four are as far out as 3.
        ([2, 1], 0.5),
        # Sums of +-3 +-1: 4, 2, -2, -4; all are as far out as 2.
        ([3, -1], 1.0),
        ([1, 1, 1], 0.25),
        ([5, 5, 5, 5, 5, 5], 2 / 64),
        # A cell without a difference doubles both counts.
        ([1, 1, 1, 0], 0.25),
        ([0, 0], 1.0),
        ([7] * 18, 2 / 2**18),
        ([-7] * 18, 2 / 2**18),
    ],
)
def test_the_sign_flip_test_counts_choices_of_signs(differences: list[int], p_value: float) -> None:
    assert sign_flip_p_value(differences) == p_value


@given(st.lists(st.integers(-9, 9), min_size=1, max_size=9))
def test_the_sign_flip_test_agrees_with_trying_every_choice(differences: list[int]) -> None:
    sums = [
        abs(sum(sign * value for sign, value in zip(signs, differences, strict=True)))
        for signs in itertools.product((1, -1), repeat=len(differences))
    ]
    extreme = sum(total >= abs(sum(differences)) for total in sums)
    assert sign_flip_p_value(differences) == pytest.approx(extreme / len(sums))


def test_pairs_are_matched_within_cells() -> None:
    old = {"a": [True, True, False, False], "b": [False, False, False, False]}
    new = {"a": [True, False, True, True], "b": [True, True, False, False]}
    found = compare_cells(old, new)
    assert (found.pairs.only_new, found.pairs.only_old) == (4, 1)
    assert (found.pairs.both, found.pairs.neither) == (1, 2)
    # Two-sided exact McNemar: 2 (C(5,4) + C(5,5)) / 2^5.
    assert found.pairs.p_value == pytest.approx(2 * 6 / 32)
    # Differences +1 and +2: sums 3, 1, -1, -3.
    assert found.sign_flip_p == 0.5
    assert found.points == pytest.approx(100 * 3 / 8)
    assert found.cells == 2


def test_the_worse_p_value_is_reported() -> None:
    # Thirty wins of one trained policy over another are one difference, not thirty.
    one = compare_cells({"a": [False] * 30}, {"a": [True] * 30})
    assert one.pairs.p_value < 1e-8
    assert one.sign_flip_p == one.p_value == 1.0
    # Twelve cells with one win each: McNemar has nothing more to say than the cells.
    cells = range(12)
    many = compare_cells({c: [False, True] for c in cells}, {c: [True, True] for c in cells})
    assert many.p_value == many.pairs.p_value == many.sign_flip_p == 2 / 2**12


def test_only_cells_of_both_are_compared() -> None:
    found = compare_cells({1: [False], 2: [True]}, {1: [True], 3: [True]})
    assert (found.cells, found.pairs.pairs) == (1, 1)
    with pytest.raises(ValueError, match="no cell in common"):
        compare_cells({1: [True]}, {2: [True]})


def test_cells_of_other_lengths_cannot_be_matched() -> None:
    with pytest.raises(ValueError, match="cannot be matched"):
        compare_cells({1: [True, True]}, {1: [True]})


def test_the_bootstrap_draws_cells_not_trials() -> None:
    # All cells alike: whichever are drawn, the rate is one half, though trials differ.
    assert bootstrap_interval([5] * 8, [10] * 8) == (0.5, 0.5)
    # Two cells, all or nothing: both drawn alike half of the time.
    assert bootstrap_interval([0, 10], [10, 10], scale=100.0) == (0.0, 100.0)
    low, high = bootstrap_interval([2, 4, 6, 8, 5, 5], [10] * 6)
    assert 0.3 < low < 0.45
    assert 0.55 < high < 0.7
