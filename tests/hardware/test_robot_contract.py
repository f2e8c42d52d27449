"""What every arm must do. A new arm joins by adding its peer to `tests.hardware.peers.PEERS`."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass

import numpy as np
import pytest

from hardware.faults import MotionStopped
from hardware.modules import SIMULATED
from hardware.registry import Cell, CellRequest, make_cell
from hardware.robot import Robot, Stop
from hardware.safety import SafetyEnvelope
from recordings.errors import RobotError
from recordings.records import FloatArray
from tests.hardware.peers import PEERS, Peer, open_peer

pytestmark = pytest.mark.sim


@dataclass
class Case:
    """A cell, and for real arms the peer behind it."""

    cell: Cell
    peer: Peer | None = None

    @property
    def robot(self) -> Robot:
        return self.cell.station.robot

    def drive(self, *actions: FloatArray) -> None:
        """Apply actions, a control period each."""
        clock = self.cell.station.clock
        period_s = 1.0 / self.robot.features.control_rate_hz
        due_s = clock.now_s()
        for values in actions:
            self.robot.apply(values)
            # Like the control loop, never rush to catch up.
            due_s = max(due_s + period_s, clock.now_s())
            clock.wait_until_s(due_s)


@pytest.fixture(params=[SIMULATED, *PEERS])
def case(request):
    with ExitStack() as stack:
        if request.param == SIMULATED:
            wanted = CellRequest("put_carrot_on_plate", realtime=False, image_size=32)
            yield Case(make_cell(SIMULATED, wanted))
            return
        peer = stack.enter_context(open_peer(request.param))
        wanted = CellRequest(
            "put_carrot_on_plate",
            image_size=32,
            robot_options=peer.options,
            cameras=peer.cameras,
            clock=peer.clock,
        )
        yield Case(make_cell(peer.robot, wanted), peer)


@pytest.fixture
def started(case):
    with case.cell.station:
        case.cell.start(1)
        yield case


def action(*values: float) -> np.ndarray:
    return np.array([*values, *([0.0] * (6 - len(values))), 1.0])


def test_it_is_a_robot_and_says_what_it_is_before_connecting(case) -> None:
    assert isinstance(case.robot, Robot)
    features = case.robot.features
    assert features.control_rate_hz == 5.0
    assert len(features.joint_names) == len(features.joint_low_rad) == len(features.joint_high_rad)
    assert (np.array(features.joint_low_rad) < features.joint_high_rad).all()
    assert features.simulated == (case.peer is None or case.peer.simulated)


def test_using_it_before_connecting_is_an_error(case) -> None:
    for use in (
        case.robot.read_state,
        lambda: case.robot.apply(action()),
        case.robot.stop,
        case.robot.move_to_start,
    ):
        with pytest.raises(RobotError, match="not connected"):
            use()


def test_its_identity_names_arm_and_embodiment(started) -> None:
    identity, features = started.robot.identity, started.robot.features
    assert identity["name"] == features.name
    assert identity["embodiment"] == features.embodiment


def test_connecting_a_real_arm_moves_nothing(case) -> None:
    if case.peer is None:
        pytest.skip("the simulator lays out a scene")
    with case.cell.station:
        before = case.robot.read_state().state
        assert case.peer.is_still()
        np.testing.assert_allclose(case.robot.read_state().state, before, atol=1e-3)


def test_it_starts_inside_its_workspace_with_the_gripper_open(started) -> None:
    state = started.robot.read_state().state
    assert state.shape == (7,)
    box = started.robot.features.workspace
    assert (state[:3] > box.low_m).all()
    assert (state[:3] < box.high_m).all()
    assert state[6] > 0.9


@pytest.mark.parametrize("axis", [0, 1, 2, 5])
def test_an_action_moves_the_gripper_by_that_much(started, axis) -> None:
    robot = started.robot
    for sign in (-1, 1):
        before = robot.read_state().state
        size = (0.01 if axis < 3 else 0.05) * sign
        wanted = action()
        wanted[axis] = size
        np.testing.assert_allclose(robot.apply(wanted), wanted)
        started.cell.station.clock.wait_until_s(started.cell.station.clock.now_s() + 0.2)
        started.drive(wanted, wanted, action(), action(), action())
        moved = robot.read_state().state - before
        assert moved[axis] == pytest.approx(3 * size, abs=0.006 if axis < 3 else 0.03)
        others = [i for i in range(3) if i != axis]
        assert np.abs(moved[others]).max() < 0.008


def test_the_gripper_closes_and_opens(started) -> None:
    closed = action()
    closed[6] = 0.0
    started.drive(*[closed] * 5)
    assert started.robot.read_state().state[6] < 0.1
    started.drive(*[action()] * 5)
    assert started.robot.read_state().state[6] > 0.9


def test_the_next_target_is_added_to_the_last_target(started) -> None:
    before = started.robot.commanded_state
    started.robot.apply(action(0.01, 0.02, -0.01))
    moved = started.robot.commanded_state - before
    np.testing.assert_allclose(moved[:3], [0.01, 0.02, -0.01], atol=1e-9)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_an_action_that_is_not_finite_never_reaches_a_motor(started, bad) -> None:
    before = started.robot.read_state().joint_positions_rad
    with pytest.raises(RobotError):
        started.robot.apply(action(bad))
    after = started.robot.read_state().joint_positions_rad
    np.testing.assert_allclose(after, before, atol=0.0 if started.peer is None else 2e-3)


def test_an_unreachable_pose_is_refused_without_motion(started) -> None:
    before = started.robot.read_state().state
    assert not started.robot.reachable(np.array([0.9, 0.0, 0.2, 0, 0, 0, 1.0]))
    with pytest.raises(RobotError):
        started.robot.apply(action(0.7))
    np.testing.assert_allclose(started.robot.read_state().state, before, atol=2e-3)


def test_joints_stay_within_their_limits_wherever_it_is_sent(started) -> None:
    robot = started.robot
    envelope = SafetyEnvelope(robot.features.workspace)
    rng = np.random.default_rng(0)
    low, high = robot.features.joint_low_rad, robot.features.joint_high_rad
    actions = 60 if started.peer is None else 20
    unknown = 0
    for _ in range(actions):
        wild = rng.uniform(-0.3, 0.3, 7)
        started.drive(envelope.check(wild, robot).action)
        joints = robot.read_state().joint_positions_rad
        if np.isnan(joints).all():
            unknown += 1
            continue
        assert (joints >= np.array(low) - 0.02).all()
        assert (joints <= np.array(high) + 0.02).all()
    reports_joints = started.peer is None or started.peer.reports_joints
    assert unknown <= (0 if reports_joints else actions // 4)


def test_hold_keeps_the_arm_where_it_is(started) -> None:
    started.robot.apply(action(0.05, 0.05))
    started.robot.stop(Stop.HOLD)
    assert started.peer is None or started.peer.is_still()
    held = started.robot.read_state().state
    started.drive(*[action()] * 5)
    assert np.linalg.norm(started.robot.read_state().state[:3] - held[:3]) < 0.03


def test_after_parking_the_torque_is_off_until_the_next_start(started) -> None:
    started.robot.stop(Stop.PARK)
    assert started.peer is None or started.peer.is_still()
    if started.robot.features.releases_torque:
        with pytest.raises(RobotError, match="torque is off"):
            started.robot.apply(action())
    started.robot.move_to_start()
    started.drive(action())


def test_letting_go_takes_the_torque_off_or_says_that_it_cannot(started) -> None:
    if started.robot.features.releases_torque:
        started.robot.stop(Stop.TORQUE_OFF)
        with pytest.raises(RobotError, match="torque is off"):
            started.robot.apply(action())
    else:
        with pytest.raises(RobotError, match="torque"):
            started.robot.stop(Stop.TORQUE_OFF)


def test_a_motion_to_the_start_stops_when_the_operator_says_so(started) -> None:
    started.drive(*[action(0.03, 0.03)] * 4)
    asked = iter([False, False, True])
    with pytest.raises(MotionStopped):
        started.robot.move_to_start(should_stop=lambda: next(asked, True))
    assert started.peer is None or started.peer.is_still()
    # Stopped on the way; the next start goes on from there.
    started.robot.move_to_start()


def test_it_finds_its_way_back_to_the_start_by_driving(started) -> None:
    first = started.robot.read_state().state
    started.drive(*[action(0.03, 0.03, -0.02)] * 4)
    started.robot.move_to_start()
    np.testing.assert_allclose(started.robot.read_state().state[:3], first[:3], atol=0.02)


def test_disconnecting_twice_is_fine(case) -> None:
    with case.cell.station:
        pass
    case.robot.disconnect()


def test_it_can_be_connected_again(case) -> None:
    for _ in range(2):
        with case.cell.station:
            assert np.isfinite(case.robot.read_state().state).all()


def test_a_lost_connection_is_an_error_and_disconnecting_is_still_fine(started) -> None:
    if started.peer is None:
        pytest.skip("the simulator cannot be lost")
    started.peer.faults["lost"]()
    clock = started.cell.station.clock

    def go_on() -> None:
        for _ in range(20):
            started.robot.read_state()
            started.robot.apply(action())
            clock.wait_until_s(clock.now_s() + 0.2)

    with pytest.raises(RobotError):
        go_on()
    started.robot.disconnect()
    started.robot.disconnect()


def test_pictures_have_the_promised_size(case) -> None:
    with case.cell.station as station:
        observation = station.observe()
    for name, camera in station.cameras.items():
        frame = observation.frames[name]
        assert frame.image.shape == (camera.features.height, camera.features.width, 3)
        assert frame.image.dtype == np.uint8
        assert frame.captured_s <= frame.arrived_s <= observation.time_s
