"""What the server answers, message by message, without a network."""

from __future__ import annotations

import time
from typing import Any

import msgpack
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hardware.clock import SimulatedClock
from hardware.faults import LostConnection, MissedDeadline, MotorFault
from hardware.remote import protocol
from hardware.remote.options import ServeOptions
from hardware.remote.protocol import REPLY, REQUEST, Fields, array_fields
from hardware.remote.server import ArmServer
from hardware.remote.status import Changes
from hardware.robot import WorkspaceBox
from hardware.safety import SafetyEnvelope
from recordings.errors import RobotError, SystemSetupError
from recordings.records import Score
from tests.hardware.remote.arms import slow_station

TOKEN = "sixteen letters and more"


class Judge:
    def score(self) -> Score:
        return Score(False, 0.25, "reached")


class Patient:
    """Waits a little in real time instead of moving the test's clock."""

    def __init__(self, clock: SimulatedClock) -> None:
        self.now_s = clock.now_s

    def wait_until_s(self, moment_s: float) -> None:
        time.sleep(0.002)


class Caller:
    """A server, its clock, and somebody who speaks to it in whole messages."""

    def __init__(self, judge: Judge | None = None) -> None:
        self.station = slow_station()
        self.robot = self.station.robot
        self.clock: SimulatedClock = self.station.clock
        self.server = ArmServer(self.station, TOKEN, ServeOptions(), judge, "put_carrot_on_plate")
        self.server._arm.connect()
        self.session = b""
        self.number = 0
        self.changes = Changes("Ctrl-C")

    def ask(self, ask: str, session: bytes | None = None, **body: Any) -> Fields:
        self.number += 1
        return self.send(
            {
                "v": protocol.VERSION,
                "session": self.session if session is None else session,
                "id": self.number,
                "ask": ask,
                "body": body,
            }
        )

    def send(self, message: dict[str, Any], token: str = TOKEN) -> Fields:
        frames = self.server.answer(protocol.seal(token, REQUEST, message))
        reply = protocol.unseal(TOKEN, REPLY, frames)
        assert reply.whole("id", 0, 2**62) in (message.get("id"), 0)
        if "error" in reply:
            raise protocol.error_from(reply.fields("error"))
        return reply.fields("body")

    def take(self, name: str = "gpu-box:1") -> None:
        challenge = self.ask("look").data("challenge", 16)
        answer = self.ask("take", b"", challenge=challenge, name=name, image_size=8)
        self.session, self.number = answer.data("session", 16), 0

    def apply(self, x_m: float = 0.01) -> Fields:
        action = array_fields(np.array([x_m, 0, 0, 0, 0, 0, 1.0]))
        return self.ask("apply", action=action, asked_s=self.clock.now_s())

    def wait(self, seconds: float) -> None:
        self.clock.wait_until_s(self.clock.now_s() + seconds)
        self.server.watch()

    def said(self) -> str:
        """What is new, for whoever watches the server without a panel."""
        return "\n".join(self.changes.since(self.server.status()))


@pytest.fixture
def caller() -> Caller:
    return Caller()


def test_it_says_what_it_serves_before_anybody_takes_control(caller) -> None:
    answer = caller.ask("look")
    assert protocol.features_from(answer.fields("features"), "remote").embodiment == "fake"
    assert answer.list_of_fields("cameras", 8)[0].text("name") == "grey"
    assert answer.text("client") == ""


def test_the_box_that_it_tells_is_the_one_that_it_enforces(caller) -> None:
    box = WorkspaceBox((0.2, -0.1, 0.05), (0.3, 0.1, 0.2))
    caller.station.safety = SafetyEnvelope(box)
    answer = caller.ask("look")
    assert protocol.features_from(answer.fields("features"), "remote").workspace == box


def test_a_command_needs_control(caller) -> None:
    for session in (b"", bytes(16), b"short"):
        with pytest.raises(RobotError):
            caller.ask("hold", session)
    assert caller.robot.log == ["connect"]


def test_who_is_in_control_drives_the_arm(caller) -> None:
    caller.take()
    sent = caller.apply().array("sent", 7)
    assert sent[0] == 0.01
    assert caller.robot.applied == 1
    status = caller.server.status()
    assert status.client == "gpu-box:1"
    assert status.commands == 1


def test_a_second_client_is_told_who_is_in_control(caller) -> None:
    caller.take("gpu-box:1")
    other = caller.session
    with pytest.raises(RobotError, match="gpu-box:1 is in control"):
        caller.take("laptop:2")
    caller.session, caller.number = other, 10
    caller.apply()


def test_control_can_be_taken_when_the_first_has_left_or_is_gone(caller) -> None:
    caller.take("first:1")
    caller.ask("leave")
    caller.take("second:2")
    caller.wait(4.0)
    with pytest.raises(RobotError, match="second:2 is in control"):
        caller.take("third:3")
    caller.wait(1.1)
    caller.take("third:3")
    assert caller.server.status().client == "third:3"


def test_a_heartbeat_keeps_control_but_not_the_arm_moving(caller) -> None:
    caller.take()
    caller.apply()
    for _ in range(20):
        caller.wait(0.5)
        caller.ask("beat", round_trip_s=0.001)
    assert caller.server.status().client
    assert caller.robot.log.count("stop hold") == 1


def test_a_client_that_is_gone_leaves_a_held_arm_that_parks_later_announced(caller) -> None:
    caller.take()
    caller.apply()
    caller.wait(0.45)
    assert caller.robot.log[-1] == "stop hold"
    caller.wait(6.0)
    assert caller.server.status().client == ""
    caller.wait(269.0)
    assert "parks by itself" not in caller.said()
    caller.wait(2.0)
    assert caller.said() == "The arm parks by itself within 30 s; Ctrl-C holds it."
    caller.wait(28.0)
    assert caller.said() == ""
    assert "stop park" not in caller.robot.log
    caller.robot.motion_s = 1.0
    caller.robot.clock = Patient(caller.clock)
    caller.wait(2.0)
    assert caller.said() == "The arm is parking."
    caller.wait(1.1)
    assert caller.server._arm._motion.join(10.0)
    assert caller.robot.log[-1] == "stop park"
    for _ in range(3):
        caller.wait(1000.0)
    assert caller.robot.log.count("stop park") == 1


def holds(caller: Caller) -> None:
    caller.ask("hold")


def pauses(caller: Caller) -> None:
    caller.ask("hold")
    caller.apply(0.0)


def meets_a_fault(caller: Caller) -> None:
    caller.robot.fails["read"] = MotorFault("Motor 4 is hot.")
    with pytest.raises(MotorFault):
        caller.ask("state")


def stops_a_motion(caller: Caller) -> None:
    caller.robot.motion_s = 1e9
    caller.robot.clock = Patient(caller.clock)
    caller.ask("park", asked_s=caller.clock.now_s())
    caller.ask("cancel")
    assert caller.server._arm._motion.join(10.0)
    caller.robot.motion_s = 0.0


def is_held_beside_the_server(caller: Caller) -> None:
    caller.server.locked = True
    caller.wait(1000.0)
    caller.server.locked = False


@pytest.mark.parametrize(
    "stops", [holds, pauses, meets_a_fault, stops_a_motion, is_held_beside_the_server]
)
@pytest.mark.parametrize("leaves", [True, False])
def test_an_arm_that_was_stopped_does_not_move_unasked_and_that_is_said(
    caller, stops, leaves
) -> None:
    caller.take()
    caller.apply()
    stops(caller)
    if leaves and caller.server.status().client:
        caller.ask("leave")
    caller.wait(6.0)
    caller.said()
    caller.wait(290.0)
    assert caller.said() == ""
    caller.wait(11.0)
    said = caller.said()
    assert "does not park by itself" in said
    assert "`ptrctl stop --park`" in said
    caller.wait(1000.0)
    assert caller.said() == ""
    assert "stop park" not in caller.robot.log


def test_an_arm_that_was_let_go_again_after_a_stop_parks_when_its_client_is_gone(caller) -> None:
    caller.take()
    caller.apply()
    caller.ask("hold")
    caller.apply()
    caller.wait(1.0)
    caller.wait(5.0)
    caller.wait(301.0)
    assert caller.server._arm._motion.join(10.0)
    assert caller.robot.log[-1] == "stop park"


def test_after_a_parking_that_failed_the_arm_does_not_move_unasked(caller) -> None:
    caller.take()
    caller.apply()
    caller.ask("leave")
    caller.robot.fails["move"] = MotorFault("The joint elbow is behind.")
    caller.wait(301.0)
    assert caller.server._arm._motion.join(10.0)
    del caller.robot.fails["move"]
    for _ in range(3):
        caller.wait(301.0)
    assert "stop park" not in caller.robot.log
    assert "does not park by itself" in caller.said()


def test_an_arm_that_nobody_moved_is_not_parked(caller) -> None:
    caller.wait(1e6)
    assert caller.robot.log == ["connect"]


def test_a_command_that_is_played_again_is_refused(caller) -> None:
    caller.take()
    frames = protocol.seal(
        TOKEN,
        REQUEST,
        {
            "v": 1,
            "session": caller.session,
            "id": 7,
            "ask": "apply",
            "body": {"action": array_fields(np.array([0.01] * 7)), "asked_s": 0.0},
        },
    )
    for _ in range(3):
        caller.server.answer(frames)
    assert caller.robot.applied == 1
    assert caller.server.status().refused["repeated"] == 2
    caller.number = 5
    with pytest.raises(RobotError, match="request 6 after 7"):
        caller.apply()


def test_who_only_recorded_an_earlier_client_cannot_take_control(caller) -> None:
    challenge = caller.ask("look").data("challenge", 16)
    body = {"challenge": challenge, "name": "gpu-box:1", "image_size": 8}
    message = {"v": 1, "session": b"", "id": 1, "ask": "take", "body": body}
    caller.session = caller.send(message).data("session", 16)
    caller.ask("leave")
    with pytest.raises(RobotError, match="out of date"):
        caller.send(message)
    assert caller.server.status().client == ""


def test_a_wrong_token_gets_no_word_and_moves_nothing(caller) -> None:
    frames = protocol.seal("another token than that", REQUEST, {"v": 1, "id": 1, "ask": "look"})
    assert caller.server.answer(frames) == [b"", b""]
    assert caller.server.status().refused["wrong token"] == 1


def test_another_protocol_version_is_named(caller) -> None:
    with pytest.raises(SystemSetupError, match="speaks version 2"):
        caller.send({"v": 2, "session": b"", "id": 1, "ask": "look", "body": {}})


def test_a_fault_of_the_arm_arrives_as_the_same_error(caller) -> None:
    caller.take()
    caller.apply()
    caller.robot.fails["apply"] = MotorFault("Motor 4 is hot.", "Below 60.", "Let it cool.")
    with pytest.raises(MotorFault, match="Motor 4 is hot"):
        caller.apply()
    assert caller.robot.log[-1] == "stop hold"
    caller.robot.fails["apply"] = OSError("the bus fell out")
    with pytest.raises(RobotError, match="OSError: the bus fell out"):
        caller.apply()


def test_an_old_command_is_refused_by_the_servers_clock(caller) -> None:
    caller.take()
    action = array_fields(np.array([0.01] * 7))
    with pytest.raises(MissedDeadline):
        caller.ask("apply", action=action, asked_s=caller.clock.now_s() - 0.3)
    assert caller.robot.applied == 0


def test_a_judge_is_asked_where_there_is_one(caller) -> None:
    caller.take()
    with pytest.raises(RobotError, match="Nobody judges"):
        caller.ask("score")
    judged = Caller(Judge())
    judged.take()
    assert judged.ask("score").text("stage") == "reached"


def test_a_client_after_a_server_restart_is_told_so(caller) -> None:
    with pytest.raises(LostConnection, match="no longer knows"):
        caller.ask("hold", b"\x01" * 16)


garbage = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63)
    | st.floats()
    | st.text(max_size=8)
    | st.binary(max_size=60),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=12,
)
names = st.sampled_from(
    [
        "action",
        "asked_s",
        "target",
        "seed",
        "challenge",
        "name",
        "image_size",
        "round_trip_s",
        "data",
        "shape",
        "dtype",
    ]
)
asks = st.sampled_from(
    [
        "look",
        "take",
        "time",
        "beat",
        "leave",
        "observe",
        "state",
        "reachable",
        "apply",
        "hold",
        "let_go",
        "start",
        "park",
        "cancel",
        "motion",
        "score",
        "nothing",
    ]
)


def moved(caller: Caller) -> bool:
    return bool(caller.robot.applied) or any(
        words.startswith(("start", "stop park", "stop torque")) for words in caller.robot.log
    )


@given(st.lists(st.binary(max_size=200), max_size=4))
@settings(max_examples=200)
def test_bytes_from_strangers_are_answered_and_move_nothing(frames) -> None:
    caller = Caller()
    assert all(isinstance(frame, bytes) for frame in caller.server.answer(frames))
    assert caller.robot.log == ["connect"]


@given(st.binary(max_size=300))
@settings(max_examples=200)
def test_signed_bytes_are_answered_and_move_nothing(payload) -> None:
    caller = Caller()
    caller.server.answer([protocol._code(TOKEN, REQUEST, payload), payload])
    assert caller.robot.log == ["connect"]


@given(st.dictionaries(st.sampled_from(["v", "session", "id", "ask", "body"]), garbage))
@settings(max_examples=200)
def test_signed_messages_without_sense_are_answered_and_move_nothing(message) -> None:
    caller = Caller()
    try:
        payload = msgpack.packb(message)
    except OverflowError:  # What msgpack cannot write nobody can send.
        return
    caller.server.answer([protocol._code(TOKEN, REQUEST, payload), payload])
    assert caller.robot.log == ["connect"]


@given(asks, st.dictionaries(names, garbage, max_size=5), st.booleans())
@settings(max_examples=300)
def test_a_client_in_control_that_talks_nonsense_moves_nothing(ask, body, timely) -> None:
    caller = Caller()
    caller.take()
    caller.wait(50.0)
    caller.session = b""
    caller.take()
    if timely:
        body["asked_s"] = caller.clock.now_s() if ask == "apply" else -1e9
    message = {"v": 1, "session": caller.session, "id": 9, "ask": ask, "body": body}
    try:
        frames = protocol.seal(TOKEN, REQUEST, message)
    except (OverflowError, ValueError):
        return
    caller.server.answer(frames)
    assert not moved(caller)
    assert caller.robot.state[0] == 0.25
