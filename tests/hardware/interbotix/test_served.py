"""The whole way of a lab with Noetic: ptrctl here, the server and the driver in Python 3.8."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys

import numpy as np
import pytest

from hardware.clock import MonotonicClock
from hardware.kinds import ArmRequest
from hardware.remote import KIND
from hardware.settings import build_settings
from tests.hardware.interbotix.child import child_environment, python38
from tests.hardware.peers.xs_node import XsNode, XsServer


@pytest.mark.parametrize("generation", [1, 2])
def test_the_arm_moves_behind_a_server_in_the_distributions_own_python(
    generation, tmp_path
) -> None:
    python = python38("zmq, msgpack") if generation == 1 else sys.executable
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    words = f"interbotix --camera over_shoulder=test-pattern --port {port}"
    with XsServer(XsNode()) as server:
        serving = subprocess.Popen(
            [python, "-m", "hardware.remote.serve", *words.split()],
            env=child_environment(server, generation),
            cwd=tmp_path,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert serving.stderr is not None
        try:
            assert "serving interbotix" in serving.stderr.readline()
            options = {"port": port, "token_file": str(tmp_path / "ptrctl-token")}
            settings = build_settings(KIND.settings, options, "robot.options")
            clock = MonotonicClock()
            robot, _ = KIND.make(settings, ArmRequest(clock, 5.0))
            with robot:
                assert robot.identity["served"]["name"] == "interbotix"
                robot.move_to_start()
                before = robot.read_state().state
                for _ in range(4):
                    robot.apply(np.array([0.01, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0]))
                    clock.wait_until_s(clock.now_s() + 0.2)
                moved = robot.read_state().state - before
                robot.stop()
            assert moved[0] == pytest.approx(0.04, abs=0.012)
            serving.send_signal(signal.SIGINT)
            assert serving.wait(20) == 0, serving.stderr.read()
        finally:
            serving.kill()
            serving.wait()
            serving.stderr.close()
    assert server.node.registers["gripper"]["Goal_PWM"] == 0
