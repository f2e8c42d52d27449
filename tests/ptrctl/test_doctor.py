"""`ptrctl doctor` with broken machines, arms and cameras: a finding and a fix, never a crash."""

from __future__ import annotations

import json
import os
import socket
import sys
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from rich.console import Console
from typer.testing import CliRunner

from hardware.checks import Finding, Health
from hardware.interbotix import KIND as INTERBOTIX
from hardware.interbotix.settings import InterbotixSettings
from hardware.kinds import ArmKind, CameraKind
from hardware.modules import ARM_MODULES, CAMERA_MODULES
from hardware.settings import setting
from ptrctl.doctor import connection_checks, device_checks, machine_checks
from ptrctl.doctor.connection_checks import (
    check_permissions,
    check_ports,
    check_ros,
    check_udev_rules,
    check_usb,
)
from ptrctl.doctor.device_checks import check_arm, check_camera, examined
from ptrctl.doctor.machine_checks import (
    check_extras,
    check_packages,
    check_processor,
    check_terminal,
    check_time_of_day,
    check_torch,
)
from ptrctl.doctor.udev import RULES
from ptrctl.doctor.workspace_checks import check_profile
from ptrctl.main import app
from ptrctl.profile import Profile
from ptrctl.terminal import console
from ptrctl.workspace import Workspace
from recordings.errors import RobotError, SystemSetupError
from tests.hardware.fakes import FakeRobot


@dataclass(frozen=True)
class BenchSettings:
    """Settings of an arm that is only checked."""

    port: str = setting("", "Where it is.")


def never(*args: Any) -> Any:
    raise AssertionError("doctor touched a device")


def untouched(*args: Any) -> Any:
    """An arm that can be made, as for the check of the profile, but not be reached."""
    robot = FakeRobot()
    robot.connect = never  # type: ignore[method-assign]
    return robot, ()


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[Any], Any]], None]:
    """Registers an arm and a camera named `bench` whose check is the given function."""

    def register(check: Callable[[Any], Any]) -> None:
        module = ModuleType("bench_kinds")
        module.KIND = ArmKind("bench", "", BenchSettings, untouched, list, check)  # type: ignore[attr-defined]
        camera = ModuleType("bench_camera")
        camera.KIND = CameraKind("bench", "", BenchSettings, never, list, check)  # type: ignore[attr-defined]
        monkeypatch.setitem(sys.modules, "bench_kinds", module)
        monkeypatch.setitem(sys.modules, "bench_camera", camera)
        monkeypatch.setitem(ARM_MODULES, "bench", "bench_kinds")
        monkeypatch.setitem(CAMERA_MODULES, "bench", "bench_camera")

    return register


PROFILE = Profile(robot="bench", robot_options={"port": "/dev/ttyUSB0"})


def test_the_arm_is_asked_with_the_settings_of_the_profile(
    bench: Callable[[Callable[[Any], Any]], None],
) -> None:
    bench(lambda settings: [Finding("motors", Health.OK, f"nine on {settings.port}")])
    (finding,) = check_arm(PROFILE)
    assert finding.found == "nine on /dev/ttyUSB0"


def missing_extra(settings: BenchSettings) -> Sequence[Finding]:
    raise SystemSetupError("dynamixel-sdk is missing.", "", "pip install 'ptrctl[dynamixel]'")


def broken(settings: BenchSettings) -> Sequence[Finding]:
    return [Finding("x", Health.OK, str(1 / 0))]


def ends_the_program(settings: BenchSettings) -> Sequence[Finding]:
    sys.exit(3)


def lost(settings: BenchSettings) -> Sequence[Finding]:
    raise RobotError("The bus is silent.", "Nine motors answer.", "Switch the power on.")


@pytest.mark.parametrize(
    ("check", "found", "fix"),
    [
        (missing_extra, "dynamixel-sdk is missing", "pip install 'ptrctl[dynamixel]'"),
        (broken, "ZeroDivisionError", "--debug"),
        (ends_the_program, "tried to end the program", "--debug"),
        (lost, "Nine motors answer", "Switch the power on."),
    ],
)
def test_whatever_happens_in_a_check_is_a_finding(
    bench: Callable[[Callable[[Any], Any]], None],
    check: Callable[[Any], Any],
    found: str,
    fix: str,
) -> None:
    bench(check)
    for findings in (check_arm(PROFILE), check_camera("wrist", {"kind": "bench"})):
        (finding,) = findings
        assert finding.health is Health.FAIL
        assert found in finding.found
        assert fix in finding.fix


def test_a_check_that_hangs_is_a_finding_after_a_while() -> None:
    release = threading.Event()

    def hang() -> Sequence[Finding]:
        release.wait(60)
        return []

    (finding,) = examined("bus", hang, 0.05)
    release.set()
    assert finding.health is Health.FAIL
    assert "No answer within 0.05 s" in finding.found
    assert "ptrctl doctor" in finding.fix


def test_settings_that_do_not_fit_are_a_finding(
    bench: Callable[[Callable[[Any], Any]], None],
) -> None:
    bench(broken)
    (finding,) = check_camera("wrist", {"kind": "bench", "prot": "x"})
    assert "cameras.wrist.prot" in finding.found
    assert "port" in finding.fix
    (finding,) = check_camera("wrist", {"kind": "benhc"})
    assert finding.health is Health.FAIL
    assert "benhc" in finding.found


def test_the_command_groups_by_area_and_fails_with_6(
    tmp_path: Path,
    bench: Callable[[Callable[[Any], Any]], None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    bench(lost)
    monkeypatch.setattr("ptrctl.doctor.diagnosis.check_rendering", machine_checks.check_python)
    (tmp_path / "ptrctl.toml").write_text(
        "[robot]\nname = 'bench'\n[cameras.wrist]\nkind = 'test-pattern'\n"
        "[camera]\nname = 'wrist'\n"
    )
    result = CliRunner().invoke(app, ["doctor", "-w", str(tmp_path), "--json"])
    assert result.exit_code == 6
    checks = json.loads(result.stdout)["checks"]
    areas = list(dict.fromkeys(check["area"] for check in checks))
    assert areas == ["machine", "connections", "workspace", "arm", "camera wrist"]
    assert next(c for c in checks if c["area"] == "arm")["fix"] == "Switch the power on."
    words = CliRunner().invoke(app, ["doctor", "-w", str(tmp_path)])
    assert "camera wrist" in words.stdout
    assert "FAIL: bench" in words.stderr


def test_an_arm_can_be_looked_at_before_there_is_a_profile(
    tmp_path: Path,
    bench: Callable[[Callable[[Any], Any]], None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    bench(lambda settings: [Finding("motors", Health.OK, "nine")])
    monkeypatch.setattr("ptrctl.doctor.diagnosis.check_rendering", machine_checks.check_python)
    words = ["doctor", "--robot", "bench", "-w", str(tmp_path), "--json"]
    checks = json.loads(CliRunner().invoke(app, words).stdout)["checks"]
    assert [c["found"] for c in checks if c["area"] == "arm"] == ["nine"]


def test_an_arm_that_nobody_knows_is_no_arm_from_another_package() -> None:
    (finding,) = check_arm(Profile(robot="dinamixel"))
    assert finding.health is Health.FAIL
    assert "no arm named `dinamixel`" in finding.found


def test_the_rules_are_printed_as_a_file_shall_hold_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    result = CliRunner().invoke(app, ["doctor", "--print-udev-rules"])
    assert result.exit_code == 0
    assert result.stdout == RULES
    assert "sudo tee /etc/udev/rules.d/70-ptrctl.rules" in result.stderr
    data = json.loads(CliRunner().invoke(app, ["doctor", "--print-udev-rules", "--json"]).stdout)
    assert data["rules"] == RULES


@pytest.mark.parametrize("device", ["0403", "256f", "046d", "8086"])
def test_every_rule_is_complete_and_gives_access(device: str) -> None:
    rules = [line for line in RULES.splitlines() if f'=="{device}"' in line]
    assert rules
    for rule in rules:
        assert 'MODE="0660"' in rule
        assert 'TAG+="uaccess"' in rule
        assert all(part.count('"') == 2 for part in rule.split(", "))


def test_udev_rules_are_compared_with_what_is_printed(tmp_path: Path) -> None:
    path = tmp_path / "70-ptrctl.rules"
    assert check_udev_rules(path).health is Health.ABSENT
    path.write_text("old")
    assert check_udev_rules(path).health is Health.WARN
    path.write_text(RULES)
    assert check_udev_rules(path).health is Health.OK


def test_a_device_that_may_not_be_opened_names_the_group(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert check_permissions(tmp_path, tmp_path / "none").health is Health.ABSENT
    (tmp_path / "ttyUSB0").touch()
    (tmp_path / "hidraw3").touch()
    uevent = tmp_path / "class" / "hidraw3" / "device" / "uevent"
    uevent.parent.mkdir(parents=True)
    uevent.write_text("DRIVER=hid\nHID_ID=0003:0000256F:0000C635\n")
    assert check_permissions(tmp_path, tmp_path / "class").health is Health.OK
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    monkeypatch.setattr(connection_checks, "_group", lambda path: "dialout")
    finding = check_permissions(tmp_path, tmp_path / "class")
    assert finding.health is Health.WARN
    assert "hidraw3" in finding.found
    assert "usermod -aG dialout $USER" in finding.fix


def test_a_spacemouse_that_a_container_was_not_given_is_told_from_one_that_is_closed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    uevent = tmp_path / "class" / "hidraw3" / "device" / "uevent"
    uevent.parent.mkdir(parents=True)
    uevent.write_text("HID_ID=0003:0000256F:0000C635\n")
    finding = check_permissions(tmp_path, tmp_path / "class")
    assert finding.health is Health.WARN
    assert f"no {tmp_path}/hidraw3" in finding.found
    assert finding.fix == f"In a container, pass `{tmp_path}/hidraw*` in."
    # Beside a port that is closed both are told.
    (tmp_path / "ttyUSB0").touch()
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    monkeypatch.setattr(connection_checks, "_group", lambda path: "dialout")
    both = check_permissions(tmp_path, tmp_path / "class")
    assert both.found.startswith(f"May not open {tmp_path}/ttyUSB0. A SpaceMouse")
    assert both.fix.startswith("Run `sudo usermod -aG dialout $USER` and log in again. In a")


def usb_device(folder: Path, name: str, **values: str) -> None:
    for key, value in values.items():
        (folder / name).mkdir(exist_ok=True)
        (folder / name / key).write_text(f"{value}\n")


def test_a_realsense_on_usb_2_is_noticed(tmp_path: Path) -> None:
    assert check_usb(tmp_path).health is Health.ABSENT
    usb_device(tmp_path, "1-1", idVendor="0403", idProduct="6014", speed="480")
    assert check_usb(tmp_path).health is Health.OK
    camera = {"idVendor": "8086", "idProduct": "0b3a", "product": "RealSense D435i"}
    usb_device(tmp_path, "2-1", **camera, speed="5000")
    assert check_usb(tmp_path).health is Health.OK
    usb_device(tmp_path, "2-1", **camera, speed="480")
    finding = check_usb(tmp_path)
    assert finding.health is Health.WARN
    assert "RealSense D435i at 480 Mbit/s" in finding.found


def test_a_ros_for_another_python_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    assert check_ros({}).health is Health.ABSENT
    finding = check_ros({"ROS_DISTRO": "noetic"})
    assert finding.health is Health.WARN
    assert "Python 3.8" in finding.found
    assert "remote" in finding.fix
    monkeypatch.setitem(connection_checks.ROS_PYTHON, "ours", sys.version_info[:2])
    assert check_ros({"ROS_DISTRO": "ours"}).health is Health.OK


@pytest.mark.parametrize("distribution", ["noetic", "foxy", "jazzy", "kilted", "rolling"])
def test_the_machine_and_the_arm_say_the_same_of_a_ros(
    monkeypatch: pytest.MonkeyPatch, distribution: str
) -> None:
    monkeypatch.setenv("ROS_DISTRO", distribution)
    machine = check_ros()
    arm = {finding.name: finding for finding in INTERBOTIX.check(InterbotixSettings())}
    assert (machine.health is Health.OK) == (arm["Python of ROS"].health is Health.OK)
    assert "not known" not in machine.found


def test_a_port_in_use_is_named() -> None:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        port = server.getsockname()[1]
        finding = check_ports({port: "somebody's server"})
        assert finding.health is Health.WARN
        assert f"{port} (somebody's server)" in finding.found
    assert check_ports({port: "somebody's server"}).health is Health.OK


def test_a_processor_that_always_crawls_is_noticed(tmp_path: Path) -> None:
    scaling = tmp_path / "cpu0" / "cpufreq"
    scaling.mkdir(parents=True)
    (scaling / "scaling_governor").write_text("powersave\n")
    (scaling / "scaling_driver").write_text("intel_pstate\n")
    assert "crawl" not in check_processor(tmp_path).found
    assert "cpupower" not in check_processor(tmp_path).fix
    (scaling / "scaling_driver").write_text("acpi-cpufreq\n")
    finding = check_processor(tmp_path)
    assert finding.health is Health.WARN
    assert "cpupower" in finding.fix


@pytest.mark.parametrize(
    ("said", "health"), [("yes", Health.OK), ("no", Health.WARN), ("", Health.ABSENT)]
)
def test_the_time_of_day_is_judged_by_what_the_system_says(
    said: str, health: Health, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(machine_checks, "_said", lambda command: said)
    assert check_time_of_day().health is health


def test_every_package_that_is_declared_is_looked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    declared = ["numpy>=1.26", "nobodys-solver<2,>=1.0", "nobodys-tests>=8; extra == 'dev'"]
    monkeypatch.setattr(machine_checks, "requires", lambda name: declared)
    finding = check_packages()
    assert finding.health is Health.FAIL
    assert finding.found == "Missing: nobodys-solver."


def test_missing_extras_are_named_with_their_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine_checks, "is_installed", lambda module: module != "dynamixel_sdk")
    finding = check_extras()
    assert finding.health is Health.ABSENT
    assert "pip install 'ptrctl[dynamixel]'" in finding.fix


def test_no_gpu_is_promised_to_training() -> None:
    assert "computes on the CPU" in check_torch().found


def test_the_simulated_arm_needs_no_check() -> None:
    (finding,) = check_arm(Profile())
    assert finding.health is Health.OK


def test_a_teleoperator_other_than_the_keyboard_is_asked_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ptrctl.doctor.diagnosis.check_rendering", machine_checks.check_python)
    (tmp_path / "ptrctl.toml").write_text("[teleoperator]\nkind = 'spacemouse'\n")
    result = CliRunner().invoke(app, ["doctor", "-w", str(tmp_path), "--json"])
    checks = json.loads(result.stdout)["checks"]
    assert [check for check in checks if check["area"] == "teleoperator"]


def test_a_policy_camera_that_is_none_of_the_cameras_is_noticed(tmp_path: Path) -> None:
    (tmp_path / "ptrctl.toml").write_text("[cameras.wrist]\nkind = 'test-pattern'\n")
    finding = check_profile(Workspace(tmp_path))
    assert finding.health is Health.FAIL
    assert "--camera wrist" in finding.fix


@pytest.mark.sim
@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[session]\ntask = 'put_typo'", "no task `put_typo`"),
        ("[camera]\nname = 'overshoulder'", "camera is `overshoulder`"),
        ("[robot]\ncontrol_rate_hz = 10.0", "control rate is 10 Hz"),
        ("[robot]\nstart_pose = [0.3, 0.0, 0.15, 0.0, 0.0, 0.0]", "Remove `robot.start_pose`"),
        (
            "[workspace_box]\nlow_m = [0.1, -0.2, 0.25]\nhigh_m = [0.4, 0.2, 0.3]",
            "begin at 0.22 0 0.17, outside the workspace box",
        ),
        (
            "[robot]\nname = 'bench'\n[session]\ntask = 'lift'\ntasks = ['pour']\n"
            "[cameras.over_shoulder]\nkind = 'test-pattern'",
            "no task named `lift`",
        ),
    ],
)
def test_a_profile_that_the_commands_would_refuse_is_not_called_ok(
    tmp_path: Path, bench: Callable[[Callable[[Any], Any]], None], text: str, words: str
) -> None:
    bench(lambda settings: [])
    (tmp_path / "ptrctl.toml").write_text(text)
    finding = check_profile(Workspace(tmp_path))
    assert finding.health is Health.FAIL
    assert words in f"{finding.found} {finding.fix}"


@pytest.mark.parametrize("missing", [ImportError, SystemSetupError, RobotError])
def test_what_is_missing_on_this_machine_is_no_fault_of_the_profile(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, missing: type[Exception]
) -> None:
    def fails(*args: Any, **named: Any) -> Any:
        raise missing("msgpack")

    monkeypatch.setattr("ptrctl.cells.make_cell", fails)
    (tmp_path / "ptrctl.toml").write_text("[session]\ntask = 'lift'\n")
    assert check_profile(Workspace(tmp_path)).health is Health.OK


def test_no_device_is_ever_touched(bench: Callable[[Callable[[Any], Any]], None]) -> None:
    bench(lambda settings: [])
    (finding,) = check_arm(PROFILE)
    assert finding.found == "There is nothing to check."
    assert device_checks.DEVICE_LIMIT_S > 15


def test_a_terminal_that_draws_nothing_is_a_warning_and_says_what_to_type(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    dumb = Console(force_terminal=True, _environ={"TERM": "dumb"})
    monkeypatch.setenv("TERM", "dumb")
    monkeypatch.setattr(console, "is_interactive", lambda: True)
    monkeypatch.setattr(console, "messages", lambda: dumb)
    finding = check_terminal()
    assert (finding.health, finding.found) == (Health.WARN, "It draws no panels (TERM=dumb).")
    assert "export TERM=xterm-256color" in finding.fix
