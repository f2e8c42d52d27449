"""The servo bus under bad conditions: what is lost, damaged, late, silent or gone."""

from __future__ import annotations

import os
import termios
import threading
from collections.abc import Iterator

import pytest

from hardware.dynamixel import registers as reg
from hardware.dynamixel.bus import Bus, Silence
from hardware.dynamixel.motors import ALL_IDS
from hardware.faults import LostConnection, MotorFault
from recordings.errors import SystemSetupError
from tests.hardware.peers.dynamixel import WRITE, Noise, ServoBus, open_bus


@pytest.fixture
def line(bus: ServoBus) -> Iterator[Bus]:
    opened = Bus(bus.port, 1_000_000)
    opened.open()
    yield opened
    opened.close()


def test_all_motors_are_read_at_once_with_signs(bus: ServoBus, line: Bus) -> None:
    bus.servos[3].table[10] = 1
    with bus.lock:
        bus.servos[3]._put(20, -60, 4)
    readings = line.read(ALL_IDS, reg.EEPROM)
    assert readings[3][reg.HOMING_OFFSET] == -60
    assert [readings[i][reg.MODEL_NUMBER] for i in ALL_IDS] == [1020] * 7 + [1060] * 2


def test_a_ping_tells_the_model_or_that_nothing_is_there(bus: ServoBus, line: Bus) -> None:
    bus.silent.add(5)
    bus.duplicated.add(6)
    assert line.ping(4) == 1020
    assert line.ping(5) is Silence.NOTHING
    assert line.ping(6) is Silence.GARBLED


def test_one_silent_motor_is_named_and_the_others_are_heard(bus: ServoBus, line: Bus) -> None:
    bus.silent.add(4)
    heard: dict[int, reg.Reading] = {}

    def listen() -> None:
        for some in line.read_as_they_come(ALL_IDS, reg.RAM):
            heard.update(some)

    with pytest.raises(LostConnection, match=r"`elbow` \(ID 4\)"):
        listen()
    assert set(heard) == set(ALL_IDS) - {4}


def test_a_dead_bus_is_a_lost_connection_and_can_be_closed(bus: ServoBus, line: Bus) -> None:
    bus.close()
    with pytest.raises(LostConnection):
        line.read(ALL_IDS, reg.RAM)
    line.close()
    line.close()


def test_a_bus_without_power_says_that_no_motor_answers(bus: ServoBus, line: Bus) -> None:
    bus.silent.update(ALL_IDS)
    with pytest.raises(LostConnection, match="No motor answers"):
        line.read(ALL_IDS, reg.RAM)


@pytest.mark.parametrize(
    "noise", [Noise(lose=0.05), Noise(corrupt=0.05), Noise(late=0.05), Noise(0.03, 0.03, 0.02)]
)
def test_bad_packets_never_become_positions(bus: ServoBus, line: Bus, noise: Noise) -> None:
    positions = {servo_id: 1000 + 111 * servo_id for servo_id in ALL_IDS}
    with bus.lock:
        for servo in bus.servos.values():
            servo.table[10] = 0
            servo.mirrored = False
            servo.mount = positions[servo.id] - round(servo.joint.position())
        bus.noise = noise
    for _ in range(25):
        readings = line.read(ALL_IDS, reg.RAM)
        measured = {i: readings[i][reg.PRESENT_POSITION] for i in ALL_IDS}
        assert measured == positions


def test_an_answer_of_the_wrong_length_is_not_used(bus: ServoBus, line: Bus) -> None:
    """The status of a refused read, say, is sound and short."""
    answers = bus._status

    def short(servo, error, data):
        return answers(servo, 7, data[:10])

    bus._status = short  # type: ignore[method-assign]
    with pytest.raises(LostConnection):
        line.read([1], reg.RAM)


def test_a_write_whose_answer_is_lost_is_read_back_and_not_sent_again(
    bus: ServoBus, line: Bus
) -> None:
    answers = bus._status

    def silent_after_writes(servo, error, data):
        return answers(servo, error, data) if data else []

    bus._status = silent_after_writes  # type: ignore[method-assign]
    line.write(4, reg.VELOCITY_LIMIT, 131)
    assert sum(body[0] == WRITE for _, body in bus.received) == 1
    assert bus.servos[4].value(44, 4) == 131


def test_a_refused_write_says_why(bus: ServoBus, line: Bus) -> None:
    line.write(4, reg.TORQUE, 1)
    with pytest.raises(MotorFault, match=r"`elbow` \(ID 4\) refuses .* while the torque is on"):
        line.write(4, reg.VELOCITY_LIMIT, 131)


def test_an_alert_does_not_hide_that_a_write_worked(bus: ServoBus, line: Bus) -> None:
    with bus.lock:
        bus.servos[4].fail(0x01)
    line.write(4, reg.VELOCITY_LIMIT, 131)


def test_a_babbling_bus_ends_in_an_error_and_not_in_waiting_for_ever(
    bus: ServoBus, line: Bus
) -> None:
    enough = threading.Event()

    def babble() -> None:
        while not enough.is_set():
            bus._put(os.urandom(64))

    speaker = threading.Thread(target=babble)
    bus.silent.update(ALL_IDS)
    speaker.start()
    try:
        with pytest.raises(LostConnection):
            line.read([1], reg.RAM)
    finally:
        enough.set()
        # What nobody reads any more is waited for by its writer.
        while speaker.is_alive():
            termios.tcflush(line._handler.ser.fileno(), termios.TCIFLUSH)
            speaker.join(0.01)


def test_without_the_package_the_line_to_type_is_named(monkeypatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "dynamixel_sdk", None)
    with open_bus() as servos, pytest.raises(SystemSetupError, match=r"ptrctl\[dynamixel\]"):
        Bus(servos.port, 1_000_000)
