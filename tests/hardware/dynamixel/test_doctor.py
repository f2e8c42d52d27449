"""What `ptrctl doctor` says of the arm, and the restart of motors."""

from __future__ import annotations

import dataclasses

import pytest

from hardware.checks import Health
from hardware.dynamixel import KIND, doctor, guardian
from hardware.dynamixel.drive import DynamixelDrive
from hardware.dynamixel.reboot import reboot, reboot_warning
from hardware.faults import LostConnection, MotorFault
from recordings.errors import SystemSetupError, UsageError
from tests.hardware.peers.dynamixel import REBOOT, SYNC_WRITE, WRITE


def by_name(settings):
    return {finding.name: finding for finding in KIND.check(settings)}


def test_a_healthy_arm_is_described_motor_by_motor(bus, settings) -> None:
    findings = by_name(settings)
    assert all(finding.health is Health.OK for finding in findings.values())
    assert findings["motor 4"].found == "elbow: XM430-W350, firmware 45, 31 C, 12.1 V, torque off"
    assert len([name for name in findings if name.startswith("motor ")]) == 9


def test_looking_writes_nothing(bus, settings) -> None:
    KIND.check(settings)
    assert not [body for _, body in bus.received if body[0] in {WRITE, SYNC_WRITE, REBOOT}]


def test_an_arm_without_power_is_one_finding(bus, settings) -> None:
    bus.silent.update(range(1, 10))
    finding = by_name(settings)["motors"]
    assert finding.health is Health.FAIL
    assert "12 V" in finding.fix


def test_each_sick_motor_has_its_own_words(bus, settings) -> None:
    bus.silent.add(1)
    bus.duplicated.add(2)
    bus.servos[3].model = 1120
    bus.servos[4].fail(0x20)
    bus.servos[5].table[146] = 70
    bus.servos[6]._put(144, 99, 2)
    bus.servos[7]._put(6, 38, 1)
    bus.servos[8]._put(20, 100, 4)
    findings = by_name(settings)
    for name, found, fix in (
        ("motor 1", "does not answer", "cable"),
        ("motor 2", "garbled", "this ID"),
        ("motor 3", "model 1120, not XM430-W350", "docs/arms"),
        ("motor 4", "reports overload", "power off and on"),
        ("motor 5", "70 C", "cool"),
        ("motor 6", "9.9 V", "supply"),
        ("motor 7", "firmware 38", "firmware"),
        ("motor 8", "homing offset of 100 (8.8 degrees)", "homing_offsets = true"),
    ):
        assert findings[name].health is Health.FAIL
        assert found in findings[name].found
        assert fix in findings[name].fix
    assert findings["motor 9"].health is Health.OK


def test_an_arm_in_use_is_not_disturbed(bus, settings, drive) -> None:
    bus.received.clear()
    finding = by_name(settings)["other programs"]
    assert finding.health is Health.WARN
    assert not bus.received


def test_a_missing_port_is_named_with_the_fix(settings) -> None:
    (finding,) = KIND.check(dataclasses.replace(settings, port="/dev/ttyNone"))
    assert finding.health is Health.FAIL
    assert "/dev/ttyNone" in finding.found


def test_a_missing_package_is_named_with_the_line_to_type(settings, monkeypatch) -> None:
    def missing() -> None:
        raise SystemSetupError("It cannot be imported.", "", "Type `pip install ...`.")

    monkeypatch.setattr(doctor, "import_sdk", missing)
    (finding,) = KIND.check(settings)
    assert "pip install" in finding.fix


def test_a_slow_adapter_is_a_warning_with_the_line_to_type(settings, monkeypatch, tmp_path) -> None:
    timer = tmp_path / "latency_timer"
    timer.write_text("16\n")
    monkeypatch.setattr(doctor, "latency_timer", lambda port: timer)
    finding = by_name(settings)["latency timer"]
    assert finding.health is Health.WARN
    assert f"echo 1 | sudo tee {timer}" in finding.fix
    assert "udevadm" in finding.fix
    timer.write_text("1\n")
    assert by_name(settings)["latency timer"].health is Health.OK


def test_a_port_without_permission_is_named_with_group_and_rule(bus, settings, monkeypatch) -> None:
    monkeypatch.setattr("os.access", lambda path, mode: False)
    finding = by_name(settings)["permission"]
    assert finding.health is Health.FAIL
    assert "usermod -aG" in finding.fix
    assert "--print-udev-rules" in finding.fix
    assert not bus.received


def test_the_log_of_a_guardian_is_mentioned_if_one_was_needed(bus, settings) -> None:
    guardian.log_path(bus.port).touch()
    assert "guardian" not in by_name(settings)
    guardian.log_path(bus.port).write_text("the program 1 died")
    assert "guardian" in by_name(settings)


def test_a_restart_clears_an_error_and_the_arm_can_be_used_again(bus, settings) -> None:
    bus.servos[4].fail(0x20)
    reboot(settings, [4], arm_is_supported=True, clock=bus.clock)
    assert [servo_id for servo_id, body in bus.received if body[0] == REBOOT] == [4]
    drive = DynamixelDrive(settings, bus.clock)
    drive.open()
    drive.set_torque(True)
    drive.check()
    drive.close()


def test_nothing_is_restarted_unless_somebody_holds_the_arm(bus, settings) -> None:
    with pytest.raises(UsageError, match=r"`elbow` \(ID 4\).*limp.*Hold the arm"):
        reboot(settings, [4], arm_is_supported=False, clock=bus.clock)
    assert not bus.received
    assert "limp" in reboot_warning([4])


def test_a_motor_that_does_not_exist_is_not_restarted(bus, settings) -> None:
    with pytest.raises(UsageError, match="no motor 12"):
        reboot(settings, [4, 12], arm_is_supported=True, clock=bus.clock)
    assert not bus.received


def test_an_error_that_stays_is_reported(bus, settings, monkeypatch) -> None:
    servo = bus.servos[4]
    servo.fail(0x04)
    monkeypatch.setattr(servo, "reboot", lambda: None)
    with pytest.raises(MotorFault, match="still reports overheating"):
        reboot(settings, [4], arm_is_supported=True, clock=bus.clock)


def test_a_motor_that_does_not_come_back_is_reported(bus, settings) -> None:
    bus.silent.add(4)
    with pytest.raises(LostConnection, match="ID 4"):
        reboot(settings, [4], arm_is_supported=True, clock=bus.clock)
