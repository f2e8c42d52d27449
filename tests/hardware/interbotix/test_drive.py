"""The drive against a simulated node, behind the vendor's modules of both generations, faked."""

from __future__ import annotations

import time

import numpy as np
import pytest

from hardware import wx250s
from hardware.faults import LostConnection, MotorFault, Unreachable
from hardware.interbotix import KIND, vendor
from hardware.interbotix.drive import InterbotixDrive
from hardware.interbotix.settings import InterbotixSettings
from hardware.kinds import ArmRequest
from hardware.robot import Stop
from recordings.errors import RobotError, SystemSetupError
from tests.hardware.peers import open_peer
from tests.hardware.peers.xs_node import GRIPPER, TICK_RAD
from tests.waiting import wait_for

PERIOD_S = 0.2
HOLD = np.array([0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0])


BOTH = pytest.mark.parametrize("peer", [1, 2], indirect=True, ids=["ros1", "ros2"])
"""Where the generations differ; the rest is tried with ROS 2, whose calls are the slower."""


@pytest.fixture
def peer(request):
    with open_peer(f"interbotix-ros{getattr(request, 'param', 2)}") as peer:
        yield peer


@pytest.fixture
def drive(peer):
    drive = InterbotixDrive(InterbotixSettings(), peer.clock)
    drive.open()
    yield drive
    drive.close()


@pytest.fixture
def robot(peer):
    robot, _ = KIND.make(InterbotixSettings(), ArmRequest(peer.clock, 5.0))
    with robot:
        robot.move_to_start()
        yield robot


def until_fault(peer, robot, act=HOLD) -> RobotError:
    """Drive until the arm reports a fault."""
    for _ in range(100):
        try:
            robot.read_state()
            robot.apply(act)
        except RobotError as fault:
            return fault
        peer.clock.wait_until_s(peer.clock.now_s() + PERIOD_S)
    raise AssertionError("no fault was reported")


# Opening.


@BOTH
def test_opening_writes_the_profile_to_every_arm_motor_and_moves_nothing(peer, drive) -> None:
    for motor, registers in peer.node.registers.items():
        if motor != GRIPPER:
            assert registers["Profile_Velocity"] == 250
            assert registers["Profile_Acceleration"] == 100
        assert registers["Torque_Enable"] == 0
    assert not [topic for topic, _ in peer.node.commands if topic.startswith("commands")]


def test_a_node_that_was_started_again_gets_the_profile_before_the_next_episode(
    peer, robot
) -> None:
    for registers in peer.node.registers.values():
        registers.update(Profile_Velocity=2000, Profile_Acceleration=300)
    robot.move_to_start()
    for motor, registers in peer.node.registers.items():
        if motor != GRIPPER:
            assert (registers["Profile_Velocity"], registers["Profile_Acceleration"]) == (250, 100)


def test_a_node_that_was_started_again_in_other_modes_is_refused(peer, robot) -> None:
    peer.node._modes["arm"][0] = "velocity"
    with pytest.raises(RobotError, match="would sag"):
        robot.move_to_start()


def test_a_motor_that_does_not_take_the_profile_is_a_fault(peer) -> None:
    set_registers = peer.node._set_motor_registers

    def forgetful(name, names, request):
        answer = set_registers(name, names, request)
        peer.node.registers["elbow_shadow"]["Profile_Velocity"] = 2000
        return answer

    peer.node._set_motor_registers = forgetful
    with pytest.raises(MotorFault, match=r"Profile_Velocity of elbow_shadow is \[2000\] ms"):
        InterbotixDrive(InterbotixSettings(), peer.clock).open()


def test_profiles_that_are_speeds_are_refused(peer) -> None:
    peer.node.registers["shoulder_shadow"]["Drive_Mode"] = 1
    with pytest.raises(SystemSetupError, match="shoulder_shadow are speeds"):
        InterbotixDrive(InterbotixSettings(), peer.clock).open()


def test_an_arm_that_only_some_motors_hold_is_not_taken_for_one_at_rest(peer) -> None:
    for motor, registers in peer.node.registers.items():
        registers["Torque_Enable"] = int(motor != "wrist_angle")
    robot, _ = KIND.make(InterbotixSettings(), ArmRequest(peer.clock, 5.0))
    with pytest.raises(MotorFault, match="wrist_angle have no torque while the others"), robot:
        robot.stop(Stop.PARK)
    assert peer.node.registers["shoulder"]["Torque_Enable"]


@pytest.mark.parametrize("group", ["arm", GRIPPER])
def test_a_node_in_other_modes_is_refused_rather_than_switched(peer, group) -> None:
    peer.node._modes[group][0] = "velocity"
    with pytest.raises(RobotError, match="would sag") as refused:
        InterbotixDrive(InterbotixSettings(), peer.clock).open()
    assert "xsarm_control" in refused.value.try_next


@BOTH
def test_a_node_that_is_gone_is_an_error_with_the_line_to_type(peer, monkeypatch) -> None:
    monkeypatch.setattr(vendor, "FIND_WITHIN_S", 0.2)
    peer.server.die()
    with pytest.raises(LostConnection) as lost:
        InterbotixDrive(InterbotixSettings(), peer.clock).open()
    assert "launch interbotix_xsarm_control xsarm_control.launch" in lost.value.try_next
    assert "robot_model:=wx250s" in lost.value.try_next


@BOTH
def test_a_node_of_another_name_is_an_error_with_the_line_to_type(peer, monkeypatch) -> None:
    monkeypatch.setattr(vendor, "FIND_WITHIN_S", 0.2)
    with pytest.raises(LostConnection, match="`left` is not to be found") as lost:
        InterbotixDrive(InterbotixSettings(robot_name="left"), peer.clock).open()
    assert "robot_name:=left" in lost.value.try_next


@BOTH
def test_a_constructor_that_ends_the_process_or_hangs_is_an_error(peer, monkeypatch) -> None:
    monkeypatch.setattr(vendor, "BUILD_WITHIN_S", 0.2)
    _, module = vendor.find_modules()

    def leave(*_, **__):
        raise SystemExit(1)

    monkeypatch.setattr(module, "InterbotixManipulatorXS", leave)
    with pytest.raises(LostConnection, match="SystemExit"):
        InterbotixDrive(InterbotixSettings(), peer.clock).open()
    monkeypatch.setattr(module, "InterbotixManipulatorXS", lambda *_, **__: time.sleep(1))
    with pytest.raises(LostConnection, match=r"did not answer within 0\.2 s"):
        InterbotixDrive(InterbotixSettings(), peer.clock).open()


def test_without_the_vendors_modules_it_says_what_is_missing() -> None:
    with pytest.raises(SystemSetupError, match="interbotix_xs_modules") as missing:
        InterbotixDrive(InterbotixSettings(), None).open()
    assert "ptrctl doctor" in missing.value.try_next


def test_ros_2_serves_one_arm_a_process(peer, drive) -> None:
    with pytest.raises(RobotError, match="Another arm than left"):
        InterbotixDrive(InterbotixSettings(robot_name="left"), peer.clock).open()


def test_a_node_without_efforts_is_refused(peer, monkeypatch) -> None:
    monkeypatch.setattr("hardware.interbotix.drive.FIRST_SAMPLE_WITHIN_S", 0.1)
    joint_states = peer.node.joint_states
    peer.node.joint_states = lambda: {**joint_states(), "effort": []}
    with pytest.raises(LostConnection, match="lacks names or efforts"):
        InterbotixDrive(InterbotixSettings(), peer.clock).open()


# Torque.


@BOTH
def test_taking_up_torque_never_makes_the_arm_jump(peer, drive) -> None:
    before = [peer.node.position(name) for name in wx250s.JOINT_NAMES]
    for name in wx250s.JOINT_NAMES:
        peer.node.registers[name]["Goal_Position"] = 1500
    drive.set_torque(True)
    after = [peer.node.position(name) for name in wx250s.JOINT_NAMES]
    np.testing.assert_allclose(after, before, atol=2 * TICK_RAD)
    assert drive.torque_is_on()


def test_no_torque_where_the_goals_cannot_be_set(peer, drive, monkeypatch) -> None:
    monkeypatch.setattr("hardware.interbotix.drive.CONFIRM_WITHIN_S", 0.1)
    peer.node._set_goals = lambda goals: None
    peer.node.registers["elbow"]["Goal_Position"] = 1500
    with pytest.raises(MotorFault, match="would jump"):
        drive.set_torque(True)
    assert not any(registers["Torque_Enable"] for registers in peer.node.registers.values())


def test_a_motor_that_keeps_its_torque_is_told(peer, drive, monkeypatch) -> None:
    monkeypatch.setattr("hardware.interbotix.drive.CONFIRM_WITHIN_S", 0.1)
    drive.set_torque(True)
    serve = peer.node.serve

    def stubborn(service, request):
        answer = serve(service, request)
        peer.node.registers["elbow_shadow"]["Torque_Enable"] = 1
        return answer

    peer.node.serve = stubborn
    with pytest.raises(MotorFault, match="kept its torque"):
        drive.set_torque(False)


def test_without_torque_nothing_is_sent(peer, drive) -> None:
    sent = len(peer.node.commands)
    with pytest.raises(RobotError, match="torque is off"):
        drive.send(drive.read().joints_rad, 0.0, PERIOD_S)
    assert len(peer.node.commands) == sent


@BOTH
def test_letting_go_lets_the_gripper_go_too(peer, robot) -> None:
    robot.stop(Stop.TORQUE_OFF)
    assert not any(registers["Torque_Enable"] for registers in peer.node.registers.values())
    assert peer.node.registers[GRIPPER]["Goal_PWM"] == 0


# Streaming.


@BOTH
def test_streaming_writes_no_registers_and_asks_for_no_modes(peer, robot) -> None:
    peer.node.commands.clear()
    for _ in range(10):
        robot.apply(HOLD)
        peer.clock.wait_until_s(peer.clock.now_s() + PERIOD_S)
    assert {topic for topic, _ in peer.node.commands} <= {
        "commands/joint_group",
        "commands/joint_single",
    }
    assert sum(topic == "commands/joint_group" for topic, _ in peer.node.commands) == 10


@pytest.mark.parametrize("bad", [np.nan, np.inf, 3.3])
def test_joint_positions_that_make_no_sense_are_never_sent(peer, robot, bad) -> None:
    peer.node.commands.clear()
    joints = robot._drive.read().joints_rad
    joints[2] = bad
    with pytest.raises(RobotError):
        robot._drive.send(joints, 1.0, PERIOD_S)
    with pytest.raises(RobotError):
        robot._drive.send(robot._drive.read().joints_rad, bad * np.nan, PERIOD_S)
    assert not [topic for topic, _ in peer.node.commands if topic == "commands/joint_group"]


@BOTH
def test_what_the_vendor_refuses_as_too_fast_is_an_error_and_no_motion(peer, robot) -> None:
    before = robot._drive.read().joints_rad
    with pytest.raises(Unreachable, match="refuse"):
        robot._drive.send(before + np.array([0.9, 0, 0, 0, 0, 0]), 1.0, PERIOD_S)
    assert peer.is_still()
    np.testing.assert_allclose(robot._drive.read().joints_rad, before, atol=2 * TICK_RAD)


# Faults.


@pytest.mark.parametrize("motor", ["waist", "gripper", "elbow_shadow"])
def test_every_motors_error_register_is_read_before_every_episode(peer, robot, motor) -> None:
    robot.stop(Stop.HOLD)
    peer.node.registers[motor]["Hardware_Error_Status"] = 0x24
    with pytest.raises(MotorFault, match=f"{motor} reports: overheating, overload"):
        robot.move_to_start()


@BOTH
@pytest.mark.parametrize("motor", ["forearm_roll", "shoulder_shadow"])
def test_a_motor_that_cannot_be_read_is_named(peer, drive, motor) -> None:
    peer.node.silent.add(motor)
    with pytest.raises(MotorFault, match=f"{motor} reports an error or does not answer"):
        drive.check()


def test_a_low_supply_is_told_before_an_episode(peer, drive) -> None:
    peer.node.registers["waist"]["Present_Input_Voltage"] = 96
    with pytest.raises(MotorFault, match=r"waist has 9\.6 V"):
        drive.check()


@pytest.mark.parametrize(
    ("fault", "words"),
    [("overload", "shoulder pushes"), ("overheated", "79 degrees"), ("torque_lost", "elbow")],
)
def test_a_motors_fault_ends_the_episode_and_the_arm_stands_still(
    peer, robot, fault, words
) -> None:
    robot.apply(np.array([0.02, 0.02, 0.0, 0.0, 0.0, 0.0, 1.0]))
    peer.faults[fault]()
    told = until_fault(peer, robot)
    assert isinstance(told, MotorFault)
    assert words in str(told)
    if fault == "torque_lost":
        with pytest.raises(MotorFault):
            robot.stop(Stop.HOLD)
    else:
        robot.stop(Stop.HOLD)
    assert peer.is_still()


def test_a_hot_arm_parks_once_its_heat_was_told(peer, robot) -> None:
    peer.faults["overheated"]()
    assert "79 degrees" in str(until_fault(peer, robot))
    robot.stop(Stop.PARK)
    assert not any(registers["Torque_Enable"] for registers in peer.node.registers.values())
    with pytest.raises(MotorFault, match="79 degrees"):
        robot.move_to_start()


def test_a_hot_arm_that_holds_is_parked_by_the_next_command(peer, robot) -> None:
    robot.disconnect()
    peer.faults["overheated"]()
    with robot:
        robot.stop(Stop.PARK)
    assert not any(registers["Torque_Enable"] for registers in peer.node.registers.values())


def test_being_blocked_is_no_fault_as_long_as_nothing_pushes_too_hard(peer, robot) -> None:
    peer.faults["stuck"]()
    robot.apply(np.array([0.0, 0.05, 0.0, 0.0, 0.0, 0.0, 1.0]))
    for _ in range(10):
        robot.apply(HOLD)
        robot.read_state()
        peer.clock.wait_until_s(peer.clock.now_s() + PERIOD_S)


@pytest.mark.parametrize("how", ["frozen", "failed reads", "no numbers"])
def test_joint_states_that_cannot_be_believed_are_a_lost_connection(peer, robot, how) -> None:
    if how == "frozen":
        peer.node.freeze()
    else:
        peer.node.failed_reads = -np.pi if how == "failed reads" else float("nan")
    assert isinstance(until_fault(peer, robot), LostConnection)
    with pytest.raises(LostConnection):
        robot.stop(Stop.HOLD)
    # In position mode an arm that hears nothing ends where it was last sent.
    wait_for(peer.is_still)


def test_a_frozen_topic_stops_the_gripper_from_pushing(peer, robot) -> None:
    peer.node.object_m = 0.02
    closing = HOLD.copy()
    closing[6] = 0.0
    robot.apply(closing)
    wait_for(lambda: peer.node.registers[GRIPPER]["Goal_PWM"] < 0)
    peer.node.freeze()
    wait_for(lambda: peer.node.registers[GRIPPER]["Goal_PWM"] == 0)


# Gripper.


def test_the_gripper_squeezes_an_object_gently_until_it_is_told_to_open(peer, robot) -> None:
    peer.node.object_m = 0.02
    closing = HOLD.copy()
    closing[6] = 0.0
    robot.apply(closing)
    wait_for(lambda: peer.node.registers[GRIPPER]["Goal_PWM"] == -120)
    assert ("commands/joint_single", {"name": GRIPPER, "cmd": -350.0}) in peer.node.commands
    assert robot.read_state().state[6] == pytest.approx(0.4, abs=0.05)
    robot.stop(Stop.HOLD)
    # On a busy machine it may have taken a wait of the peer's for the object, and push on first.
    wait_for(lambda: peer.node.registers[GRIPPER]["Goal_PWM"] == -120)
    robot.apply(HOLD)
    wait_for(lambda: robot.read_state().state[6] > 0.9)


@BOTH
def test_the_gripper_never_pushes_after_the_driver_is_gone(peer) -> None:
    robot, _ = KIND.make(InterbotixSettings(), ArmRequest(peer.clock, 5.0))
    peer.node.object_m = 0.02
    with robot:
        robot.move_to_start()
        closing = HOLD.copy()
        closing[6] = 0.0
        robot.apply(closing)
        wait_for(lambda: peer.node.registers[GRIPPER]["Goal_PWM"] < 0)
    assert peer.node.registers[GRIPPER]["Goal_PWM"] == 0
    assert all(registers["Torque_Enable"] for registers in peer.node.registers.values())
    commands = len(peer.node.commands)
    time.sleep(0.1)
    assert len(peer.node.commands) == commands


def test_settings_that_cannot_work_are_refused() -> None:
    for wrong in (
        {"robot_model": "vx300s"},
        {"moving_time_s": 0.01},
        {"accel_time_s": 0.2},
        {"gripper_hold_pwm": 400},
        {"effort_samples": 0},
        {"temperature_limit_c": 120.0},
    ):
        with pytest.raises(ValueError, match=next(iter(wrong))):
            InterbotixSettings(**wrong)
