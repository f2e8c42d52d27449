from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from policies.checkpoint import Checkpoint
from policies.heads import TanhGaussian
from policies.presets import preset
from policies.selection import (
    CRITERIA,
    DEFAULT_CRITERION,
    HeldOutScore,
    rank_checkpoints,
    score_held_out,
    spearman_with_time,
)
from policies.training import train
from recordings.records import GRIPPER
from tests.policies.synthetic import dot_data


@given(st.lists(st.integers(-50, 50), min_size=2, max_size=30, unique=True))
def test_spearman_is_one_for_what_rises_and_minus_one_for_what_falls(values: list[int]) -> None:
    assert spearman_with_time(np.sort(values)) == pytest.approx(1)
    assert spearman_with_time(-np.sort(values)) == pytest.approx(-1)
    assert -1 - 1e-9 <= spearman_with_time(np.array(values)) <= 1 + 1e-9


def test_spearman_by_hand() -> None:
    # Ranks 1, 3, 2, 4 against 1, 2, 3, 4: 1 - 6 * 2 / (4 * 15).
    assert spearman_with_time(np.array([0.0, 5.0, 2.0, 9.0])) == pytest.approx(0.8)
    assert spearman_with_time(np.zeros(5)) == 0
    assert spearman_with_time(np.zeros(1)) == 0


def test_training_lowers_the_held_out_errors_and_makes_values_rise(tmp_path: Path) -> None:
    config = preset("tiny")
    config = dataclasses.replace(config, algorithm=dataclasses.replace(config.algorithm, n_step=1))
    held_out = dot_data(6, steps=8, seed=77)
    result = train(
        config,
        dot_data(100, steps=8),
        steps=300,
        run_folder=tmp_path,
        robot="sim-wx250s",
        threads=1,
        checkpoint_every=20,
    )
    first = score_held_out(_load(result.checkpoints[0]), held_out)
    last = score_held_out(result.checkpoint, held_out)
    assert last.rising > 0.8
    assert last.td_error < first.td_error
    assert last.arm_error < 0.7 * first.arm_error
    assert last.gripper_error < 0.1
    assert last.toggle_error_m < 0.6 * first.toggle_error_m


def test_cloned_policies_have_no_rising_value(tmp_path: Path) -> None:
    result = train(
        preset("tiny").with_learner("bc"),
        dot_data(4),
        steps=2,
        run_folder=tmp_path,
        robot="sim-wx250s",
    )
    found = score_held_out(result.checkpoint, dot_data(2, seed=1))
    assert np.isnan(found.rising)
    assert np.isnan(found.td_error)


NAN = float("nan")


def score(rising: float, td_error: float, arm_error: float, gripper: float = 0.0) -> HeldOutScore:
    return HeldOutScore(rising, td_error, arm_error, gripper, 0.01)


# Steps to scores: each criterion prefers another one.
SCORES = {
    1: score(0.50, 9.0, 0.01),
    2: score(0.99, 5.0, 0.10),
    3: score(0.95, 7.0, 0.05),
    4: score(0.85, 2.0, 0.05, 0.02),
    5: score(0.10, 8.0, 0.30),
}


@pytest.mark.parametrize(
    ("criterion", "order"),
    [
        ("last", [5, 4, 3, 2, 1]),
        ("rise of Q", [2, 3, 4, 1, 5]),
        ("TD error", [4, 2, 3, 5, 1]),
        ("action error", [1, 3, 4, 2, 5]),
    ],
)
def test_each_criterion_has_its_own_order(criterion: str, order: list[int]) -> None:
    found = sorted(SCORES, key=lambda steps: CRITERIA[criterion].order(steps, SCORES[steps]))
    assert found == order


@pytest.mark.parametrize("criterion", CRITERIA)
def test_the_later_wins_among_equals(criterion: str) -> None:
    key = CRITERIA[criterion].order
    assert key(300, score(0.9, 1.0, 0.1)) < key(200, score(0.9, 1.0, 0.1))
    # Without a trained critic all values are alike: unknown.
    assert key(300, score(NAN, NAN, 0.1)) < key(200, score(NAN, NAN, 0.1))


@pytest.mark.parametrize("criterion", ["rise of Q", "TD error"])
def test_an_unknown_score_is_worse_than_the_worst(criterion: str) -> None:
    key = CRITERIA[criterion].order
    assert key(100, score(0.9, 1e6, 0.3)) < key(200, score(NAN, NAN, 0.1))


def test_a_criterion_considers_all_checkpoints_or_the_later_half() -> None:
    late = CRITERIA["TD error"]
    assert late.candidates([1, 2, 3, 4]) == [3, 4]
    assert late.candidates([1]) == [1]
    assert CRITERIA["rise of Q"].candidates([1, 2, 3, 4]) == [1, 2, 3, 4]


def test_checkpoints_are_ranked_by_the_named_criterion(tmp_path: Path) -> None:
    result = train(
        preset("tiny"),
        dot_data(4),
        steps=4,
        run_folder=tmp_path,
        robot="sim-wx250s",
        checkpoint_every=1,
    )
    scored = [(_load(path), SCORES[n]) for n, path in enumerate(result.checkpoints, start=1)]

    def ranked(*criterion: str) -> list[int]:
        return [checkpoint.info.steps for checkpoint, _ in rank_checkpoints(scored, *criterion)]

    assert ranked("TD error") == [4, 2, 3, 1]
    assert ranked("last") == [4, 3, 2, 1]
    assert ranked() == ranked(DEFAULT_CRITERION)


class _Constant(torch.nn.Module):
    """Critic i says `values[i]`, whatever it sees."""

    def __init__(self, values: list[float]) -> None:
        super().__init__()
        self.values = torch.tensor(values)

    def forward(self, z: torch.Tensor, context: torch.Tensor, a: torch.Tensor) -> torch.Tensor:
        return self.values[:, None, None].expand(-1, a.shape[0], a.shape[1])


@pytest.mark.parametrize(
    ("clamp", "cross_fit", "values", "expected"),
    [
        # One episode of 4 steps, n = 1, the last 3 terminal: y is 10 there, and -1 + 0.96 Q' in
        # the first. Q = 5: y = 3.8.
        (False, False, [5.0, 5.0], (1.2**2 + 3 * 5.0**2) / 4),
        # The smaller of both critics is the target's, 20: y = 18.2 for both.
        (False, False, [20.0, 30.0], (1.8**2 + 11.8**2 + 3 * (10.0**2 + 20.0**2)) / 8),
        # Each its own: -1 + 0.96 * 30 = 27.8 for the second.
        (False, True, [20.0, 30.0], (1.8**2 + 2.2**2 + 3 * (10.0**2 + 20.0**2)) / 8),
        # No return is above 10.
        (True, False, [20.0, 30.0], (10.0**2 + 20.0**2) / 2),
    ],
)
def test_the_td_error_of_constant_critics_by_hand(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    clamp: bool,
    cross_fit: bool,
    values: list[float],
    expected: float,
) -> None:
    config = preset("tiny")
    algorithm = dataclasses.replace(
        config.algorithm, n_step=1, discount=0.96, clamp_targets=clamp, cross_fit=cross_fit
    )
    result = train(
        dataclasses.replace(config, algorithm=algorithm),
        dot_data(4),
        steps=1,
        run_folder=tmp_path,
        robot="sim-wx250s",
    )
    networks, slots = result.checkpoint.networks()
    monkeypatch.setattr(networks, "critic", _Constant(values))
    monkeypatch.setattr(Checkpoint, "networks", lambda checkpoint: (networks, slots))
    found = score_held_out(result.checkpoint, dot_data(1, steps=4, seed=1))
    assert found.td_error == pytest.approx(expected, rel=1e-5)


def test_the_action_errors_are_shares_and_unknown_toggles_do_not_count(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    result = train(preset("tiny"), dot_data(4), steps=1, run_folder=tmp_path, robot="sim-wx250s")
    networks, slots = result.checkpoint.networks()
    # The arm is told the lowest in every dimension and the gripper to close.
    monkeypatch.setattr(
        networks,
        "policy",
        lambda z, *_: TanhGaussian(torch.full((len(z), 7), -9.0), torch.zeros(len(z), 7)),
    )
    monkeypatch.setattr(Checkpoint, "networks", lambda checkpoint: (networks, slots))
    data = dot_data(2, steps=4, seed=1)
    # The demonstrations leave the arm in the middle of its range and never close the gripper.
    actions = np.zeros_like(data.actions)
    actions[:, GRIPPER] = 1.0
    found = score_held_out(result.checkpoint, dataclasses.replace(data, actions=actions))
    assert found.arm_error == pytest.approx(0.5)
    assert found.gripper_error == 1.0
    assert np.isnan(found.toggle_error_m)


def _load(path: Path) -> Checkpoint:
    from policies.checkpoint import load_checkpoint

    return load_checkpoint(path)
