"""The joints of a WidowX AI, as `hardware.joint_arm` drives them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import numpy as np

from hardware.clock import Clock
from hardware.faults import LostConnection, MotorFault, Unreachable
from hardware.joint_arm import JointReading
from hardware.kinematics import Kinematics
from hardware.trossen import TrossenSettings
from hardware.trossen.chain import cartesian_to_pose, mjcf, turn_between
from hardware.trossen.controller import NO_ERROR, Controller, Limits, Sample
from hardware.trossen.widowx_ai import JOINT_NAMES
from recordings.errors import RobotError
from recordings.records import FloatArray

T = TypeVar("T")

SAME_POSITION_M = 0.002
SAME_ROTATION_RAD = 0.02
"""Our kinematics and the vendor's agree to this, or something is wrong with the arm's data."""
POLL_S = 0.002
BEYOND_LIMIT = 0.02
"""Rad or m that a goal may lie outside the limits by measurement; it is moved inside."""
SPEED_SHARE = 0.9
"""The controller stops the arm above its greatest velocity, so commands stay below."""
LINEAR_S = 0.2
QUINTIC_PEAK = 1.875
"""The driver interpolates linearly up to 0.2 s, and by a quintic beyond, whose greatest velocity
is this multiple of its mean."""


class TrossenDrive:
    """A `JointDrive` on the vendor's driver, and the `Solver` for the arm behind it.

    Joint positions are sent, not poses: what was checked is what is sent, and the vendor's own
    inverse kinematics, which runs in the same driver, cannot stop the arm half-way.

    Args:
        settings: Where the controller is, and when to stop.
        clock: Stamps the measurements.
    """

    def __init__(self, settings: TrossenSettings, clock: Clock) -> None:
        self._settings = settings
        self._clock = clock
        self._controller = Controller(settings)
        self._identity: dict[str, Any] = {"address": settings.address}
        self._kinematics: Kinematics | None = None
        self._limits: Limits | None = None
        self._goal: FloatArray = np.zeros(7)
        self._here: FloatArray = np.zeros(7)
        self._number = -1
        self._watching = False
        self._overloaded_since_s: float | None = None
        self._heat_is_known = False
        self._fault: RobotError | None = None

    @property
    def identity(self) -> Mapping[str, Any]:
        return self._identity

    @property
    def limits(self) -> Limits:
        """What the connected controller enforces."""
        return _known(self._limits)

    @property
    def fault(self) -> RobotError | None:
        """What the driver or the network reported: the joints count as braked since."""
        return self._fault

    def open(self) -> None:
        self._connect(clear_error=self._settings.clear_error)
        try:
            self._limits = self._controller.limits()
            self._kinematics = Kinematics(
                mjcf(self._controller.links(), self._controller.tool(), self._limits)
            )
            self._compare_kinematics(self._sample())
            self._identity.update(
                self._controller.versions(), end_effector=self._settings.end_effector
            )
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        self._controller.close()
        self._kinematics = self._limits = None

    def reconnect(self) -> None:
        """After a fault, to see how the arm stands; its joints are braked then.

        Raises:
            RobotError: The controller is lost, or still reports its error.
        """
        self._controller.close()
        self._connect(clear_error=False)

    def check(self) -> None:
        self._require_no_error()
        self._heat_is_known = False
        self._check_temperatures(self._sample())

    def check_to_park(self) -> None:
        """As `check`, but heat is no obstacle: a parked arm can cool down.

        Raises:
            MotorFault: The controller reports an error.
        """
        self._require_no_error()
        self._heat_is_known = True

    def _require_no_error(self) -> None:
        words = self._guarded(self._controller.error)
        if words != NO_ERROR:
            raise MotorFault(
                f"The arm's controller reports: {words}.",
                "It reports no error.",
                "Remove the cause, switch the arm off and on, then run `ptrctl doctor`.",
            )

    def read(self) -> JointReading:
        sample = self._sample()
        if self._watching:
            self._check_temperatures(sample)
            self._check_efforts(sample)
        low, high = self.limits.low[6], self.limits.high[6]
        opening = np.clip((sample.positions[6] - low) / (high - low), 0.0, 1.0)
        return JointReading(sample.positions[:6], float(opening), self._clock.now_s())

    def send(self, joints_rad: FloatArray, opening: float, duration_s: float) -> None:
        """Takes longer than asked for where the joints' greatest velocities demand it, from their
        last goals and from where they are: a joint that was held back has farther to go."""
        if self._fault is not None:
            raise self._fault
        limits = self.limits
        gripper = limits.low[6] + opening * (limits.high[6] - limits.low[6])
        wanted = np.array([*joints_rad, gripper])
        goal = np.clip(wanted, limits.low, limits.high)
        if not np.isfinite(wanted).all() or np.abs(wanted - goal).max() > BEYOND_LIMIT:
            raise Unreachable(
                f"Joint positions of {np.round(wanted, 3).tolist()} were to be sent.",
                f"The limits are {limits.low.round(3).tolist()} and "
                f"{limits.high.round(3).tolist()} (rad; m at the end).",
                "Run `ptrctl doctor`, then try again.",
            )
        farthest = np.maximum(np.abs(goal - self._goal), np.abs(goal - self._here))
        # Not the gripper: it is behind its goal for as long as it holds something.
        farthest[6] = abs(goal[6] - self._goal[6])
        least_s = float((farthest / (SPEED_SHARE * limits.velocity)).max())
        if max(duration_s, least_s) > LINEAR_S:
            least_s *= QUINTIC_PEAK
        self._command(goal, max(duration_s, least_s))
        self._watching = True

    def hold(self) -> FloatArray:
        """The gripper goes on to where it is told to be, in its own time, and keeps its grip."""
        self._watching, self._overloaded_since_s = False, None
        joints = self._sample().positions[:6]
        self._guarded(lambda: self._controller.hold_arm(joints))
        self._goal = np.array([*joints, self._goal[6]])
        return joints

    def kept_opening(self) -> float | None:
        return None

    def torque_is_on(self) -> bool:
        return self._guarded(self._controller.modes) == {"position"}

    def set_torque(self, on: bool) -> None:
        """Off means braked on this arm: no motor drives, and no joint swings freely."""
        here = self._sample().positions
        self._guarded(lambda: self._controller.servo(on))
        if on:
            self._command(here, 0.0)
        wanted = "position" if on else "idle"
        modes = self._guarded(self._controller.modes)
        if modes != {wanted}:
            raise MotorFault(
                f"The joints are in the modes {', '.join(sorted(modes))}.",
                f"All of them are in the mode {wanted} now.",
                "Support the arm, switch its power off and on, then run `ptrctl doctor`.",
            )
        self._watching = False

    def pose(self, joints_rad: FloatArray) -> FloatArray:
        """Pose (6,) of the tool at joint positions (6,)."""
        return _known(self._kinematics).pose(joints_rad)

    def solve(self, pose: FloatArray, seed_rad: FloatArray) -> FloatArray | None:
        """Joint positions (6,) for a pose (6,) near a seed, None if there are none."""
        return _known(self._kinematics).solve(pose, seed_rad)

    def _connect(self, *, clear_error: bool) -> None:
        self._controller.open(clear_error=clear_error)
        self._fault = self._overloaded_since_s = None
        self._watching, self._number = False, -1

    def _command(self, goal: FloatArray, duration_s: float) -> None:
        self._guarded(lambda: self._controller.send(goal, duration_s))
        self._goal = goal

    def _sample(self) -> Sample:
        """A sample that nobody has seen yet."""
        give_up_s = self._clock.now_s() + self._settings.max_silence_s
        while True:
            sample = self._guarded(self._controller.sample)
            if sample.number != self._number:
                self._number = sample.number
                _require_finite(sample)
                self._here = sample.positions
                return sample
            if self._clock.now_s() > give_up_s:
                break
            self._clock.wait_until_s(self._clock.now_s() + POLL_S)
        self._fault = LostConnection(
            f"The arm's controller at {self._settings.address} has been silent for "
            f"{self._settings.max_silence_s:g} s.",
            "It sends its state hundreds of times a second.",
            "Support the arm and switch its power off; check the Ethernet cable, then run "
            "`ptrctl doctor`.",
        )
        raise self._fault

    def _guarded(self, ask: Callable[[], T]) -> T:
        """Remembers what the driver complains of."""
        try:
            return ask()
        except RobotError as fault:
            self._fault = fault
            raise

    def _check_temperatures(self, sample: Sample) -> None:
        """Tell of heat once, until `check`: an arm that is too hot can still park."""
        hottest = int(sample.temperatures_c.argmax())
        too_hot = sample.temperatures_c[hottest] > self._settings.max_temperature_c
        if too_hot and not self._heat_is_known:
            self._heat_is_known = True
            part = "motor" if hottest < 7 else "electronics"
            raise MotorFault(
                f"The {part} of {_joint(hottest % 7)} is at "
                f"{sample.temperatures_c[hottest]:.0f} degrees Celsius.",
                f"The limit is {self._settings.max_temperature_c:g}.",
                "Let the arm park and cool down, then run `ptrctl doctor`.",
            )

    def _check_efforts(self, sample: Sample) -> None:
        # Not the gripper: it presses on what it holds, as hard as its controller lets it.
        shares = np.abs(sample.efforts[:6]) / self.limits.effort[:6]
        hardest = int(shares.argmax())
        now_s = self._clock.now_s()
        if shares[hardest] <= self._settings.effort_share:
            self._overloaded_since_s = None
        elif self._overloaded_since_s is None:
            self._overloaded_since_s = now_s
        elif now_s - self._overloaded_since_s >= self._settings.overload_s:
            effort, share = sample.efforts[hardest], self._settings.effort_share
            raise MotorFault(
                f"The motor of {JOINT_NAMES[hardest]} has needed {effort:.1f} N m for "
                f"{now_s - self._overloaded_since_s:.1f} s.",
                f"Its limit is {share * self.limits.effort[hardest]:.1f} N m.",
                "Look what the arm pushes against or carries, then start again.",
            )

    def _compare_kinematics(self, sample: Sample) -> None:
        ours, theirs = self.pose(sample.positions[:6]), cartesian_to_pose(sample.cartesian)
        apart_m = float(np.linalg.norm(ours[:3] - theirs[:3]))
        apart_rad = turn_between(ours, theirs)
        if apart_m > SAME_POSITION_M or apart_rad > SAME_ROTATION_RAD:
            raise RobotError(
                f"The driver says that the gripper is {apart_m * 1000:.1f} mm and "
                f"{np.degrees(apart_rad):.1f} degrees from where its joints put it.",
                f"Both agree to {SAME_POSITION_M * 1000:g} mm.",
                "Check `end_effector` under [robot.options]; if it is right, report this with "
                "the versions that `ptrctl doctor` shows.",
            )


def _require_finite(sample: Sample) -> None:
    """Raise `MotorFault` if the arm does not know where it is: held there, it would go anywhere."""
    if not np.isfinite(sample.positions).all():
        raise MotorFault(
            f"The arm's controller measures the positions {sample.positions.tolist()}.",
            "Seven finite numbers.",
            "Support the arm, switch its power off and on, then run `ptrctl doctor`.",
        )


def _joint(index: int) -> str:
    return "the gripper" if index == 6 else JOINT_NAMES[index]


def _known(value: T | None) -> T:
    if value is None:
        raise RobotError("The arm's controller is not connected.", "Connect before use.")
    return value
