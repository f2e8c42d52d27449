"""What the arm does when its client or the network dies, seen from the arm's side.

The simulated arm in a process of its own, in real time and with the server's own rules.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import numpy as np
import pytest

from hardware.clock import MonotonicClock
from hardware.faults import LostConnection, MissedDeadline
from hardware.registry import CellRequest, make_cell
from recordings.errors import RobotError
from tests.hardware.peers.remote import ROOT, TOKEN, Server, settings
from tests.hardware.peers.remote_server import HELD_S, MOVED_S, MOVES, TASK
from tests.waiting import wait_for

pytestmark = pytest.mark.sim

PERIOD_S = 0.2
SLACK_S = 0.3
"""For a loaded machine; the rule itself is tested on a clock that does not run."""

DRIVE_FOR_EVER = """
import sys, numpy as np
from hardware.faults import MissedDeadline
from tests.hardware.remote.test_dead_man import cell_of
cell = cell_of(int(sys.argv[1]))
with cell.station as station:
    cell.start(1)
    due_s = station.clock.now_s()
    while True:
        station.observe()
        try:
            station.apply(np.array([0.001, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0]))
        except MissedDeadline:  # On a loaded machine.
            station.stop()
        due_s += 0.2
        station.clock.wait_until_s(due_s)
"""


def cell_of(port: int, timeout_s: float = 3.0):
    options = {"port": port, "token": TOKEN, "timeout_s": timeout_s}
    return make_cell("remote", CellRequest(TASK, image_size=32, robot_options=options))


@pytest.fixture(scope="module")
def server():
    server = Server(speed=1.0, gone_after_s=2.0)
    yield server
    if server.alive:
        server.kill()


def test_a_killed_client_leaves_the_arm_held_within_two_control_periods(server) -> None:
    client = subprocess.Popen(
        [sys.executable, "-c", DRIVE_FOR_EVER, str(server.port)], cwd=ROOT, env=os.environ
    )
    wait_for(lambda: server.log[MOVES] >= 8, within_s=60)
    client.kill()
    client.wait()
    wait_for(server.is_held)
    silent_s = server.log[HELD_S] - server.log[MOVED_S]
    assert silent_s < 2 * PERIOD_S + SLACK_S
    moves = server.log[MOVES]
    # The next client is let in once the dead one counts as gone, and finds the arm where it was.
    wait_for(lambda: _connects(server))
    assert server.log[MOVES] == moves


def _connects(server) -> bool:
    cell = cell_of(server.port)
    try:
        with cell.station:
            return True
    except RobotError as refused:
        if "is in control" not in refused.found:
            raise
        return False


def test_a_network_that_stops_and_comes_back_moves_nothing_late(server) -> None:
    cell = cell_of(server.port, timeout_s=1.0)
    step = np.array([0.001, 0, 0, 0, 0, 0, 1.0])
    with cell.station as station:
        cell.start(1)
        station.apply(step)
        moves = server.log[MOVES]
        os.kill(server.process.pid, signal.SIGSTOP)
        try:
            with pytest.raises(LostConnection, match="did not answer"):
                station.robot.apply(step)
        finally:
            os.kill(server.process.pid, signal.SIGCONT)
        # The command that was on its way is old when it arrives; and the arm is held by then.
        wait_for(server.is_held)
        with pytest.raises(MissedDeadline):
            station.robot.apply(step)
        assert server.log[MOVES] == moves
        station.stop()
        station.apply(step)
        assert server.log[MOVES] == moves + 1


def test_the_episode_of_a_lost_server_ends_in_a_fault_and_the_client_can_close() -> None:
    server = Server(speed=1.0)
    cell = cell_of(server.port, timeout_s=0.5)
    with cell.station as station:
        cell.start(1)
        station.observe()
        server.kill()
        for use in (station.observe, station.stop, lambda: cell.start(1)):
            with pytest.raises(LostConnection):
                use()


def test_a_simulated_arm_brings_its_judge_and_its_scenes(server) -> None:
    cell = make_cell(
        "remote",
        CellRequest(TASK, image_size=32, robot_options=settings(server), clock=MonotonicClock()),
    )
    wait_for(lambda: _connects(server))
    with cell.station as station:
        states = []
        for seed in (5, 6, 5):
            cell.start(seed)
            states.append(station.robot.read_state().state)
            assert cell.judge.score().stage == "nothing"
        np.testing.assert_allclose(states[0], states[2], atol=1e-6)
        assert np.abs(states[0] - states[1]).max() > 1e-4
    assert cell.use_task("take_carrot_off_plate").judge is None
