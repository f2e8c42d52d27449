"""The WidowX 250s on its own servo bus, through dynamixel-sdk and without ROS."""

from __future__ import annotations

from collections.abc import Sequence

from hardware.camera import Camera
from hardware.checks import Finding
from hardware.dynamixel.settings import DynamixelSettings
from hardware.kinds import ArmKind, ArmRequest, Discovered
from hardware.robot import Robot

NAME = "dynamixel"


def make_arm(settings: DynamixelSettings, request: ArmRequest, purpose: str = "ptrctl") -> Robot:
    """The arm, not connected; `purpose` goes into the port's lock file."""
    from hardware import wx250s
    from hardware.dynamixel.drive import DynamixelDrive
    from hardware.joint_arm import JointArm
    from hardware.kinematics import Kinematics

    drive = DynamixelDrive(settings.at_rate(request.control_rate_hz), request.clock, purpose)
    start_pose = request.start_pose or wx250s.START_POSE
    features = wx250s.features(NAME, request.control_rate_hz)
    return JointArm(features, drive, Kinematics(), request.clock, start_pose)


def _make(settings: DynamixelSettings, request: ArmRequest) -> tuple[Robot, Sequence[Camera]]:
    return make_arm(settings, request), ()


def discover() -> Sequence[Discovered]:
    """Every U2D2 that is plugged in, whatever hangs on it."""
    from hardware.dynamixel.ports import adapters

    return [Discovered(f"U2D2 {a.serial} on {a.port}", {"port": a.port}) for a in adapters()]


def _check(settings: DynamixelSettings) -> Sequence[Finding]:
    from hardware.dynamixel.doctor import check

    return check(settings)


KIND = ArmKind(
    name=NAME,
    summary="WidowX 250s on a U2D2 (USB), no ROS",
    settings=DynamixelSettings,
    make=_make,
    discover=discover,
    check=_check,
)
