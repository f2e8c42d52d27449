"""The WidowX 250s through Interbotix's ROS packages, ROS 1 Noetic and ROS 2 Humble and Jazzy.

Everything in here, and everything that it imports, runs in Python 3.8 with numpy alone, because a
ROS distribution brings its own Python; see `hardware.remote`.
"""

from __future__ import annotations

from collections.abc import Sequence

from hardware.camera import Camera
from hardware.checks import Finding
from hardware.install import cannot_import
from hardware.interbotix.settings import InterbotixSettings
from hardware.kinds import ArmKind, ArmRequest, Discovered
from hardware.robot import Robot

NAME = "interbotix"


def _make(settings: InterbotixSettings, request: ArmRequest) -> tuple[Robot, Sequence[Camera]]:
    import math

    from hardware import wx250s
    from hardware.joint_arm import MAX_JOINT_JUMP_RAD, JointArm

    try:
        from hardware.interbotix.kinematics import LightKinematics
    except ModuleNotFoundError as problem:
        raise cannot_import(problem, f"The arm `{NAME}`", NAME, "modern-robotics") from problem
    from hardware.interbotix.drive import InterbotixDrive

    # The vendor refuses what is faster than pi rad/s; such poses shall count as out of reach.
    jump_rad = min(MAX_JOINT_JUMP_RAD, 0.97 * math.pi * settings.moving_time_s)
    arm = JointArm(
        wx250s.features(NAME, request.control_rate_hz),
        InterbotixDrive(settings, request.clock),
        LightKinematics(jump_rad),
        request.clock,
        request.start_pose or wx250s.START_POSE,
    )
    return arm, []


def _discover() -> Sequence[Discovered]:
    from hardware.interbotix import doctor

    return doctor.discover()


def _check(settings: InterbotixSettings) -> Sequence[Finding]:
    from hardware.interbotix import doctor

    return doctor.check(settings)


KIND = ArmKind(
    name=NAME,
    summary="WidowX 250s through Interbotix's ROS node (ROS 1 Noetic, ROS 2 Humble or Jazzy)",
    settings=InterbotixSettings,
    make=_make,
    discover=_discover,
    check=_check,
)
