"""Units and bytes of the servos' control table, and the gripper's linkage."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hardware import wx250s
from hardware.dynamixel import registers as reg
from hardware.dynamixel.motors import (
    ARM_IDS,
    DRIVEN_IDS,
    MOTORS,
    SHADOWS,
    angle_to_finger,
    clip_ticks,
    opening_to_ticks,
    ticks_to_opening,
)
from tests.hardware.peers.dynamixel import crc16, packet, take_packet


@given(st.floats(-math.pi, math.pi))
def test_an_angle_survives_the_way_to_ticks_and_back_to_half_a_tick(angle_rad: float) -> None:
    assert abs(reg.to_rad(reg.to_ticks(angle_rad)) - angle_rad) <= math.pi / 4096 + 1e-12


@given(st.integers(-100_000, 100_000))
def test_ticks_survive_the_way_to_an_angle_and_back_exactly(ticks: int) -> None:
    assert reg.to_ticks(reg.to_rad(ticks)) == ticks


@pytest.mark.parametrize("angle", [math.nan, math.inf, -math.inf])
def test_an_angle_that_is_not_finite_has_no_ticks(angle: float) -> None:
    with pytest.raises((ValueError, OverflowError)):
        reg.to_ticks(angle)


@given(st.integers(-(2**31), 2**31 - 1))
def test_a_signed_register_is_read_as_it_was_written(value: int) -> None:
    data = bytearray(reg.RAM.length)
    begin = reg.PRESENT_POSITION.address - reg.RAM.address
    data[begin : begin + 4] = reg.PRESENT_POSITION.to_bytes(value)
    assert reg.Reading(reg.RAM, bytes(data))[reg.PRESENT_POSITION] == value


def test_a_value_that_does_not_fit_is_never_cut_off() -> None:
    with pytest.raises(OverflowError):
        reg.TORQUE.to_bytes(256)
    with pytest.raises(OverflowError):
        reg.PRESENT_CURRENT.to_bytes(-40_000)


def test_the_two_blocks_that_are_read_differ_in_length() -> None:
    assert reg.EEPROM.length != reg.RAM.length


def test_hardware_errors_are_put_in_words() -> None:
    assert reg.errors_in_words(0) == ""
    assert reg.errors_in_words(0x24) == "overheating, overload"
    assert reg.errors_in_words(0x40) == "unknown error 0x40"


def test_position_limits_are_those_of_the_joints() -> None:
    for motor_id, low, high in zip(
        ARM_IDS, wx250s.JOINT_LOW_RAD, wx250s.JOINT_HIGH_RAD, strict=True
    ):
        motor = MOTORS[motor_id]
        assert reg.to_rad(motor.low_ticks) == pytest.approx(low, abs=0.002)
        assert reg.to_rad(motor.high_ticks) == pytest.approx(high, abs=0.002)


def test_shadows_have_the_limits_of_their_masters_and_turn_the_other_way() -> None:
    for shadow in SHADOWS:
        assert shadow.shadow_of is not None
        master = MOTORS[shadow.shadow_of]
        assert (shadow.low_ticks, shadow.high_ticks) == (master.low_ticks, master.high_ticks)
        assert shadow.reverse is not master.reverse


@given(st.sampled_from(DRIVEN_IDS), st.integers(-(10**6), 10**6))
def test_a_goal_never_leaves_the_limits(motor_id: int, ticks: int) -> None:
    motor = MOTORS[motor_id]
    assert motor.low_ticks <= clip_ticks(motor_id, ticks) <= motor.high_ticks


def test_the_finger_is_where_the_published_linkage_puts_it() -> None:
    assert angle_to_finger(0.0) == pytest.approx(0.01949, abs=1e-5)
    assert angle_to_finger(1.2) == pytest.approx(0.0365, abs=1e-4)
    assert angle_to_finger(-1.2) == pytest.approx(0.0104, abs=1e-4)


@given(st.floats(0.02, 1.0))
def test_an_opening_survives_the_way_to_the_motor_and_back(opening: float) -> None:
    assert ticks_to_opening(opening_to_ticks(opening)) == pytest.approx(opening, abs=0.003)


def test_a_wider_opening_is_a_larger_angle_and_every_angle_has_an_opening() -> None:
    ticks = [opening_to_ticks(opening) for opening in np.linspace(0.0, 1.0, 50)]
    assert ticks == sorted(ticks)
    openings = [ticks_to_opening(t) for t in range(-5000, 9000, 37)]
    assert min(openings) == 0.0
    assert max(openings) == 1.0


def test_the_servos_of_the_tests_speak_the_published_protocol() -> None:
    # ROBOTIS e-manual, Protocol 2.0, "Ping": instruction packet to ID 1.
    assert packet(1, b"\x01") == bytes.fromhex("fffffd00010300 01 194e".replace(" ", ""))
    assert crc16(b"") == 0


@given(st.integers(0, 252), st.binary(min_size=1, max_size=60), st.binary(max_size=20))
def test_packets_of_the_test_servos_are_found_whole_in_noise(
    servo_id: int, body: bytes, noise: bytes
) -> None:
    heard = bytearray(noise.replace(b"\xff", b"") + packet(servo_id, body))
    assert take_packet(heard) == (servo_id, body)


@given(st.binary(min_size=1, max_size=80), st.integers(0, 2**20))
def test_a_damaged_packet_of_the_test_servos_is_never_obeyed(body: bytes, flip: int) -> None:
    whole = bytearray(packet(3, body))
    whole[flip % len(whole)] ^= 1 + flip % 255
    found = take_packet(bytearray(whole))
    assert found is None or found == (3, body)
