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
from recordings.records import FloatArray, hold_action
from tests.hardware.fakes import BOX, FakeRobot

ANY_ACTION = st.lists(
    st.floats(allow_nan=True, allow_infinity=True, width=64), min_size=7, max_size=7
)
EACH_WAY = pytest.mark.parametrize(
    ("axis", "sign"), [(axis, sign) for axis in range(6) for sign in (1.0, -1.0)]
)


def along(axis: int, amount: float) -> FloatArray:
    """An action that moves one axis only."""
    action = hold_action(1.0)
    action[axis] = amount
    return action


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
    assert envelope.counts == {safety.NOT_FINITE: 1}


def test_an_action_of_the_wrong_length_becomes_a_hold() -> None:
    assert SafetyEnvelope(BOX).check(np.zeros(6), FakeRobot()).interventions == (safety.NOT_FINITE,)


@pytest.mark.parametrize(
    ("action", "rules"),
    [
        ([0.2, 0, 0, 0, 0, 0, 1.0], (safety.STEP_CLAMP,)),
        ([0, 0, 0, 0, 0, 1.0, 1.0], (safety.STEP_CLAMP,)),
        ([0, 0, 0, 0, 0, 0, 1.5], (safety.GRIPPER_RANGE,)),
        ([0.2, 0, 0, 0, 0, 0, 1.5], (safety.STEP_CLAMP, safety.GRIPPER_RANGE)),
    ],
)
def test_each_excess_is_named_and_counted(action, rules) -> None:
    envelope = SafetyEnvelope(BOX)
    assert envelope.check(np.array(action), FakeRobot()).interventions == rules
    assert envelope.counts == dict.fromkeys(rules, 1)


@pytest.mark.parametrize(
    ("rate_hz", "step_m", "step_rad"), [(0.5, 0.05, 0.25), (5.0, 0.05, 0.25), (50.0, 0.005, 0.025)]
)
def test_a_faster_rate_makes_the_arm_no_faster(rate_hz, step_m, step_rad) -> None:
    class Rated(FakeRobot):
        @property
        def features(self) -> RobotFeatures:
            return replace(super().features, control_rate_hz=rate_hz)

    safe = SafetyEnvelope(BOX).check(np.array([0.05, 0, 0, 0, -0.25, 0, 1.0]), Rated())
    assert safe.action[0] == pytest.approx(step_m)
    assert safe.action[4] == pytest.approx(-step_rad)


def test_the_box_stops_motion_through_its_wall() -> None:
    envelope, robot = SafetyEnvelope(BOX), FakeRobot()
    robot.state[2] = 0.01
    safe = envelope.check(np.array([0, 0, -0.04, 0, 0, 0, 1.0]), robot)
    assert safe.action[2] == pytest.approx(-0.01)
    assert safe.interventions == (safety.WORKSPACE_BOX,)


@pytest.mark.parametrize("sign", [1.0, -1.0])
@pytest.mark.parametrize(("axis", "most_rad"), [(3, 0.3), (4, 0.5), (5, 0.7)])
def test_every_turn_ends_at_its_own_limit(axis, sign, most_rad) -> None:
    box = replace(BOX, max_roll_rad=0.3, max_pitch_rad=0.5, max_yaw_rad=0.7)
    envelope, robot = SafetyEnvelope(box), FakeRobot()
    for _ in range(5):
        safe = envelope.check(along(axis, sign * 0.25), robot)
        robot.apply(safe.action)
    assert robot.state[axis] == pytest.approx(sign * most_rad)
    assert safe.interventions == (safety.ROTATION_LIMIT,)


@EACH_WAY
def test_an_arm_outside_the_box_may_come_back_but_not_go_farther(axis, sign) -> None:
    envelope, robot = SafetyEnvelope(BOX), FakeRobot()
    turn = [BOX.max_roll_rad, BOX.max_pitch_rad, BOX.max_yaw_rad]
    face = [*BOX.high_m, *turn] if sign > 0 else [*BOX.low_m, *np.negative(turn)]
    robot.state[axis] = face[axis] + sign * 0.2
    held = envelope.check(along(axis, 0.0), robot)
    assert (held.action[axis], held.interventions) == (0.0, ())
    out = envelope.check(along(axis, sign * 0.03), robot)
    rule = safety.WORKSPACE_BOX if axis < 3 else safety.ROTATION_LIMIT
    assert (out.action[axis], out.interventions) == (0.0, (rule,))
    back = envelope.check(along(axis, sign * -0.03), robot)
    assert back.action[axis] == pytest.approx(sign * -0.03)
    assert back.interventions == ()


def test_a_target_out_of_reach_is_approached_part_of_the_way() -> None:
    envelope, robot = SafetyEnvelope(BOX), FakeRobot()
    robot.unreachable_beyond_x_m = 0.265
    safe = envelope.check(np.array([0.04, 0, 0, 0, 0, 0, 1.0]), robot)
    assert safe.action[0] == pytest.approx(0.01)
    assert safe.interventions == (safety.JOINT_LIMIT,)


def test_a_pose_with_nothing_in_reach_is_held() -> None:
    envelope, robot = SafetyEnvelope(BOX), FakeRobot()
    robot.unreachable_beyond_x_m = 0.2
    safe = envelope.check(along(0, 0.04), robot)
    np.testing.assert_array_equal(safe.action, hold_action(1.0))
    assert safe.interventions == (safety.JOINT_LIMIT,)


@EACH_WAY
def test_a_blocked_arm_is_not_wound_up(axis, sign) -> None:
    class Blocked(FakeRobot):
        """Measures the same pose whatever is commanded."""

        def __init__(self) -> None:
            super().__init__()
            self.measured = self.state.copy()

        def read_state(self):
            state = super().read_state()
            return type(state)(self.measured.copy(), state.joint_positions_rad, 0.0)

    wide = WorkspaceBox((-1.0, -1.0, -1.0), (1.0, 1.0, 1.0), 2.0, 2.0, 2.0)
    robot, envelope = Blocked(), SafetyEnvelope(wide)
    step = sign * (0.05 if axis < 3 else 0.25)
    for _ in range(10):
        safe = envelope.check(along(axis, step), robot)
        robot.apply(safe.action)
    lead = safety.MAX_LEAD_M if axis < 3 else safety.MAX_LEAD_RAD
    assert robot.state[axis] - robot.measured[axis] == pytest.approx(sign * lead)
    assert safe.interventions == (safety.LEAD_LIMIT,)
    # Pushed back farther, it is not thrown after the pose that it measures.
    robot.measured[axis] -= sign * 0.3
    assert envelope.check(along(axis, 0.0), robot).action[axis] == 0.0
    assert envelope.check(along(axis, step), robot).action[axis] == 0.0
    assert envelope.check(along(axis, -step), robot).action[axis] == pytest.approx(-step)


def test_an_empty_box_is_refused() -> None:
    with pytest.raises(ValueError, match="workspace box is empty"):
        WorkspaceBox((0.0, 0.0, 0.0), (0.1, 0.0, 0.1))
