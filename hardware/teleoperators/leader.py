"""A second WidowX 250s without torque as a leader: the arm copies the pose of its gripper.

The leader is only ever read. Its joints become a pose by forward kinematics, and the arm follows
that pose itself (not its changes), once the leader was brought near it; see
`hardware.hand.HandFollower`. Each action is the pose now minus the pose commanded before.

Source: Interbotix/interbotix_ros_manipulators, interbotix_xsarm_puppet (a leader with its torque
off, a follower that copies it, one port each).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from hardware import wx250s
from hardware.checks import Finding, Health
from hardware.dynamixel import discover
from hardware.joint_arm import Solver
from hardware.kinds import TeleoperatorKind
from hardware.settings import setting
from hardware.teleoperator import FAST, HandPose, Rate, Speed, TeleopReading
from recordings.errors import PtrctlError, RobotError
from recordings.records import FloatArray


@dataclass(frozen=True)
class LeaderSettings:
    """Where the leader is."""

    port: str = setting("", "The leader's U2D2, best by /dev/serial/by-id/...; never the arm's.")
    baud_rate: int = setting(1_000_000, "Baud rate of its motors; Interbotix ships 1000000.")


@dataclass(frozen=True)
class LeaderJoints:
    """The leader as measured.

    Args:
        joints_rad: (6,) float64.
        opening: Of its gripper, 0..1.
        torque_on: Some motor is under torque, so that nobody can move it.
    """

    joints_rad: FloatArray
    opening: float
    torque_on: bool


class JointReader(Protocol):
    """A bus from which the leader's joints are read, and to which nothing is written."""

    def open(self) -> None:
        """Raises `RobotError` if the leader is missing."""
        ...

    def close(self) -> None:
        """Never raises."""
        ...

    def read(self) -> LeaderJoints:
        """Raises `LostConnection` if it does not answer."""
        ...


class Leader:
    """A `Teleoperator` without a clutch: it is engaged while it is near the arm.

    Args:
        reader: Not yet open.
        solver: Kinematics of the leader.
        now_s: Stamps readings.
    """

    name = "leader"
    hint = "Hold the leader in the arm's pose; the arm follows it from there."

    def __init__(
        self,
        reader: JointReader,
        solver: Solver,
        now_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self.speed: Speed = FAST
        self._reader = reader
        self._solver = solver
        self._now_s = now_s

    def connect(self) -> None:
        self._reader.open()
        try:
            if self._reader.read().torque_on:
                raise RobotError(
                    "The leader arm is under torque.",
                    "It is moved by hand, so its torque is off.",
                    "Support it, switch its power off and on, then type the same command again.",
                )
        except BaseException:
            self._reader.close()
            raise

    def disconnect(self) -> None:
        self._reader.close()

    def begin(self) -> None:
        """Nothing is kept from one reading to the next."""

    def read(self) -> TeleopReading:
        joints = self._reader.read()
        if joints.torque_on:
            return TeleopReading(self._now_s(), False, Rate(), words="the leader is under torque")
        pose = self._solver.pose(joints.joints_rad)
        hand = HandPose(pose[:3], wx250s.euler_to_rotation(pose[3:]), absolute=True)
        return TeleopReading(self._now_s(), True, hand, opening=joints.opening)


class ServoReader:
    """A `JointReader` on the leader's own U2D2."""

    def __init__(self, settings: LeaderSettings) -> None:
        from hardware.dynamixel.bus import Bus

        self._bus = Bus(settings.port, settings.baud_rate, "leader arm of ptrctl")

    def open(self) -> None:
        from hardware.dynamixel.bringup import find_motors

        self._bus.open()
        try:
            find_motors(self._bus)
            self._require_directions()
        except RobotError:
            self._bus.close()
            raise

    def _require_directions(self) -> None:
        """A motor that counts the other way round would lead the arm the other way round."""
        from hardware.dynamixel import motors
        from hardware.dynamixel import registers as reg

        eeprom = self._bus.read(motors.ALL_IDS, reg.EEPROM)
        for number in motors.DRIVEN_IDS:
            motor = motors.MOTORS[number]
            if bool(eeprom[number][reg.DRIVE_MODE] & reg.DRIVE_REVERSE) != motor.reverse:
                raise RobotError(
                    f"The leader's motor {motor.words} counts in the wrong direction.",
                    "Its drive mode is set as on every WidowX 250s.",
                    "Connect this arm once as the robot itself (`ptrctl setup --robot dynamixel`), "
                    "which sets its motors up.",
                )

    def close(self) -> None:
        self._bus.close()

    def read(self) -> LeaderJoints:
        from hardware.dynamixel import motors
        from hardware.dynamixel import registers as reg

        motor = self._bus.read(motors.ALL_IDS, reg.RAM)
        ticks = {number: reading[reg.PRESENT_POSITION] for number, reading in motor.items()}
        return LeaderJoints(
            np.array([reg.to_rad(ticks[number]) for number in motors.ARM_IDS]),
            motors.ticks_to_opening(ticks[motors.GRIPPER_ID]),
            any(reading[reg.TORQUE] for reading in motor.values()),
        )


def _make(settings: LeaderSettings) -> Leader:
    from hardware.kinematics import Kinematics

    if not settings.port:
        raise RobotError(
            "The leader's port is not set.",
            "Two arms hang on this machine, so it is never guessed.",
            "Set `port` under [teleoperator.options] in ptrctl.toml, or add "
            "`--demonstrator-option port=/dev/serial/by-id/...`; `ptrctl doctor` lists the ports.",
        )
    return Leader(ServoReader(settings), Kinematics())


def _check(settings: LeaderSettings) -> Sequence[Finding]:
    try:
        leader = _make(settings)
        leader.connect()
    except PtrctlError as problem:
        return [Finding("leader arm", Health.FAIL, problem.found, problem.try_next)]
    leader.disconnect()
    return [Finding("leader arm", Health.OK, "All motors answer, without torque.")]


KIND = TeleoperatorKind(
    name="leader",
    summary="a second WidowX 250s without torque, moved by hand",
    settings=LeaderSettings,
    make=_make,
    discover=discover,
    check=_check,
)
