"""What the arm does on the vendor's simulator beyond the contract of every arm."""

from __future__ import annotations

import numpy as np
import pytest

from hardware.faults import TorqueOff, Unreachable
from hardware.robot import Stop
from hardware.trossen import TrossenSettings, widowx_ai
from hardware.trossen.controller import Controller
from recordings.errors import RobotError, UsageError
from recordings.records import hold_action
from tests.hardware.peers.trossen import FOLDED, open_simulator
from tests.hardware.trossen.conftest import is_folded, make_arm
from tests.waiting import wait_for

pytestmark = pytest.mark.sim


def drive(arm, *actions) -> list[np.ndarray]:
    """The states after each action's control period."""
    states = []
    due_s = arm._clock.now_s()
    for action in actions:
        arm.apply(np.array(action, dtype=float))
        due_s += 1.0 / arm.features.control_rate_hz
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


def test_displacements_at_5_hz_are_followed_along_a_line(simulator) -> None:
    step = [0.005, 0.005, -0.005, 0, 0, 0.02, 1.0]
    with make_arm(simulator, 5.0) as arm:
        arm.move_to_start()
        before = arm.read_state().state
        states = drive(arm, *[step] * 12, *[hold_action(1.0)] * 3)
    moved = states[-1] - before
    np.testing.assert_allclose(moved[:3], [0.06, 0.06, -0.06], atol=0.004)
    assert moved[5] == pytest.approx(0.24, abs=0.01)
    for state in states:
        along = (state - before)[:3] * [1, 1, -1]
        assert np.ptp(along) < 0.006


def test_a_half_open_gripper_is_half_open(arm, simulator) -> None:
    states = drive(arm, *[hold_action(0.5)] * 4)
    assert states[-1][6] == pytest.approx(0.5, abs=0.05)
    assert simulator.ask("positions")[6] == pytest.approx(0.022, abs=0.002)


def test_a_grip_is_kept_through_hold(arm) -> None:
    drive(arm, *[hold_action(0.3)] * 3)
    arm.stop(Stop.HOLD)
    drive(arm, hold_action(0.3))
    assert arm._trossen._goal[6] == pytest.approx(0.3 * 0.044, abs=1e-4)


def test_an_arm_that_is_held_does_not_jerk_its_gripper_to_its_goal(arm, simulator) -> None:
    goal = arm._trossen._goal.copy()
    goal[[0, 6]] += [0.4, -0.04]
    arm._trossen.send(goal[:6], goal[6] / 0.044, 2.0)
    wait_for(lambda: simulator.ask("positions")[6] < 0.04)
    arm.stop(Stop.HOLD)
    just_held = simulator.ask("positions")
    assert just_held[6] > 0.01
    wait_for(lambda: simulator.ask("positions")[6] < 0.006)
    assert simulator.ask("positions")[0] == pytest.approx(just_held[0], abs=0.01)


def test_from_folded_to_the_start_and_back_it_touches_nothing() -> None:
    with open_simulator(positions=FOLDED) as simulator, make_arm(simulator) as arm:
        arm.move_to_start()
        start = widowx_ai.START_POSE[:3]
        wait_for(lambda: np.allclose(arm.read_state().state[:3], start, rtol=0, atol=0.01))
        arm.stop(Stop.PARK)
        wait_for(lambda: is_folded(simulator))
        assert simulator.ask("modes") == ["IDLE"] * 7
        assert simulator.ask("touched") == []


def test_letting_go_brakes_the_joints_where_they_are_and_parking_folds_them_later(
    arm, simulator
) -> None:
    before = arm.read_state().joint_positions_rad
    arm.stop(Stop.TORQUE_OFF)
    np.testing.assert_allclose(arm.read_state().joint_positions_rad, before, atol=0.01)
    with pytest.raises(RobotError, match="torque is off"):
        arm.apply(hold_action(1.0))
    with pytest.raises(TorqueOff, match="braked and stand still"):
        arm.stop(Stop.HOLD)
    arm.stop(Stop.PARK)
    wait_for(lambda: is_folded(simulator))
    # Folded already: nothing moves, nor are the brakes released.
    arm.stop(Stop.PARK)


def test_an_arm_that_was_left_braked_is_parked_by_the_next_command(arm, simulator) -> None:
    arm.disconnect()
    assert simulator.ask("modes") == ["IDLE"] * 7
    with make_arm(simulator) as other:
        other.stop(Stop.PARK)
    wait_for(lambda: is_folded(simulator))


@pytest.mark.parametrize("bad", [np.nan, 3.5])
def test_what_lies_outside_the_limits_is_never_sent(arm, simulator, bad) -> None:
    before = simulator.ask("positions")
    joints = np.array(before[:6])
    joints[3] = bad
    with pytest.raises(Unreachable):
        arm._trossen.send(joints, 1.0, 0.2)
    np.testing.assert_allclose(simulator.ask("positions"), before, atol=2e-3)


@pytest.mark.parametrize(
    ("wanted_s", "jump_rad", "peak"),
    # Up to 0.2 s the driver's greatest velocity is the mean one, beyond 1.875 times as much.
    [(0.2, 0.5, 1.0), (0.2, 1.0, 1.875), (0.02, 0.3, 1.0), (0.5, 1.0, 1.875)],
)
def test_a_jump_is_stretched_to_what_the_joints_may_do(
    arm, monkeypatch, wanted_s, jump_rad, peak
) -> None:
    sent_s: list[float] = []
    monkeypatch.setattr(Controller, "send", lambda self, goal, takes_s: sent_s.append(takes_s))
    joints = arm._trossen._goal[:6].copy()
    joints[0] += jump_rad
    arm._trossen.send(joints, 1.0, wanted_s)
    assert sent_s[0] >= wanted_s
    assert peak * jump_rad / sent_s[0] <= 0.9 * arm._trossen.limits.velocity[0] + 1e-9


def test_a_joint_that_was_held_back_takes_its_time(arm, monkeypatch) -> None:
    sent_s: list[float] = []
    monkeypatch.setattr(Controller, "send", lambda self, goal, takes_s: sent_s.append(takes_s))
    here = arm._trossen._here[:6].copy()
    # Each goal is near the last one, and the arm stays where it is.
    for part in (0.25, 0.5, 0.75, 1.0):
        arm._trossen.send(here + np.eye(6)[0] * part, 1.0, 0.2)
        arm._trossen.read()
    assert sent_s[0] == 0.2
    assert 1.875 * 1.0 / sent_s[-1] <= 0.9 * arm._trossen.limits.velocity[0] + 1e-2


def test_start_poses_anywhere_in_the_workspace_are_found(simulator) -> None:
    arm = make_arm(simulator)
    arm._start_pose = np.array([0.3, -0.2, 0.05, 0.0, 0.0, 0.8])
    with arm:
        arm.move_to_start()
        there = [0.3, -0.2, 0.05]
        wait_for(lambda: np.allclose(arm.read_state().state[:3], there, rtol=0, atol=0.01))


def test_settings_that_make_no_sense_are_refused() -> None:
    from hardware.settings import build_settings

    for values in ({"end_effector": "hook"}, {"effort_share": 1.5}, {"timeout_s": 0.0}):
        with pytest.raises(UsageError):
            build_settings(TrossenSettings, values, "robot.options")
