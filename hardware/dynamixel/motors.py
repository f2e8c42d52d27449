"""The nine servos of a WidowX 250s, and the gripper's linkage.

Source: Interbotix/interbotix_ros_manipulators, interbotix_xsarm_control/config/wx250s.yaml
(identifiers, drive modes, limits, linkage); xs_sdk (linkage formula).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from hardware import wx250s
from hardware.dynamixel import registers as reg
from hardware.dynamixel.registers import Register

XM430, XL430, XC430 = 1020, 1060, 1070

VELOCITY_LIMIT = 131
"""3.14 rad/s."""

HORN_M, LINK_M = 0.014, 0.024
GRIPPER_LOW_RAD, GRIPPER_HIGH_RAD = -1.3, 1.2
"""The linkage is at its dead centre at +-pi/2."""


@dataclass(frozen=True)
class Motor:
    """One servo.

    Args:
        id: On the bus.
        joint: What it moves.
        models: Numbers of the models that are known to be built in here.
        low_ticks, high_ticks: Position limits.
        reverse: It is mounted the other way round.
        shadow_of: Works on the same joint as this other servo, and obeys what is written to it.
    """

    id: int
    joint: str
    models: tuple[int, ...]
    low_ticks: int
    high_ticks: int
    reverse: bool = False
    shadow_of: int | None = None

    @property
    def words(self) -> str:
        """For messages."""
        return f"`{self.joint}` (ID {self.id})"

    def settings(self, model: int) -> dict[Register, int]:
        """What its EEPROM holds once it is set up, except the homing offset of shadows."""
        return {
            reg.RETURN_DELAY: 0,
            reg.DRIVE_MODE: reg.DRIVE_TIME_PROFILE | (reg.DRIVE_REVERSE if self.reverse else 0),
            reg.OPERATING_MODE: reg.MODE_POSITION,
            reg.SECONDARY_ID: self.shadow_of or reg.NO_SECONDARY_ID,
            reg.TEMPERATURE_LIMIT: reg.MODELS[model].temperature_limit_c,
            reg.VELOCITY_LIMIT: VELOCITY_LIMIT,
            reg.MAX_POSITION: self.high_ticks,
            reg.MIN_POSITION: self.low_ticks,
            reg.SHUTDOWN: reg.SHUTDOWN_ON,
        }


MOTORS = {
    motor.id: motor
    for motor in (
        Motor(1, "waist", (XM430,), 0, 4095),
        Motor(2, "shoulder", (XM430,), 819, 3345),
        Motor(3, "shoulder_shadow", (XM430,), 819, 3345, reverse=True, shadow_of=2),
        Motor(4, "elbow", (XM430,), 648, 3094),
        Motor(5, "elbow_shadow", (XM430,), 648, 3094, reverse=True, shadow_of=4),
        Motor(6, "forearm_roll", (XM430,), 0, 4095),
        Motor(7, "wrist_angle", (XM430,), 910, 3447, reverse=True),
        Motor(8, "wrist_rotate", (XL430, XC430, XM430), 0, 4095),
        Motor(9, "gripper", (XL430, XC430, XM430), 0, 4095),
    )
}
ALL_IDS = tuple(MOTORS)
SHADOWS = tuple(motor for motor in MOTORS.values() if motor.shadow_of)
ARM_IDS = (1, 2, 4, 6, 7, 8)
"""In the order of `wx250s.JOINT_NAMES`; shadows follow by themselves."""
GRIPPER_ID = 9
DRIVEN_IDS = (*ARM_IDS, GRIPPER_ID)


def clip_ticks(motor_id: int, ticks: int) -> int:
    """The nearest position within the motor's limits: it ignores goals outside."""
    motor = MOTORS[motor_id]
    return min(max(ticks, motor.low_ticks), motor.high_ticks)


def angle_to_finger(angle_rad: float) -> float:
    """Gripper motor's angle to the travel of one finger from the centre line, metres."""
    return HORN_M * math.sin(angle_rad) + math.sqrt(LINK_M**2 - (HORN_M * math.cos(angle_rad)) ** 2)


def opening_to_ticks(opening: float) -> int:
    """Gripper opening 0..1 to its motor's position."""
    finger_m = wx250s.opening_to_finger(opening)
    sine = (finger_m**2 + HORN_M**2 - LINK_M**2) / (2.0 * finger_m * HORN_M)
    angle_rad = math.asin(min(max(sine, -1.0), 1.0))
    return reg.to_ticks(min(max(angle_rad, GRIPPER_LOW_RAD), GRIPPER_HIGH_RAD))


def ticks_to_opening(ticks: int) -> float:
    """The gripper motor's position to its opening, clipped to 0..1."""
    angle_rad = min(max(reg.to_rad(ticks), -math.pi / 2), math.pi / 2)
    return wx250s.finger_to_opening(angle_to_finger(angle_rad))
