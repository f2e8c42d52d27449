"""The rules around the served arm, on a clock that the test moves."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from dataclasses import replace

import numpy as np
import pytest

from hardware.camera import CameraFeatures
from hardware.clock import SimulatedClock
from hardware.faults import (
    CameraFault,
    LostConnection,
    MissedDeadline,
    MotionStopped,
    MotorFault,
    TorqueOff,
)
from hardware.remote.guard import GuardedArm, Mood
from hardware.remote.options import ServeOptions
from hardware.remote.pictures import Pictures
from hardware.robot import RobotFeatures, Stop
from hardware.station import Station
from recordings.errors import RobotError
from tests.hardware.fakes import FakeCamera
from tests.hardware.remote.arms import SlowRobot, slow_station

PERIOD_S = 0.2


class Bench:
    """A guarded arm and the clock."""

    def __init__(self, motion_s: float = 0.0) -> None:
        self.station = slow_station(motion_s)
        self.robot: SlowRobot = self.station.robot
        self.clock: SimulatedClock = self.station.clock
        self.arm = GuardedArm(self.station, ServeOptions())
        self.arm.connect()

    def wait(self, seconds: float) -> None:
        self.clock.wait_until_s(self.clock.now_s() + seconds)

    def apply(self, x_m: float = 0.01, age_s: float = 0.0) -> np.ndarray:
        action = np.array([x_m, 0, 0, 0, 0, 0, 1.0])
        return self.arm.apply(action, self.clock.now_s() - age_s)

    def ended(self) -> None:
        """Wait for the end of a motion, which raises what it raised."""
        until_s = time.monotonic() + 10
        while not self.arm.motion_ended():
            assert time.monotonic() < until_s
            time.sleep(0.001)

    @property
    def holds(self) -> int:
        return self.robot.log.count("stop hold")


@pytest.fixture
def bench() -> Bench:
    return Bench()


def test_after_two_silent_periods_the_arm_is_held_once(bench) -> None:
    bench.apply()
    bench.wait(2 * PERIOD_S - 0.01)
    bench.arm.tick()
    assert bench.holds == 0
    assert bench.arm.mood is Mood.DRIVEN
    bench.wait(0.02)
    bench.arm.tick()
    bench.arm.tick()
    assert bench.holds == 1
    assert bench.arm.mood is Mood.SILENCED


def test_an_arm_that_was_not_driven_is_left_alone(bench) -> None:
    bench.wait(100.0)
    bench.arm.tick()
    assert bench.holds == 0


def test_being_watched_is_no_command(bench) -> None:
    bench.apply()
    for _ in range(5):
        bench.wait(0.1)
        bench.arm.watched()
        bench.arm.read_state()
        bench.arm.tick()
    assert bench.holds == 1


def test_after_silence_commands_are_refused_until_the_client_holds_or_starts(bench) -> None:
    bench.apply()
    bench.wait(1.0)
    bench.arm.tick()
    with pytest.raises(MissedDeadline, match="held"):
        bench.apply()
    assert bench.robot.applied == 1
    bench.arm.hold()
    bench.apply()
    bench.wait(1.0)
    bench.arm.tick()
    bench.arm.start(None, bench.clock.now_s())
    bench.ended()
    bench.apply()
    assert bench.robot.applied == 3


def test_a_refused_command_does_not_count_as_one(bench) -> None:
    bench.apply()
    for _ in range(3):
        bench.wait(0.15)
        with pytest.raises(RobotError):
            bench.apply(0.3)
        bench.arm.tick()
    assert bench.arm.mood is Mood.SILENCED


@pytest.mark.parametrize("age_s", [0.21, 5.0, -0.21, -5.0])
def test_a_command_from_another_time_is_refused(bench, age_s) -> None:
    with pytest.raises(MissedDeadline, match="old"):
        bench.apply(age_s=age_s)
    for move in (bench.arm.start, lambda seed, asked_s: bench.arm.park(asked_s)):
        with pytest.raises(MissedDeadline):
            move(None, bench.clock.now_s() - age_s)
    with pytest.raises(MissedDeadline):
        bench.arm.let_go(bench.clock.now_s() - age_s)
    assert bench.robot.log == ["connect"]
    assert bench.arm.refused["stale"] == 4


@pytest.mark.parametrize("bad", [np.nan, np.inf, 0.051, -7.0])
def test_what_is_not_finite_or_larger_than_a_step_never_reaches_the_arm(bench, bad) -> None:
    with pytest.raises(RobotError, match="reached the server"):
        bench.apply(bad)
    assert bench.robot.applied == 0


def test_the_servers_own_envelope_keeps_the_arm_inside_its_box(bench) -> None:
    for _ in range(20):
        sent = bench.apply(0.05)
        bench.wait(PERIOD_S)
    assert bench.robot.state[0] == pytest.approx(bench.robot.features.workspace.high_m[0])
    assert sent[0] == pytest.approx(0.0)
    assert bench.station.safety.counts["workspace_box"] > 0


def test_what_needs_no_clamp_is_passed_on_to_the_bit(bench) -> None:
    for x_m in (0.05, -0.05, 1e-17, 0.0123456789):
        assert bench.apply(x_m)[0] == x_m


def test_a_fault_holds_the_arm_before_the_client_hears_of_it(bench) -> None:
    bench.apply()
    bench.robot.fails["read"] = MotorFault("Motor 4 is overloaded.")
    with pytest.raises(MotorFault):
        bench.arm.observe()
    assert bench.robot.log[-1] == "stop hold"
    assert "overloaded" in bench.arm.faults[-1]


def test_a_hold_that_is_not_confirmed_is_said_and_tried_again(bench) -> None:
    bench.apply()
    bench.robot.fails["stop"] = LostConnection("The bus is silent.")
    bench.wait(0.5)
    bench.arm.tick()
    assert bench.arm.mood is Mood.NOT_HELD
    bench.wait(0.25)
    bench.arm.tick()
    assert bench.holds == 2
    del bench.robot.fails["stop"]
    bench.wait(0.25)
    bench.arm.tick()
    assert bench.arm.mood is Mood.SILENCED
    assert bench.holds == 3


def test_a_hold_that_was_asked_for_and_failed_is_tried_again(bench) -> None:
    bench.robot.fails["stop"] = LostConnection("The bus is silent.")
    with pytest.raises(LostConnection):
        bench.arm.hold()
    assert bench.arm.mood is Mood.NOT_HELD
    del bench.robot.fails["stop"]
    bench.wait(0.25)
    bench.arm.tick()
    assert bench.arm.mood is Mood.STILL


def moving(motion_s: float = 1e9) -> Bench:
    """A bench whose arm is on its way for ever; its clock runs by itself meanwhile."""
    bench = Bench(motion_s)
    bench.robot.clock = _Patient(bench.clock)
    bench.arm.start(3, bench.clock.now_s())
    return bench


class _Patient:
    """Waits a little in real time instead of moving the test's clock."""

    def __init__(self, clock: SimulatedClock) -> None:
        self.now_s = clock.now_s

    def wait_until_s(self, moment_s: float) -> None:
        time.sleep(0.002)


def test_a_motion_can_be_cancelled_and_says_so() -> None:
    bench = moving()
    assert bench.arm.mood is Mood.MOVING
    bench.arm.cancel()
    with pytest.raises(MotionStopped):
        bench.ended()
    assert bench.robot.log[-1] == "stop hold"
    assert bench.arm.mood is Mood.STILL


def test_while_it_moves_by_itself_no_command_is_taken() -> None:
    bench = moving()
    for use in (bench.apply, bench.arm.observe, bench.arm.read_state):
        with pytest.raises(RobotError, match="moving to the start"):
            use()
    with pytest.raises(RobotError, match="moving to the start"):
        bench.arm.start(None, bench.clock.now_s())
    bench.arm.hold()
    assert bench.arm.mood is Mood.STILL
    bench.apply()


def test_a_motion_that_nobody_watches_any_more_is_stopped() -> None:
    bench = moving()
    bench.wait(0.9)
    bench.arm.watched()
    bench.wait(0.9)
    assert not bench.arm.motion_ended()
    bench.wait(0.2)
    with pytest.raises(MissedDeadline, match="silent"):
        bench.ended()
    assert bench.robot.log[-1] == "stop hold"


@pytest.mark.parametrize("fails", [False, True])
def test_only_a_motion_whose_client_vanished_lets_the_arm_park_by_itself(fails: bool) -> None:
    bench = moving()
    if fails:
        bench.robot.fails["stop"] = MotorFault("The arm still moves.")
    bench.wait(1.1)
    assert bench.arm._motion.join(10.0)
    bench.arm.tick()
    bench.wait(0.1)
    bench.arm.tick()
    assert bench.arm.stopped is fails


def test_a_motion_that_fails_tells_why() -> None:
    bench = Bench()
    bench.robot.fails["move"] = ZeroDivisionError("in the driver")
    bench.arm.start(None, bench.clock.now_s())
    with pytest.raises(RobotError, match="ZeroDivisionError: in the driver"):
        bench.ended()
    assert bench.arm.faults


def test_the_seed_reaches_a_simulated_arm() -> None:
    bench = Bench()
    bench.arm.start(17, bench.clock.now_s())
    bench.ended()
    assert bench.robot.log[-1] == "start 17"


def test_a_client_that_leaves_while_the_arm_moves_leaves_it_holding() -> None:
    bench = moving()
    bench.arm.abandoned()
    with pytest.raises(MotionStopped):
        bench.ended()
    bench.robot.motion_s = 0.0
    bench.apply()
    bench.arm.abandoned()
    assert bench.robot.log[-1] == "stop hold"


def test_parking_by_itself_gives_way_to_a_client() -> None:
    bench = Bench(motion_s=1e9)
    bench.robot.clock = _Patient(bench.clock)
    bench.arm.park()
    bench.wait(100.0)
    assert bench.arm.mood is Mood.MOVING
    bench.arm.taken()
    bench.robot.motion_s = 0.0
    bench.arm.start(None, bench.clock.now_s())
    bench.ended()
    assert bench.robot.log[-2:] == ["stop hold", "start None"]


def test_an_arm_may_be_up_until_it_has_been_parked(bench) -> None:
    bench.apply()
    bench.robot.fails["move"] = MotorFault("The joint elbow is behind.")
    bench.arm.park()
    with pytest.raises(MotorFault):
        bench.ended()
    assert bench.arm.may_be_up
    del bench.robot.fails["move"]
    bench.arm.park()
    bench.ended()
    assert not bench.arm.may_be_up


def test_who_takes_control_finds_the_arm_at_rest_and_it_may_be_up() -> None:
    bench = Bench(motion_s=1e9)
    bench.robot.clock = _Patient(bench.clock)
    bench.arm.may_be_up = True
    bench.arm.park()
    bench.arm.taken()
    assert bench.arm.motion_words == ""
    bench.arm.read_state()
    assert bench.arm.may_be_up


def test_a_hold_that_was_not_confirmed_is_not_tried_again_in_the_middle_of_a_motion() -> None:
    bench = Bench(motion_s=1e9)
    bench.robot.clock = _Patient(bench.clock)
    bench.robot.fails["stop"] = RobotError("The arm's torque is off, so it does not hold.")
    bench.arm.lock(True)
    bench.arm.lock(False)
    assert bench.arm.mood is Mood.NOT_HELD
    bench.arm.start(None, bench.clock.now_s())
    tried = bench.holds
    for _ in range(3):
        bench.wait(PERIOD_S + 0.01)
        bench.arm.tick()
    assert bench.holds == tried
    assert bench.arm.mood is Mood.MOVING
    bench.arm.cancel()
    with pytest.raises(MotionStopped):
        bench.ended()
    assert bench.arm.mood is Mood.STILL


@pytest.mark.parametrize("what", ["start", "parking", "parking by itself"])
def test_after_a_motion_that_failed_the_arm_is_held_until_it_confirms_it(bench, what) -> None:
    bench.robot.fails["move"] = MotorFault("The joint elbow is behind.")
    bench.robot.fails["stop"] = LostConnection("The bus is silent.")
    if what == "start":
        bench.arm.start(None, bench.clock.now_s())
    else:
        bench.arm.park(bench.clock.now_s() if what == "parking" else None)
    assert bench.arm._motion.join(10.0)
    for tries in range(3):
        bench.arm.tick()
        assert bench.arm.mood is Mood.NOT_HELD
        assert bench.holds == tries
        bench.wait(PERIOD_S + 0.01)
    del bench.robot.fails["stop"]
    bench.arm.tick()
    assert bench.holds == 3
    assert bench.arm.mood is Mood.STILL
    assert "elbow" in bench.arm.faults[0]
    if what != "parking by itself":
        with pytest.raises(MotorFault, match="elbow"):
            bench.arm.motion_ended()
    bench.wait(1.0)
    bench.arm.tick()
    assert bench.holds == 3


def test_an_arm_without_torque_needs_no_hold_and_is_parked_all_the_same(bench: Bench) -> None:
    bench.robot.fails["stop"] = TorqueOff("The arm's torque is off, so it does not hold.")
    bench.arm.lock(True)
    assert bench.arm.mood is Mood.LOCKED
    assert not bench.arm.faults
    assert bench.arm.end(park=False) is Stop.TORQUE_OFF
    del bench.robot.fails["stop"]
    assert bench.arm.end(park=False) is Stop.HOLD
    assert bench.arm.end(park=True) is Stop.PARK
    assert bench.robot.log[-1] == "stop park"


class StalledCamera(FakeCamera):
    """Gives no picture until it is told to go on."""

    def __init__(self) -> None:
        super().__init__(SimulatedClock())
        self.go_on = threading.Event()

    def read(self):
        self.go_on.wait(10)
        return super().read()


class BreakableCamera(FakeCamera):
    """Fails until it is opened anew, which may be kept waiting."""

    def __init__(self, clock: SimulatedClock) -> None:
        super().__init__(clock)
        self.failed = False
        self.opens = threading.Event()
        self.opens.set()

    def connect(self) -> None:
        self.opens.wait(10)
        self.failed = False

    def read(self):
        if self.failed:
            raise CameraFault("The camera has sent no picture for 0.5 s.")
        return super().read()


def with_broken_camera() -> tuple[GuardedArm, BreakableCamera, SlowRobot]:
    """An arm whose camera has failed after it was connected."""
    clock = SimulatedClock()
    robot, camera = SlowRobot(clock), BreakableCamera(clock)
    arm = GuardedArm(Station(robot, [camera], clock=clock), ServeOptions())
    arm.connect()
    camera.failed = True
    with pytest.raises(CameraFault):
        arm.observe()
    return arm, camera, robot


def test_a_camera_that_failed_is_opened_anew_with_the_next_start() -> None:
    arm, _, robot = with_broken_camera()
    arm.start(3, 0.0)
    assert arm._motion.join(10.0)
    assert arm.motion_ended()
    assert robot.log[-1] == "start 3"
    assert arm.observe()[0].keys() == {"grey"}


def test_a_start_is_stopped_while_it_waits_for_a_camera() -> None:
    arm, camera, robot = with_broken_camera()
    camera.opens.clear()
    arm.start(3, 0.0)
    arm.hold()
    assert arm.mood is Mood.STILL
    assert "start 3" not in robot.log
    with pytest.raises(MotionStopped):
        arm.motion_ended()
    camera.opens.set()
    arm.disconnect()


def test_a_stalled_camera_holds_nobody_up() -> None:
    camera = StalledCamera()
    pictures = Pictures({"grey": camera})
    pictures.connect()
    for _ in range(3):
        with pytest.raises(CameraFault, match="no picture"):
            pictures.read(0.05)
    camera.go_on.set()
    deadline_s = time.monotonic() + 10
    while True:
        try:
            assert pictures.read(0.05).keys() == {"grey"}
            break
        except CameraFault:
            assert time.monotonic() < deadline_s
    pictures.disconnect()
    pictures.disconnect()


def test_a_stalled_camera_does_not_hold_up_the_dead_man() -> None:
    class RealRobot(SlowRobot):
        @property
        def features(self) -> RobotFeatures:
            return replace(super().features, simulated=False)

    clock, camera = SimulatedClock(), StalledCamera()
    robot = RealRobot(clock)
    arm = GuardedArm(Station(robot, [camera], clock=clock), ServeOptions())
    arm.connect()
    arm.apply(np.array([0.01, 0, 0, 0, 0, 0, 1.0]), clock.now_s())
    clock.wait_until_s(2 * PERIOD_S - 0.05)
    with pytest.raises(CameraFault, match=r"within 0\.05 s"):
        arm.observe()
    assert robot.log[-1] == "stop hold"
    camera.go_on.set()
    arm.disconnect()


def test_a_camera_that_is_missing_leaves_none_open() -> None:
    class Missing(FakeCamera):
        @property
        def features(self) -> CameraFeatures:
            return CameraFeatures("missing", 8, 8)

        def __enter__(self):
            raise CameraFault("The camera is not plugged in.")

    clock = SimulatedClock()
    robot = SlowRobot(clock)
    arm = GuardedArm(Station(robot, [Missing(clock)], clock=clock), ServeOptions())
    with pytest.raises(CameraFault):
        arm.connect()
    assert robot.log == []


def test_ending_holds_first_and_parks_if_asked(bench) -> None:
    bench.apply()
    assert bench.arm.end(park=True) is Stop.PARK
    assert bench.robot.log[-2:] == [f"stop {kind.value}" for kind in (Stop.HOLD, Stop.PARK)]


def test_who_insists_before_it_parks_at_the_end_leaves_it_holding(bench) -> None:
    bench.apply()
    assert bench.arm.end(park=True, should_stop=lambda: True) is Stop.HOLD
    assert bench.robot.log[-1] == "stop hold"


def test_the_operator_beside_the_arm_holds_it_until_it_is_given_free(bench) -> None:
    bench.apply()
    bench.arm.lock(True)
    assert bench.robot.log[-1] == "stop hold"
    assert bench.arm.mood is Mood.LOCKED
    for move in (
        bench.apply,
        lambda: bench.arm.start(None, bench.clock.now_s()),
        lambda: bench.arm.park(bench.clock.now_s()),
    ):
        with pytest.raises(MotionStopped, match="beside the arm"):
            move()
    bench.arm.hold()
    assert bench.arm.mood is Mood.LOCKED, "the client cannot give it free"
    bench.arm.lock(False)
    bench.apply()
    assert bench.robot.applied == 2


def test_the_operator_beside_the_arm_stops_a_motion() -> None:
    bench = moving()
    bench.arm.lock(True)
    with pytest.raises(MotionStopped):
        bench.ended()
    assert bench.robot.log[-1] == "stop hold"


def test_a_camera_that_hangs_does_not_keep_the_arm(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hardware.remote.pictures.CLOSE_WAIT_S", 0.05)
    go_on = threading.Event()
    bench.arm._pictures._open.callback(go_on.wait, 10)
    bench.arm.disconnect()
    assert not bench.robot.connected
    go_on.set()


def test_nobody_drops_an_arm_that_the_operator_beside_it_holds(bench: Bench) -> None:
    bench.apply()
    bench.arm.lock(True)
    with pytest.raises(MotionStopped, match="beside the arm holds it"):
        bench.arm.let_go(bench.clock.now_s())
    assert "stop torque_off" not in bench.robot.log
    bench.arm.lock(False)
    bench.arm.let_go(bench.clock.now_s())
    assert bench.robot.log[-1] == "stop torque_off"


def test_the_first_command_that_fails_is_held_like_any_other(bench: Bench) -> None:
    bench.robot.fails["apply"] = LostConnection("The answer is lost.")
    with pytest.raises(LostConnection):
        bench.apply()
    assert bench.holds == 1
    assert bench.arm.may_be_up


HANGS = """
import threading
import hardware.remote.pictures as pictures

class Hangs:
    def __enter__(self): return self
    def __exit__(self, *error): threading.Event().wait()

pictures.CLOSE_WAIT_S = 0.1
cameras = pictures.Pictures({"wrist": Hangs()})
cameras.connect()
cameras.disconnect()
print("given up")
"""


def test_a_camera_that_hangs_for_ever_does_not_keep_the_program_alive() -> None:
    ended = subprocess.run(
        [sys.executable, "-c", HANGS], timeout=100, capture_output=True, check=True
    )
    assert ended.stdout.strip() == b"given up"
