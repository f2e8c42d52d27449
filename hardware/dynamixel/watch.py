"""Judges what the servos say about themselves."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from hardware.dynamixel import registers as reg
from hardware.dynamixel.motors import GRIPPER_ID, MOTORS
from hardware.dynamixel.registers import Model, Reading
from hardware.dynamixel.settings import DynamixelSettings
from hardware.faults import MotorFault

SAMPLE_S = 0.05
"""Readings of currents count when they are so far apart; the loop reads twice a period."""
MIN_VOLTAGE_V = 10.5
"""Of a 12 V supply that carries a moving arm."""

REBOOT = (
    "Support the arm, switch its power off and on, let the motors cool, then run `ptrctl doctor`."
)


@dataclass(frozen=True)
class Trouble:
    """What is wrong with one motor.

    Args:
        motor_id: Which.
        kind: The same as long as the trouble is the same.
        found, expected, try_next: In words.
        lasting: It stays until the motor is rebooted. The other kind passes, and the arm can be
            driven meanwhile: an arm that is too hot can still park.
    """

    motor_id: int
    kind: str
    found: str
    expected: str
    try_next: str = REBOOT
    lasting: bool = False


def as_fault(troubles: list[Trouble]) -> MotorFault:
    """All of them in one error."""
    first = troubles[0]
    found = " ".join(dict.fromkeys(trouble.found for trouble in troubles))
    return MotorFault(found, first.expected, first.try_next)


@dataclass
class Watch:
    """Limits on the motors.

    Args:
        settings: Which limits.
        models: Of every motor.
    """

    settings: DynamixelSettings
    models: Mapping[int, Model]
    _too_hard: dict[int, int] = field(default_factory=dict)
    _sampled_s: float = float("-inf")

    def forget(self) -> None:
        """Begin to count anew."""
        self._too_hard.clear()

    def judge(
        self, readings: Mapping[int, Reading], under_torque: bool, now_s: float
    ) -> list[Trouble]:
        """What is wrong, by readings of all motors.

        Args:
            readings: RAM of every motor.
            under_torque: Whether they should be.
            now_s: When they were taken; pushing too hard counts by it.
        """
        sample = now_s - self._sampled_s >= SAMPLE_S
        if sample:
            self._sampled_s = now_s
        troubles = []
        for motor_id, reading in readings.items():
            troubles += self._lasting(motor_id, reading, under_torque)
            troubles += self._too_hot(motor_id, reading)
            if sample:
                self._count(motor_id, reading)
            if self._too_hard.get(motor_id, 0) >= self.settings.over_current_samples:
                troubles += self._pushing(motor_id)
        return troubles

    def _lasting(self, motor_id: int, reading: Reading, under_torque: bool) -> list[Trouble]:
        motor = MOTORS[motor_id]
        if reading[reg.HARDWARE_ERROR]:
            words = reg.errors_in_words(reading[reg.HARDWARE_ERROR])
            lost = "" if reading[reg.TORQUE] else " and has no torque"
            return [
                Trouble(
                    motor_id,
                    words,
                    f"The motor {motor.words} reports {words}{lost}.",
                    "It reports no error.",
                    lasting=True,
                )
            ]
        if under_torque and not reading[reg.TORQUE]:
            return [
                Trouble(
                    motor_id,
                    "no torque",
                    f"The motor {motor.words} lost its torque by itself.",
                    "Every motor is under torque until the arm is parked.",
                    "Support the arm, look at its 12 V supply and the cable to that motor, then "
                    "run `ptrctl doctor`.",
                    lasting=True,
                )
            ]
        return []

    def _too_hot(self, motor_id: int, reading: Reading) -> list[Trouble]:
        limit_c = self.settings.max_temperature_c
        if reading[reg.TEMPERATURE] <= limit_c:
            return []
        return [
            Trouble(
                motor_id,
                "hot",
                f"The motor {MOTORS[motor_id].words} is {reading[reg.TEMPERATURE]} C hot.",
                f"The limit is {limit_c:g} C; at {self.models[motor_id].temperature_limit_c} C it "
                "lets go.",
                "Park the arm with `ptrctl stop --park` and let it cool for ten minutes.",
            )
        ]

    def pushing(self, motor_id: int, reading: Reading, fraction: float) -> bool:
        """Whether a motor pushes harder than a fraction of its stall current."""
        return abs(reading[reg.PRESENT_CURRENT]) > fraction * self.models[motor_id].stall

    def _count(self, motor_id: int, reading: Reading) -> None:
        # A gripper that grasps pushes as hard as it may: its force is limited instead.
        limit = self.settings.max_current_fraction
        if motor_id != GRIPPER_ID and self.pushing(motor_id, reading, limit):
            self._too_hard[motor_id] = self._too_hard.get(motor_id, 0) + 1
        else:
            self._too_hard[motor_id] = 0

    def _pushing(self, motor_id: int) -> list[Trouble]:
        return [
            Trouble(
                motor_id,
                "pushes",
                f"The motor {MOTORS[motor_id].words} pushes harder than "
                f"{self.settings.max_current_fraction:.0%} of its stall current.",
                "It does so only for a moment.",
                "Clear the space around the arm, then try again.",
            )
        ]


def require_supply(readings: Mapping[int, Reading]) -> None:
    """Raises `MotorFault` if the supply is weak."""
    weakest = min(readings, key=lambda motor_id: readings[motor_id][reg.INPUT_VOLTAGE])
    volts = readings[weakest][reg.INPUT_VOLTAGE] / 10.0
    if volts < MIN_VOLTAGE_V:
        raise MotorFault(
            f"The motor {MOTORS[weakest].words} gets {volts:.1f} V.",
            f"The arm's supply gives 12 V; below {MIN_VOLTAGE_V} V it is too weak.",
            "Look at the supply and its plug, then run `ptrctl doctor`.",
        )
