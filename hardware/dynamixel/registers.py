"""Control table, models and units of the X series servos.

Source: ROBOTIS e-manual, XM430-W350, XL430-W250 and XC430-W150, "Control Table".
"""

from __future__ import annotations

import math
from dataclasses import dataclass

TICKS_PER_TURN = 4096
CENTRE_TICKS = 2048
STILL_UNITS = 2
"""Velocities up to this are noise, 0.05 rad/s; one counts 0.229 revolutions a minute."""
PWM_FULL = 885
WATCHDOG_UNIT_S = 0.020
WATCHDOG_TRIPPED = -1
DRIVE_REVERSE = 0x01
DRIVE_TIME_PROFILE = 0x04
MODE_POSITION = 3
NO_SECONDARY_ID = 255
MIN_FIRMWARE = 42
"""The first with profiles that are given as times; the bus watchdog is older."""
SHUTDOWN_ON = 0x34
"""The factory's: overload, electrical shock and overheating take the torque off."""

HARDWARE_ERRORS = {
    0x01: "wrong input voltage",
    0x04: "overheating",
    0x08: "encoder fault",
    0x10: "electrical shock",
    0x20: "overload",
}


@dataclass(frozen=True)
class Register:
    """One entry of the control table, least significant byte first."""

    name: str
    address: int
    size: int
    signed: bool = False

    def to_bytes(self, value: int) -> bytes:
        """The bytes to write.

        Raises:
            OverflowError: The value does not fit.
        """
        return value.to_bytes(self.size, "little", signed=value < 0)


@dataclass(frozen=True)
class Block:
    """A stretch of the control table that is read at once."""

    address: int
    length: int


EEPROM = Block(0, 64)
RAM = Block(64, 83)
"""Only these two are ever read, and they differ in length: a late answer to another question can
not be taken for the answer to this one."""

RETURN_DELAY = Register("return delay", 9, 1)
DRIVE_MODE = Register("drive mode", 10, 1)
OPERATING_MODE = Register("operating mode", 11, 1)
SECONDARY_ID = Register("secondary ID", 12, 1)
HOMING_OFFSET = Register("homing offset", 20, 4, signed=True)
TEMPERATURE_LIMIT = Register("temperature limit", 31, 1)
VELOCITY_LIMIT = Register("velocity limit", 44, 4)
MAX_POSITION = Register("max position", 48, 4)
MIN_POSITION = Register("min position", 52, 4)
SHUTDOWN = Register("shutdown", 63, 1)
MODEL_NUMBER = Register("model number", 0, 2)
FIRMWARE = Register("firmware", 6, 1)

TORQUE = Register("torque", 64, 1)
STATUS_RETURN_LEVEL = Register("status return level", 68, 1)
HARDWARE_ERROR = Register("hardware error", 70, 1)
BUS_WATCHDOG = Register("bus watchdog", 98, 1, signed=True)
GOAL_PWM = Register("goal PWM", 100, 2, signed=True)
PROFILE_ACCELERATION = Register("profile acceleration", 108, 4)
PROFILE_VELOCITY = Register("profile velocity", 112, 4)
GOAL_POSITION = Register("goal position", 116, 4, signed=True)
PRESENT_CURRENT = Register("present current", 126, 2, signed=True)
PRESENT_VELOCITY = Register("present velocity", 128, 4, signed=True)
PRESENT_POSITION = Register("present position", 132, 4, signed=True)
INPUT_VOLTAGE = Register("input voltage", 144, 2)
TEMPERATURE = Register("temperature", 146, 1)


@dataclass(frozen=True)
class Reading:
    """A block as a servo sent it; `reading[REGISTER]` is its value."""

    block: Block
    data: bytes

    def __getitem__(self, register: Register) -> int:
        begin = register.address - self.block.address
        assert 0 <= begin <= self.block.length - register.size, register
        raw = self.data[begin : begin + register.size]
        return int.from_bytes(raw, "little", signed=register.signed)

    @property
    def lead_ticks(self) -> int:
        """How far the goal is from the position; of RAM."""
        return abs(self[GOAL_POSITION] - self[PRESENT_POSITION])

    @property
    def stands_still(self) -> bool:
        """Whether the motor does not turn; of RAM."""
        return abs(self[PRESENT_VELOCITY]) <= STILL_UNITS


@dataclass(frozen=True)
class Model:
    """A model of servo.

    Args:
        number: As it answers to a ping.
        stall: Largest value of Present_Current: in 2.69 mA where it measures a current, in
            0.1 % of full load where it does not.
        temperature_limit_c: At which it switches itself off.
    """

    number: int
    name: str
    stall: int
    temperature_limit_c: int


MODELS = {
    model.number: model
    for model in (
        # 2.3 A at 12 V.
        Model(1020, "XM430-W350", 855, 80),
        Model(1060, "XL430-W250", 1000, 72),
        Model(1070, "XC430-W150", 1000, 80),
    )
}


def to_ticks(angle_rad: float) -> int:
    """Joint angle to position; zero is the centre.

    Raises:
        ValueError, OverflowError: The angle is not finite.
    """
    return CENTRE_TICKS + round(angle_rad * TICKS_PER_TURN / (2.0 * math.pi))


def to_rad(ticks: int) -> float:
    """Position to joint angle."""
    return (ticks - CENTRE_TICKS) * 2.0 * math.pi / TICKS_PER_TURN


def errors_in_words(bits: int) -> str:
    """Hardware_Error_Status in words; "" for none."""
    words = [word for bit, word in HARDWARE_ERRORS.items() if bits & bit]
    unknown = bits & ~sum(HARDWARE_ERRORS)
    return ", ".join([*words, f"unknown error 0x{unknown:02x}"] if unknown else words)
