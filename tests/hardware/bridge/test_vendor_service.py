"""The driver against the lab's own, unmodified server program; only ROS and motors are stubs.

PTRCTL_BRIDGE=FOLDER names a checkout of rail-berkeley/bridge_data_robot, PTRCTL_EDGEML=FOLDER one
of youliangtan/edgeml; without both these tests are skipped. They run in real time.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from hardware.bridge import KIND
from hardware.bridge.client import NotInitialised
from hardware.bridge.settings import BridgeSettings
from hardware.clock import MonotonicClock
from hardware.faults import LostConnection
from hardware.kinds import ArmRequest
from hardware.robot import Stop
from recordings.errors import RobotError
from tests.hardware.bridge.test_edgeml import two_free_ports

BRIDGE, EDGEML = os.environ.get("PTRCTL_BRIDGE", ""), os.environ.get("PTRCTL_EDGEML", "")

pytestmark = [
    pytest.mark.sim,
    pytest.mark.slow,
    pytest.mark.skipif(
        not (BRIDGE and EDGEML),
        reason="PTRCTL_BRIDGE and PTRCTL_EDGEML do not name checkouts of "
        "rail-berkeley/bridge_data_robot and youliangtan/edgeml",
    ),
]


class Service:
    """The server program in a process of its own."""

    def __init__(self) -> None:
        self.port = two_free_ports()
        command = [sys.executable, "-m", "tests.hardware.bridge.vendor_service"]
        self.process = subprocess.Popen(
            [*command, BRIDGE, EDGEML, str(self.port)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )

    def ask(self, words: str = "") -> dict[str, Any]:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(words + "\n")
        self.process.stdin.flush()
        said: dict[str, Any] = json.loads(self.process.stdout.readline())
        return said


@pytest.fixture
def service() -> Iterator[Service]:
    made = Service()
    made.ask()  # Answers once the program runs.
    yield made
    made.process.kill()
    made.process.wait()


@pytest.fixture
def robot(service) -> Iterator[Any]:
    settings = BridgeSettings(port=service.port, timeout_s=10.0)
    robot, (camera,) = KIND.make(settings, ArmRequest(MonotonicClock(), 5.0, image_size=64))
    with camera, robot:
        robot.camera = camera
        yield robot


def drive(robot: Any, *actions: list[float]) -> None:
    clock = MonotonicClock()
    due_s = clock.now_s()
    for wanted in actions:
        robot.read_state()
        robot.apply(np.array(wanted))
        due_s += 0.2
        clock.wait_until_s(due_s)


def test_the_lab_s_own_server_goes_where_this_driver_thinks_it_goes(service, robot) -> None:
    with pytest.raises(NotInitialised):
        robot.read_state()
    robot.move_to_start()
    state = robot.read_state().state
    np.testing.assert_allclose(state, [0.3, 0, 0.15, 0, 0, 0, 1], atol=0.01)
    said = service.ask()
    np.testing.assert_allclose(said["target"][:6], robot.commanded_state[:6], atol=1e-4)
    assert said["moving_time_s"] == pytest.approx(0.25)

    red, green, blue = robot.camera.read().image[8, 8]
    assert red > 180
    assert max(green, blue) < 80

    rng = np.random.default_rng(0)
    for _ in range(12):
        turn = rng.uniform(-0.1, 0.1, 3)
        drive(robot, [*rng.uniform(-0.015, 0.015, 3), *turn, 0.0])
        ours, theirs = robot.commanded_state, np.array(service.ask()["target"])
        np.testing.assert_allclose(theirs[3:], ours[3:], atol=1e-6)
        np.testing.assert_allclose(theirs[:3], ours[:3], atol=0.015)
    drive(robot, *[[0, 0, 0.05, 0, 0, 0, 0]] * 2)
    said = service.ask()
    assert said["target"][2] == pytest.approx(0.18)
    assert robot.commanded_state[2] == pytest.approx(0.18, abs=1e-9)

    robot.stop()
    said = service.ask()
    assert said["still"]
    np.testing.assert_allclose(said["target"][:6], robot.commanded_state[:6], atol=2e-3)
    robot.stop(Stop.PARK)
    assert service.ask()["still"]


def test_an_effort_abort_restarts_the_lab_s_server_and_the_next_start_works(service, robot) -> None:
    robot.move_to_start()
    service.ask("overload")
    robot._client._timeout_s = 1.0
    with pytest.raises(LostConnection):
        robot.apply(np.array([0.02, 0, 0, 0, 0, 0, 0.0]))
    robot._client._timeout_s = 10.0
    robot.stop()
    assert service.ask()["still"]
    with pytest.raises(RobotError, match="torque"):
        robot.stop(Stop.TORQUE_OFF)
    robot.move_to_start()
    drive(robot, [0.01, 0, 0, 0, 0, 0, 1.0])


def test_a_dead_server_program_is_a_lost_connection(service, robot) -> None:
    robot.move_to_start()
    service.process.kill()
    robot._client._timeout_s = 1.0
    with pytest.raises(LostConnection):
        robot.apply(np.array([0.02, 0, 0, 0, 0, 0, 1.0]))
