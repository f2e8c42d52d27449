"""What `ptrctl doctor` looks at, area by area: each check says what was found and the exact fix."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from hardware.checks import Finding
from ptrctl.doctor.connection_checks import (
    check_libusb,
    check_permissions,
    check_ports,
    check_ros,
    check_udev_rules,
    check_usb,
)
from ptrctl.doctor.device_checks import check_arm, check_camera, check_teleoperator, examined
from ptrctl.doctor.machine_checks import (
    check_clock,
    check_extras,
    check_packages,
    check_processor,
    check_python,
    check_rendering,
    check_terminal,
    check_time_of_day,
    check_torch,
)
from ptrctl.doctor.workspace_checks import (
    check_disk,
    check_leftovers,
    check_profile,
    check_workspace,
)
from ptrctl.operator.demonstrators import KEYBOARD
from ptrctl.profile import load_profile
from ptrctl.workspace import Workspace
from recordings.errors import PtrctlError

CHECK_LIMIT_S = 90.0
"""Drawing the first picture takes long on a slow machine."""


@dataclass(frozen=True)
class Area:
    """Findings that belong together.

    Args:
        name: "machine", "arm", ...
        findings: In the order to show them.
    """

    name: str
    findings: Sequence[Finding]


def examine(workspace: Workspace, robot: str | None = None) -> list[Area]:
    """Run every check, in the order to show them; moves nothing and takes no torque.

    Args:
        workspace: Need not exist.
        robot: Instead of the profile's arm.
    """
    return [
        _area(
            "machine",
            [
                check_python,
                check_packages,
                check_extras,
                check_torch,
                check_rendering,
                check_processor,
                check_clock,
                check_time_of_day,
                check_terminal,
            ],
        ),
        _area(
            "connections",
            [check_permissions, check_udev_rules, check_usb, check_libusb, check_ros, check_ports],
        ),
        _area(
            "workspace",
            [
                lambda: check_workspace(workspace),
                lambda: check_profile(workspace),
                lambda: check_leftovers(workspace),
                lambda: check_disk(workspace),
            ],
        ),
        *_devices(workspace, robot),
    ]


def _area(name: str, checks: Sequence[Callable[[], Finding]]) -> Area:
    findings: list[Finding] = []
    for check in checks:
        findings += examined(_subject(check), _alone(check), CHECK_LIMIT_S)
    return Area(name, findings)


def _alone(check: Callable[[], Finding]) -> Callable[[], Sequence[Finding]]:
    return lambda: [check()]


def _subject(check: Callable[[], Finding]) -> str:
    return getattr(check, "__name__", "check").removeprefix("check_").replace("_", " ")


def _devices(workspace: Workspace, robot: str | None) -> list[Area]:
    """The devices of a profile that can be read; `check_profile` tells if not."""
    try:
        profile = load_profile(workspace).with_flags(robot=robot)
    except PtrctlError:
        return []
    areas = [Area("arm", check_arm(profile))]
    for name, values in profile.cameras.items():
        areas.append(Area(f"camera {name}", check_camera(name, values)))
    if profile.teleoperator != KEYBOARD:
        areas.append(Area("teleoperator", check_teleoperator(profile)))
    return areas
