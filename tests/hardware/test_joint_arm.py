"""An arm that is driven through its joints, on a drive without motors."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest

from hardware.clock import SimulatedClock
from hardware.faults import MotionStopped, MotorFault
from hardware.joint_arm import GLIDE_RAD_S, JointArm, JointReading
from hardware.loop import ControlLoop, Signal, Subscriber
from hardware.robot import RobotFeatures, Stop, WorkspaceBox
from hardware.standstill import wait_until_still
from hardware.station import Station
from recordings.records import Decision, EpisodeInfo, FloatArray, Observation
from tests.hardware.fakes import episode_info

HIGH = np.array([0.3, 0.0, 0.3, 0.0, 0.0, 0.0])
START = np.array([0.3, 0.1, 0.15, 0.0, 0.0, 0.4])
SLEEP = np.array([0.1, 0.0, 0.2, 0.0, 0.0, -0.5])


class Straight:
    """Kinematics of an arm whose joint positions are its pose."""

    def pose(self, joints_rad: FloatArray) -> FloatArray:
        return joints_rad.copy()

    def solve(self, pose: FloatArray, seed_rad: FloatArray) -> FloatArray | None:
        return pose.copy()


class Obedient:
    """A drive whose joints are where they were sent, except those that are blocked."""

    def __init__(self, clock: SimulatedClock) -> None:
        self.clock = clock
        self.joints_rad = HIGH.copy()
        self.blocked_rad: float | None = None
        self.torque = True
        self.sent: list[tuple[float, FloatArray]] = []
        self.openings: list[float] = []

    identity: Mapping[str, Any] = {}

    def open(self) -> None: ...

    def close(self) -> None: ...

    def check(self) -> None: ...

    def read(self) -> JointReading:
        return JointReading(self.joints_rad.copy(), 1.0, self.clock.now_s())

    def send(self, joints_rad: FloatArray, opening: float, duration_s: float) -> None:
        self.sent.append((self.clock.now_s(), joints_rad.copy()))
        self.openings.append(opening)
        self.joints_rad = joints_rad.copy()
        if self.blocked_rad is not None:
            self.joints_rad[5] = max(self.joints_rad[5], self.blocked_rad)

    def hold(self) -> FloatArray:
        return self.joints_rad.copy()

    def kept_opening(self) -> float | None:
        return None

    def torque_is_on(self) -> bool:
        return self.torque

    def set_torque(self, on: bool) -> None:
        self.torque = on


def make_arm(rate_hz: float = 5.0) -> tuple[JointArm, Obedient]:
    """A connected arm."""
    clock = SimulatedClock()
    drive = Obedient(clock)
    box = WorkspaceBox((0.0, -0.5, 0.0), (0.5, 0.5, 0.5))
    features = RobotFeatures("joints", "joints", rate_hz, box, tuple("abcdef"), (-3.0,), (3.0,))
    arm = JointArm(features, drive, Straight(), clock, START, HIGH, SLEEP)
    arm.connect()
    return arm, drive


def test_a_pause_holds_a_blocked_arm_where_it_is_and_not_where_it_was_sent() -> None:
    arm, drive = make_arm()
    clock = drive.clock
    drive.joints_rad[5] = 0.0
    drive.blocked_rad = -0.02
    signals = iter([*[Signal.RUN] * 3, *[Signal.PAUSE] * 6, Signal.STOP])
    seen: list[float] = []

    class Turns:
        name = "turns"

        def begin(self, info: EpisodeInfo) -> None: ...

        def act(self, observation: Observation) -> Decision:
            return Decision(np.array([0, 0, 0, 0, 0, -0.1, 1.0]))

    class Frees(Subscriber):
        """Takes away after the first paused period what is in the way."""

        def on_pause(self, observation: Observation) -> None:
            drive.blocked_rad = None
            seen.append(float(drive.joints_rad[5]))

    loop = ControlLoop(Station(arm, [], clock=clock), 5.0, [Frees()], lambda: next(signals))
    loop.run_episode(episode_info(), Turns(), max_steps=20)
    assert seen == pytest.approx([-0.02] * 6)


def test_an_arm_that_was_blocked_short_of_its_parking_place_keeps_its_torque() -> None:
    arm, drive = make_arm()
    drive.blocked_rad = -0.2
    with pytest.raises(MotorFault, match="joint f is 17 degrees behind"):
        arm.stop(Stop.PARK)
    assert drive.torque


def test_an_arm_that_hangs_a_little_below_its_parking_place_is_parked() -> None:
    arm, drive = make_arm()
    drive.blocked_rad = -0.45
    arm.stop(Stop.PARK)
    assert not drive.torque


@pytest.mark.parametrize("rate_hz", [0.5, 5.0, 50.0])
def test_between_episodes_the_arm_is_as_slow_at_every_control_rate(rate_hz) -> None:
    arm, drive = make_arm(rate_hz)
    arm.move_to_start()
    times = np.array([sent_s for sent_s, _ in drive.sent])
    places = np.array([joints for _, joints in drive.sent])
    speeds = np.abs(np.diff(places, axis=0)).max(axis=1) / np.diff(times)
    assert speeds.max() <= GLIDE_RAD_S * 1.001
    assert np.diff(times).max() <= 0.2 + 1e-9
    # The gripper opens before the arm begins to move.
    assert times[np.flatnonzero(speeds)[0]] - times[0] > 0.35


def test_a_slow_control_rate_does_not_keep_the_operator_waiting() -> None:
    arm, drive = make_arm(rate_hz=0.5)
    asked_s: list[float] = []

    def should_stop() -> bool:
        asked_s.append(drive.clock.now_s())
        return len(asked_s) == 5

    with pytest.raises(MotionStopped):
        arm.move_to_start(should_stop=should_stop)
    assert np.diff(asked_s).max() < 0.21


def test_parking_after_a_stopped_start_leaves_the_gripper_as_the_start_opened_it() -> None:
    arm, drive = make_arm()
    arm.move_to_start()
    arm.apply(np.array([0, 0, 0, 0, 0, 0, 0.0]))
    with pytest.raises(MotionStopped):
        arm.move_to_start(should_stop=lambda: True)
    assert arm.commanded_state[6] == 1.0
    arm.stop(Stop.PARK)
    assert drive.openings[-1] == 1.0


def test_an_arm_that_creeps_as_fast_as_in_fine_teleoperation_does_not_stand_still() -> None:
    clock = SimulatedClock()
    drive = Obedient(clock)

    def reading() -> JointReading:
        now_s = clock.now_s()
        return JointReading(np.full(6, 0.19 * now_s), 1.0, now_s)

    drive.read = reading  # type: ignore[method-assign]
    with pytest.raises(MotorFault, match="still moves"):
        wait_until_still(drive, clock)


def test_the_same_reading_again_is_no_proof_of_stillness() -> None:
    clock = SimulatedClock()
    drive = Obedient(clock)
    stamps = iter([0.0, 0.0, 0.005, 0.1, 0.2])
    places = iter([0.0, 0.0, 0.005, 0.2, 0.2])
    read = []

    def reading() -> JointReading:
        read.append(next(places))
        return JointReading(np.full(6, read[-1]), 1.0, next(stamps))

    drive.read = reading  # type: ignore[method-assign]
    wait_until_still(drive, clock)
    assert len(read) == 5


def test_readings_that_never_grow_newer_confirm_nothing() -> None:
    clock = SimulatedClock()
    drive = Obedient(clock)
    drive.read = lambda: JointReading(HIGH, 1.0, 0.0)  # type: ignore[method-assign]
    with pytest.raises(MotorFault, match="told to hold"):
        wait_until_still(drive, clock)
