"""The whole arm on its bus: every fault is a typed error, and the arm stands still after it."""

from __future__ import annotations

import math
import threading
from collections.abc import Iterator

import numpy as np
import pytest

from hardware.faults import LostConnection, MotorFault
from hardware.registry import Cell, CellRequest, make_cell
from hardware.robot import Stop
from recordings.errors import RobotError
from tests.hardware.peers import Peer
from tests.hardware.peers.dynamixel import Noise, ServoBus, open_bus, peer_of

AHEAD = np.array([0.01, 0.02, 0.0, 0.0, 0.0, 0.0, 1.0])

FAULTS = {
    "lost": (LostConnection, LostConnection),
    "silent": (LostConnection, LostConnection),
    "overload": (MotorFault, MotorFault),
    "torque_lost": (MotorFault, MotorFault),
    "overheated": (MotorFault, None),
    "over_current": (MotorFault, None),
    "stuck": (MotorFault, None),
}
"""Fault to the error that it raises, and the one that the hold after it raises: a motor without
torque does not hold, and a motor that is not heard may not."""


class Cellar:
    """A started arm and the peer behind it."""

    def __init__(self, bus: ServoBus) -> None:
        self.bus = bus
        self.peer: Peer = peer_of(bus)
        request = CellRequest(
            "put_carrot_on_plate",
            image_size=16,
            robot_options=self.peer.options,
            cameras=self.peer.cameras,
            clock=bus.clock,
        )
        self.cell: Cell = make_cell("dynamixel", request)

    def drive(self, action: np.ndarray, periods: int) -> None:
        station = self.cell.station
        for _ in range(periods):
            station.observe()
            station.apply(action)
            station.clock.wait_until_s(station.clock.now_s() + 0.2)


@pytest.fixture
def arm() -> Iterator[Cellar]:
    with open_bus() as bus:
        made = Cellar(bus)
        with made.cell.station:
            made.cell.start(None)
            yield made


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_an_error_and_the_arm_stands_still(arm, fault) -> None:
    raises, hold_raises = FAULTS[fault]
    arm.drive(AHEAD, 2)
    arm.peer.faults[fault]()
    with pytest.raises(raises):
        arm.drive(AHEAD, 20)
    robot = arm.cell.station.robot
    if hold_raises:
        with pytest.raises(hold_raises):
            robot.stop(Stop.HOLD)
    else:
        robot.stop(Stop.HOLD)
    assert arm.bus.eventually(arm.bus.is_still)
    robot.disconnect()


@pytest.mark.parametrize("fault", ["overload", "overheated", "torque_lost"])
def test_after_a_fault_that_lasts_no_episode_starts(arm, fault) -> None:
    arm.peer.faults[fault]()
    with pytest.raises(MotorFault):
        arm.drive(AHEAD, 5)
    with pytest.raises(MotorFault):
        arm.cell.station.robot.move_to_start()
    assert arm.bus.is_still()


def test_a_hot_arm_parks(arm) -> None:
    arm.peer.faults["overheated"]()
    robot = arm.cell.station.robot
    with pytest.raises(MotorFault):
        robot.read_state()
    robot.stop(Stop.PARK)
    assert not any(servo.torque for servo in arm.bus.servos.values())


def test_who_connects_anew_does_not_let_go_of_what_the_gripper_holds(arm) -> None:
    with arm.bus.lock:
        arm.bus.joints["gripper"].block = (1700.0, math.inf)
    arm.drive(np.array([0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0]), 8)
    robot = arm.cell.station.robot
    robot.stop(Stop.HOLD)
    assert robot.read_state().state[6] > 0.1
    robot.disconnect()
    robot.connect()
    assert robot.commanded_state[6] == pytest.approx(0.0, abs=0.02)
    assert robot.read_state().state[6] > 0.1


def test_an_arm_with_a_limp_motor_is_not_let_go(arm) -> None:
    """The others go on holding: without them it would fall."""
    arm.peer.faults["torque_lost"]()
    for kind in (Stop.HOLD, Stop.PARK, Stop.PARK):
        with pytest.raises(RobotError):
            arm.cell.station.robot.stop(kind)
    assert sum(servo.torque for servo in arm.bus.servos.values()) == 8


def test_an_episode_survives_a_bad_cable(arm) -> None:
    arm.bus.noise = Noise(lose=0.03, corrupt=0.03, late=0.01)
    before = arm.cell.station.robot.commanded_state
    arm.drive(AHEAD, 5)
    arm.bus.noise = Noise()
    arm.drive(AHEAD * 0 + [0, 0, 0, 0, 0, 0, 1], 4)
    moved = arm.cell.station.robot.read_state().state - before
    np.testing.assert_allclose(moved[:2], [0.05, 0.10], atol=0.006)


def test_a_pause_between_episodes_longer_than_the_watchdog_is_no_fault(arm) -> None:
    arm.drive(AHEAD, 2)
    robot = arm.cell.station.robot
    robot.stop(Stop.HOLD)
    assert arm.bus.eventually(lambda: arm.bus.servos[9].table[98] == 125)
    with arm.bus.lock:
        for servo in arm.bus.servos.values():
            servo.heard_s -= 60.0
            servo.look_at_watchdog()
    here = robot.read_state().state
    robot.move_to_start()
    arm.drive(AHEAD, 2)
    assert np.isfinite(here).all()


def test_a_pause_of_the_program_is_not_made_up_for_by_rushing(arm) -> None:
    arm.drive(AHEAD, 8)
    clock, waist = arm.bus.clock, arm.bus.joints["waist"]
    pauses = iter([0.0, 0.0, 0.0, 3.0])
    speeds = []
    over = threading.Event()

    def watch() -> None:
        while not over.wait(0.001):
            with arm.bus.lock:
                speeds.append(abs(waist.speed()))

    def asleep_once() -> bool:
        clock.wait_until_s(clock.now_s() + next(pauses, 0.0))
        return False

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        arm.cell.station.robot.move_to_start(should_stop=asleep_once)
    finally:
        over.set()
        watcher.join()
    # 0.1 rad a period is 326 ticks a second on average; the simulated path peaks half above that.
    assert 100.0 < max(speeds) < 600.0
