"""What the motors say about themselves, read through the vendor's register service.

A motor that reports an error, or is gone, ends the list of a group's values early: the node stops
at the first read that fails. Shadow motors are in no group and are read one by one.

Source: ROBOTIS e-manual, X series control table; Interbotix/interbotix_ros_core, xs_sdk_obj.cpp
(robot_get_motor_registers).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Protocol

from hardware import wx250s
from hardware.faults import LostConnection, MotorFault
from hardware.interbotix.watch import MOTORS, TooHot

SHADOWS = ("shoulder_shadow", "elbow_shadow")
ERRORS = {
    0x01: "input voltage",
    0x04: "overheating",
    0x08: "encoder",
    0x10: "electrical shock",
    0x20: "overload",
}
TIME_PROFILE = 0x04
"""Drive_Mode bit: profile registers are times, not speeds."""
LOWEST_SUPPLY_V = 10.0
REBOOT = (
    "Support the arm, remove the load, switch the arm's power off and on, start its ROS node "
    "again, then run `ptrctl doctor`."
)


class Registers(Protocol):
    """Reads motors' registers."""

    def registers(self, cmd_type: str, name: str, register: str) -> list[int]:
        """As many values as motors could be read, in the group's order."""
        ...


def read_all(bot: Registers, register: str, *, shadows: bool = True) -> dict[str, int]:
    """Motor to value, for the seven motors of the group "all" and the two shadows.

    Raises:
        MotorFault: A motor reports an error or does not answer.
        LostConnection: The node does not answer.
    """
    values = bot.registers("group", "all", register)
    if len(values) > len(MOTORS):
        raise LostConnection(
            f"The robot has {len(values)} motors.",
            f"A WidowX 250s has {len(MOTORS)}: {', '.join(MOTORS)}.",
            "Start the node with `robot_model:=wx250s`.",
        )
    if len(values) < len(MOTORS):
        raise _silent(MOTORS[len(values)], register)
    found = {motor: values[place] for place, motor in enumerate(MOTORS)}
    for shadow in SHADOWS if shadows else ():
        answer = bot.registers("single", shadow, register)
        if not answer:
            raise _silent(shadow, register)
        found[shadow] = answer[0]
    return found


def _silent(motor: str, register: str) -> MotorFault:
    return MotorFault(
        f"The motor {motor} reports an error or does not answer (reading {register}).",
        "Every motor answers, and its red light is off.",
        REBOOT,
    )


def check_errors(bot: Registers) -> None:
    """Raises `MotorFault` if a motor's hardware error register is not zero."""
    for motor, bits in read_all(bot, "Hardware_Error_Status").items():
        if bits:
            words = [word for bit, word in ERRORS.items() if bits & bit] or [f"code {bits}"]
            raise MotorFault(f"The motor {motor} reports: {', '.join(words)}.", "No error.", REBOOT)


def check_temperatures(bot: Registers, limit_c: float) -> None:
    """Raises `TooHot` if a motor is hotter than the limit."""
    for motor, hot_c in read_all(bot, "Present_Temperature").items():
        if hot_c > limit_c:
            raise TooHot(
                f"The motor {motor} is at {hot_c} degrees Celsius.",
                f"The limit is {limit_c:g}.",
                "Park the arm, let it cool down for some minutes, then start again.",
            )


def check_supply(bot: Registers) -> None:
    """Raises `MotorFault` if the arm's supply is too low."""
    for motor, tenths in read_all(bot, "Present_Input_Voltage", shadows=False).items():
        if tenths / 10.0 < LOWEST_SUPPLY_V:
            raise MotorFault(
                f"The motor {motor} has {tenths / 10.0:g} V.",
                f"At least {LOWEST_SUPPLY_V:g} V, 12 V nominally.",
                "Look at the arm's power supply and cables.",
            )


def torque_is_on(bot: Registers) -> bool:
    """Whether every motor, gripper and shadows among them, says that it is under torque."""
    return all(read_all(bot, "Torque_Enable").values())


def require_same_torque(bot: Registers) -> None:
    """Raises `MotorFault` if some motors hold the arm and others do not: parking would drop it."""
    limp = [motor for motor, on in read_all(bot, "Torque_Enable").items() if not on]
    if 0 < len(limp) < len(MOTORS) + len(SHADOWS):
        raise MotorFault(
            f"The motors {', '.join(limp)} have no torque while the others hold the arm.",
            "All nine hold it, or none.",
            REBOOT,
        )


def check_torque(bot: Registers) -> None:
    """Raises `MotorFault` if a motor has lost its torque."""
    for motor, on in read_all(bot, "Torque_Enable").items():
        if not on:
            raise MotorFault(
                f"The motor {motor} has lost its torque.", "It is under torque.", REBOOT
            )


def goals_rad(bot: Registers) -> list[float]:
    """Goal positions of the six joints, as the motors have them."""
    ticks: Sequence[int] = bot.registers("group", "arm", "Goal_Position")
    if len(ticks) < len(wx250s.JOINT_NAMES):
        raise _silent(wx250s.JOINT_NAMES[len(ticks)], "Goal_Position")
    return [(tick - 2048) * 2.0 * math.pi / 4096.0 for tick in ticks]
