"""The driver and the server agree on where a step leads."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from hardware.bridge.geometry import (
    distance,
    step_to_target,
    straight_way,
    target_after_step,
    transform,
)

BOX = np.array([-1.0] * 3), np.array([1.0] * 3)


def poses(metres: float = 0.4, radians: float = 1.2) -> st.SearchStrategy[np.ndarray]:
    numbers = st.tuples(*[st.floats(-metres, metres)] * 3, *[st.floats(-radians, radians)] * 3)
    return numbers.map(np.array)


@given(poses(), poses(0.05, 0.25), poses(0.05, 0.1))
def test_the_step_that_is_sent_leads_to_the_wanted_target(previous, action, lag) -> None:
    target, measured = previous + action, previous[:3] - lag[:3]
    step = step_to_target(target, previous, measured)
    reached = target_after_step(step, previous, measured, *BOX)
    np.testing.assert_allclose(reached, target, atol=1e-9)


@given(poses(), poses(0.05, 0.25), poses(0.05, 0.1))
def test_a_step_leads_where_the_server_s_matrices_lead(previous, step, lag) -> None:
    """next = T(p) D T(p)^-1 previous, with p measured, as `action2transform_local` has it."""

    def matrix(position: np.ndarray, turn: Rotation) -> np.ndarray:
        made = np.eye(4)
        made[:3, :3], made[:3, 3] = turn.as_matrix(), position
        return made

    measured = previous[:3] - lag[:3]
    there = matrix(measured, Rotation.identity())
    delta = matrix(step[:3], Rotation.from_euler("xyz", step[3:]))
    before = matrix(previous[:3], Rotation.from_euler("xyz", previous[3:]))
    after = there @ delta @ np.linalg.inv(there) @ before
    reached = target_after_step(step, previous, measured, *BOX)
    np.testing.assert_allclose(reached[:3], after[:3, 3], atol=1e-9)
    turn = Rotation.from_euler("xyz", reached[3:]).as_matrix()
    np.testing.assert_allclose(turn, after[:3, :3], atol=1e-9)


def test_a_target_is_clipped_to_the_server_s_box() -> None:
    previous = np.array([0.3, 0.0, 0.17, 0.0, 0.0, 0.0])
    step = np.array([0.0, 0.0, 0.05, 0.0, 0.0, 0.1])
    low, high = np.array([0.1, -0.15, -0.1]), np.array([0.45, 0.25, 0.18])
    reached = target_after_step(step, previous, previous[:3], low, high)
    np.testing.assert_allclose(reached, [0.3, 0.0, 0.18, 0.0, 0.0, 0.1], atol=1e-12)


def test_gripper_down_is_the_pitch_of_90_degrees_that_move_expects() -> None:
    matrix = transform(np.array([0.3, 0.1, 0.2, 0.0, 0.0, 0.0]))
    raw = Rotation.from_euler("xyz", [0.0, np.pi / 2, 0.0]).as_matrix()
    np.testing.assert_allclose(matrix[:3, :3], raw, atol=1e-12)
    np.testing.assert_allclose(matrix[:3, 3], [0.3, 0.1, 0.2])


@given(poses(), poses())
def test_a_way_ends_at_its_goal_in_steps_that_are_short_enough(start, goal) -> None:
    way = [start, *straight_way(start, goal, 0.03, 0.15)]
    for before, after in pairwise(way):
        metres, radians = distance(before, after)
        assert metres <= 0.03 + 1e-9
        assert radians <= 0.15 + 1e-6
    metres, radians = distance(way[-1], goal)
    assert metres == pytest.approx(0.0, abs=1e-9)
    assert radians == pytest.approx(0.0, abs=0.15 if len(way) == 1 else 1e-6)


def test_there_is_no_way_to_where_the_arm_is() -> None:
    assert straight_way(np.zeros(6), np.zeros(6), 0.03, 0.15) == []
