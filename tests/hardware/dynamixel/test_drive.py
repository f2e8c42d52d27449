"""Driving: goals, holds, torque, the watchdog, and what happens when a motor is in trouble."""

from __future__ import annotations

import math

import numpy as np
import pytest

from hardware import wx250s
from hardware.dynamixel import make_arm
from hardware.dynamixel import registers as reg
from hardware.dynamixel.drive import DynamixelDrive
from hardware.dynamixel.motors import ALL_IDS, ARM_IDS, opening_to_ticks
from hardware.dynamixel.registers import to_rad
from hardware.dynamixel.settings import DynamixelSettings
from hardware.faults import LostConnection, MotorFault
from hardware.kinds import ArmRequest
from recordings.errors import RobotError
from tests.hardware.peers.dynamixel import SYNC_WRITE, Noise, ServoBus, open_bus, peer_of

SLEEP = wx250s.SLEEP_RAD
PERIOD_S = 0.2


def wait(bus: ServoBus, seconds: float) -> None:
    bus.clock.wait_until_s(bus.clock.now_s() + seconds)


def walk(bus: ServoBus, drive: DynamixelDrive, offset_rad: float, steps: int = 4) -> None:
    """Raise shoulder and turn waist by an offset, in steps of a control period."""
    begin = drive.read().joints_rad
    for step in range(1, steps + 1):
        goal = begin + np.array([1, 1, 0, 0, 0, 0]) * offset_rad * step / steps
        drive.send(goal, 0.5, PERIOD_S)
        wait(bus, PERIOD_S)
        drive.read()


def true_joints(bus: ServoBus) -> np.ndarray:
    with bus.lock:
        return np.array(
            [reg.to_rad(round(bus.joints[name].position())) for name in wx250s.JOINT_NAMES]
        )


def watchdogs_trip(bus: ServoBus) -> None:
    """What happens when the program says nothing for longer than the watchdog allows."""
    assert bus.eventually(lambda: {servo.table[98] for servo in bus.servos.values()} == {125})
    with bus.lock:
        for servo in bus.servos.values():
            servo.heard_s -= 10.0
            servo.look_at_watchdog()
            assert servo.tripped


def test_positions_are_those_of_the_joints_mirrored_motors_included(bus, drive) -> None:
    np.testing.assert_allclose(drive.read().joints_rad, SLEEP, atol=0.002)


def test_taking_up_torque_moves_nothing(bus, drive) -> None:
    with bus.lock:
        for servo in bus.servos.values():
            servo._put(116, 2048, 4)  # Goals from before, far away.
    before = true_joints(bus)
    drive.set_torque(True)
    assert drive.torque_is_on()
    np.testing.assert_array_equal(true_joints(bus), before)
    assert bus.is_still()


def test_a_goal_is_reached_about_when_the_next_one_comes(bus, powered) -> None:
    goal = SLEEP + np.array([0.1, 0.1, 0.0, 0.0, 0.0, 0.1])
    powered.send(goal, 0.5, PERIOD_S)
    assert not np.allclose(powered.read().joints_rad, goal, atol=0.001)
    wait(bus, 2 * PERIOD_S)
    np.testing.assert_allclose(powered.read().joints_rad, goal, atol=0.002)
    for servo_id in (1, 2, 3):
        assert bus.servos[servo_id].value(112, 4) == 250
        assert bus.servos[servo_id].value(108, 4) == 100


def test_a_far_goal_takes_longer(bus, powered) -> None:
    powered.send(SLEEP + np.array([0.9, 0, 0, 0, 0, 0]), 0.5, PERIOD_S)
    assert bus.eventually(lambda: 448 <= bus.servos[1].value(112, 4) <= 452)


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_a_goal_that_is_not_finite_is_refused(bus, powered, bad) -> None:
    powered.read()
    sent = len(bus.received)
    with pytest.raises(RobotError, match="finite"):
        powered.send(SLEEP + np.array([bad, 0, 0, 0, 0, 0]), 0.5, PERIOD_S)
    with pytest.raises(RobotError, match="finite"):
        powered.send(SLEEP, bad, PERIOD_S)
    assert len(bus.received) == sent


def test_a_jump_is_refused(bus, powered) -> None:
    with pytest.raises(RobotError, match=r"`waist` \(ID 1\) was to jump by 86 degrees"):
        powered.send(SLEEP + np.array([1.5, 0, 0, 0, 0, 0]), 0.5, PERIOD_S)
    assert bus.is_still()


def test_a_goal_beyond_a_limit_goes_to_the_limit(bus, powered) -> None:
    powered.send(SLEEP - np.array([0, 0.5, 0, 0, 0, 0]), 0.5, PERIOD_S)
    wait(bus, 3 * PERIOD_S)
    assert powered.read().joints_rad[1] == pytest.approx(wx250s.JOINT_LOW_RAD[1], abs=0.002)


def test_nothing_is_sent_while_the_torque_is_off(bus, drive) -> None:
    with pytest.raises(RobotError, match="torque is off"):
        drive.send(SLEEP, 0.5, PERIOD_S)


def test_hold_stops_a_motion_where_it_is(bus, powered) -> None:
    powered.send(SLEEP + np.array([0.8, 0, 0, 0, 0, 0]), 0.5, 1.0)
    wait(bus, 0.5)
    held = powered.hold()
    assert bus.is_still()
    assert 0.05 < held[0] < 0.75
    np.testing.assert_allclose(true_joints(bus), held, atol=0.02)


def test_a_joint_that_hangs_below_its_goal_does_not_sink_with_every_hold(bus, powered) -> None:
    """It would, if its droop became its goal."""
    powered.send(SLEEP, 0.5, PERIOD_S)
    wait(bus, 1.0)
    with bus.lock:
        shoulder = bus.joints["shoulder"]
        shoulder.go(shoulder.position() - 20, 0.0)
        goal = bus.servos[2].value(116, 4)
    wait(bus, 0.2)
    for _ in range(3):
        held = powered.hold()
    assert bus.servos[2].value(116, 4) == goal
    # The next step is added to what the motor keeps as its goal, so that it does not sink then.
    assert held[1] == pytest.approx(to_rad(goal), abs=1e-6)


def test_hold_reaches_those_who_answer_when_one_does_not(bus, powered) -> None:
    powered.send(SLEEP + np.array([0.8, 0, 0, 0, 0, 0.8]), 0.5, 2.0)
    wait(bus, 0.5)
    bus.silent.add(4)
    with pytest.raises(LostConnection, match=r"`elbow` \(ID 4\)"):
        powered.hold()
    wait(bus, 0.3)
    assert bus.is_still()
    assert true_joints(bus)[0] < 0.7


def test_torque_off_is_confirmed_by_every_motor(bus, powered) -> None:
    powered.set_torque(False)
    assert not any(servo.torque for servo in bus.servos.values())
    assert not powered.torque_is_on()


def test_a_motor_that_does_not_take_up_torque_is_named(bus, drive) -> None:
    bus.servos[5].table[70] = 0x20
    with pytest.raises(MotorFault, match=r"`elbow_shadow` \(ID 5\) does not go on"):
        drive.set_torque(True)


def test_a_shadow_that_does_not_follow_its_master_keeps_the_torque_off(bus, drive) -> None:
    with bus.lock:
        bus.servos[3]._put(12, 255, 1)
        bus.servos[3]._put(116, 3000, 4)
    with pytest.raises(MotorFault, match=r"`shoulder_shadow` \(ID 3\) do not take the goals"):
        drive.set_torque(True)
    assert not any(servo.torque for servo in bus.servos.values())


def test_a_joint_far_beyond_its_limit_is_not_thrown_back(bus, drive) -> None:
    with bus.lock:
        bus.joints["elbow"].go(3400, 0.0)
    wait(bus, 1.0)
    with pytest.raises(MotorFault, match=r"`elbow` \(ID 4\) is far beyond its limit"):
        drive.set_torque(True)
    assert not any(servo.torque for servo in bus.servos.values())


def test_a_lost_goal_is_noticed_and_sent_again(bus, powered) -> None:
    goal = SLEEP + np.array([0.1, 0, 0, 0, 0, 0])
    bus.noise = Noise(lose=1.0)
    powered.send(goal, 0.5, PERIOD_S)
    wait(bus, 0.1)
    bus.noise = Noise()
    powered.read()
    wait(bus, 0.5)
    np.testing.assert_allclose(powered.read().joints_rad, goal, atol=0.002)


@pytest.mark.parametrize("noise", [Noise(lose=0.05), Noise(corrupt=0.05), Noise(late=0.05)])
def test_a_moving_arm_is_measured_where_it_was_in_the_last_moment(bus, powered, noise) -> None:
    """On a bad cable too: never a garbled, never an old position, and every goal arrives."""
    bus.noise = noise
    begin = powered.read().joints_rad
    for step in range(1, 16):
        asked_s = bus.clock.now_s()
        path = [true_joints(bus)]
        powered.send(begin + np.array([0.04 * step, 0, 0, 0, 0, 0]), 0.5, PERIOD_S)
        measured = powered.read()
        path.append(true_joints(bus))
        assert measured.measured_s >= asked_s
        low, high = np.min(path, axis=0), np.max(path, axis=0)
        assert (measured.joints_rad >= low - 0.005).all()
        assert (measured.joints_rad <= high + 0.005).all()
        wait(bus, PERIOD_S)
    bus.noise = Noise()
    powered.read()
    wait(bus, 0.5)
    assert powered.read().joints_rad[0] == pytest.approx(begin[0] + 0.6, abs=0.003)


def test_a_pause_longer_than_the_watchdog_is_no_fault_and_moves_nothing(bus, powered) -> None:
    walk(bus, powered, 0.2)
    wait(bus, 0.3)
    watchdogs_trip(bus)
    before = true_joints(bus)
    np.testing.assert_allclose(powered.read().joints_rad, before, atol=0.002)
    assert bus.eventually(lambda: not any(servo.tripped for servo in bus.servos.values()))
    np.testing.assert_allclose(true_joints(bus), before, atol=0.002)
    walk(bus, powered, 0.2)
    wait(bus, 0.3)
    np.testing.assert_allclose(true_joints(bus)[:2], before[:2] + 0.2, atol=0.01)


def test_the_first_goal_after_a_pause_is_taken(bus, powered) -> None:
    wait(bus, 0.3)
    watchdogs_trip(bus)
    powered._spoke_s -= 10.0
    powered.send(SLEEP + np.array([0.1, 0, 0, 0, 0, 0]), 0.5, PERIOD_S)
    wait(bus, 0.5)
    assert true_joints(bus)[0] == pytest.approx(0.1, abs=0.003)


def test_hold_after_a_pause_holds(bus, powered) -> None:
    watchdogs_trip(bus)
    powered.hold()
    assert not any(servo.tripped for servo in bus.servos.values())
    assert bus.is_still()


def test_a_program_that_falls_silent_leaves_an_arm_that_stops_and_holds(bus, powered) -> None:
    powered.send(SLEEP + np.array([0.9, 0, 0, 0, 0, 0]), 0.5, 5.0)
    wait(bus, 0.5)
    assert not bus.is_still()
    watchdogs_trip(bus)
    assert bus.is_still()
    assert all(servo.torque for servo in bus.servos.values())
    assert true_joints(bus)[0] < 0.8


def watchdog_is(bus: ServoBus, units: int) -> bool:
    return bus.eventually(lambda: {servo.table[98] for servo in bus.servos.values()} == {units})


def test_the_watchdog_runs_under_torque_and_is_cleared_on_leaving(bus, powered) -> None:
    assert watchdog_is(bus, 125)
    powered.close()
    assert watchdog_is(bus, 0)
    assert all(servo.torque for servo in bus.servos.values())


def test_a_motion_that_the_watchdog_has_stopped_is_not_set_free_on_leaving(bus, powered) -> None:
    powered.send(SLEEP + np.array([0.9, 0, 0, 0, 0, 0]), 0.5, 5.0)
    powered.read()
    watchdogs_trip(bus)
    powered.close()
    wait(bus, 0.5)
    assert {servo.table[98] for servo in bus.servos.values()} == {0xFF}


def test_a_watchdog_that_was_not_set_is_set_with_the_next_reading(bus, powered) -> None:
    assert watchdog_is(bus, 125)
    with bus.lock:
        bus.servos[6].table[98] = 0
    powered.read()
    assert watchdog_is(bus, 125)


@pytest.mark.parametrize("settings", [{"watchdog_s": 0.0}], indirect=True)
def test_without_a_watchdog_none_is_set(bus, powered) -> None:
    powered.send(SLEEP, 0.5, PERIOD_S)
    powered.read()
    assert {servo.table[98] for servo in bus.servos.values()} == {0}


@pytest.mark.parametrize(
    ("rate_hz", "watchdog_s", "units"),
    [(5.0, 0.5, 25), (5.0, 0.1, 20), (1.0, 0.5, 100), (0.5, 0.5, 127), (0.5, 0.0, 0)],
)
def test_the_watchdog_lets_a_motion_of_a_control_period_end(rate_hz, watchdog_s, units) -> None:
    with open_bus(speed=1.0) as bus:
        settings = DynamixelSettings(port=bus.port, watchdog_s=watchdog_s, guardian=False)
        with make_arm(settings, ArmRequest(bus.clock, rate_hz)) as arm:
            arm._drive.set_torque(True)
            assert watchdog_is(bus, units)


FAULTS = {
    "overload": (r"`elbow` \(ID 4\) reports overload and has no torque", 8),
    "overheated": (r"`shoulder` \(ID 2\) is 68 C hot.*limit is 65 C", 9),
    "torque_lost": (r"`wrist_angle` \(ID 7\) lost its torque by itself", 8),
    "over_current": (r"`forearm_roll` \(ID 6\) pushes harder than 75%", 9),
    "stuck": (r"`waist` \(ID 1\) pushes harder", 9),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_motor_in_trouble_is_named_and_the_arm_stands_still_after_a_hold(
    bus, powered, fault
) -> None:
    words, still_under_torque = FAULTS[fault]
    walk(bus, powered, 0.1, steps=1)
    peer_of(bus).faults[fault]()
    with pytest.raises(MotorFault, match=words):
        walk(bus, powered, 0.9, steps=12)
    powered.hold()
    assert bus.is_still()
    # While it holds, what is known is not said again: the hold can be confirmed.
    powered.read()
    assert sum(servo.torque for servo in bus.servos.values()) == still_under_torque
    if fault not in {"over_current", "stuck"}:
        with pytest.raises(MotorFault, match=words):
            powered.check()


def test_an_arm_that_was_switched_off_and_on_after_an_error_starts_anew(bus, powered) -> None:
    peer_of(bus).faults["overload"]()
    with pytest.raises(MotorFault, match="overload"):
        powered.read()
    with bus.lock:
        for servo in bus.servos.values():
            servo.reboot()
    powered.check()
    powered.set_torque(True)
    assert powered.torque_is_on()
    assert watchdog_is(bus, 125)
    assert bus.servos[9].value(100, 2) == round(0.4 * 885)
    walk(bus, powered, 0.2)


def test_an_arm_that_was_switched_off_and_on_with_an_error_left_is_refused(bus, powered) -> None:
    with bus.lock:
        for servo in bus.servos.values():
            servo.reboot()
        bus.servos[4].fail(0x20)
    with pytest.raises(MotorFault, match="overload"):
        powered.check()


def test_a_hot_arm_can_still_be_driven_home(bus, powered) -> None:
    walk(bus, powered, 0.4)
    peer_of(bus).faults["overheated"]()
    with pytest.raises(MotorFault, match="68 C"):
        powered.read()
    powered.hold()
    walk(bus, powered, -0.4)
    with pytest.raises(MotorFault, match="68 C"):
        powered.check()


def test_a_motor_without_torque_is_said_again_when_the_arm_is_driven_on(bus, powered) -> None:
    peer_of(bus).faults["torque_lost"]()
    with pytest.raises(MotorFault, match="lost its torque"):
        powered.read()
    powered.hold()
    powered.send(powered.read().joints_rad, 0.5, PERIOD_S)
    with pytest.raises(MotorFault, match="lost its torque"):
        powered.read()


def test_a_shadow_in_trouble_is_seen_though_it_never_answers_for_its_joint(bus, powered) -> None:
    with bus.lock:
        bus.servos[5].table[146] = 70
    with pytest.raises(MotorFault, match=r"`elbow_shadow` \(ID 5\) is 70 C"):
        powered.read()


def test_a_short_push_is_no_fault(bus, powered) -> None:
    bus.servos[6].pushes = True
    for _ in range(2):
        powered.read()
        wait(bus, 0.1)
    bus.servos[6].pushes = False
    for _ in range(6):
        powered.read()
        wait(bus, 0.1)


def test_a_weak_supply_is_found_before_the_arm_moves(bus, drive) -> None:
    bus.servos[8]._put(144, 98, 2)
    with pytest.raises(MotorFault, match=r"`wrist_rotate` \(ID 8\) gets 9.8 V"):
        drive.check()


def test_a_gripper_that_grasps_holds_on_with_less_force_and_is_no_fault(bus, powered) -> None:
    with bus.lock:
        bus.joints["gripper"].block = (1700.0, math.inf)
        bus.joints["gripper"].go(2500, 0.0)
    wait(bus, 1.0)
    powered.send(SLEEP, 1.0, PERIOD_S)
    wait(bus, 1.0)
    assert bus.servos[9].value(100, 2) == round(0.4 * 885)
    for _ in range(10):
        powered.send(SLEEP, 0.0, PERIOD_S)
        wait(bus, PERIOD_S)
        powered.read()
    assert bus.servos[9].value(100, 2) == round(0.25 * 885)
    powered.hold()
    powered.read()
    assert bus.servos[9].value(116, 4) == opening_to_ticks(0.0)
    powered.send(SLEEP, 1.0, PERIOD_S)
    wait(bus, 1.0)
    assert powered.read().opening > 0.95
    assert bus.servos[9].value(100, 2) == round(0.4 * 885)


@pytest.fixture
def closing(bus, powered, monkeypatch) -> DynamixelDrive:
    """The arm's drive; the gripper is open, and from now on takes its time."""
    powered.send(SLEEP, 1.0, PERIOD_S)
    wait(bus, 1.0)
    monkeypatch.setattr("hardware.dynamixel.drive.GRIPPER_S", 20.0)
    return powered


def test_a_stop_just_after_a_grasp_does_not_let_go(bus, closing) -> None:
    touches = bus.joints["gripper"].position() - 20
    with bus.lock:
        bus.joints["gripper"].block = (touches, math.inf)
    closing.send(SLEEP, 0.0, PERIOD_S)
    assert bus.eventually(lambda: bus.joints["gripper"].position() == touches)
    closing.hold()
    assert bus.servos[9].value(116, 4) == opening_to_ticks(0.0)


@pytest.mark.parametrize("after_s", [0.0, 5.0])
def test_a_stop_while_the_gripper_closes_stops_it(bus, closing, after_s) -> None:
    closing.send(SLEEP, 0.0, PERIOD_S)
    wait(bus, after_s)
    closing.hold()
    stopped = bus.joints["gripper"].position()
    assert stopped > opening_to_ticks(0.0) + 20
    wait(bus, 1.0)
    assert bus.joints["gripper"].position() == pytest.approx(stopped, abs=2)


def test_a_gripper_goal_is_sent_once(bus, powered) -> None:
    """Its motion would begin anew with each, and never end."""
    powered.send(SLEEP, 1.0, PERIOD_S)
    powered.read()
    bus.received.clear()
    powered.send(SLEEP, 1.0, PERIOD_S)
    powered.read()
    goals = [body for _, body in bus.received if body[0] == SYNC_WRITE and body[1] == 108]
    assert len(goals) == 1
    assert len(goals[0]) == 5 + 13 * len(ARM_IDS)


@pytest.mark.parametrize("servo_id", [1, 3, 9])
def test_a_motor_that_falls_silent_is_a_lost_connection(bus, powered, servo_id) -> None:
    bus.silent.add(servo_id)
    with pytest.raises(LostConnection, match=rf"ID {servo_id}\)"):
        powered.read()


def test_a_dead_bus_is_a_lost_connection_and_closing_is_fine(bus, powered) -> None:
    bus.close()
    for use in (powered.read, powered.hold, powered.torque_is_on, powered.check):
        with pytest.raises(LostConnection):
            use()
    powered.close()


def test_every_motor_is_asked_for_its_health_in_every_reading(bus, powered) -> None:
    for servo_id in ALL_IDS:
        with bus.lock:
            bus.servos[servo_id].table[70] = 0x01
        with pytest.raises(MotorFault, match=rf"ID {servo_id}\) reports wrong input voltage"):
            powered.read()
        with bus.lock:
            bus.servos[servo_id].table[70] = 0
