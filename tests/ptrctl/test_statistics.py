"""Statistics against published and independently computed numbers."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import special, stats

from ptrctl.statistics import (
    Rate,
    clopper_pearson_interval,
    compare_paired,
    mcnemar_p_value,
    paired_bet_e_value,
    wilson_interval,
)


@st.composite
def counts(draw: st.DrawFn) -> tuple[int, int]:
    trials = draw(st.integers(1, 300))
    return draw(st.integers(0, trials)), trials


@pytest.mark.parametrize(
    ("successes", "trials", "wilson", "exact"),
    [
        (5, 10, (0.24, 0.76), (0.19, 0.81)),
        (7, 10, (0.40, 0.89), (0.35, 0.93)),
        (10, 10, (0.72, 1.0), (0.69, 1.0)),
        (14, 20, (0.48, 0.85), (0.46, 0.88)),
        (0, 10, (0.0, 0.28), (0.0, 0.31)),
        (35, 50, (0.56, 0.81), (0.55, 0.82)),
    ],
)
def test_intervals_match_the_reference_table(
    successes: int, trials: int, wilson: tuple[float, float], exact: tuple[float, float]
) -> None:
    assert wilson_interval(successes, trials) == pytest.approx(wilson, abs=0.005)
    assert clopper_pearson_interval(successes, trials) == pytest.approx(exact, abs=0.005)


@given(counts())
def test_intervals_agree_with_scipy_and_contain_the_rate(pair: tuple[int, int]) -> None:
    successes, trials = pair
    test = stats.binomtest(successes, trials)
    for ours, method in ((wilson_interval, "wilson"), (clopper_pearson_interval, "exact")):
        low, high = ours(successes, trials)
        theirs = test.proportion_ci(0.95, method=method)
        assert (low, high) == pytest.approx((theirs.low, theirs.high), abs=1e-9)
        assert 0.0 <= low <= successes / trials <= high <= 1.0


@given(counts())
def test_more_trials_at_the_same_rate_narrow_the_interval(pair: tuple[int, int]) -> None:
    successes, trials = pair
    low, high = wilson_interval(successes, trials)
    low4, high4 = wilson_interval(4 * successes, 4 * trials)
    assert high4 - low4 < high - low


def test_no_trials_say_nothing_about_the_rate() -> None:
    assert wilson_interval(0, 0) == (0.0, 1.0)
    assert clopper_pearson_interval(0, 0) == (0.0, 1.0)


def test_a_rate_is_written_with_its_count_and_interval() -> None:
    assert str(Rate(7, 10)) == "7/10 [0.40, 0.89]"


def test_an_impossible_rate_is_refused() -> None:
    with pytest.raises(ValueError, match="impossible"):
        Rate(11, 10)


@given(st.integers(0, 60), st.integers(0, 60))
def test_mcnemar_agrees_with_the_binomial_test(wins: int, losses: int) -> None:
    if wins + losses == 0:
        assert mcnemar_p_value(0, 0) == 1.0
        return
    expected = stats.binomtest(wins, wins + losses).pvalue
    one_sided = stats.binomtest(wins, wins + losses, alternative="greater").pvalue
    assert mcnemar_p_value(wins, losses) == pytest.approx(expected)
    assert mcnemar_p_value(wins, losses, two_sided=False) == pytest.approx(one_sided)


@given(st.integers(0, 60), st.integers(0, 60))
def test_the_paired_bet_follows_its_formula(wins: int, losses: int) -> None:
    expected = (
        2.0 ** (wins + losses + 1)
        * special.beta(wins + 1, losses + 1)
        * special.betainc(losses + 1, wins + 1, 0.5)
    )
    assert paired_bet_e_value(wins, losses) == pytest.approx(expected, rel=1e-6, abs=1e-9)


@given(st.integers(0, 40), st.integers(0, 40))
def test_the_paired_bet_is_fair_when_the_policies_are_equal(wins: int, losses: int) -> None:
    after = (paired_bet_e_value(wins + 1, losses) + paired_bet_e_value(wins, losses + 1)) / 2
    # At theta = 1/2 the expected wealth after the next pair is the wealth now.
    assert after == pytest.approx(paired_bet_e_value(wins, losses))


def test_a_paired_comparison_counts_its_pairs() -> None:
    pairs = [(False, True)] * 8 + [(True, False)] * 1 + [(True, True)] * 5 + [(False, False)] * 6
    comparison = compare_paired(pairs)
    assert (str(comparison.old), str(comparison.new)) == (str(Rate(6, 20)), str(Rate(13, 20)))
    assert comparison.p_value == pytest.approx(stats.binomtest(8, 9).pvalue)
    assert str(comparison) == (
        f"{Rate(6, 20)} before, {Rate(13, 20)} after, on the same 20 start states; "
        "only after 8, only before 1; exact McNemar p = 0.039 (two-sided)"
    )
    assert comparison.e_value == paired_bet_e_value(8, 1)


def test_a_tiny_p_value_is_not_shown_as_nought() -> None:
    pairs = [(False, True)] * 38 + [(True, True)] * 12
    comparison = compare_paired(pairs)
    assert comparison.p_in_words == "< 0.001"
    assert "p < 0.001 (two-sided)" in str(comparison)
    assert "p = 1.000 (" in str(compare_paired([(False, True), (True, False)]))
