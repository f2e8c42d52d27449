"""Statistics of trials: intervals for one success rate, tests for two.

Nothing here formats a bare percentage: a rate is always shown as k/n with its interval.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

CONFIDENCE = 0.95
_Z = 1.959963984540054
"""97.5 % quantile of the standard normal distribution."""


@dataclass(frozen=True)
class Rate:
    """Successes out of trials.

    Args:
        successes: k, 0..trials.
        trials: n, 0 or more.
    """

    successes: int
    trials: int

    def __post_init__(self) -> None:
        if not 0 <= self.successes <= self.trials:
            raise ValueError(f"{self.successes} successes of {self.trials} trials is impossible")

    @property
    def interval(self) -> tuple[float, float]:
        """95 % Wilson interval."""
        return wilson_interval(self.successes, self.trials)

    def __str__(self) -> str:
        low, high = self.interval
        return f"{self.successes}/{self.trials} [{low:.2f}, {high:.2f}]"


def wilson_interval(successes: int, trials: int) -> tuple[float, float]:
    """95 % Wilson score interval of a success rate; (0, 1) without trials.

    Source: E. B. Wilson, "Probable inference, the law of succession, and statistical
    inference", JASA 1927.
    """
    if trials == 0:
        return 0.0, 1.0
    rate = successes / trials
    shrink = 1.0 + _Z**2 / trials
    centre = (rate + _Z**2 / (2 * trials)) / shrink
    half = _Z / shrink * math.sqrt(rate * (1 - rate) / trials + _Z**2 / (4 * trials**2))
    # At k = 0 and k = n the ends are exactly 0 and 1; rounding must not say otherwise.
    low = 0.0 if successes == 0 else max(0.0, centre - half)
    high = 1.0 if successes == trials else min(1.0, centre + half)
    return low, high


def clopper_pearson_interval(successes: int, trials: int) -> tuple[float, float]:
    """95 % Clopper-Pearson interval: guaranteed coverage, for claims; (0, 1) without trials.

    Source: C. J. Clopper and E. S. Pearson, Biometrika 1934.
    """
    from scipy.stats import beta

    tail = (1.0 - CONFIDENCE) / 2.0
    low, high = 0.0, 1.0
    if successes > 0:
        low = float(beta.ppf(tail, successes, trials - successes + 1))
    if successes < trials:
        high = float(beta.ppf(1.0 - tail, successes + 1, trials - successes))
    return low, high


@dataclass(frozen=True)
class PairedComparison:
    """Two policies tried from the same start states.

    Args:
        only_new: Starts (w) where only the new policy succeeded.
        only_old: Starts (l) where only the old one did.
        both: Starts where both did.
        neither: Starts where neither did.
    """

    only_new: int
    only_old: int
    both: int
    neither: int

    @property
    def old(self) -> Rate:
        """The old policy's successes."""
        return Rate(self.both + self.only_old, self.pairs)

    @property
    def new(self) -> Rate:
        """The new policy's successes."""
        return Rate(self.both + self.only_new, self.pairs)

    @property
    def pairs(self) -> int:
        """Start states tried by both."""
        return self.only_new + self.only_old + self.both + self.neither

    @property
    def p_value(self) -> float:
        """Exact two-sided McNemar p-value."""
        return mcnemar_p_value(self.only_new, self.only_old)

    @property
    def p_in_words(self) -> str:
        """ "0.031" or "< 0.001", for the report."""
        return format_p(self.p_value).removeprefix("= ")

    @property
    def e_value(self) -> float:
        """Evidence that the new policy is better, valid at any stopping time."""
        return paired_bet_e_value(self.only_new, self.only_old)

    def __str__(self) -> str:
        return (
            f"{self.old} before, {self.new} after, on the same {self.pairs} start states; "
            f"only after {self.only_new}, only before {self.only_old}; "
            f"exact McNemar p {format_p(self.p_value)} (two-sided)"
        )


def format_p(p_value: float) -> str:
    """ "= 0.031", or "< 0.001": no p-value is nought."""
    return f"= {p_value:.3f}" if p_value >= 0.001 else "< 0.001"


def compare_paired(pairs: Iterable[tuple[bool, bool]]) -> PairedComparison:
    """Count the four kinds of pairs; each is (old succeeded, new succeeded)."""
    counts = {(False, True): 0, (True, False): 0, (True, True): 0, (False, False): 0}
    for old, new in pairs:
        counts[bool(old), bool(new)] += 1
    return PairedComparison(
        only_new=counts[False, True],
        only_old=counts[True, False],
        both=counts[True, True],
        neither=counts[False, False],
    )


def mcnemar_p_value(only_new: int, only_old: int, *, two_sided: bool = True) -> float:
    """Exact McNemar test: under equality each discordant pair is a fair coin.

    Args:
        only_new: Pairs (w) that only the new policy won.
        only_old: Pairs (l) that only the old one won.
        two_sided: Otherwise tests whether the new policy is better.

    Source: Q. McNemar, Psychometrika 1947, in its exact binomial form.
    """

    def tail(wins: int) -> float:
        ways = sum(math.comb(discordant, k) for k in range(wins, discordant + 1))
        return ways / (1 << discordant)

    discordant = only_new + only_old
    if not two_sided:
        return tail(only_new)
    return min(1.0, 2.0 * tail(max(only_new, only_old)))


def paired_bet_e_value(only_new: int, only_old: int) -> float:
    """Evidence against "the new policy wins at most half of the discordant pairs".

    The likelihood ratio averaged over theta uniform on (1/2, 1):
    E = 2^(N+1) B(w+1, l+1) [1 - I_{1/2}(w+1, l+1)]. Looking after every pair is allowed; E of
    20 or more rejects at the 5 % level whenever one stops.
    """
    discordant = only_new + only_old
    # 1 - I_{1/2}(w+1, l+1) is the chance of at most w heads in N+1 fair throws, and
    # B(w+1, l+1) = 1 / ((N+1) C(N, w)): whole numbers throughout, so nothing overflows.
    ways = sum(math.comb(discordant + 1, k) for k in range(only_new + 1))
    return ways / ((discordant + 1) * math.comb(discordant, only_new))
