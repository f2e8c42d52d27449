"""Driver and fake server against the real protocol library, both ways round.

PTRCTL_EDGEML=FOLDER names a checkout of youliangtan/edgeml; without it these tests are skipped.
"""

from __future__ import annotations

import copy
import os
import socket
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hardware.bridge import KIND
from hardware.bridge.client import BridgeClient
from hardware.bridge.settings import BridgeSettings
from hardware.faults import LostConnection
from hardware.kinds import ArmRequest
from tests.hardware.fakes import FastClock
from tests.hardware.peers.bridge import CONFIG, open_server
from tests.hardware.peers.bridge_arm import FakeArm
from tests.waiting import wait_for

CHECKOUT = os.environ.get("PTRCTL_EDGEML", "")

pytestmark = [
    pytest.mark.sim,
    pytest.mark.skipif(
        not CHECKOUT, reason="PTRCTL_EDGEML does not name a checkout of youliangtan/edgeml"
    ),
]

FACTOR = 8.0


@pytest.fixture
def library(monkeypatch) -> Any:
    assert (Path(CHECKOUT) / "edgeml" / "action.py").exists(), f"{CHECKOUT} is no edgeml checkout"
    monkeypatch.setattr(sys, "path", [CHECKOUT, *sys.path])
    from edgeml import action

    return action


def two_free_ports() -> int:
    """A port that is free together with the next, which the library takes for broadcasts."""
    while True:
        with socket.socket() as one, socket.socket() as other:
            one.bind(("", 0))
            port: int = one.getsockname()[1]
            try:
                other.bind(("", port + 1))
            except OSError:
                continue
            return port


@pytest.fixture
def serve(library) -> Iterator[Callable[[FakeArm], int]]:
    """Starts the real server in front of a fake arm and tells its port."""
    servers = []

    def start(arm: FakeArm) -> int:
        port = two_free_ports()
        values = {**copy.deepcopy(CONFIG), "port_number": port, "broadcast_port": port + 1}
        config = library.ActionConfig(**values)
        server = library.ActionServer(config, arm.observe, arm.act)
        server.start(threaded=True)
        servers.append(server)
        return port

    yield start
    for server in servers:
        server.server.is_kill = True
        server.thread.join(10.0)
        server.stop()


def test_our_client_drives_an_arm_behind_the_real_server(serve) -> None:
    arm = FakeArm(FACTOR, initialised=False)
    port = serve(arm)
    settings = BridgeSettings(port=port, timeout_s=20.0, init_timeout_s=200.0)
    clock = FastClock(FACTOR)
    robot, (camera,) = KIND.make(settings, ArmRequest(clock, 5.0, image_size=48))
    with camera, robot:
        robot.move_to_start()
        assert robot.identity["protocol"] == "0.0.1"
        for _ in range(6):
            robot.read_state()
            robot.apply(np.array([0.01, 0.01, 0.0, 0.0, 0.0, 0.05, 0.0]))
            clock.wait_until_s(clock.now_s() + 0.2)
        np.testing.assert_allclose(arm.target[:3], robot.commanded_state[:3], atol=0.01)
        np.testing.assert_allclose(arm.target[3:], robot.commanded_state[3:], atol=1e-6)
        assert camera.read().image.shape == (48, 48, 3)
        robot.stop()
        assert arm.is_still()


def test_a_late_step_is_carried_out_once_by_the_real_server(serve) -> None:
    arm = FakeArm(FACTOR)
    port = serve(arm)
    client = BridgeClient("127.0.0.1", port, FastClock(FACTOR), 4.0)
    client.open()
    client.observe()
    arm.slow_s = 8.0
    with pytest.raises(LostConnection):
        client.step(np.array([0.01, 0, 0, 0, 0, 0, 1.0]), False)
    patient = BridgeClient("127.0.0.1", port, FastClock(FACTOR), 80.0)
    patient.open()
    patient.observe()
    assert [key for key, _ in arm.actions] == ["step_action"]
    client.close()
    patient.close()


def test_the_real_client_is_content_with_our_fake_server(library) -> None:
    """So the fake speaks the protocol that everybody else's clients speak."""
    with open_server(factor=FACTOR) as server:
        values = {**copy.deepcopy(CONFIG), **server.config}
        client = library.ActionClient("127.0.0.1", library.ActionConfig(**copy.deepcopy(values)))
        observation = client.obs()
        assert observation["state"].shape == (7,)
        assert observation["image"].shape == (1, 3 * 128 * 128)
        step = {"action": np.array([0.01, 0, 0, 0, 0, 0, 1.0]), "blocking": False}
        assert client.act("step_action", step) == {"status": 1}
        server.arm.slow_s = 1.2 * FACTOR
        assert client.act("step_action", step) is None
        wait_for(lambda: client.obs() is not None)
        assert sum(key == "step_action" for key, _ in server.arm.actions) == 2
        client.client.socket.close(0)
