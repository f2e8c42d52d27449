"""What every arm must do. A new arm joins by adding a fixture parameter."""

from __future__ import annotations

import numpy as np
import pytest

from hardware.kinematics import Kinematics
from hardware.registry import make_station
from hardware.robot import Robot, Stop
from hardware.safety import SafetyEnvelope
from recordings.errors import RobotError

pytestmark = pytest.mark.sim

ARMS = ("sim-wx250s",)


@pytest.fixture(params=ARMS)
def cell(request):
    return make_station(
        request.param, task="put_carrot_on_plate", kitchen_seed=0, realtime=False, image_size=32
    )


@pytest.fixture
def robot(cell):
    with cell.station:
        cell.start(1)
        yield cell.station.robot


def action(*values: float) -> np.ndarray:
    return np.array([*values, *([0.0] * (6 - len(values))), 1.0])


def test_it_is_a_robot_and_says_what_it_is_before_connecting(cell) -> None:
    robot = cell.station.robot
    assert isinstance(robot, Robot)
    features = robot.features
    assert features.name in ARMS
    assert features.control_rate_hz == 5.0
    assert len(features.joint_names) == len(features.joint_low_rad) == len(features.joint_high_rad)
    assert (np.array(features.joint_low_rad) < features.joint_high_rad).all()


def test_using_it_before_connecting_is_an_error(cell) -> None:
    for use in (
        cell.station.robot.read_state,
        lambda: cell.station.robot.apply(action()),
        cell.station.robot.stop,
        cell.station.robot.move_to_start,
    ):
        with pytest.raises(RobotError, match="not connected"):
            use()


def test_it_starts_inside_its_workspace_with_the_gripper_open(robot) -> None:
    state = robot.read_state().state
    assert state.shape == (7,)
    box = robot.features.workspace
    assert (state[:3] > box.low_m).all()
    assert (state[:3] < box.high_m).all()
    assert state[6] > 0.9


@pytest.mark.parametrize("axis", [0, 1, 2, 5])
@pytest.mark.parametrize("sign", [-1, 1])
def test_an_action_moves_the_gripper_by_that_much(robot, axis, sign) -> None:
    before = robot.read_state().state
    size = (0.01 if axis < 3 else 0.05) * sign
    wanted = action()
    wanted[axis] = size
    for _ in range(3):
        np.testing.assert_allclose(robot.apply(wanted), wanted)
    for _ in range(3):
        robot.apply(action())
    moved = robot.read_state().state - before
    assert moved[axis] == pytest.approx(3 * size, abs=0.006 if axis < 3 else 0.03)
    others = [i for i in range(3) if i != axis]
    assert np.abs(moved[others]).max() < 0.008


def test_the_gripper_closes_and_opens(robot) -> None:
    closed = action()
    closed[6] = 0.0
    for _ in range(3):
        robot.apply(closed)
    assert robot.read_state().state[6] < 0.1
    for _ in range(3):
        robot.apply(action())
    assert robot.read_state().state[6] > 0.9


def test_the_next_target_is_added_to_the_last_target(robot) -> None:
    before = robot.commanded_state
    robot.apply(action(0.01, 0.02, -0.01))
    np.testing.assert_allclose(robot.commanded_state[:3] - before[:3], [0.01, 0.02, -0.01])


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_an_action_that_is_not_finite_never_reaches_a_motor(robot, bad) -> None:
    before = robot.read_state().joint_positions_rad
    with pytest.raises(RobotError):
        robot.apply(action(bad))
    np.testing.assert_array_equal(robot.read_state().joint_positions_rad, before)


def test_an_unreachable_pose_is_refused_without_motion(robot) -> None:
    assert not robot.reachable(np.array([0.9, 0.0, 0.2, 0, 0, 0, 1.0]))
    with pytest.raises(RobotError):
        robot.apply(action(0.7))


def test_joints_stay_within_their_limits_wherever_it_is_sent(robot) -> None:
    envelope = SafetyEnvelope(robot.features.workspace)
    rng = np.random.default_rng(0)
    low, high = robot.features.joint_low_rad, robot.features.joint_high_rad
    for _ in range(60):
        wild = rng.uniform(-0.3, 0.3, 7)
        robot.apply(envelope.check(wild, robot).action)
        joints = robot.read_state().joint_positions_rad
        assert (joints >= np.array(low) - 0.02).all()
        assert (joints <= np.array(high) + 0.02).all()


def test_hold_keeps_the_arm_where_it_is(robot) -> None:
    robot.apply(action(0.05, 0.05))
    robot.stop(Stop.HOLD)
    held = robot.read_state().state
    for _ in range(5):
        robot.apply(action())
    assert np.linalg.norm(robot.read_state().state[:3] - held[:3]) < 0.03


def test_after_parking_the_torque_is_off_until_the_next_start(robot) -> None:
    robot.stop(Stop.PARK)
    with pytest.raises(RobotError, match="torque is off"):
        robot.apply(action())
    robot.move_to_start()
    robot.apply(action())


def test_it_finds_its_way_back_to_the_start_by_driving(robot, cell) -> None:
    for _ in range(6):
        robot.apply(action(0.03, 0.03, -0.02))
    robot.move_to_start()
    again = robot.read_state().state
    cell.start(1)
    np.testing.assert_allclose(again[:3], robot.read_state().state[:3], atol=0.02)


def test_disconnecting_twice_is_fine(cell) -> None:
    with cell.station:
        pass
    cell.station.robot.disconnect()


def test_pictures_have_the_promised_size(cell) -> None:
    with cell.station as station:
        observation = station.observe()
    for name, camera in station.cameras.items():
        frame = observation.frames[name]
        assert frame.image.shape == (camera.features.height, camera.features.width, 3)
        assert frame.image.dtype == np.uint8
        assert frame.captured_s <= frame.arrived_s <= observation.time_s


def test_published_poses_come_out_of_the_kinematics() -> None:
    from hardware import wx250s

    kinematics = Kinematics()
    np.testing.assert_allclose(
        kinematics.pose(np.zeros(6))[:3], [0.458325, 0.0, 0.36065], atol=1e-6
    )
    np.testing.assert_allclose(
        kinematics.pose(wx250s.SLEEP_RAD)[:3], [0.1227, 0.0, 0.0813], atol=1e-4
    )
    np.testing.assert_allclose(
        kinematics.pose(wx250s.NEUTRAL_RAD),
        [0.1202, -0.0191, 0.2467, -0.040, -0.127, 0.025],
        atol=5e-4,
    )
