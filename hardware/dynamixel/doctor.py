"""What `ptrctl doctor` finds out about the arm on its servo bus; moves nothing."""

from __future__ import annotations

import getpass
import grp
import os
from collections.abc import Sequence

from hardware.checks import UDEV_RULES_PATH, Finding, Health
from hardware.dynamixel import registers as reg
from hardware.dynamixel.bringup import ZERO_FIX, turned_zero
from hardware.dynamixel.bus import Bus, Silence, import_sdk
from hardware.dynamixel.guardian import log_path
from hardware.dynamixel.lock import DOCTOR, PortBusy
from hardware.dynamixel.motors import MOTORS, Motor
from hardware.dynamixel.ports import choose_port, latency_timer
from hardware.dynamixel.registers import Reading
from hardware.dynamixel.settings import DynamixelSettings
from hardware.dynamixel.watch import MIN_VOLTAGE_V
from hardware.faults import LostConnection
from recordings.errors import PtrctlError, SystemSetupError

NO_ANSWER = "does not answer"
UDEV_FIX = (
    f"ptrctl doctor --print-udev-rules | sudo tee {UDEV_RULES_PATH} && "
    "sudo udevadm control --reload-rules && sudo udevadm trigger, then plug the U2D2 out and in"
)
"""The rule lets people at the machine use a U2D2, and lets it answer within 1 ms."""


def check(settings: DynamixelSettings) -> Sequence[Finding]:
    """Look at package, port, permission, latency, other users of the port, and every motor."""
    try:
        import_sdk()
    except SystemSetupError as error:
        return [_failed("dynamixel-sdk", error)]
    try:
        port = choose_port(settings.port)
    except LostConnection as error:
        return [_failed("port", error)]
    findings = [Finding("port", Health.OK, port), _permission(port), *_latency(port)]
    if not any(finding.health is Health.FAIL for finding in findings):
        findings += _motors(port, settings)
    log = log_path(port)
    # Every guardian opens it; one that was needed has written something.
    if log.exists() and log.stat().st_size:
        said = f"an earlier program died while it drove the arm; see {log}"
        findings.append(Finding("guardian", Health.OK, said))
    return findings


def _failed(name: str, error: PtrctlError) -> Finding:
    return Finding(name, Health.FAIL, error.found, error.try_next)


def _permission(port: str) -> Finding:
    if os.access(port, os.R_OK | os.W_OK):
        return Finding("permission", Health.OK, "the port may be read and written")
    group = _group_of(port)
    fix = UDEV_FIX
    if group:
        fix = f"sudo usermod -aG {group} {getpass.getuser()}, then log in again; or: {fix}"
    return Finding("permission", Health.FAIL, f"this user may not use {port}", fix)


def _group_of(port: str) -> str:
    try:
        return grp.getgrgid(os.stat(port).st_gid).gr_name
    except (KeyError, OSError):
        return ""


def _latency(port: str) -> list[Finding]:
    timer = latency_timer(port)
    try:
        latency_ms = int(timer.read_text("ascii"))
    except (OSError, ValueError):
        return []
    if latency_ms <= 1:
        return [Finding("latency timer", Health.OK, f"{latency_ms} ms")]
    return [
        Finding(
            "latency timer",
            Health.WARN,
            f"{latency_ms} ms: every reading of the arm waits so long",
            f"echo 1 | sudo tee {timer} (until it is plugged out), or for good: {UDEV_FIX}",
        )
    ]


def _motors(port: str, settings: DynamixelSettings) -> list[Finding]:
    bus = Bus(port, settings.baud_rate, DOCTOR)
    try:
        bus.open()
    except PortBusy as error:
        return [Finding("other programs", Health.WARN, error.found, error.try_next)]
    except LostConnection as error:
        return [_failed("port", error)]
    try:
        findings = [_motor(bus, motor, settings) for motor in MOTORS.values()]
    except LostConnection as error:
        return [_failed("bus", error)]
    finally:
        bus.close()
    if all(finding.found.endswith(NO_ANSWER) for finding in findings):
        return [
            Finding(
                "motors",
                Health.FAIL,
                f"no motor answers at {settings.baud_rate} baud",
                "switch the arm's 12 V supply on, look at the cable from the U2D2; if it was set "
                "to another speed, set `baud_rate` under [robot.options]",
            )
        ]
    return findings


def _motor(bus: Bus, motor: Motor, settings: DynamixelSettings) -> Finding:
    name, joint = f"motor {motor.id}", motor.joint
    answer = bus.ping(motor.id)
    if answer is Silence.NOTHING:
        return Finding(
            name,
            Health.FAIL,
            f"{joint}: {NO_ANSWER}",
            "look at the cable to it and at its ID (DYNAMIXEL Wizard)",
        )
    if answer is Silence.GARBLED:
        return Finding(
            name,
            Health.FAIL,
            f"{joint}: answers, but garbled",
            "two motors may have this ID: give each its own with DYNAMIXEL Wizard, one at a time "
            "on the cable; else look at the cable",
        )
    if answer not in motor.models:
        wanted = " or ".join(reg.MODELS[number].name for number in motor.models)
        return Finding(
            name,
            Health.FAIL,
            f"{joint}: model {answer}, not {wanted}",
            "see docs/arms/dynamixel.md",
        )
    eeprom = bus.read([motor.id], reg.EEPROM)[motor.id]
    ram = bus.read([motor.id], reg.RAM)[motor.id]
    return _judge(motor, eeprom, ram, settings)


def _judge(motor: Motor, eeprom: Reading, ram: Reading, settings: DynamixelSettings) -> Finding:
    name = f"motor {motor.id}"
    volts, degrees = ram[reg.INPUT_VOLTAGE] / 10.0, ram[reg.TEMPERATURE]
    model = reg.MODELS[eeprom[reg.MODEL_NUMBER]].name
    found = (
        f"{motor.joint}: {model}, firmware {eeprom[reg.FIRMWARE]}, "
        f"{degrees} C, {volts:.1f} V, torque {'on' if ram[reg.TORQUE] else 'off'}"
    )
    errors = reg.errors_in_words(ram[reg.HARDWARE_ERROR])
    if errors:
        return Finding(
            name,
            Health.FAIL,
            f"{found}, reports {errors}",
            "support the arm, then switch its power off and on: that clears the error; if it "
            "comes back, let the motor cool or look at its supply",
        )
    if eeprom[reg.FIRMWARE] < reg.MIN_FIRMWARE:
        return Finding(name, Health.FAIL, found, "update its firmware with DYNAMIXEL Wizard")
    if degrees > settings.max_temperature_c:
        return Finding(name, Health.FAIL, found, "park the arm and let it cool for ten minutes")
    if volts < MIN_VOLTAGE_V:
        return Finding(name, Health.FAIL, found, "look at the 12 V supply and its plug")
    offset = turned_zero(motor, eeprom)
    if offset and not settings.homing_offsets:
        return Finding(name, Health.FAIL, f"{found}, {offset}", ZERO_FIX)
    return Finding(name, Health.OK, f"{found}, {offset}" if offset else found)
