"""A dead program means a held, then parked arm."""

from __future__ import annotations

import dataclasses
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from hardware import wx250s
from hardware.clock import MonotonicClock
from hardware.dynamixel import guardian
from hardware.dynamixel import registers as reg
from hardware.dynamixel.drive import DynamixelDrive
from hardware.dynamixel.lock import PortLock
from hardware.dynamixel.settings import DynamixelSettings
from recordings.errors import SystemSetupError
from tests.hardware.peers.dynamixel import ServoBus, open_bus

RAISED = wx250s.SLEEP_RAD + np.array([0.4, 0.2, 0.0, 0.0, 0.0, 0.0])

DRIVE_UNTIL_KILLED = """
import json, sys, time
from hardware import wx250s
from hardware.clock import MonotonicClock
from hardware.dynamixel.drive import DynamixelDrive
from hardware.dynamixel.settings import DynamixelSettings

drive = DynamixelDrive(DynamixelSettings(**json.loads(sys.argv[1])), MonotonicClock())
drive.open()
drive.set_torque(True)
goal = wx250s.SLEEP_RAD.copy()
goal[:2] += (0.4, 0.2)
drive.send(goal, 0.5, 0.2)
print("driving", flush=True)
while True:
    drive.read()
    if len(sys.argv) > 2 and abs(drive.read().joints_rad - goal).max() < 0.01:
        drive.close()
        break
    time.sleep(0.1)
"""


def joints(bus: ServoBus) -> np.ndarray:
    with bus.lock:
        return np.array([reg.to_rad(bus.joints[n].position()) for n in wx250s.JOINT_NAMES])


def limp(bus: ServoBus) -> bool:
    return not any(servo.torque for servo in bus.servos.values())


def abandoned(bus: ServoBus, settings: DynamixelSettings) -> str:
    """Leave the arm as a program that dies does; returns its token."""
    drive = DynamixelDrive(settings, bus.clock)
    drive.open()
    drive.set_torque(True)
    drive.send(RAISED, 0.5, 0.2)
    bus.clock.wait_until_s(bus.clock.now_s() + 1.0)
    drive._bus.close()
    return drive._bus.token


def parent_dies(settings: DynamixelSettings, token: str) -> None:
    """The guardian's life in this process, after the end of its parent."""
    words, pen = os.pipe()
    os.close(pen)
    try:
        guardian.guard(
            dataclasses.replace(settings, guardian_wait_s=0.0), os.getppid(), token, words
        )
    finally:
        os.close(words)


def test_an_abandoned_arm_is_parked_and_let_go(bus, settings) -> None:
    parent_dies(settings, abandoned(bus, settings))
    assert limp(bus)
    np.testing.assert_allclose(joints(bus), wx250s.SLEEP_RAD, atol=0.01)


def test_an_arm_that_another_program_has_driven_since_is_left_alone(bus, settings) -> None:
    token = abandoned(bus, settings)
    other = PortLock(bus.port, "ptrctl")
    other.acquire()
    other.release()
    bus.received.clear()
    parent_dies(settings, token)
    assert not bus.received
    assert not limp(bus)


def test_an_arm_in_use_is_left_alone(bus, settings, monkeypatch) -> None:
    token = abandoned(bus, settings)
    monkeypatch.setattr(guardian, "PORT_WITHIN_S", 0.0)
    looking = PortLock(bus.port, "doctor")
    looking.acquire()
    bus.received.clear()
    parent_dies(settings, token)
    assert not bus.received
    looking.release()


def test_an_arm_that_cannot_be_parked_keeps_holding(bus, settings, caplog) -> None:
    token = abandoned(bus, settings)
    with bus.lock:
        bus.servos[7].table[70] = 0x01
    parent_dies(settings, token)
    assert "could not be parked" in caplog.text
    assert "wrong input voltage" in caplog.text
    assert not limp(bus)


def test_a_word_before_the_end_means_that_all_is_well() -> None:
    words, pen = os.pipe()
    os.write(pen, guardian.ALL_IS_WELL)
    os.close(pen)
    assert guardian.parent_says_well(os.getppid(), words)
    os.close(words)


def test_an_end_without_a_word_or_with_half_of_it_does_not() -> None:
    for said in (b"", guardian.ALL_IS_WELL[:5]):
        words, pen = os.pipe()
        os.write(pen, said)
        os.close(pen)
        assert not guardian.parent_says_well(os.getppid(), words)
        os.close(words)


def test_a_parent_that_is_gone_is_noticed_though_the_pipe_is_open(monkeypatch) -> None:
    monkeypatch.setattr(guardian, "LOOK_EVERY_S", 0.01)
    words, pen = os.pipe()
    assert not guardian.parent_says_well(os.getppid() + 1, words)
    os.close(words)
    os.close(pen)


def says(log: Path, words: str) -> bool:
    return log.exists() and words in log.read_text("utf-8")


def start(bus: ServoBus, *arguments: str) -> subprocess.Popen[str]:
    settings = {"port": bus.port, "guardian_wait_s": 0.5}
    return subprocess.Popen(
        [sys.executable, "-c", DRIVE_UNTIL_KILLED, json.dumps(settings), *arguments],
        stdout=subprocess.PIPE,
        text=True,
    )


def test_a_killed_program_leaves_an_arm_that_stops_holds_and_is_parked() -> None:
    with open_bus(speed=1.0) as bus, start(bus) as program:
        assert program.stdout is not None
        assert program.stdout.readline() == "driving\n"
        program.send_signal(signal.SIGKILL)
        program.wait()
        # The watchdog is 0.5 s; the motion would have lasted 0.25 s.
        assert bus.eventually(bus.is_still)
        assert not limp(bus)
        assert bus.eventually(lambda: limp(bus), within_s=60.0)
        np.testing.assert_allclose(joints(bus), wx250s.SLEEP_RAD, atol=0.02)
        log = guardian.log_path(bus.port)
        assert bus.eventually(lambda: says(log, "its torque is off"))


def test_a_program_that_ends_well_leaves_the_arm_holding_and_no_guardian() -> None:
    with open_bus(speed=1.0) as bus, start(bus, "end") as program:
        assert program.wait(30) == 0
        assert not limp(bus)
        log = guardian.log_path(bus.port)
        assert not log.exists() or not log.read_text("utf-8")


@pytest.mark.parametrize("settings", [{"guardian": True}], indirect=True)
def test_a_folder_with_a_package_of_the_same_name_does_not_keep_the_guardian_away(
    bus, settings, tmp_path, monkeypatch
) -> None:
    (tmp_path / "hardware").mkdir()
    (tmp_path / "hardware" / "__init__.py").touch()
    monkeypatch.chdir(tmp_path)
    drive = DynamixelDrive(settings, bus.clock)
    drive.open()
    drive.check()
    drive.close()


@pytest.mark.parametrize("settings", [{"guardian": True}], indirect=True)
def test_without_its_guardian_an_arm_can_be_stopped_but_not_started(
    bus, settings, monkeypatch
) -> None:
    monkeypatch.setattr(sys, "executable", "/bin/false")
    drive = DynamixelDrive(settings, bus.clock)
    drive.open()
    drive.set_torque(True)
    drive.hold()
    with pytest.raises(SystemSetupError, match="does not run"):
        drive.check()
    drive.close()


@pytest.mark.parametrize("settings", [{"guardian": True}], indirect=True)
def test_a_guardian_that_has_ended_is_missed_at_the_next_start(drive) -> None:
    drive.check()
    drive._guardian._process.kill()
    drive._guardian._process.wait()
    with pytest.raises(SystemSetupError, match="does not run"):
        drive.check()


def test_without_the_setting_no_guardian_is_started(bus, drive) -> None:
    assert drive._guardian is None


def test_connecting_again_after_a_death_takes_the_arm_over_from_the_guardian() -> None:
    with open_bus(speed=1.0) as bus:
        with start(bus) as program:
            assert program.stdout is not None
            program.stdout.readline()
            program.kill()
        drive = DynamixelDrive(DynamixelSettings(port=bus.port, guardian=False), MonotonicClock())
        drive.open()
        assert drive.torque_is_on()
        log = guardian.log_path(bus.port)
        assert bus.eventually(lambda: says(log, "nothing to do"), within_s=30.0)
        assert drive.torque_is_on()
        drive.close()
