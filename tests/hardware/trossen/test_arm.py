"""What the arm does on the vendor's simulator beyond the contract of every arm."""

from __future__ import annotations

import numpy as np
import pytest

from hardware.faults import Unreachable
from hardware.robot import Stop
from hardware.trossen import TrossenSettings, widowx_ai
from recordings.errors import RobotError, UsageError
from recordings.records import hold_action
from tests.hardware.peers.trossen import FOLDED, open_simulator
from tests.hardware.trossen.conftest import make_arm

pytestmark = pytest.mark.sim


def drive(arm, *actions) -> list[np.ndarray]:
    """The states after each action's control period."""
    states = []
    due_s = arm._clock.now_s()
    for action in actions:
        arm.apply(np.array(action, dtype=float))
        due_s += 0.2
        arm._clock.wait_until_s(due_s)
        states.append(arm.read_state().state)
    return states


def test_connecting_narrows_the_published_limits_to_those_of_the_controller(simulator) -> None:
    arm = make_arm(simulator)
    assert arm.features.joint_high_rad == widowx_ai.JOINT_HIGH_RAD
    with arm:
        assert arm.features.joint_high_rad[2] == pytest.approx(2.35619)
        assert arm.identity["firmware"].startswith("1.11")
        assert simulator.ask("modes") == ["IDLE"] * 7


def test_displacements_at_5_hz_are_followed_along_a_line(arm) -> None:
    before = arm.read_state().state
    states = drive(arm, *[[0.005, 0.005, -0.005, 0, 0, 0.02, 1.0]] * 12, *[hold_action(1.0)] * 3)
    moved = states[-1] - before
    np.testing.assert_allclose(moved[:3], [0.06, 0.06, -0.06], atol=0.004)
    assert moved[5] == pytest.approx(0.24, abs=0.01)
    for state in states:
        along = (state - before)[:3] * [1, 1, -1]
        assert np.ptp(along) < 0.006


def test_a_half_open_gripper_is_half_open(arm) -> None:
    states = drive(arm, *[hold_action(0.5)] * 4)
    assert states[-1][6] == pytest.approx(0.5, abs=0.05)
    np.testing.assert_allclose(simulator_gripper(arm), 0.022, atol=0.002)


def simulator_gripper(arm) -> float:
    return float(arm._trossen._controller.sample().positions[6])


def test_a_grip_is_kept_through_hold(arm) -> None:
    drive(arm, *[hold_action(0.3)] * 3)
    arm.stop(Stop.HOLD)
    drive(arm, hold_action(0.3))
    assert arm._trossen._goal[6] == pytest.approx(0.3 * 0.044, abs=1e-4)


def test_from_folded_to_the_start_and_back_it_touches_nothing_and_stays_slow() -> None:
    with open_simulator(positions=FOLDED) as simulator, make_arm(simulator) as arm:
        arm.move_to_start()
        np.testing.assert_allclose(arm.read_state().state[:3], widowx_ai.START_POSE[:3], atol=0.01)
        arm.stop(Stop.PARK)
        np.testing.assert_allclose(simulator.ask("positions")[:6], FOLDED[:6], atol=0.02)
        assert simulator.ask("modes") == ["IDLE"] * 7
        assert simulator.ask("touched") == []
        assert simulator.ask("fastest") < 1.0


def test_letting_go_brakes_the_joints_where_they_are_and_parking_folds_them_later(arm) -> None:
    before = arm.read_state().joint_positions_rad
    arm.stop(Stop.TORQUE_OFF)
    np.testing.assert_allclose(arm.read_state().joint_positions_rad, before, atol=0.01)
    with pytest.raises(RobotError, match="torque is off"):
        arm.apply(hold_action(1.0))
    with pytest.raises(RobotError, match="braked and stand still"):
        arm.stop(Stop.HOLD)
    arm.stop(Stop.PARK)
    np.testing.assert_allclose(arm.read_state().joint_positions_rad, FOLDED[:6], atol=0.02)
    # Folded already: nothing moves, nor are the brakes released.
    arm.stop(Stop.PARK)


def test_an_arm_that_was_left_braked_is_parked_by_the_next_command(arm, simulator) -> None:
    arm.disconnect()
    assert simulator.ask("modes") == ["IDLE"] * 7
    with make_arm(simulator, 10.0) as other:
        other.stop(Stop.PARK)
    np.testing.assert_allclose(simulator.ask("positions")[:6], FOLDED[:6], atol=0.02)


@pytest.mark.parametrize("bad", [np.nan, 3.5])
def test_what_lies_outside_the_limits_is_never_sent(arm, simulator, bad) -> None:
    before = simulator.ask("positions")
    joints = np.array(before[:6])
    joints[3] = bad
    with pytest.raises(Unreachable):
        arm._trossen.send(joints, 1.0, 0.2)
    np.testing.assert_allclose(simulator.ask("positions"), before, atol=2e-3)


def test_a_jump_is_stretched_to_what_the_joints_may_do(arm, simulator) -> None:
    drive_ = arm._trossen
    joints = drive_._goal[:6].copy()
    joints[0] += 1.0
    drive_.send(joints, 1.0, 0.2)
    clock = arm._clock
    clock.wait_until_s(clock.now_s() + 1.0)
    assert simulator.ask("positions")[0] == pytest.approx(joints[0], abs=0.02)
    assert simulator.ask("fastest") < drive_.limits.velocity[0]


def test_start_poses_anywhere_in_the_workspace_are_found(simulator) -> None:
    arm = make_arm(simulator, 10.0)
    arm._start_pose = np.array([0.3, -0.2, 0.05, 0.0, 0.0, 0.8])
    with arm:
        arm.move_to_start()
        np.testing.assert_allclose(arm.read_state().state[:3], [0.3, -0.2, 0.05], atol=0.01)


def test_settings_that_make_no_sense_are_refused() -> None:
    from hardware.settings import build_settings

    for values in ({"end_effector": "hook"}, {"effort_share": 1.5}, {"timeout_s": 0.0}):
        with pytest.raises(UsageError):
            build_settings(TrossenSettings, values, "robot.options")
