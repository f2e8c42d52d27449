from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from policies.checkpoint import Checkpoint
from policies.config import preset
from policies.selection import (
    HeldOutScore,
    rank_checkpoints,
    score_held_out,
    spearman_with_time,
)
from policies.training import train
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
    assert np.isnan(score_held_out(result.checkpoint, dot_data(2, seed=1)).rising)


def test_rising_values_come_first_then_the_smaller_error_then_the_earlier(tmp_path: Path) -> None:
    result = train(
        preset("tiny"),
        dot_data(4),
        steps=4,
        run_folder=tmp_path,
        robot="sim-wx250s",
        checkpoint_every=1,
    )
    one, two, three, four = (_load(path) for path in result.checkpoints)
    scored = [
        (one, HeldOutScore(0.5, 0.01, 0.0, 0.01)),
        (two, HeldOutScore(0.9, 0.10, 0.0, 0.01)),
        (four, HeldOutScore(0.85, 0.05, 0.0, 0.01)),
        (three, HeldOutScore(0.95, 0.05, 0.0, 0.01)),
    ]
    assert [c.info.steps for c, _ in rank_checkpoints(scored)] == [3, 4, 2, 1]


def _load(path: Path) -> Checkpoint:
    from policies.checkpoint import load_checkpoint

    return load_checkpoint(path)
