"""The safety envelope."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hardware import safety
from hardware.robot import RobotFeatures, WorkspaceBox
from hardware.safety import SafetyEnvelope
from tests.hardware.fakes import BOX, FakeRobot

ANY_ACTION = st.lists(
    st.floats(allow_nan=True, allow_infinity=True, width=64), min_size=7, max_size=7
)


@given(ANY_ACTION)
def test_whatever_is_asked_only_small_finite_steps_inside_the_box_come_out(values) -> None:
    robot = FakeRobot()
    safe = SafetyEnvelope(BOX).check(np.array(values), robot)
    assert np.isfinite(safe.action).all()
    assert np.abs(safe.action[:3]).max() <= 0.05 + 1e-12
    assert np.abs(safe.action[3:6]).max() <= 0.25 + 1e-12
    assert 0.0 <= safe.action[6] <= 1.0
    target = robot.state[:3] + safe.action[:3]
    assert (target >= np.array(BOX.low_m) - 1e-12).all()
    assert (target <= np.array(BOX.high_m) + 1e-12).all()


@given(st.lists(ANY_ACTION, min_size=1, max_size=60))
def test_no_sequence_of_actions_leaves_the_box(sequence) -> None:
    robot, envelope = FakeRobot(), SafetyEnvelope(BOX)
    for values in sequence:
        robot.apply(envelope.check(np.array(values), robot).action)
        assert (robot.state[:3] >= np.array(BOX.low_m) - 1e-9).all()
        assert (robot.state[:3] <= np.array(BOX.high_m) + 1e-9).all()
        assert abs(robot.state[5]) <= BOX.max_yaw_rad + 1e-9


def test_a_harmless_action_passes_unchanged_and_uncounted() -> None:
    envelope, action = SafetyEnvelope(BOX), np.array([0.01, -0.02, 0.03, 0.0, 0.1, -0.2, 0.3])
    safe = envelope.check(action, FakeRobot())
    np.testing.assert_allclose(safe.action, action, atol=1e-15)
    assert safe.interventions == ()
    assert not envelope.counts


def test_an_action_that_is_not_finite_becomes_a_hold_with_the_gripper_as_it_is() -> None:
    envelope, robot = SafetyEnvelope(BOX), FakeRobot()
    robot.state[6] = 0.4
    safe = envelope.check(np.array([np.nan, 0, 0, 0, 0, 0, 0.0]), robot)
    np.testing.assert_array_equal(safe.action, [0, 0, 0, 0, 0, 0, 0.4])
    assert safe.interventions == (safety.NOT_FINITE,)


def test_an_action_of_the_wrong_length_becomes_a_hold() -> None:
    assert SafetyEnvelope(BOX).check(np.zeros(6), FakeRobot()).interventions == (safety.NOT_FINITE,)


@pytest.mark.parametrize(
    ("action", "rule"),
    [
        ([0.2, 0, 0, 0, 0, 0, 1.0], safety.STEP_CLAMP),
        ([0, 0, 0, 0, 0, 1.0, 1.0], safety.STEP_CLAMP),
        ([0, 0, 0, 0, 0, 0, 1.5], safety.GRIPPER_RANGE),
    ],
)
def test_each_excess_is_named_and_counted(action, rule) -> None:
    envelope = SafetyEnvelope(BOX)
    assert envelope.check(np.array(action), FakeRobot()).interventions == (rule,)
    assert envelope.counts[rule] == 1


@pytest.mark.parametrize(("rate_hz", "step_m"), [(0.5, 0.05), (5.0, 0.05), (50.0, 0.005)])
def test_a_faster_rate_makes_the_arm_no_faster(rate_hz, step_m) -> None:
    class Rated(FakeRobot):
        @property
        def features(self) -> RobotFeatures:
            return replace(super().features, control_rate_hz=rate_hz)

    safe = SafetyEnvelope(BOX).check(np.array([0.05, 0, 0, 0, 0, 0, 1.0]), Rated())
    assert safe.action[0] == pytest.approx(step_m)


def test_the_box_stops_motion_through_its_wall() -> None:
    envelope, robot = SafetyEnvelope(BOX), FakeRobot()
    robot.state[2] = 0.01
    safe = envelope.check(np.array([0, 0, -0.04, 0, 0, 0, 1.0]), robot)
    assert safe.action[2] == pytest.approx(-0.01)
    assert safe.interventions == (safety.WORKSPACE_BOX,)


def test_an_arm_outside_the_box_may_come_back_but_not_go_farther() -> None:
    envelope, robot = SafetyEnvelope(BOX), FakeRobot()
    robot.state[0] = 0.5
    assert envelope.check(np.array([0.03, 0, 0, 0, 0, 0, 1.0]), robot).action[0] == 0.0
    back = envelope.check(np.array([-0.03, 0, 0, 0, 0, 0, 1.0]), robot)
    assert back.action[0] == pytest.approx(-0.03)


def test_a_target_out_of_reach_is_approached_part_of_the_way() -> None:
    envelope, robot = SafetyEnvelope(BOX), FakeRobot()
    robot.unreachable_beyond_x_m = 0.265
    safe = envelope.check(np.array([0.04, 0, 0, 0, 0, 0, 1.0]), robot)
    assert safe.action[0] == pytest.approx(0.01)
    assert safe.interventions == (safety.JOINT_LIMIT,)


def test_a_blocked_arm_is_not_wound_up() -> None:
    class Blocked(FakeRobot):
        """Measures the same pose whatever is commanded."""

        def __init__(self) -> None:
            super().__init__()
            self.measured = self.state.copy()

        def read_state(self):
            state = super().read_state()
            return type(state)(self.measured.copy(), state.joint_positions_rad, 0.0)

    robot, envelope = Blocked(), SafetyEnvelope(BOX)
    for _ in range(10):
        robot.apply(envelope.check(np.array([0.05, 0, 0, 0, 0, 0, 1.0]), robot).action)
    assert robot.state[0] - robot.measured[0] == pytest.approx(safety.MAX_LEAD_M)
    assert envelope.counts[safety.LEAD_LIMIT] > 0


def test_an_empty_box_is_refused() -> None:
    with pytest.raises(ValueError, match="workspace box is empty"):
        WorkspaceBox((0.0, 0.0, 0.0), (0.1, 0.0, 0.1))
