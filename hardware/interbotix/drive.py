"""The motors of a WidowX 250s behind Interbotix's ROS node, as a `JointDrive`."""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections.abc import Callable, Mapping
from itertools import cycle
from typing import Any

import numpy as np

from hardware import wx250s
from hardware.clock import Clock
from hardware.faults import LostConnection, MotorFault, Unreachable
from hardware.interbotix import health, vendor
from hardware.interbotix.gripper import GripperLoop
from hardware.interbotix.settings import InterbotixSettings
from hardware.interbotix.ticker import Ticker
from hardware.interbotix.vendor import Bot
from hardware.interbotix.watch import BRIDGE_EFFORT, FINGER, GRIPPER, JointWatch, TooHot
from hardware.joint_arm import JointReading
from recordings.errors import RobotError, SystemSetupError
from recordings.records import FloatArray

ARM = "arm"
GRIPPER_PERIOD_S = 0.02
"""Bridge's rate; it also watches joint_states."""
HEALTH_PERIOD_S = 0.5
"""Torque and, in turn, errors and temperatures of all motors are read this often. The node
reads them between two joint_states, some 10 ms each."""
FIRST_SAMPLE_WITHIN_S = 2.0
CONFIRM_WITHIN_S = 1.0
"""Topics arrive when they arrive: a register is read until it says what was sent, or this long."""
GOAL_WITHIN_RAD = 0.05
"""Torque is taken up only where the motors' goals are so near that nothing jumps."""
LIMIT_SLACK_RAD = 0.1
"""An arm that rests may lie a little outside its limits; what is sent is brought inside."""


class InterbotixDrive:
    """Speaks to the arm's node through the vendor's own classes.

    Streaming writes no registers: the profile is written, and read back, when the drive opens and
    in `check`, since the node may have been started again.
    The node's modes are never changed, since that takes the torque off and the arm sags; a node
    that was started with others is refused.

    The gripper's loop runs in a thread of its own: it has to close ten times as often as the
    control loop sends, and it must let up on a grasped object even while a policy thinks. It
    pushes only while the drive is open and the torque is on, and closing waits until the motor
    says that its PWM is zero.

    Args:
        settings: Names, times and forces.
        clock: Stamps readings and paces the threads.
    """

    def __init__(self, settings: InterbotixSettings, clock: Clock) -> None:
        self._settings = settings
        self._clock = clock
        self._bot: Bot | None = None
        self._watch: JointWatch
        self._gripper: GripperLoop
        self._torque_lock = threading.Lock()
        self._gripper_lock = threading.Lock()
        self._tickers: list[Ticker] = []
        self._powered = False
        self._pwm_sent = 0
        self._identity: Mapping[str, Any] = {}
        self._low_rad = np.array(wx250s.JOINT_LOW_RAD)
        self._high_rad = np.array(wx250s.JOINT_HIGH_RAD)

    @property
    def identity(self) -> Mapping[str, Any]:
        return self._identity

    def open(self) -> None:
        settings = self._settings
        self._bot = bot = vendor.connect(settings.robot_model, settings.name)
        limits = BRIDGE_EFFORT * settings.effort_scale
        self._watch = JointWatch(bot.core, self._clock, limits, settings.effort_samples)
        self._gripper = GripperLoop(
            settings.gripper_force_pwm, settings.gripper_hold_pwm, settings.gripper_effort_limit
        )
        self._powered, self._pwm_sent = False, 0
        self._checks = cycle(self._health_checks())
        try:
            self._check_node()
            health.require_same_torque(bot)
            self._write_profile()
            models = health.read_all(bot, "Model_Number")
            firmware = health.read_all(bot, "Firmware_Version")
            self._identity = {
                "robot_model": settings.robot_model,
                "robot_name": settings.name,
                "ros": f"ROS {bot.generation} {os.environ.get('ROS_DISTRO', '')}".strip(),
                "motor_models": models,
                "motor_firmware": firmware,
            }
            self._wait_for_first_sample()
            # A hot arm can be connected, and parked; its heat is told at the next start.
            with contextlib.suppress(TooHot):
                self._check_heat()
            self._tickers = [
                self._ticker("interbotix-gripper", self._tick_gripper, GRIPPER_PERIOD_S),
                self._ticker("interbotix-health", self._tick_health, HEALTH_PERIOD_S),
            ]
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        for ticker in self._tickers:
            ticker.stop()
        self._tickers = []
        if self._bot is not None:
            # What is lost cannot be closed; the gripper's last PWM is then the node's affair.
            with contextlib.suppress(RobotError):
                self._watch.fresh()
                self._rest_gripper()
        self._bot = None

    def check(self) -> None:
        bot = self._require()
        self._watch.forgive()
        health.check_errors(bot)
        # Since the last start somebody may have switched the arm or its node off and on.
        self._check_node()
        self._write_profile()
        self._check_heat()
        health.check_supply(bot)

    def read(self) -> JointReading:
        self._require()
        sample = self._watch.newest()
        opening = wx250s.finger_to_opening(sample.finger_m)
        return JointReading(sample.joints_rad.copy(), opening, sample.taken_s)

    def send(self, joints_rad: FloatArray, opening: float, duration_s: float) -> None:
        """Begin to move; returns at once. How fast is in the profile, not in `duration_s`."""
        bot = self._require()
        self._watch.newest(to_move=True)
        goal = self._sendable(joints_rad)
        if not np.isfinite(opening):
            raise RobotError(
                f"A gripper opening of {opening} reached the arm.", "A number from 0 to 1."
            )
        if not self._powered:
            raise RobotError(
                "The arm's torque is off.", "It has to be on to move.", "Start a new episode."
            )
        # Publishes and returns; the vendor checks limits and speed once more.
        if not bot.command(goal):
            raise Unreachable(
                f"The vendor's modules refuse the joint positions {np.round(joints_rad, 3)}.",
                f"They lie within the node's limits and can be reached within "
                f"{self._settings.moving_time_s:g} s.",
                "Move more slowly, or set a longer moving_time_s in ptrctl.toml.",
            )
        self._watch.sent()
        with self._gripper_lock:
            self._gripper.aim(float(np.clip(opening, 0.0, 1.0)))

    def hold(self) -> FloatArray:
        bot = self._require()
        # What stopped the arm must not keep it from being held; it is found again if it lasts.
        self._watch.forgive()
        here = self._watch.newest().joints_rad
        bot.command_unchecked(self._sendable(here))
        return here.copy()

    def kept_opening(self) -> float | None:
        return None

    def torque_is_on(self) -> bool:
        self._powered = health.torque_is_on(self._require())
        return self._powered

    def set_torque(self, on: bool) -> None:
        # Not while the health thread reads: it would take what is meant for a fault.
        with self._torque_lock:
            if on:
                self._take_up()
            else:
                self._let_go()

    def _let_go(self) -> None:
        bot = self._require()
        self._relax_gripper()
        self._powered = False
        bot.torque("group", ARM, False)
        bot.torque("single", GRIPPER, False)
        self._confirm(
            lambda: not any(health.read_all(bot, "Torque_Enable").values()),
            "A motor has kept its torque.",
            "Every motor lets go.",
        )

    def _take_up(self) -> None:
        bot = self._require()
        self._watch.forgive()
        goal = self._sendable(self._watch.newest().joints_rad)
        bot.command_unchecked(goal)
        self._confirm(
            lambda: np.abs(np.subtract(health.goals_rad(bot), goal)).max() < GOAL_WITHIN_RAD,
            "The motors' goals are not where the arm is: with torque on it would jump.",
            "The goals can be set before the torque.",
        )
        self._relax_gripper()
        bot.torque("single", GRIPPER, True)
        bot.torque("group", ARM, True)
        self._confirm(
            lambda: health.torque_is_on(bot),
            "A motor has taken up no torque.",
            "Every motor takes it up.",
        )
        self._powered = True
        self._rest_gripper()

    def _require(self) -> Bot:
        if self._bot is None:
            raise RobotError(
                "The arm's drive is not open.", "Open it before use.", "Run the command again."
            )
        return self._bot

    def _check_node(self) -> None:
        """The node drives a WidowX 250s, in the modes that this drive is for."""
        bot = self._require()
        arm, gripper = bot.info("group", ARM), bot.info("single", GRIPPER)
        launch = vendor.launch_command(
            bot.generation, self._settings.robot_model, self._settings.name
        )
        again = f"Stop the node, then type `{launch}` with the mode_configs that come with it."
        if tuple(arm.joint_names) != wx250s.JOINT_NAMES or tuple(gripper.joint_names) != (FINGER,):
            raise RobotError(
                f"The node drives the joints {', '.join(arm.joint_names)}.",
                f"A WidowX 250s has {', '.join(wx250s.JOINT_NAMES)}, and {FINGER}.",
                again,
            )
        if (arm.mode, arm.profile_type) != ("position", "time") or gripper.mode != "pwm":
            raise RobotError(
                f"The node runs the arm in mode {arm.mode} with a profile of {arm.profile_type}, "
                f"the gripper in mode {gripper.mode}.",
                "Mode position with a profile of time, and pwm. ptrctl does not change modes: the "
                "motors would let go for a moment, and the arm would sag.",
                again,
            )

    def _write_profile(self) -> None:
        bot, settings = self._require(), self._settings
        bot.set_trajectory_time(settings.moving_time_s, settings.accel_time_s)
        wanted = {
            "Profile_Velocity": int(settings.moving_time_s * 1000),
            "Profile_Acceleration": int(settings.accel_time_s * 1000),
        }
        for register, value in wanted.items():
            found = health.read_all(bot, register)
            wrong = {m: v for m, v in found.items() if m != GRIPPER and v != value}
            if wrong:
                raise MotorFault(
                    f"{register} of {', '.join(wrong)} is {sorted(set(wrong.values()))} ms.",
                    f"It was set to {value} ms.",
                    "Start the arm's node again; if this stays, update the motors' firmware.",
                )
        modes = health.read_all(bot, "Drive_Mode")
        wrong = {m: v for m, v in modes.items() if m != GRIPPER and not v & health.TIME_PROFILE}
        if wrong:
            raise SystemSetupError(
                f"The profile registers of {', '.join(wrong)} are speeds, not times.",
                "Drive_Mode has bit 2 set (a profile_type of time; firmware 42 or newer).",
                "Start the arm's node with the mode_configs that come with it.",
            )

    def _wait_for_first_sample(self) -> None:
        give_up_s = time.monotonic() + FIRST_SAMPLE_WITHIN_S
        while True:
            try:
                self._watch.newest()
                return
            except LostConnection:
                if time.monotonic() > give_up_s:
                    raise
            self._clock.wait_until_s(self._clock.now_s() + GRIPPER_PERIOD_S)

    def _sendable(self, joints_rad: FloatArray) -> list[float]:
        joints = np.asarray(joints_rad, dtype=np.float64)
        inside = np.clip(joints, self._low_rad, self._high_rad)
        if joints.shape != (6,) or not (np.abs(joints - inside) <= LIMIT_SLACK_RAD).all():
            raise RobotError(
                f"Joint positions of {joints} reached the arm.",
                "Six finite numbers within the joint limits.",
                "If the arm rests outside its limits, lift it inside by hand, then try again.",
            )
        return [float(value) for value in inside]

    def _confirm(self, said: Callable[[], Any], found: str, expected: str) -> None:
        give_up_s = time.monotonic() + CONFIRM_WITHIN_S
        while not said():
            if time.monotonic() > give_up_s:
                raise MotorFault(found, expected, health.REBOOT)
            self._clock.wait_until_s(self._clock.now_s() + GRIPPER_PERIOD_S)

    def _relax_gripper(self) -> None:
        with self._gripper_lock:
            self._gripper.aim(None)
            self._publish_pwm(0)

    def _rest_gripper(self) -> None:
        """Stop pushing; returns when the gripper's motor says so."""
        bot = self._require()
        self._relax_gripper()
        if self._powered:
            self._confirm(
                lambda: not any(bot.registers("single", GRIPPER, "Goal_PWM")),
                "The gripper still pushes.",
                "It rests.",
            )

    def _publish_pwm(self, pwm: int) -> None:
        self._require().command_gripper(pwm)
        self._pwm_sent = pwm

    def _tick_gripper(self) -> None:
        try:
            sample = self._watch.fresh()
        except LostConnection:
            sample = None
        with self._gripper_lock:
            pwm = 0
            # Without a sample nobody knows where the finger is: do not push. `read` tells of it.
            if sample is not None:
                pwm = self._gripper.step(sample.finger_m, sample.gripper_effort, sample.taken_s)
            if pwm != self._pwm_sent:
                self._publish_pwm(pwm)

    def _check_heat(self) -> None:
        """Raises `TooHot` if a motor is; it is known from then on."""
        try:
            health.check_temperatures(self._require(), self._settings.temperature_limit_c)
        except TooHot:
            self._watch.heat_is_known = True
            raise
        self._watch.heat_is_known = False

    def _health_checks(self) -> list[Callable[[], None]]:
        bot, settings = self._require(), self._settings
        return [
            lambda: health.check_errors(bot),
            lambda: health.check_temperatures(bot, settings.temperature_limit_c),
        ]

    def _tick_health(self) -> None:
        next(self._checks)()
        with self._torque_lock:
            if self._powered:
                health.check_torque(self._require())

    def _ticker(self, name: str, tick: Callable[[], None], period_s: float) -> Ticker:
        return Ticker(name, tick, period_s, self._clock, self._watch.report)
