"""Connecting: what is checked, what is set up, and what is left alone."""

from __future__ import annotations

import dataclasses

import pytest

from hardware.dynamixel import registers as reg
from hardware.dynamixel.drive import DynamixelDrive
from hardware.dynamixel.lock import PortBusy
from hardware.dynamixel.motors import ALL_IDS, MOTORS
from hardware.dynamixel.settings import DynamixelSettings
from hardware.faults import LostConnection, MotorFault
from tests.hardware.peers.dynamixel import SYNC_WRITE, WRITE, Noise, ServoBus


def connect(bus: ServoBus, settings: DynamixelSettings) -> DynamixelDrive:
    drive = DynamixelDrive(settings, bus.clock)
    drive.open()
    return drive


def test_factory_new_motors_are_set_up_as_published(bus, drive) -> None:
    for servo_id, servo in bus.servos.items():
        model = 1020 if servo_id < 8 else 1060
        for register, value in MOTORS[servo_id].settings(model).items():
            assert servo.value(register.address, register.size) & 0xFF == value & 0xFF
    assert (bus.servos[3].secondary_id, bus.servos[5].secondary_id) == (2, 4)


def test_two_motors_on_one_joint_measure_the_same_angle(bus, drive) -> None:
    for master, shadow in ((2, 3), (4, 5)):
        assert abs(bus.servos[shadow]._present() - bus.servos[master]._present()) <= 1


def test_nothing_is_written_to_eeprom_the_second_time(bus, settings) -> None:
    connect(bus, settings).close()
    assert any(servo.writes for servo in bus.servos.values())
    for servo in bus.servos.values():
        servo.writes.clear()
    connect(bus, settings).close()
    assert not any(servo.writes for servo in bus.servos.values())


def test_connecting_moves_nothing_and_leaves_the_torque_off(bus, drive) -> None:
    assert bus.is_still()
    assert not drive.torque_is_on()
    assert not any(servo.torque for servo in bus.servos.values())


def test_the_identity_names_port_models_and_firmware(bus, drive) -> None:
    assert drive.identity["port"] == bus.port
    assert drive.identity["motors"]["4"] == "XM430-W350, firmware 45"
    assert drive.identity["motors"]["9"] == "XL430-W250, firmware 45"


def test_an_arm_that_holds_is_taken_over_without_being_dropped_or_moved(bus, settings) -> None:
    first = connect(bus, settings)
    first.set_torque(True)
    first.close()
    before = {name: joint.position() for name, joint in bus.joints.items()}
    bus.received.clear()
    second = connect(bus, settings)
    assert second.torque_is_on()
    after = {name: joint.position() for name, joint in bus.joints.items()}
    assert after == pytest.approx(before, abs=0.6)
    torque_writes = [
        body
        for _, body in bus.received
        if body[0] in {WRITE, SYNC_WRITE} and body[1:3] == reg.TORQUE.address.to_bytes(2, "little")
    ]
    assert not torque_writes
    second.close()


def test_an_arm_whose_watchdog_has_stopped_it_is_taken_over_too(bus, settings) -> None:
    first = connect(bus, settings)
    first.set_torque(True)
    assert bus.eventually(lambda: bus.servos[9].table[98] == 125)
    first._bus.close()
    with bus.lock:
        for servo in bus.servos.values():
            servo.heard_s -= 10.0
            servo.look_at_watchdog()
            assert servo.tripped
    second = connect(bus, settings)
    assert second.torque_is_on()
    assert bus.eventually(lambda: not any(servo.tripped for servo in bus.servos.values()))
    assert bus.is_still()
    second.close()


def test_an_arm_held_by_another_program_with_other_settings_is_left_alone(bus, settings) -> None:
    connect(bus, settings).close()
    with bus.lock:
        bus.servos[9]._put(11, 16, 1)
        for servo in bus.servos.values():
            servo.set_torque(True)
            servo.writes.clear()
    with pytest.raises(
        MotorFault, match=r"under torque.*`gripper` \(ID 9\).*operating mode.*[Pp]ark"
    ):
        connect(bus, settings)
    assert all(servo.torque and not servo.writes for servo in bus.servos.values())


def test_an_arm_of_which_one_motor_is_limp_is_not_driven(bus, settings) -> None:
    connect(bus, settings).close()
    with bus.lock:
        for servo in bus.servos.values():
            servo.set_torque(True)
        bus.servos[4].fail(0x20)
    with pytest.raises(MotorFault, match=r"`elbow` \(ID 4\) have no torque \(overload\)"):
        connect(bus, settings)
    assert sum(servo.torque for servo in bus.servos.values()) == 8


def test_a_missing_motor_is_named(bus, settings) -> None:
    bus.silent.add(7)
    with pytest.raises(LostConnection, match=r"`wrist_angle` \(ID 7\).*cable"):
        connect(bus, settings)


def test_two_motors_with_the_same_id_are_named(bus, settings) -> None:
    bus.duplicated.add(4)
    with pytest.raises(LostConnection, match=r"`elbow` \(ID 4\) are garbled.*own ID"):
        connect(bus, settings)


def test_a_wrong_model_is_named(bus, settings) -> None:
    bus.servos[2].model = 1060
    with pytest.raises(MotorFault, match=r"`shoulder` \(ID 2\) is an XL430-W250.*XM430-W350"):
        connect(bus, settings)


def test_an_unknown_model_is_named_by_its_number(bus, settings) -> None:
    bus.servos[8].model = 30
    with pytest.raises(MotorFault, match=r"`wrist_rotate` \(ID 8\).*number 30"):
        connect(bus, settings)


def test_old_firmware_is_refused(bus, settings) -> None:
    bus.servos[6]._put(6, 41, 1)
    with pytest.raises(MotorFault, match=r"`forearm_roll` \(ID 6\) has firmware 41"):
        connect(bus, settings)


def test_a_motor_that_reports_an_error_is_refused(bus, settings) -> None:
    bus.servos[6].fail(0x04)
    with pytest.raises(MotorFault, match=r"`forearm_roll` \(ID 6\) reports overheating"):
        connect(bus, settings)


def test_a_shadow_mounted_a_quarter_turn_off_is_refused(bus, settings) -> None:
    bus.servos[3].mount = 1500
    with pytest.raises(MotorFault, match=r"`shoulder_shadow` \(ID 3\) measure angles.*apart"):
        connect(bus, settings)


@pytest.mark.parametrize("torque", [False, True])
def test_a_motor_whose_zero_is_elsewhere_is_refused_unless_the_profile_says_it_is_right(
    bus, settings, torque
) -> None:
    connect(bus, settings).close()
    with bus.lock:
        bus.servos[6]._put(20, -512, 4)
        for servo in bus.servos.values():
            servo.set_torque(torque)
            servo.writes.clear()
    with pytest.raises(MotorFault, match=r"`forearm_roll` \(ID 6\).*offset of -512 \(-45.0 deg"):
        connect(bus, settings)
    assert not any(servo.writes for servo in bus.servos.values())
    connect(bus, dataclasses.replace(settings, homing_offsets=True)).close()
    assert bus.servos[6].value(20, 4) == -512


def test_after_a_failed_connection_the_port_is_free(bus, settings) -> None:
    bus.silent.add(7)
    with pytest.raises(LostConnection):
        connect(bus, settings)
    bus.silent.clear()
    connect(bus, settings).close()


def test_a_second_drive_is_refused_while_the_first_is_open(bus, settings, drive) -> None:
    with pytest.raises(PortBusy):
        connect(bus, settings)


def test_a_motor_that_was_told_to_keep_silent_is_told_to_answer(bus, settings) -> None:
    bus.servos[4].table[68] = 0
    connect(bus, settings).close()
    assert bus.servos[4].table[68] == 2


def test_setting_up_survives_a_bad_cable(bus, settings) -> None:
    bus.noise = Noise(lose=0.03, corrupt=0.03)
    connect(bus, settings).close()
    bus.noise = Noise()
    for servo in bus.servos.values():
        servo.writes.clear()
    connect(bus, settings).close()
    assert not any(servo.writes for servo in bus.servos.values())


@pytest.mark.parametrize(
    ("name", "value"),
    [("baud_rate", 12345), ("watchdog_s", 0.05), ("watchdog_s", 3.0), ("max_temperature_c", 80.0)],
)
def test_settings_out_of_range_are_refused(name, value) -> None:
    with pytest.raises(ValueError, match=name):
        dataclasses.replace(DynamixelSettings(), **{name: value})


def test_every_motor_of_the_arm_is_in_the_table_once() -> None:
    assert list(ALL_IDS) == list(range(1, 10))
