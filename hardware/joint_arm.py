"""An arm that is driven through its joints: poses, glides and stops, written once.

The simulated arm, the arm on its servo bus and the arm behind Interbotix's modules differ in how
a joint position reaches a motor. That is a `JointDrive`; everything above it is here.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from hardware import wx250s
from hardware.clock import Clock
from hardware.connected import ConnectedArm
from hardware.faults import MotionStopped, MotorFault, TorqueOff, Unreachable
from hardware.robot import RobotFeatures, RobotState, ShouldStop, Stop, never_stop
from hardware.standstill import wait_until_still
from recordings.errors import RobotError
from recordings.records import GRIPPER, FloatArray

GLIDE_M_S = 0.1
GLIDE_RAD_S = 0.5
"""Speed of motions between episodes."""
GLIDE_PERIOD_S = 0.2
"""They send a position a control period, or so often where that is longer."""
CLEAR_HEIGHT_M = 0.15
"""The gripper rises to here before it travels."""
FLOOR_M = 0.03
"""No way between episodes leads the gripper below this, unless it began there."""
BLOCKED_RAD = 0.5
"""A joint that is this far behind between episodes has met something."""
ARRIVED_RAD = 0.2
"""So has one that rests this far from where it was to go: farther than an arm sags."""
GRIPPER_S = 0.6
"""In this time the gripper opens."""


@dataclass(frozen=True)
class JointReading:
    """The joints as measured.

    Args:
        joints_rad: (6,) float64.
        opening: Gripper opening 0..1.
        measured_s: When, on the arm's clock.
    """

    joints_rad: FloatArray
    opening: float
    measured_s: float


class JointDrive(Protocol):
    """The motors of one arm. All methods but `open` need it open."""

    @property
    def identity(self) -> Mapping[str, Any]:
        """Serial numbers, firmware, port; known once open."""
        ...

    def open(self) -> None:
        """Find the motors; moves nothing and leaves the torque as it is.

        Raises:
            RobotError: They are missing, wrong or faulty.
        """
        ...

    def close(self) -> None:
        """Give the bus back, torque left as it is; never raises."""
        ...

    def check(self) -> None:
        """Read what the motors say about themselves: errors, temperatures, voltage.

        Raises:
            MotorFault: Something is wrong.
        """
        ...

    def read(self) -> JointReading:
        """The newest positions.

        Raises:
            MotorFault: A motor reports an error or pushes too hard.
            LostConnection: It does not answer.
        """
        ...

    def send(self, joints_rad: FloatArray, opening: float, duration_s: float) -> None:
        """Begin to move so as to arrive after `duration_s`; returns at once."""
        ...

    def hold(self) -> FloatArray:
        """Make the arm stay where it is, at once; returns the goals that do so, (6,) rad."""
        ...

    def kept_opening(self) -> float | None:
        """The opening, 0..1, to which the gripper is told to go and that it keeps, squeezing what
        is in the way; None where nobody knows."""
        ...

    def torque_is_on(self) -> bool:
        """Whether every motor says that it is under torque."""
        ...

    def set_torque(self, on: bool) -> None:
        """Take up torque where the joints are, or let go; returns when the motors confirm it."""
        ...


MAX_ITERATIONS = 20
POSITION_TOLERANCE_M = 5e-4
ROTATION_TOLERANCE_RAD = 5e-3
"""So near to a pose must a `Solver` come, in so many iterations."""
MAX_STEP_RAD = 0.3
"""Largest joint step of one iteration."""
MAX_JOINT_JUMP_RAD = 0.8
"""A solution farther than this from the seed is another branch, not the next step."""


class Solver(Protocol):
    """Kinematics of the arm; poses are (6,), see `hardware.kinematics.Kinematics`."""

    def pose(self, joints_rad: FloatArray) -> FloatArray:
        """Pose (6,) at joint positions (6,)."""
        ...

    def solve(self, pose: FloatArray, seed_rad: FloatArray) -> FloatArray | None:
        """Joint positions for a pose near a seed, None if there are none."""
        ...


class JointArm(ConnectedArm):
    """A `Robot` on a `JointDrive`.

    Args:
        features: Of this kind of arm.
        drive: Not yet open.
        solver: Its kinematics.
        clock: Paces motions.
        start_pose: (6,) where episodes begin.
        neutral_rad: (6,) from which the way to the joint positions of a start pose is looked for.
        sleep_rad: (6,) where it parks.
    """

    def __init__(
        self,
        features: RobotFeatures,
        drive: JointDrive,
        solver: Solver,
        clock: Clock,
        start_pose: Sequence[float] = wx250s.START_POSE,
        neutral_rad: FloatArray = wx250s.NEUTRAL_RAD,
        sleep_rad: FloatArray = wx250s.SLEEP_RAD,
    ) -> None:
        self._features = features
        self._drive = drive
        self._solver = solver
        self._clock = clock
        self._period_s = 1.0 / features.control_rate_hz
        self._glide_s = min(self._period_s, GLIDE_PERIOD_S)
        self._start_pose = np.asarray(start_pose, dtype=np.float64)
        self._neutral_rad, self._sleep_rad = neutral_rad, sleep_rad
        self._connected = False
        self._torque = False
        self._goal_rad: FloatArray = np.zeros(6)
        self._commanded: FloatArray = np.zeros(7)

    @property
    def features(self) -> RobotFeatures:
        return self._features

    @property
    def identity(self) -> Mapping[str, Any]:
        named = {"name": self._features.name, "embodiment": self._features.embodiment}
        return {**named, **self._drive.identity}

    @property
    def start_pose(self) -> tuple[float, ...]:
        """Where episodes begin: x, y, z in m, roll, pitch, yaw in rad from gripper-down."""
        return tuple(self._start_pose.tolist())

    def connect(self) -> None:
        self._drive.open()
        try:
            self._torque = self._drive.torque_is_on()
            reading = self._drive.read()
        except BaseException:
            self._drive.close()
            raise
        self._connected = True
        kept = self._drive.kept_opening() if self._torque else None
        # What is measured of a gripper that squeezes a cup would let go of it.
        self._adopt(reading.joints_rad, reading.opening if kept is None else kept)

    def disconnect(self) -> None:
        if self._connected:
            self._connected = False
            self._drive.close()

    def move_to_start(
        self, *, seed: int | None = None, should_stop: ShouldStop = never_stop
    ) -> None:
        self._require_connection()
        self._drive.check()
        here = self._drive.read().joints_rad
        neutral = self._solver.pose(self._neutral_rad)
        # In small steps: a solution far from its seed counts as another branch.
        solved = self._solved(self._line(neutral, self._start_pose), self._neutral_rad)
        if solved is None:
            raise Unreachable(
                f"The start pose {np.round(self._start_pose, 3).tolist()} cannot be reached.",
                "It lies within the arm's reach: x ahead, y left, z up in m, then roll, pitch, "
                "yaw in rad.",
                "Run `ptrctl setup` and choose another start pose.",
            )
        goal = solved[-1] if solved else self._neutral_rad
        way = self._way(here, goal)
        if not (self._torque and self._drive.torque_is_on()):
            self._drive.set_torque(True)
            self._torque = True
        self._travel([here] * math.ceil(GRIPPER_S / self._glide_s) + way, 1.0, should_stop)
        self._adopt(goal, 1.0)

    def read_state(self) -> RobotState:
        self._require_connection()
        reading = self._drive.read()
        state = np.concatenate([self._solver.pose(reading.joints_rad), [reading.opening]])
        return RobotState(state, reading.joints_rad, reading.measured_s)

    @property
    def commanded_state(self) -> FloatArray:
        return self._commanded.copy()

    def reachable(self, target_state: FloatArray) -> bool:
        return self._solver.solve(target_state[:6], self._goal_rad) is not None

    def apply(self, action: FloatArray) -> FloatArray:
        """Begin to move to the previous target plus the action; arrives one period later."""
        self._require_connection()
        if not self._torque:
            raise RobotError(
                "The arm's torque is off.", "It has to be on to move.", "Start a new episode."
            )
        sent = np.array(action, dtype=np.float64)
        if sent.shape != (7,) or not np.isfinite(sent).all():
            raise RobotError(f"An action of {sent} reached the arm.", "Seven finite numbers.")
        target = np.concatenate([self._commanded[:6] + sent[:6], sent[6:]])
        joints = self._solver.solve(target[:6], self._goal_rad)
        if joints is None:
            raise Unreachable(
                f"No joint positions reach {np.round(target[:6], 3)}.",
                "The safety envelope should have stopped this.",
            )
        self._drive.send(joints, float(sent[GRIPPER]), self._period_s)
        self._goal_rad, self._commanded = joints, target
        return sent

    def stop(self, kind: Stop = Stop.HOLD, *, should_stop: ShouldStop = never_stop) -> None:
        self._require_connection()
        if kind is Stop.TORQUE_OFF:
            self._let_go()
        elif kind is Stop.HOLD:
            self._hold()
        else:
            self._park(should_stop)

    def _hold(self) -> None:
        """Hold where the joints are, and watch until they stand still."""
        if not self._torque:
            raise TorqueOff(
                "The arm's torque is off, so it does not hold.",
                "Only an arm under torque holds.",
                "Start an episode, or leave the arm as it is.",
            )
        held = self._drive.hold()
        self._adopt(held, float(self._commanded[GRIPPER]))
        wait_until_still(self._drive, self._clock)
        if not self._drive.torque_is_on():
            # Not noted as torque off: parking must not let go of what the others still hold.
            raise MotorFault(
                "A motor has no torque, so the arm does not hold.",
                "Every motor is under torque while the arm holds.",
                "Support the arm, switch its power off and on, then run `ptrctl doctor`.",
            )

    def _park(self, should_stop: ShouldStop) -> None:
        if self._torque:
            self._hold()
            way = self._way(self._drive.read().joints_rad, self._sleep_rad)
            self._travel(way, float(self._commanded[GRIPPER]), should_stop)
        self._let_go()

    def _let_go(self) -> None:
        self._drive.set_torque(False)
        self._torque = False

    def _way(self, here_rad: FloatArray, goal_rad: FloatArray) -> list[FloatArray]:
        """Joint positions, a control period apart: straight up, then over to the goal.

        Raises:
            Unreachable: Every such way leads too low.
        """
        pose = self._solver.pose(here_rad)
        rise = self._line(pose, np.array([*pose[:2], max(pose[2], CLEAR_HEIGHT_M), *pose[3:]]))
        for up in (self._solved(rise, here_rad), []):
            if up is None:
                continue
            way = [*up, *self._joint_line(up[-1] if up else here_rad, goal_rad)]
            heights = [self._solver.pose(joints)[2] for joints in way]
            if min(heights, default=np.inf) >= min(FLOOR_M, pose[2] - 1e-3):
                return way
        raise Unreachable(
            "No way from here keeps the gripper above the table.",
            f"It stays {FLOOR_M * 100:.0f} cm above the arm's base.",
            "Support the arm, run `ptrctl stop --torque-off`, lift it by hand, then try again.",
        )

    def _line(self, start: FloatArray, goal: FloatArray) -> list[FloatArray]:
        change = np.abs(goal - start)
        seconds = max(change[:3].max() / GLIDE_M_S, change[3:].max() / GLIDE_RAD_S)
        return self._even(start, goal, seconds)

    def _joint_line(self, start_rad: FloatArray, goal_rad: FloatArray) -> list[FloatArray]:
        return self._even(start_rad, goal_rad, np.abs(goal_rad - start_rad).max() / GLIDE_RAD_S)

    def _even(self, start: FloatArray, goal: FloatArray, seconds: float) -> list[FloatArray]:
        steps = int(np.ceil(seconds / self._glide_s))
        return [start + (goal - start) * index / steps for index in range(1, steps + 1)]

    def _solved(self, poses: list[FloatArray], seed_rad: FloatArray) -> list[FloatArray] | None:
        solved = []
        for pose in poses:
            joints = self._solver.solve(pose, seed_rad)
            if joints is None:
                return None
            solved.append(joints)
            seed_rad = joints
        return solved

    def _travel(self, way: list[FloatArray], opening: float, should_stop: ShouldStop) -> None:
        """Send one position a period; anything unforeseen makes the arm hold first."""
        try:
            for joints in way:
                self._goal_rad = joints
                self._drive.send(joints, opening, self._glide_s)
                # Whoever holds the arm on its way keeps the gripper as it was told here.
                self._commanded[GRIPPER] = opening
                # A whole period, however late it is: rushing to catch up would be a jump.
                self._clock.wait_until_s(self._clock.now_s() + self._glide_s)
                self._require_near(joints, BLOCKED_RAD)
                if should_stop():
                    raise MotionStopped("The motion was stopped; the arm holds.")
            wait_until_still(self._drive, self._clock)
            if way:
                self._require_near(way[-1], ARRIVED_RAD)
        except BaseException as error:
            self._hold_after(error)
            raise

    def _require_near(self, goal_rad: FloatArray, limit_rad: float) -> None:
        behind = np.abs(self._drive.read().joints_rad - goal_rad)
        if behind.max() > limit_rad:
            name = self._features.joint_names[int(behind.argmax())]
            raise MotorFault(
                f"The joint {name} is {np.degrees(behind.max()):.0f} degrees behind.",
                "The way is free.",
                "Clear the space around the arm, then try again.",
            )

    def _hold_after(self, error: BaseException) -> None:
        """Hold; where that is not confirmed, say so besides what went wrong before."""
        try:
            self._hold()
        except RobotError as problem:
            if not isinstance(error, RobotError) or isinstance(error, MotionStopped):
                raise
            raise type(error)(
                f"{error.found} The arm did not confirm that it holds: {problem.found}",
                error.expected,
                error.try_next,
            ) from problem

    def _adopt(self, joints_rad: FloatArray, opening: float) -> None:
        """Let joint positions be the goal, and their pose the commanded one."""
        self._goal_rad = joints_rad
        self._commanded = np.concatenate([self._solver.pose(joints_rad), [opening]])
