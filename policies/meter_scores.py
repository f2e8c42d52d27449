"""How well a critic's value foretells the outcome of a trial: AUROC and calibration error."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]

BINS = 10
_RESAMPLES = 1000


@dataclass(frozen=True)
class TrialValues:
    """The critic's values along one finished trial.

    Args:
        q: (N,) value of the chosen action at every step.
        success: What became of it.
        task: Its name.
        chance: (N,) what a meter foretold at the time; None if none was calibrated then.
    """

    q: FloatArray
    success: bool
    task: str = ""
    chance: FloatArray | None = None


@dataclass(frozen=True)
class Figure:
    """A measured quantity.

    Args:
        value: None where it is not defined (all trials ended alike).
        low, high: 95 % interval, bootstrapped by trial; None likewise.
        trials: Trials that it rests on.
        successes: How many of them succeeded.
    """

    value: float | None
    low: float | None
    high: float | None
    trials: int
    successes: int

    def __str__(self) -> str:
        of = f"{self.trials} trials, {self.successes} successes"
        if self.value is None or self.low is None or self.high is None:
            return f"not defined ({of})"
        return f"{self.value:.2f} [{self.low:.2f}, {self.high:.2f}] ({of})"


def auroc(scores: Sequence[float], successes: Sequence[bool]) -> float | None:
    """The chance that a success scores higher than a failure, a tie counting half, 0..1.

    Returns:
        None if there is no success or no failure.

    Source: J. A. Hanley and B. J. McNeil, Radiology 1982 (the Mann-Whitney statistic).
    """
    score, won = np.asarray(scores, np.float64), np.asarray(successes, bool)
    good, bad = score[won], score[~won]
    if not len(good) or not len(bad):
        return None
    difference = good[:, None] - bad[None]
    return float((difference > 0).mean() + 0.5 * (difference == 0).mean())


def expected_calibration_error(
    chances: FloatArray, successes: npt.NDArray[np.bool_], bins: int = BINS
) -> float:
    """Mean distance between foretold chance and share of successes, over bins of equal mass.

    Args:
        chances: (N,) 0..1.
        successes: (N,).
        bins: Number of bins; sizes differ by one at most.

    Source: M. P. Naeini et al., AAAI 2015, with bins of equal mass.
    """
    order = np.argsort(chances, kind="stable")
    return float(
        sum(
            len(members) * abs(chances[members].mean() - successes[members].mean())
            for members in np.array_split(order, bins)
            if len(members)
        )
        / len(chances)
    )


def value_figures(trials: Sequence[TrialValues], max_steps: int) -> dict[str, Figure]:
    """AUROC of Q, one third and two thirds of the way.

    An operator watches at a fixed step, among trials that are still running then ("auroc_step_13"
    and "auroc_step_26" of 40): those names hold a step of the time limit. A third of a trial's
    *own* length is known only afterwards, and says when the value gave the outcome away.
    """
    figures = {}
    for share in (1, 2):
        step = max_steps * share // 3
        figures[f"auroc_step_{step}"] = auroc_at_step(trials, step)
    for share, name in ((1, "one_third"), (2, "two_thirds")):
        scores = [(float(t.q[len(t.q) * share // 3]), t.success) for t in trials if len(t.q)]
        figures[f"auroc_{name}_of_own_length"] = _auroc_figure(scores)
    return figures


def auroc_at_step(trials: Sequence[TrialValues], step: int) -> Figure:
    """AUROC of Q at a step (0 is the first), among the trials that are still running then."""
    return _auroc_figure([(float(t.q[step]), t.success) for t in trials if len(t.q) > step])


def calibration_error(trials: Sequence[tuple[FloatArray, bool]]) -> Figure:
    """Expected calibration error over all steps of trials; resampling alone adds a little to it,
    so the interval lies rather high, and is widened where it would leave the value out.

    Args:
        trials: (chance at every step (N,), success) of each.
    """

    def error(members: Sequence[int]) -> float | None:
        chosen = [trials[n] for n in members]
        chances = np.concatenate([chance for chance, _ in chosen])
        won = np.concatenate([np.full(len(chance), success) for chance, success in chosen])
        return expected_calibration_error(chances, won) if len(chances) else None

    return _bootstrapped(error, [success for _, success in trials])


def _auroc_figure(scores: Sequence[tuple[float, bool]]) -> Figure:
    def area(members: Sequence[int]) -> float | None:
        return auroc([scores[n][0] for n in members], [scores[n][1] for n in members])

    return _bootstrapped(area, [success for _, success in scores])


def _bootstrapped(
    measure: Callable[[Sequence[int]], float | None], outcomes: Sequence[bool]
) -> Figure:
    """The measure of all trials, and its percentile interval over resampled trials."""
    count, wins = len(outcomes), sum(outcomes)
    value = measure(range(count)) if count else None
    if value is None:
        return Figure(None, None, None, count, wins)
    rng = np.random.default_rng(0)
    drawn = [measure(rng.integers(0, count, count).tolist()) for _ in range(_RESAMPLES)]
    low, high = np.percentile([one for one in drawn if one is not None], [2.5, 97.5])
    return Figure(value, min(value, float(low)), max(value, float(high)), count, wins)
