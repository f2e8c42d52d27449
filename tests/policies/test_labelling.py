from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from policies.labelling import Hand, HandMemory, grasps, label_episode, next_toggles, value_range


def test_the_last_three_steps_of_a_success_are_rewarded_and_terminal() -> None:
    labels = label_episode(5, True, discount=0.96)
    assert labels.rewards.tolist() == [-1, -1, 10, 10, 10]
    assert labels.discounts == pytest.approx([0.96, 0.96, 0, 0, 0])
    assert labels.next_steps.tolist() == [1, 2, 3, 4, 5]


def test_a_failure_costs_one_a_step_and_a_time_limit_is_not_terminal() -> None:
    labels = label_episode(4, False, discount=0.96)
    assert labels.rewards.tolist() == [-1, -1, -1, -1]
    assert labels.discounts == pytest.approx([0.96] * 4)
    assert labels.returns == pytest.approx([-25.0] * 4)


@pytest.mark.parametrize(
    ("steps", "value"), [(0, 10), (5, 3.5), (10, -1.7), (20, -9.5), (37, -17.3)]
)
def test_returns_are_those_of_the_reference(steps: int, value: float) -> None:
    returns = label_episode(steps + 3, True, discount=0.96).returns
    assert returns[0] == pytest.approx(value, abs=0.06)
    assert returns[-3:] == pytest.approx([10, 10, 10])


def test_n_step_windows_stop_at_the_first_success() -> None:
    gamma = 0.5
    labels = label_episode(6, True, discount=gamma, n_step=3)
    # Steps 3, 4, 5 are successes. From 1 the window is 1, 2, 3; from 3 it is 3 alone.
    assert labels.next_steps.tolist() == [3, 4, 4, 4, 5, 6]
    assert labels.rewards[0] == pytest.approx(-1 - gamma - gamma**2)
    assert labels.rewards[1] == pytest.approx(-1 - gamma + 10 * gamma**2)
    assert labels.discounts.tolist() == [gamma**3, 0, 0, 0, 0, 0]


def test_n_step_windows_of_a_failure_end_with_the_episode() -> None:
    labels = label_episode(3, False, discount=0.5, n_step=4)
    assert labels.next_steps.tolist() == [3, 3, 3]
    assert labels.discounts.tolist() == [0.125, 0.25, 0.5]
    assert labels.rewards.tolist() == [-1.75, -1.5, -1]


@given(
    length=st.integers(1, 60),
    success=st.booleans(),
    n_step=st.integers(1, 8),
    terminal_steps=st.integers(1, 5),
)
def test_returns_satisfy_every_n_step_backup(
    length: int, success: bool, n_step: int, terminal_steps: int
) -> None:
    labels = label_episode(
        length, success, discount=0.96, n_step=n_step, terminal_steps=terminal_steps
    )
    floor, top = value_range(0.96)
    assert ((labels.returns >= floor - 1e-4) & (labels.returns <= top + 1e-4)).all()
    # A state after a failure's last step is worth failing for ever.
    values = np.append(labels.returns, floor)
    backed_up = labels.rewards + labels.discounts * values[labels.next_steps]
    assert backed_up == pytest.approx(labels.returns, abs=1e-3)


def test_each_step_points_to_the_next_crossing_of_the_gripper() -> None:
    steps, known = next_toggles(np.array([1.0, 0.9, 0.1, 0.0, 0.8, 1.0]))
    assert steps[known].tolist() == [2, 2, 2, 4, 4]
    assert known.tolist() == [True] * 5 + [False]


def test_a_gripper_that_starts_closing_toggles_at_once_and_one_that_stays_open_never() -> None:
    steps, known = next_toggles(np.array([0.0, 0.0]))
    assert (steps[0], known.tolist()) == (0, [True, False])
    assert not next_toggles(np.ones(4))[1].any()


def test_a_grasp_is_a_closing_that_leaves_the_gripper_open() -> None:
    commands = np.array([1, 0, 0, 0, 1, 0, 0, 0, 0, 1.0])
    openings = np.array([1, 1, 0.5, 0.4, 0.4, 1, 0.3, 0.0, 0.0, 0.0])
    # The first closing holds something at 0.4; the second closes fully.
    assert np.flatnonzero(grasps(commands, openings)).tolist() == [1]


def test_a_grasp_that_is_held_to_the_end_is_told_at_the_last_step() -> None:
    commands = np.array([1.0, 0.0, 0.0, 0.0])
    assert np.flatnonzero(grasps(commands, np.array([1.0, 1.0, 0.5, 0.4]))).tolist() == [1]
    assert not grasps(commands, np.array([1.0, 1.0, 0.5, 0.0])).any()


def test_a_command_of_exactly_a_half_opens() -> None:
    steps, known = next_toggles(np.array([0.5, 0.0, 0.5]))
    assert steps.tolist() == [1, 1, 2]
    assert known.all()
    assert not grasps(np.full(4, 0.5), np.full(4, 0.5)).any()
    memory = HandMemory()
    for _ in range(4):
        memory.command(0.5)
    assert memory.see(0.5) is Hand.EMPTY


def test_a_gripper_that_had_no_time_to_close_is_not_believed() -> None:
    commands, openings = np.array([1.0, 0.0, 0.0]), np.array([1.0, 1.0, 0.8])
    assert not grasps(commands, openings).any()
