"""Finds the nine servos, and sets them up where that is needed and safe."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hardware.dynamixel import registers as reg
from hardware.dynamixel.bus import Bus, Silence
from hardware.dynamixel.motors import ALL_IDS, DRIVEN_IDS, MOTORS, SHADOWS, Motor
from hardware.dynamixel.registers import Model, Reading
from hardware.faults import LostConnection, MotorFault

SHADOW_TOLERANCE_TICKS = 8
"""Two servos on one joint work against each other if they disagree; 8 ticks are 0.7 degrees."""
ZERO_FIX = (
    "Set Homing Offset of that motor to 0 with DYNAMIXEL Wizard (torque off). If it is right as it "
    "is, set `homing_offsets = true` under [robot.options]."
)
MAX_HOMING_TICKS = 1024
"""The servo accepts no larger homing offset in position mode."""


def find_motors(bus: Bus) -> dict[int, Model]:
    """The model of every motor.

    Raises:
        LostConnection: Motors do not answer, or two answer at once.
        MotorFault: A motor is of a model that does not belong there.
    """
    answers = {motor.id: bus.ping(motor.id) for motor in MOTORS.values()}
    complain_of_silence(bus.port, answers)
    for motor_id, number in answers.items():
        motor = MOTORS[motor_id]
        if number not in motor.models:
            model = reg.MODELS.get(int(number))  # type: ignore[arg-type]
            wanted = " or ".join(reg.MODELS[known].name for known in motor.models)
            raise MotorFault(
                f"The motor {motor.words} is {f'an {model.name}' if model else 'no known model'} "
                f"(number {number}).",
                f"There it is {wanted}.",
                "Give each motor of the arm its own ID with DYNAMIXEL Wizard; if this is another "
                "arm than a WidowX 250s, it cannot be driven.",
            )
    return {motor_id: reg.MODELS[int(number)] for motor_id, number in answers.items()}  # type: ignore[arg-type]


def complain_of_silence(port: str, answers: Mapping[int, int | Silence]) -> None:
    """Raises `LostConnection` unless every motor answered."""
    missing = [MOTORS[i].words for i, answer in answers.items() if answer is Silence.NOTHING]
    garbled = [MOTORS[i].words for i, answer in answers.items() if answer is Silence.GARBLED]
    if len(missing) == len(MOTORS):
        raise LostConnection(
            f"No motor answers on {port}.",
            "All nine answer.",
            "Look at the arm's 12 V supply, the cable from the U2D2 and the setting `baud_rate`, "
            "then run `ptrctl doctor`.",
        )
    if garbled:
        raise LostConnection(
            f"The answers of {', '.join(garbled)} are garbled"
            + (f", and {', '.join(missing)} do not answer." if missing else "."),
            "Each of the nine motors has its own ID; two with the same ID talk at once.",
            "Give each motor its own ID with DYNAMIXEL Wizard, one at a time on the cable; if all "
            "have one, look at the cable to that motor. Then run `ptrctl doctor`.",
        )
    if missing:
        raise LostConnection(
            f"No answer from {', '.join(missing)}.",
            f"The motors {ALL_IDS[0]} to {ALL_IDS[-1]} all answer.",
            "Look at the cable to that motor and at its ID (DYNAMIXEL Wizard), then run "
            "`ptrctl doctor`.",
        )


def set_up(
    bus: Bus, models: Mapping[int, Model], *, homing_offsets: bool = False
) -> dict[int, Reading]:
    """Check what the motors keep without power, and correct it where their torque is off.

    EEPROM wears: only what differs is written, and on a second run nothing is.

    Args:
        bus: Open.
        models: Of every motor, see `find_motors`.
        homing_offsets: Driven motors may shift what they measure, see `turned_zero`.

    Returns:
        The EEPROM of every motor, before.

    Raises:
        MotorFault: Only some are under torque, a motor under torque is set up differently,
            firmware is too old, a driven motor has a homing offset, or a pair of motors on one
            joint cannot be aligned.
        LostConnection: A motor does not answer.
    """
    eeprom = bus.read(ALL_IDS, reg.EEPROM)
    ram = bus.read(ALL_IDS, reg.RAM)
    _require_same_torque(ram)
    for motor in MOTORS.values():
        _require_firmware(motor, eeprom[motor.id][reg.FIRMWARE])
        if not homing_offsets:
            _require_zero(motor, eeprom[motor.id])
    differing = {
        motor.id: {
            register: value
            for register, value in motor.settings(models[motor.id].number).items()
            if eeprom[motor.id][register] != value
        }
        for motor in MOTORS.values()
    }
    for motor in MOTORS.values():
        if differing[motor.id] and ram[motor.id][reg.TORQUE]:
            raise _under_torque(motor, eeprom[motor.id], differing[motor.id])
    for motor_id, changes in differing.items():
        for register, value in changes.items():
            bus.write(motor_id, register, value)
    for shadow in SHADOWS:
        if not ram[shadow.id][reg.TORQUE]:
            _align(bus, shadow)
    return eeprom


def _require_same_torque(ram: Mapping[int, Reading]) -> None:
    limp = [motor_id for motor_id, reading in ram.items() if not reading[reg.TORQUE]]
    if 0 < len(limp) < len(ram):
        words = [MOTORS[i].words for i in limp]
        reasons = {reg.errors_in_words(ram[i][reg.HARDWARE_ERROR]) for i in limp} - {""}
        why = f" ({'; '.join(sorted(reasons))})" if reasons else ""
        raise MotorFault(
            f"The motors {', '.join(words)} have no torque{why} while the others hold the arm.",
            "All nine hold it, or none.",
            "Support the arm, switch its power off and on, then run `ptrctl doctor`.",
        )


def _require_firmware(motor: Motor, firmware: int) -> None:
    if firmware < reg.MIN_FIRMWARE:
        raise MotorFault(
            f"The motor {motor.words} has firmware {firmware}.",
            f"Motions in a given time need {reg.MIN_FIRMWARE} or newer.",
            "Update it with DYNAMIXEL Wizard.",
        )


def turned_zero(motor: Motor, eeprom: Reading) -> str:
    """In words, how far a driven motor's zero is from its horn's mark; "" if it is there.

    The arm's kinematics take angles from the marks. Other software calibrates by such offsets
    (LeRobot writes one into every motor), and with one the gripper is not where it seems to be.
    A shadow's offset is ours, see `_align`.
    """
    offset = eeprom[reg.HOMING_OFFSET]
    if motor.id not in DRIVEN_IDS or not offset:
        return ""
    return f"a homing offset of {offset} ({offset * 360 / reg.TICKS_PER_TURN:.1f} degrees)"


def _require_zero(motor: Motor, eeprom: Reading) -> None:
    offset = turned_zero(motor, eeprom)
    if offset:
        raise MotorFault(
            f"The motor {motor.words} has {offset}.",
            "It is 0, unless somebody has corrected a turned horn by it: with another one the "
            "gripper is not where ptrctl thinks it is.",
            ZERO_FIX,
        )


def _under_torque(
    motor: Motor, eeprom: Reading, differing: Mapping[reg.Register, int]
) -> MotorFault:
    register, wanted = next(iter(differing.items()))
    return MotorFault(
        f"The arm is under torque, and the motor {motor.words} is set up by another program: its "
        f"{register.name} is {eeprom[register]}.",
        f"It is {wanted}, and can only be changed with the torque off.",
        "Park the arm first with the program that holds it (`ptrctl stop --park` if it was "
        "ptrctl), or support it and switch its power off and on.",
    )


def _align(bus: Bus, shadow: Motor) -> None:
    """Let a shadow measure the same angle as the motor whose joint it shares.

    Source: xs_sdk, which sets the offset of a reversed shadow to its position less its master's.
    """
    assert shadow.shadow_of is not None
    assert shadow.reverse
    pair = (shadow.shadow_of, shadow.id)
    apart = _apart(bus, pair)
    if abs(apart) <= SHADOW_TOLERANCE_TICKS:
        return
    before = bus.read([shadow.id], reg.EEPROM)[shadow.id][reg.HOMING_OFFSET]
    offset = before + apart
    if abs(offset) <= MAX_HOMING_TICKS:
        bus.write(shadow.id, reg.HOMING_OFFSET, offset)
        apart = _apart(bus, pair)
    if abs(apart) > SHADOW_TOLERANCE_TICKS:
        raise MotorFault(
            f"The motors {MOTORS[shadow.shadow_of].words} and {shadow.words} measure angles that "
            f"are {abs(apart) * 360 / reg.TICKS_PER_TURN:.0f} degrees apart.",
            "They share one joint, and a homing offset of up to 90 degrees makes them agree.",
            "Keep the arm still while connecting; if it was, the motor's horn is mounted wrongly.",
        )


def _apart(bus: Bus, pair: tuple[int, int]) -> int:
    ram = bus.read(pair, reg.RAM)
    master, shadow = (ram[motor_id][reg.PRESENT_POSITION] for motor_id in pair)
    return shadow - master


def identify(
    port: str, models: Mapping[int, Model], eeprom: Mapping[int, Reading]
) -> dict[str, Any]:
    """What recordings say of the arm."""
    return {
        "serial": Path(port).name,
        "port": port,
        "motors": {
            str(motor_id): f"{model.name}, firmware {eeprom[motor_id][reg.FIRMWARE]}"
            for motor_id, model in models.items()
        },
    }
