"""Drives the nine servos of a WidowX 250s for `hardware.joint_arm.JointArm`."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from hardware import wx250s
from hardware.clock import Clock
from hardware.dynamixel import bringup
from hardware.dynamixel import registers as reg
from hardware.dynamixel.bus import TRIES, Bus
from hardware.dynamixel.grip import Grip
from hardware.dynamixel.guardian import Guardian
from hardware.dynamixel.motors import (
    ALL_IDS,
    ARM_IDS,
    DRIVEN_IDS,
    GRIPPER_ID,
    MOTORS,
    clip_ticks,
    opening_to_ticks,
    ticks_to_opening,
)
from hardware.dynamixel.ports import choose_port
from hardware.dynamixel.registers import Reading
from hardware.dynamixel.settings import DynamixelSettings
from hardware.dynamixel.watch import Watch, as_fault, require_supply
from hardware.faults import MotorFault
from hardware.joint_arm import JointReading
from recordings.errors import RobotError
from recordings.records import FloatArray

PROFILE_STRETCH = 1.25
"""A joint is still under way when its next goal comes, so that it does not stop in between.
Source: bridge_data_robot, widowx_controller.set_moving_time."""
MAX_SPEED_RAD_S = 2.0
"""A joint that has farther to go takes longer."""
MAX_JUMP_RAD = 1.0
"""A goal this far from the last one is a mistake, whoever made it."""
HOLD_S = 0.1
"""In this time a moving joint comes to rest."""
GRIPPER_S = 0.5
"""In this time the gripper opens or closes."""
KEEP_TICKS = 40
"""A joint at rest this near its goal keeps it, 3.5 degrees: it hangs that far below under its load,
and would sink again with every hold."""
MAX_CLIP_TICKS = 115
"""A joint that rests 10 degrees beyond a limit may be led back; farther is refused."""


class DynamixelDrive:
    """A `JointDrive` on a servo bus.

    Args:
        settings: Where the bus is, and the limits.
        clock: Stamps the measurements.
        purpose: For the lock file, see `lock.Holder`.
    """

    def __init__(self, settings: DynamixelSettings, clock: Clock, purpose: str = "ptrctl") -> None:
        self._settings = settings
        self._clock = clock
        self._purpose = purpose
        self._identity: dict[str, Any] = {}
        self._guardian: Guardian | None = None
        self._watchdog_units = round(settings.watchdog_s / reg.WATCHDOG_UNIT_S)
        self._bus: Bus
        self._watch: Watch
        self._forget()

    def _forget(self) -> None:
        """What a connection begins with."""
        self._under_torque = False
        self._holding = False
        self._heard: set[tuple[int, str]] = set()
        self._goals: dict[int, int] = {}
        self._positions: dict[int, int] = {}
        self._duration_s = HOLD_S
        self._arrives_s = dict.fromkeys(DRIVEN_IDS, -math.inf)
        self._spoke_s = -math.inf
        self._grip = Grip(self._settings)
        self._deaf = 0

    @property
    def identity(self) -> Mapping[str, Any]:
        return self._identity

    def open(self) -> None:
        port = choose_port(self._settings.port)
        self._forget()
        self._bus = Bus(port, self._settings.baud_rate, self._purpose)
        self._bus.open()
        try:
            # A motor that was told to keep silent could not even be asked.
            self._write_all(reg.STATUS_RETURN_LEVEL, 2)
            models = bringup.find_motors(self._bus)
            eeprom = bringup.set_up(self._bus, models, homing_offsets=self._settings.homing_offsets)
            self._watch = Watch(self._settings, models)
            self._identity = bringup.identify(port, models, eeprom)
            self._adopt()
            if self._settings.guardian:
                self._guardian = Guardian.start(self._settings, port, self._bus.token)
        except BaseException:
            self._bus.close()
            raise

    def _adopt(self) -> None:
        """Go on holding what is under torque, without a motion."""
        readings = self._ask()
        self._under_torque = all(readings[motor_id][reg.TORQUE] for motor_id in ALL_IDS)
        # What passes is heard of at the next start: a hot arm can be connected, and parked.
        troubles = self._watch.judge(readings, self._under_torque, self._clock.now_s())
        self._heard = {(t.motor_id, t.kind) for t in troubles if not t.lasting}
        self._require_health(readings)
        if self._under_torque:
            self._limit_gripper()
            self._revive(readings)

    def close(self) -> None:
        try:
            self._leave_holding()
        except RobotError:
            pass  # A bus that is lost cannot be told.
        finally:
            self._bus.close()
            if self._guardian is not None:
                self._guardian.dismiss()
                self._guardian = None

    def _leave_holding(self) -> None:
        """Whoever comes next, ptrctl or not, finds an arm that holds and obeys."""
        if not self._under_torque:
            return
        watchdogs = {reading[reg.BUS_WATCHDOG] for reading in self._ask().values()}
        # One that has stopped a motion stays: nobody is there to see whether it would go on.
        if reg.WATCHDOG_TRIPPED not in watchdogs:
            self._write_all(reg.BUS_WATCHDOG, 0)

    def check(self) -> None:
        # Not when it is started: it may take seconds, and a stop must not wait for it.
        if self._guardian is not None:
            self._guardian.require()
        self._heard.clear()
        self._watch.forget()
        self._holding = False
        readings = self._ask()
        if not any(
            reading[reg.TORQUE] or reading[reg.HARDWARE_ERROR] for reading in readings.values()
        ):
            # Let go by us, or switched off and on by somebody, as after an error they should.
            self._under_torque = False
        self._require_health(readings)
        require_supply(readings)

    def read(self) -> JointReading:
        readings = self._ask()
        measured_s = self._clock.now_s()
        self._require_health(readings)
        if self._under_torque:
            self._mend(readings)
            self._grip.feel(readings[GRIPPER_ID], self._watch)
            if readings[GRIPPER_ID][reg.GOAL_PWM] != self._grip.goal_pwm:
                self._limit_gripper()
        opening = ticks_to_opening(readings[GRIPPER_ID][reg.PRESENT_POSITION])
        return JointReading(_joints_rad(readings), opening, measured_s)

    def send(self, joints_rad: FloatArray, opening: float, duration_s: float) -> None:
        goals = self._goals_for(joints_rad, opening)
        if self._watchdog_units and self._clock.now_s() - self._spoke_s > self._silence_s:
            readings = self._ask()
            self._require_health(readings)
            self._mend(readings)
        for motor_id in ARM_IDS:
            jump = abs(goals[motor_id] - self._goals[motor_id])
            if jump > reg.to_ticks(MAX_JUMP_RAD) - reg.CENTRE_TICKS:
                raise RobotError(
                    f"The joint {MOTORS[motor_id].words} was to jump by "
                    f"{jump * 360 / reg.TICKS_PER_TURN:.0f} degrees.",
                    f"At most {math.degrees(MAX_JUMP_RAD):.0f} degrees at a time.",
                    "Start a new episode.",
                )
        farthest_ticks = max(abs(goals[i] - self._positions[i]) for i in ARM_IDS)
        farthest_s = farthest_ticks / reg.TICKS_PER_TURN * 2.0 * math.pi / MAX_SPEED_RAD_S
        if goals[GRIPPER_ID] == self._goals[GRIPPER_ID]:
            # Sent again, its motion would begin anew with every period.
            del goals[GRIPPER_ID]
        else:
            self._grip.let_go()
            self._limit_gripper()
        self._holding = False
        self._send_goals(goals, max(duration_s * PROFILE_STRETCH, farthest_s), GRIPPER_S)

    def _goals_for(self, joints_rad: FloatArray, opening: float) -> dict[int, int]:
        if not self._under_torque:
            raise RobotError(
                "The arm's torque is off.", "It has to be on to move.", "Start a new episode."
            )
        if np.shape(joints_rad) != (6,) or not np.isfinite([*joints_rad, opening]).all():
            raise RobotError(
                f"Joint positions of {joints_rad} and an opening of {opening} were to be sent.",
                "Six angles and an opening, all finite.",
                "Start a new episode.",
            )
        clipped = np.clip(joints_rad, wx250s.JOINT_LOW_RAD, wx250s.JOINT_HIGH_RAD)
        goals = {
            motor_id: clip_ticks(motor_id, reg.to_ticks(float(angle)))
            for motor_id, angle in zip(ARM_IDS, clipped, strict=True)
        }
        goals[GRIPPER_ID] = opening_to_ticks(min(max(opening, 0.0), 1.0))
        return goals

    def hold(self) -> FloatArray:
        self._holding = True
        readings: dict[int, Reading] = {}
        # Whoever answers holds, before those who do not are asked again.
        for some in self._bus.read_as_they_come(DRIVEN_IDS, reg.RAM):
            self._revive(some)
            readings.update(some)
        deaf: list[int] = []
        settled_s = self._clock.now_s() + HOLD_S
        for _ in range(TRIES):
            self._clock.wait_until_s(settled_s)
            now = self._bus.read(DRIVEN_IDS, reg.RAM)
            deaf = self._deaf_ids(now)
            if not deaf and all(reading.stands_still for reading in now.values()):
                break
            if deaf:
                self._send_goals({motor_id: self._goals[motor_id] for motor_id in deaf}, HOLD_S)
            settled_s = self._clock.now_s() + HOLD_S
        if deaf:
            raise _deaf_fault(deaf)
        # What the motors keep as their goals, not where they hang: the next step is added to it.
        return np.array([reg.to_rad(self._goals[motor_id]) for motor_id in ARM_IDS])

    def kept_opening(self) -> float | None:
        goal = self._goals.get(GRIPPER_ID)
        return None if goal is None else ticks_to_opening(goal)

    def torque_is_on(self) -> bool:
        readings = self._ask()
        return all(readings[motor_id][reg.TORQUE] for motor_id in ALL_IDS)

    def set_torque(self, on: bool) -> None:
        self._under_torque = False
        self._write_all(reg.BUS_WATCHDOG, 0)
        if on:
            self._prepare_goals()
        self._write_all(reg.TORQUE, int(on))
        for _ in range(TRIES):
            readings = self._ask()
            wrong = [i for i in ALL_IDS if bool(readings[i][reg.TORQUE]) is not on]
            if not wrong:
                break
            self._write_all(reg.TORQUE, int(on))
        else:
            names = ", ".join(MOTORS[motor_id].words for motor_id in wrong)
            raise MotorFault(
                f"The torque of {names} does not go {'on' if on else 'off'}.",
                "Every motor confirms it.",
                "Support the arm, switch its power off and on, then run `ptrctl doctor`.",
            )
        self._under_torque = on
        if on:
            self._write_all(reg.BUS_WATCHDOG, self._watchdog_units)

    def _prepare_goals(self) -> None:
        """Let the goals be where the joints are: with the torque, a motor goes to its goal."""
        self._grip.let_go()
        self._limit_gripper()
        for _ in range(TRIES):
            readings = self._ask()
            positions = {i: readings[i][reg.PRESENT_POSITION] for i in DRIVEN_IDS}
            goals = {i: clip_ticks(i, position) for i, position in positions.items()}
            for motor_id, goal in goals.items():
                if abs(goal - positions[motor_id]) > MAX_CLIP_TICKS:
                    raise MotorFault(
                        f"The joint {MOTORS[motor_id].words} is far beyond its limit.",
                        "It is within its limits, or rests a little beyond.",
                        "Move the arm inside its limits by hand, then try again.",
                    )
            self._send_goals(goals, GRIPPER_S)
            # Not compared with what was sent: some firmware shows the position as the goal as
            # long as the torque is off.
            readings = self._ask()
            far = [i for i in ALL_IDS if readings[i].lead_ticks > MAX_CLIP_TICKS]
            if not far:
                return
        raise _deaf_fault(far)

    @property
    def _silence_s(self) -> float:
        """After so long without a word the motors may have stopped."""
        return 0.6 * self._settings.watchdog_s

    def _ask(self) -> dict[int, Reading]:
        readings = self._bus.read(ALL_IDS, reg.RAM)
        self._spoke_s = self._clock.now_s()
        self._positions = {i: reading[reg.PRESENT_POSITION] for i, reading in readings.items()}
        return readings

    def _write_all(self, register: reg.Register, value: int) -> None:
        payload = register.to_bytes(value)
        self._bus.sync_write(register.address, dict.fromkeys(ALL_IDS, payload))

    def _send_goals(
        self, goals: Mapping[int, int], duration_s: float, gripper_s: float = HOLD_S
    ) -> None:
        payloads = {}
        now_s = self._clock.now_s()
        for motor_id, goal in goals.items():
            seconds = gripper_s if motor_id == GRIPPER_ID else duration_s
            # Acceleration time, motion time and goal lie side by side.
            payloads[motor_id] = (
                reg.PROFILE_ACCELERATION.to_bytes(round(seconds * 400))
                + reg.PROFILE_VELOCITY.to_bytes(round(seconds * 1000))
                + reg.GOAL_POSITION.to_bytes(goal)
            )
            self._arrives_s[motor_id] = now_s + seconds
        self._bus.sync_write(reg.PROFILE_ACCELERATION.address, payloads)
        self._goals.update(goals)
        self._duration_s = duration_s
        self._spoke_s = now_s

    def _revive(self, readings: Mapping[int, Reading]) -> None:
        """Hold where these motors are, whether or not their watchdog has stopped them."""
        stopped = [i for i in readings if readings[i][reg.BUS_WATCHDOG] == reg.WATCHDOG_TRIPPED]
        # Goals are refused until it is cleared.
        self._set_watchdog(stopped, 0)
        goals = {i: self._resting_goal(i, readings[i]) for i in readings if i in DRIVEN_IDS}
        if goals:
            self._send_goals(goals, HOLD_S)
        self._set_watchdog(list(readings), self._watchdog_units)

    def _set_watchdog(self, motor_ids: list[int], units: int) -> None:
        payload = reg.BUS_WATCHDOG.to_bytes(units)
        if motor_ids:
            self._bus.sync_write(reg.BUS_WATCHDOG.address, dict.fromkeys(motor_ids, payload))

    def _resting_goal(self, motor_id: int, reading: Reading) -> int:
        """The goal with which a joint stays where it is."""
        goal, position = reading[reg.GOAL_POSITION], reading[reg.PRESENT_POSITION]
        rests = self._clock.now_s() > self._arrives_s[motor_id] and reading.stands_still
        if motor_id == GRIPPER_ID:
            # One that rests short of its goal holds something, and goes on gripping; so does one
            # that squeezes before its time. One that is about to move does neither, and stays.
            keeps = rests or self._grip.squeezes(reading, self._watch)
        else:
            keeps = rests and reading.lead_ticks <= KEEP_TICKS
        return clip_ticks(motor_id, goal if keeps else position)

    def _mend(self, readings: Mapping[int, Reading]) -> None:
        """Take up where the watchdog stopped the motors, and say again what they did not hear."""
        watchdogs = {i: reading[reg.BUS_WATCHDOG] for i, reading in readings.items()}
        if reg.WATCHDOG_TRIPPED in watchdogs.values():
            self._revive(readings)
            return
        self._set_watchdog(
            [i for i, units in watchdogs.items() if units != self._watchdog_units],
            self._watchdog_units,
        )
        deaf = self._deaf_ids(readings)
        self._deaf = self._deaf + 1 if deaf else 0
        if self._deaf > TRIES:
            raise _deaf_fault(deaf)
        if deaf:
            self._send_goals({i: self._goals[i] for i in deaf}, self._duration_s, GRIPPER_S)

    def _deaf_ids(self, readings: Mapping[int, Reading]) -> list[int]:
        """Motors whose goal is not what was sent, shadows told by their master's number."""
        deaf = []
        for motor_id, reading in readings.items():
            driven = MOTORS[motor_id].shadow_of or motor_id
            if reading[reg.GOAL_POSITION] != self._goals[driven] and driven not in deaf:
                deaf.append(driven)
        return deaf

    def _require_health(self, readings: Mapping[int, Reading]) -> None:
        """Raise what is new. While the arm holds after a fault, what is known is not repeated:
        the hold itself could not be confirmed."""
        troubles = self._watch.judge(readings, self._under_torque, self._clock.now_s())
        new = [
            trouble
            for trouble in troubles
            if (trouble.motor_id, trouble.kind) not in self._heard
            or (trouble.lasting and not self._holding)
        ]
        if new:
            self._heard.update((trouble.motor_id, trouble.kind) for trouble in troubles)
            raise as_fault(new)

    def _limit_gripper(self) -> None:
        value = reg.GOAL_PWM.to_bytes(self._grip.goal_pwm)
        self._bus.sync_write(reg.GOAL_PWM.address, {GRIPPER_ID: value})


def _joints_rad(readings: Mapping[int, Reading]) -> FloatArray:
    return np.array([reg.to_rad(readings[i][reg.PRESENT_POSITION]) for i in ARM_IDS])


def _deaf_fault(motor_ids: list[int]) -> MotorFault:
    names = ", ".join(MOTORS[motor_id].words for motor_id in motor_ids)
    return MotorFault(
        f"The motors {names} do not take the goals that are sent to them.",
        "Every motor takes them, and a second motor on a joint takes those of the first.",
        "Support the arm, switch its power off and on, then run `ptrctl doctor`.",
    )
