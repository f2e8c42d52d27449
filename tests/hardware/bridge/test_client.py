"""Requests to the Bridge server: deadlines, what a timeout means, and foreign servers."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import lz4.frame
import numpy as np
import pytest

from hardware.bridge.client import BridgeClient, NotInitialised
from hardware.bridge.wire import ProtocolError
from hardware.faults import LostConnection, MotionStopped, MotorFault
from tests.hardware.bridge.test_wire import RunsWhenRead, packed
from tests.hardware.fakes import FastClock
from tests.hardware.peers.bridge import open_server

ZERO = np.array([0.0] * 6 + [1.0])


@pytest.fixture
def server():
    with open_server(factor=10.0) as server:
        yield server


@pytest.fixture
def client(server):
    client = BridgeClient("127.0.0.1", server.port, FastClock(10.0), 30.0)
    client.open()
    yield client
    client.close()


def steps(server) -> int:
    return sum(key == "step_action" for key, _ in server.arm.actions)


def test_the_configuration_is_compared_but_for_the_ports(server, client) -> None:
    assert server.config["port_number"] != 5556
    assert client.configuration()["version"] == "0.0.1"


@pytest.mark.parametrize(
    ("key", "value"),
    [("version", "0.0.2"), ("action_keys", ["init"]), ("observation_keys", ["image", "joints"])],
)
def test_another_configuration_is_refused_by_name(server, client, key, value) -> None:
    server.config[key] = value
    with pytest.raises(ProtocolError, match=key):
        client.configuration()


@pytest.mark.parametrize("reply", [b"World", packed("World"), packed({"success": False})])
def test_a_server_of_another_kind_is_refused(server, client, reply) -> None:
    server.answer_next = reply
    with pytest.raises(ProtocolError):
        client.configuration()
    assert client.configuration()["version"] == "0.0.1"


def test_a_reply_that_would_run_a_program_is_refused(server, client, tmp_path) -> None:
    server.answer_next = packed({"state": RunsWhenRead(str(tmp_path / "trap"))})
    with pytest.raises(ProtocolError, match="mkdir"):
        client.observe()
    assert not (tmp_path / "trap").exists()
    assert client.observe().state.shape == (7,)


def test_an_observation_serves_again_until_it_is_old_or_something_was_sent(server, client) -> None:
    first = client.observe()
    assert client.observe(max_age_s=100.0) is first
    assert client.observe() is not first
    second = client.observe(max_age_s=100.0)
    client.step(ZERO, False)
    assert client.observe(max_age_s=100.0) is not second


def test_a_server_without_an_arm_is_a_typed_error(server, client) -> None:
    server.arm.initialised = False
    with pytest.raises(NotInitialised, match="not initialised"):
        client.observe()
    with pytest.raises(NotInitialised):
        client.step(ZERO, False)


def test_a_server_in_test_mode_says_so() -> None:
    with open_server(factor=10.0, initialised=False, testing=True) as server:
        client = BridgeClient("127.0.0.1", server.port, FastClock(10.0), 10.0)
        client.open()
        with pytest.raises(NotInitialised, match="test mode"):
            client.initialise({"move_duration": 0.2}, 64, 10.0)
        client.close()


def test_setting_up_the_arm_can_be_given_up(server, client) -> None:
    server.arm.initialised = False
    asked = iter([False, False, True])
    with pytest.raises(MotionStopped):
        client.initialise({"move_duration": 0.2}, 64, 100.0, lambda: next(asked, True))
    # The server goes on with it; whoever asks next waits, and then finds an arm.
    patient = BridgeClient("127.0.0.1", server.port, FastClock(10.0), 100.0)
    patient.open()
    assert patient.observe().state.shape == (7,)
    patient.close()


def test_setting_up_sends_what_was_asked(server, client) -> None:
    server.arm.initialised = False
    server.arm.init_s = 1.0
    client.initialise({"move_duration": 0.3, "start_at_current_pos": True}, 64, 100.0)
    assert server.arm.params == {"move_duration": 0.3, "start_at_current_pos": True}
    assert client.observe().small_image.shape == (1, 3 * 64 * 64)


@pytest.mark.parametrize("status", [2, 3, 0, 7, "yes"])
def test_every_status_but_success_is_an_error(server, client, status) -> None:
    server.arm.next_status = status or 99
    kinds = {2: MotorFault, 3: NotInitialised}
    with pytest.raises(kinds.get(status, ProtocolError)):
        client.step(ZERO, False)


def test_a_step_without_an_answer_is_carried_out_once(server) -> None:
    client = BridgeClient("127.0.0.1", server.port, FastClock(10.0), 3.0)
    client.open()
    server.arm.slow_s = 6.0
    with pytest.raises(LostConnection, match="not answered"):
        client.step(ZERO, False)
    patient = BridgeClient("127.0.0.1", server.port, FastClock(10.0), 100.0)
    patient.open()
    patient.observe()
    assert steps(server) == 1
    for one in (client, patient):
        one.close()


def test_a_swallowed_request_is_lost_and_the_next_one_works(server, client) -> None:
    impatient = BridgeClient("127.0.0.1", server.port, FastClock(10.0), 3.0)
    impatient.open()
    server.swallow_next = True
    with pytest.raises(LostConnection):
        impatient.step(ZERO, False)
    impatient.close()
    assert client.observe().state.shape == (7,)
    assert steps(server) == 0


def test_random_latency_below_the_deadline_is_no_error(server, client) -> None:
    server.latency_s = (0.0, 0.4)
    for _ in range(10):
        client.step(ZERO, False)
        client.observe()
    assert steps(server) == 10


@pytest.mark.parametrize(
    ("state", "error", "words"),
    [
        (np.zeros(5), ProtocolError, "3trans3rot"),
        ([0.0] * 7, ProtocolError, "3trans3rot"),
        (np.full(7, np.nan), MotorFault, "finite"),
        (None, ProtocolError, "state"),
    ],
)
def test_a_state_that_is_none_is_an_error(server, client, state, error, words) -> None:
    reply = {"state": state, "image": np.zeros((1, 12), np.float32), "full_image": b""}
    server.answer_next = packed(reply)
    with pytest.raises(error, match=words):
        client.observe()


def test_an_observation_without_pictures_is_refused(server, client) -> None:
    server.answer_next = packed({"state": np.zeros(7)})
    with pytest.raises(ProtocolError, match="lacks"):
        client.observe()


def test_a_message_larger_than_any_observation_never_arrives(server) -> None:
    client = BridgeClient("127.0.0.1", server.port, FastClock(10.0), 3.0)
    client.open()
    noise = np.random.default_rng(0).bytes(17_000_000)
    server.answer_next = lz4.frame.compress(noise)
    with pytest.raises(LostConnection):
        client.observe()
    client.close()


def test_two_clients_may_ask_in_turn(server, client) -> None:
    other = BridgeClient("127.0.0.1", server.port, FastClock(10.0), 10.0)
    other.open()
    for _ in range(3):
        assert client.observe().state.shape == other.observe().state.shape
    other.close()


def test_threads_may_share_a_connection(server, client) -> None:
    with ThreadPoolExecutor(4) as pool:
        shapes = list(pool.map(lambda _: client.observe().state.shape, range(12)))
    assert shapes == [(7,)] * 12


@pytest.mark.parametrize("host", ["no such host", "256.0.0.1:", "-"])
def test_an_address_that_is_none_is_a_lost_connection(host) -> None:
    client = BridgeClient(host, 5556, FastClock(10.0), 1.0)
    client.open()
    with pytest.raises(LostConnection, match=r"failed|not answered"):
        client.observe()
    client.close()
