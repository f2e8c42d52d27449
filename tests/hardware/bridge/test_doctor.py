"""What `ptrctl doctor` and the wizard see of a Bridge server."""

from __future__ import annotations

import importlib.util
import socket
from collections.abc import Sequence

import pytest

from hardware.bridge import KIND, doctor
from hardware.bridge.settings import BridgeSettings
from hardware.checks import Finding, Health
from hardware.clock import MonotonicClock
from hardware.kinds import ArmRequest
from recordings.errors import SystemSetupError
from tests.hardware.bridge.test_wire import packed
from tests.hardware.peers.bridge import open_server


@pytest.fixture
def server():
    with open_server(factor=10.0) as server:
        yield server


def findings(server, **settings) -> dict[str, Finding]:
    found: Sequence[Finding] = KIND.check(BridgeSettings(port=server.port, **settings))
    return {finding.name: finding for finding in found}


def test_a_healthy_server_is_healthy_throughout_and_nothing_moves(server) -> None:
    found = findings(server)
    assert {finding.health for finding in found.values()} == {Health.OK}
    assert "640x480" in found["bridge camera"].found
    assert "x 0.270" in found["bridge arm"].found
    assert not server.arm.actions


def test_a_port_where_nobody_listens_names_the_command_to_start_the_server() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    found = KIND.check(BridgeSettings(port=port))
    assert found[0].health is Health.FAIL
    assert "widowx_env_service.py --server" in found[0].fix


def test_a_port_that_accepts_and_never_answers_is_told_apart() -> None:
    with socket.socket() as mute:
        mute.bind(("127.0.0.1", 0))
        mute.listen()
        found = KIND.check(BridgeSettings(port=mute.getsockname()[1], timeout_s=0.3))
    assert found[0].health is Health.FAIL
    assert "does not answer" in found[0].found
    assert "numpy" in found[0].fix


def test_another_protocol_fails_or_warns_as_the_profile_says(server) -> None:
    server.config["version"] = "0.9"
    assert findings(server)["bridge server"].health is Health.FAIL
    lenient = findings(server, handshake=False)
    assert lenient["bridge server"].health is Health.WARN
    assert lenient["bridge arm"].health is Health.OK


def test_an_arm_that_is_not_set_up_is_a_warning(server) -> None:
    server.arm.initialised = False
    arm = findings(server)["bridge arm"]
    assert arm.health is Health.WARN
    assert "10 s" in arm.fix


def test_a_damaged_picture_is_named(server) -> None:
    client = doctor.BridgeClient("127.0.0.1", server.port, MonotonicClock(), 2.0)
    client.open()
    report = client.observe()
    client.close()
    server.config["version"] = "0.9"  # The configuration is asked for first, and is not damaged.
    broken = {"state": report.state, "image": report.small_image, "full_image": b"\xff\xd8"}
    reply = server._reply
    server._reply = lambda request: broken if request["type"] == "obs" else reply(request)
    camera = findings(server, handshake=False)["bridge camera"]
    assert camera.health is Health.FAIL
    assert "cannot be read" in camera.found


def test_a_server_in_the_open_is_a_warning_and_a_tunnel_is_not() -> None:
    assert doctor._secrecy(BridgeSettings()).health is Health.OK
    assert doctor._secrecy(BridgeSettings(host="localhost")).health is Health.OK
    open_one = doctor._secrecy(BridgeSettings(host="192.168.1.20"))
    assert open_one.health is Health.WARN
    assert "ssh -L 5556" in open_one.fix


def test_a_server_on_this_machine_is_discovered(server, monkeypatch) -> None:
    monkeypatch.setattr(doctor, "BRIDGE_PORT", server.port)
    (found,) = KIND.discover()
    assert found.options == {"host": "127.0.0.1", "port": server.port}
    server.answer_next = packed({"success": False})
    assert not KIND.discover()


def test_nothing_is_discovered_where_nothing_is(monkeypatch) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        monkeypatch.setattr(doctor, "BRIDGE_PORT", free.getsockname()[1])
    assert not KIND.discover()


def test_a_missing_package_is_named_with_the_line_that_installs_it(monkeypatch) -> None:
    monkeypatch.setattr("hardware.bridge.find_spec", lambda name: None)
    assert importlib.util.find_spec("zmq")
    with pytest.raises(SystemSetupError, match=r"pip install 'ptrctl\[bridge\]'"):
        KIND.make(BridgeSettings(), ArmRequest(MonotonicClock(), 5.0))
    (finding,) = KIND.check(BridgeSettings())
    assert finding.health is Health.FAIL
    assert not KIND.discover()
