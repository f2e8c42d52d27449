"""Restarts motors that have switched themselves off. Only a restart, or the power switch, clears a
hardware error; either lets the motor's joint go limp, so it is never done of its own accord."""

from __future__ import annotations

from collections.abc import Sequence

from hardware.clock import Clock, MonotonicClock
from hardware.dynamixel import registers as reg
from hardware.dynamixel.bus import Bus
from hardware.dynamixel.motors import MOTORS
from hardware.dynamixel.ports import choose_port
from hardware.dynamixel.settings import DynamixelSettings
from hardware.faults import LostConnection, MotorFault
from recordings.errors import UsageError

RESTARTS_WITHIN_S = 3.0
ASK_EVERY_S = 0.2


def reboot_warning(motor_ids: Sequence[int]) -> str:
    """What a person has to be told, and has to confirm, before `reboot`."""
    names = ", ".join(MOTORS[motor_id].words for motor_id in motor_ids)
    return (
        f"Restarting {names} makes these joints limp: the arm sinks or drops, and motors that "
        "share a joint with them cannot hold it alone. Hold the arm with your hands."
    )


def reboot(
    settings: DynamixelSettings,
    motor_ids: Sequence[int],
    *,
    arm_is_supported: bool,
    clock: Clock | None = None,
) -> None:
    """Restart motors; returns when they answer again and report no error.

    Afterwards they have no torque. Connecting sets them up again; the next start takes up torque.

    Args:
        settings: Where the bus is.
        motor_ids: 1 to 9.
        arm_is_supported: A person says that they hold the arm.
        clock: The machine's by default.

    Raises:
        UsageError: Nobody holds the arm, or there is no such motor.
        MotorFault: The error is still there: its cause is.
        LostConnection: A motor does not come back.
    """
    unknown = [motor_id for motor_id in motor_ids if motor_id not in MOTORS]
    if unknown or not motor_ids:
        raise UsageError(
            f"There is no motor {unknown[0]}." if unknown else "No motor is named.",
            f"Motors have the numbers 1 to {len(MOTORS)}.",
            "Run `ptrctl doctor`; it lists them.",
        )
    if not arm_is_supported:
        raise UsageError(reboot_warning(motor_ids), "", "Support the arm, then say so.")
    clock = clock or MonotonicClock()
    bus = Bus(choose_port(settings.port), settings.baud_rate, "reboot")
    bus.open()
    try:
        for motor_id in motor_ids:
            bus.reboot(motor_id)
        for motor_id in motor_ids:
            _await(bus, motor_id, clock)
    finally:
        bus.close()


def _await(bus: Bus, motor_id: int, clock: Clock) -> None:
    give_up_s = clock.now_s() + RESTARTS_WITHIN_S
    while True:
        clock.wait_until_s(clock.now_s() + ASK_EVERY_S)
        try:
            reading = bus.read([motor_id], reg.RAM)[motor_id]
            break
        except LostConnection:
            if clock.now_s() > give_up_s:
                raise
    if reading[reg.HARDWARE_ERROR]:
        raise MotorFault(
            f"The motor {MOTORS[motor_id].words} still reports "
            f"{reg.errors_in_words(reading[reg.HARDWARE_ERROR])}.",
            "A restart clears its errors unless their cause is still there.",
            "Let it cool, look at its supply and cable, then run `ptrctl doctor`.",
        )
