"""The meter learns what values meant, and its figures are those of hand-made examples."""

from __future__ import annotations

import dataclasses
import functools
import itertools
import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from policies.meter import FEWEST_TRIALS, Meter, fit_meter, held_out_chances, load_meter, save_meter
from policies.meter_scores import (
    Figure,
    TrialValues,
    auroc,
    auroc_at_step,
    calibration_error,
    expected_calibration_error,
    value_figures,
)
from recordings.errors import CheckpointError


def telling_trials(count: int = 60, seed: int = 0, tell: float = 1.5) -> list[TrialValues]:
    """Half succeed, after 18 steps; values part by `tell` deviations from step 6 on."""
    rng = np.random.default_rng(seed)
    trials = []
    for n in range(count):
        success = n % 2 == 0
        steps = 18 if success else 40
        told = np.where(np.arange(steps) >= 6, tell if success else -tell, 0.0)
        trials.append(TrialValues(-5.0 + rng.normal(0, 1, steps) + told, success, "go_ahead"))
    return trials


def bounds(figure: Figure) -> tuple[float, float, float]:
    assert figure.low is not None
    assert figure.value is not None
    assert figure.high is not None
    return figure.low, figure.value, figure.high


@pytest.mark.parametrize(
    ("scores", "successes", "area"),
    [
        ([1.0, 2.0, 3.0, 4.0], [False, False, True, True], 1.0),
        ([1.0, 2.0, 3.0, 4.0], [True, True, False, False], 0.0),
        # Pairs (3,1) (3,2) (3,4) (5,1) (5,2) (5,4): five of six in order.
        ([3.0, 5.0, 1.0, 2.0, 4.0], [True, True, False, False, False], 5 / 6),
        ([2.0, 2.0], [True, False], 0.5),
    ],
)
def test_auroc_is_the_share_of_pairs_in_the_right_order(
    scores: list[float], successes: list[bool], area: float
) -> None:
    assert auroc(scores, successes) == pytest.approx(area)


def test_auroc_of_trials_that_all_ended_alike_is_not_defined() -> None:
    assert auroc([1.0, 2.0], [True, True]) is None
    figure = auroc_at_step([TrialValues(np.ones(3), True)] * 3, 1)
    assert (figure.value, figure.low, figure.trials, figure.successes) == (None, None, 3, 3)
    assert str(figure) == "not defined (3 trials, 3 successes)"


def test_calibration_error_is_the_mean_distance_over_bins_of_equal_mass() -> None:
    chances = np.array([0.1, 0.1, 0.1, 0.1, 0.9, 0.9, 0.9, 0.9])
    successes = np.array([0, 0, 0, 1, 1, 1, 1, 0], bool)
    # Both bins: the share is 0.25 and 0.75, so each is off by 0.15.
    assert expected_calibration_error(chances, successes, 2) == pytest.approx(0.15)
    # One bin: 0.5 foretold, 0.5 happened.
    assert expected_calibration_error(chances, successes, 1) == pytest.approx(0.0)
    wrong = np.array([0.0, 0.0, 1.0, 1.0])
    assert expected_calibration_error(wrong, wrong < 0.5, 2) == pytest.approx(1.0)


def test_a_fixed_step_counts_only_the_trials_that_still_run_then() -> None:
    short, long = TrialValues(np.full(10, 9.0), True), TrialValues(np.full(40, 1.0), False)
    late = TrialValues(np.full(30, 2.0), True)
    figure = auroc_at_step([short, long, late], 13)
    assert (figure.trials, figure.successes, figure.value) == (2, 1, 1.0)
    assert auroc_at_step([short, long], 13).value is None


def test_steps_of_the_limit_and_thirds_of_the_own_length_are_named_apart() -> None:
    # The value of the failure is low only at steps 13 and 26; that of the success at its thirds.
    failure, success = np.full(40, 5.0), np.full(30, 7.0)
    failure[[13, 26]] = 0.0
    success[[10, 20]] = -1.0
    figures = value_figures([TrialValues(failure, False), TrialValues(success, True)], 40)
    assert {name: figure.value for name, figure in figures.items()} == {
        "auroc_step_13": 1.0,
        "auroc_step_26": 1.0,
        "auroc_one_third_of_own_length": 0.0,
        "auroc_two_thirds_of_own_length": 0.0,
    }


def test_the_interval_is_resampled_by_trial_not_by_step() -> None:
    few, many = telling_trials(8, tell=0.3), telling_trials(200, tell=0.3)
    narrow, wide = auroc_at_step(many, 13), auroc_at_step(few, 13)
    low, value, high = bounds(narrow)
    assert low < value < high
    assert bounds(wide)[2] - bounds(wide)[0] > 2 * (high - low)
    # Repeating each step a hundredfold is no new evidence.
    chances = [(np.repeat([0.2 + 0.6 * (n % 2)], 10), n % 3 == 0) for n in range(20)]
    longer = [(np.repeat(c, 100), s) for c, s in chances]
    once, again = calibration_error(chances), calibration_error(longer)
    assert once.high == pytest.approx(again.high, abs=0.05)
    assert once.trials == again.trials == 20


def test_what_was_fitted_foretells_trials_that_were_held_out() -> None:
    meter = fit_meter(telling_trials(), "abc", 40)
    assert meter is not None
    assert (meter.trials, meter.successes, meter.tasks) == (60, 30, ("go_ahead",))
    assert meter.chance(-3.5, 12) > 0.8
    assert meter.chance(-6.5, 12) < 0.2
    error = meter.figures["calibration_error"].value
    assert error is not None
    assert error < 0.1
    fresh = telling_trials(160, seed=1)
    steps = [np.arange(len(t.q), dtype=float) for t in fresh]
    chances = [meter.chances(t.q, s) for t, s in zip(fresh, steps, strict=True)]
    real = calibration_error([(c, t.success) for c, t in zip(chances, fresh, strict=True)])
    assert real.value is not None
    assert real.value < 0.1


def test_values_that_tell_nothing_leave_the_share_of_successes() -> None:
    rng = np.random.default_rng(0)
    trials = [TrialValues(rng.normal(0, 1, 40), n % 4 == 0, "a") for n in range(80)]
    meter = fit_meter(trials, "abc", 40)
    assert meter is not None
    assert [meter.chance(q, 20) for q in (-2.0, 2.0)] == pytest.approx([0.25, 0.25], abs=0.08)


@pytest.mark.parametrize("count", [0, 3, FEWEST_TRIALS - 1])
def test_too_few_trials_make_no_meter(count: int) -> None:
    assert fit_meter(telling_trials(count), "abc", 40) is None


def test_trials_that_nearly_all_ended_alike_make_no_meter() -> None:
    trials = [dataclasses.replace(trial, success=n < 3) for n, trial in enumerate(telling_trials())]
    assert fit_meter(trials, "abc", 40) is None
    assert fit_meter([dataclasses.replace(t, success=True) for t in trials], "abc", 40) is None


def test_a_task_of_which_hardly_anything_was_tried_has_no_part_in_a_meter() -> None:
    ahead = telling_trials()
    back = [dataclasses.replace(trial, task="go_back") for trial in telling_trials(4, seed=1)]
    alone, rare, both = (fit_meter([*ahead, *more], "abc", 40) for more in ([], back[:3], back))
    assert alone is not None
    assert both is not None
    assert rare == alone
    assert both.tasks == ("go_ahead", "go_back")
    assert both.sure_of == ("go_ahead",)


@functools.cache
def misled(seed: int) -> Meter:
    """Fitted on values that are low before a success."""
    rng = np.random.default_rng(seed)
    trials = [TrialValues(rng.normal(-float(n % 2), 1, 12), n % 2 == 1) for n in range(24)]
    meter = fit_meter(trials, "abc", 40)
    assert meter is not None
    return meter


@given(
    seed=st.integers(0, 2),
    step=st.integers(0, 60),
    values=st.lists(st.floats(-1e6, 1e6), min_size=2, max_size=8),
)
def test_a_higher_value_never_means_a_lower_chance(
    seed: int, step: int, values: list[float]
) -> None:
    meter = misled(seed)
    chances = [meter.chance(q, step) for q in sorted(values)]
    assert all(0.0 <= chance <= 1.0 for chance in chances)
    assert all(b >= a - 1e-12 for a, b in itertools.pairwise(chances))


def test_a_held_out_trial_has_no_part_in_its_own_chances() -> None:
    trials = telling_trials(30)
    before = held_out_chances(trials, "abc", 40)
    changed = [*trials[:-1], dataclasses.replace(trials[-1], q=trials[-1].q * 0 + 50.0)]
    after = held_out_chances(changed, "abc", 40)
    # The fit without the last trial's fold is the same, so the fold's other trials keep theirs.
    same = [n for n in range(29) if np.array_equal(before[n][0], after[n][0])]
    assert len(same) == 5
    assert all(
        len(chance) == len(trial.q) for (chance, _), trial in zip(before, trials, strict=True)
    )


def test_a_meter_survives_its_file_and_a_damaged_one_is_refused(tmp_path: Path) -> None:
    meter = fit_meter(telling_trials(), "abc", 40)
    assert meter is not None
    path = tmp_path / "sub" / "meter.json"
    assert load_meter(path) is None
    save_meter(path, meter)
    again = load_meter(path)
    assert again == meter
    assert again is not None
    assert again.digest == meter.digest
    assert again.sure_of == ("go_ahead",)
    for damaged in (
        "{",
        "[]",
        "{}",
        path.read_text().replace('"meter_version": 1', '"meter_version": 2'),
        json.dumps(json.loads(path.read_text()) | {"figures": [1]}),
        json.dumps(json.loads(path.read_text()) | {"begin": [10**400, 1]}),
    ):
        path.write_text(damaged)
        with pytest.raises(CheckpointError, match=r"meter\.json"):
            load_meter(path)


def test_a_meter_says_nothing_about_other_checkpoints_tasks_or_time_limits() -> None:
    meter = fit_meter(telling_trials(), "abc", 40)
    assert meter is not None
    assert meter.speaks_of("abc", "go_ahead", 40)
    assert not meter.speaks_of("other", "go_ahead", 40)
    assert not meter.speaks_of("abc", "go_back", 40)
    assert not meter.speaks_of("abc", "go_ahead", 60)
