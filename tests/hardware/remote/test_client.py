"""The client's half, against the real server over loopback."""

from __future__ import annotations

import threading
import time

import numpy as np
import pytest

from hardware.checks import Health
from hardware.clock import MonotonicClock
from hardware.faults import (
    CameraFault,
    LostConnection,
    MissedDeadline,
    MotionStopped,
    MotorFault,
)
from hardware.kinds import ArmRequest
from hardware.registry import CellRequest, make_cell
from hardware.remote import KIND, RemoteSettings
from hardware.remote.guard import Mood
from hardware.robot import Stop
from recordings.errors import RobotError, UsageError
from tests.hardware.remote.arms import slow_station
from tests.hardware.remote.serving import (
    options_for,
    port_of,
    remote_cell,
    remote_robot,
    serving,
)
from tests.waiting import wait_for

STEP = np.array([0.01, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0])


class OffsetClock(MonotonicClock):
    """The clock of another machine, which started at another time."""

    def __init__(self, offset_s: float) -> None:
        self.offset_s = offset_s

    def now_s(self) -> float:
        return super().now_s() + self.offset_s

    def wait_until_s(self, moment_s: float) -> None:
        super().wait_until_s(moment_s - self.offset_s)


PATIENT = {"silent_periods": 50.0, "stale_periods": 50.0}


def station(motion_s: float = 0.0, offset_s: float = 0.0):
    return slow_station(motion_s, OffsetClock(offset_s))


@pytest.mark.parametrize("offset_s", [-5e5, 12.25, 7e6])
def test_the_clock_of_the_other_machine_is_measured_and_its_stamps_converted(offset_s) -> None:
    with serving(station(offset_s=offset_s), **PATIENT) as server:
        cell = remote_cell(server)
        with cell.station as place:
            identity = place.robot.identity
            wrong_s = abs(identity["clock_offset_s"] - offset_s)
            assert wrong_s <= identity["clock_uncertainty_s"] + 1e-6
            assert identity["clock_uncertainty_s"] == pytest.approx(identity["round_trip_s"] / 2)
            before_s = place.clock.now_s()
            frame = place.observe().frames["grey"]
            assert frame.captured_s == pytest.approx(before_s, abs=1.0)
            assert frame.captured_s <= frame.arrived_s <= place.clock.now_s()
            place.apply(STEP)  # Not stale, whatever the other clock says.


def test_its_identity_names_the_served_arm() -> None:
    with serving(station()) as server, remote_robot(server) as robot:
        identity = robot.identity
        assert identity["name"] == "remote"
        assert identity["embodiment"] == "fake"
        assert identity["served"] == {"name": "fake", "serial": "0"}


def test_a_control_step_asks_four_times(monkeypatch) -> None:
    monkeypatch.setattr("hardware.remote.link.SHARED_FOR_S", 10.0)  # On a loaded machine.
    with serving(station(), **PATIENT) as server:
        cell = remote_cell(server)
        with cell.station as place:
            place.observe()
            asked, ask = [], place.robot._link.ask
            monkeypatch.setattr(
                place.robot._link, "ask", lambda name, *more: asked.append(name) or ask(name, *more)
            )
            place.observe()
            place.apply(STEP)
            assert asked == ["observe", "state", "reachable", "apply"]


def test_what_was_seen_a_while_ago_is_not_shown_as_new() -> None:
    place = station()
    with serving(place, **PATIENT) as server:
        cell = remote_cell(server)
        with cell.station as client:
            before = client.cameras["grey"].read()
            place.robot.state[0] = 0.3
            client.clock.wait_until_s(client.clock.now_s() + 0.11)
            assert client.robot.read_state().state[0] == 0.3
            link = client.robot._link
            link._observe()
            client.clock.wait_until_s(client.clock.now_s() + 0.11)
            asked_s = client.clock.now_s()
            after = client.cameras["grey"].read()
            assert after.arrived_s >= asked_s > before.arrived_s


def test_a_fault_on_the_other_machine_is_the_same_fault_here() -> None:
    place = station()
    with serving(place, **PATIENT) as server, remote_robot(server) as robot:
        robot.apply(STEP)
        place.robot.fails["read"] = MotorFault("Motor 4 is hot.", "Below 60.", "Let it cool.")
        with pytest.raises(MotorFault) as caught:
            robot.read_state()
        assert caught.value.args == ("Motor 4 is hot.", "Below 60.", "Let it cool.")
        assert place.robot.log[-1] == "stop hold"


def test_a_motion_is_stopped_over_the_wire() -> None:
    place = station(motion_s=1e9)
    with serving(place) as server, remote_robot(server) as robot:
        asked = iter([False, True])
        with pytest.raises(MotionStopped):
            robot.move_to_start(should_stop=lambda: next(asked, True))
        assert place.robot.log[-1] == "stop hold"
        place.robot.motion_s = 0.0
        robot.move_to_start(seed=4)
        robot.stop(Stop.PARK)
        assert place.robot.log[-2:] == ["start 4", "stop park"]


@pytest.mark.parametrize(
    "trouble", [KeyboardInterrupt(), LostConnection("The spacemouse is unplugged.")]
)
def test_an_interrupt_during_a_motion_holds_the_arm(trouble) -> None:
    place = station(motion_s=1e9)

    def interrupt() -> bool:
        raise trouble

    with serving(place) as server, remote_robot(server) as robot:
        with pytest.raises(type(trouble)):
            robot.stop(Stop.PARK, should_stop=interrupt)
        assert place.robot.log[-1] == "stop hold"


def test_a_client_that_is_stopped_during_a_motion_leaves_the_arm_holding() -> None:
    place = station(motion_s=1e9)
    with serving(place) as server, remote_robot(server) as robot:
        lock = robot._link._lock

        def hang() -> bool:
            lock.acquire()  # Neither poll nor heartbeat gets through any more.
            threading.Timer(2.5, lock.release).start()
            wait_for(lambda: place.robot.log[-1] == "stop hold")
            return False

        with pytest.raises(RobotError, match="silent"):
            robot.move_to_start(should_stop=hang)


def test_a_beating_heart_does_not_keep_a_motion_going() -> None:
    place = station(motion_s=1e9)
    with serving(place) as server, remote_robot(server) as robot:

        def hang() -> bool:
            wait_for(lambda: place.robot.log[-1] == "stop hold")
            return False

        with pytest.raises(MissedDeadline, match="silent"):
            robot.move_to_start(should_stop=hang)


def test_an_answer_that_is_late_during_a_motion_leaves_the_arm_holding() -> None:
    place = station(motion_s=1e9)
    with serving(place, **PATIENT) as server, remote_robot(server, timeout_s=0.4) as robot:
        answer, late = server._asks["motion"], iter([False, False, True])

        def slow(body, client):
            if next(late, False):
                time.sleep(0.6)
            return answer(body, client)

        server._asks["motion"] = slow
        with pytest.raises(LostConnection, match="did not answer"):
            robot.move_to_start()
        wait_for(lambda: place.robot.log[-1] == "stop hold")
        wait_for(lambda: server.status().mood is Mood.STILL)


def test_a_hold_reaches_the_arm_from_another_thread_while_it_moves() -> None:
    place = station(motion_s=1e9)
    with serving(place) as server, remote_robot(server) as robot:
        caught: list[BaseException] = []

        def move() -> None:
            try:
                robot.move_to_start()
            except RobotError as error:
                caught.append(error)

        thread = threading.Thread(target=move)
        thread.start()
        wait_for(lambda: server.status().mood is Mood.MOVING)
        robot.stop(Stop.HOLD)
        thread.join(10)
        assert isinstance(caught[0], MotionStopped)
        assert server.status().mood is Mood.STILL


def test_the_answer_to_a_request_that_was_given_up_is_not_taken_for_another() -> None:
    place = station()
    with serving(place, **PATIENT) as server, remote_robot(server, timeout_s=0.3) as robot:
        read = place.robot.read_state

        def slow():
            time.sleep(0.5)
            return read()

        place.robot.read_state = slow
        robot._link._state = None
        with pytest.raises(LostConnection, match=r"did not answer within 0\.3 s"):
            robot.read_state()
        place.robot.read_state = read
        place.robot.state[0] = 0.3
        wait_for(lambda: _reads(robot) == 0.3)


def _reads(robot) -> float | None:
    try:
        return float(robot.read_state().state[0])
    except LostConnection:
        return None


def test_the_second_of_two_clients_is_refused_and_the_first_goes_on() -> None:
    with serving(station()) as server, remote_robot(server) as first:
        second = remote_robot(server)
        with pytest.raises(RobotError, match="is in control"):
            second.connect()
        first.apply(STEP)
    second.disconnect()


def test_after_the_first_has_left_the_second_may_come() -> None:
    with serving(station()) as server:
        with remote_robot(server):
            pass
        with remote_robot(server) as second:
            second.apply(STEP)


def test_who_comes_while_the_arm_parks_by_itself_is_let_in_and_it_parks_again_later() -> None:
    place = station(motion_s=1e9)
    with serving(place, park_after_s=0.05, **PATIENT) as server:
        server._arm.may_be_up = True
        for _ in range(2):
            wait_for(lambda: server.status().mood is Mood.MOVING)
            with remote_robot(server) as robot:
                assert server.status().mood is Mood.STILL
                robot.read_state()


def test_who_fails_to_begin_gives_control_back() -> None:
    place = station()
    with serving(place) as server:
        place.robot.fails["read"] = MotorFault("Motor 4 is hot.", "Below 60.", "Let it cool.")
        with pytest.raises(MotorFault):
            remote_robot(server).connect()
        assert server.status().client == ""
        del place.robot.fails["read"]
        with remote_robot(server) as robot:
            robot.apply(STEP)


def test_the_requests_of_two_sessions_have_no_number_in_common() -> None:
    """So that no answer of one passes for an answer of the other."""
    first = []
    with serving(station()) as server:
        for _ in range(2):
            with remote_robot(server) as robot:
                first.append(robot._link._last_id)
                robot.apply(STEP)
    assert abs(first[0] - first[1]) > 1_000_000


def test_an_idle_client_stays_in_control() -> None:
    with serving(station(), gone_after_s=2.0) as server, remote_robot(server) as robot:
        time.sleep(2.5)
        assert server.status().client
        robot.apply(STEP)


def test_another_token_is_said_in_words() -> None:
    with serving(station()) as server, pytest.raises(UsageError, match="another token"):
        remote_robot(server, token="not the token of the server")


def test_nobody_there_is_a_lost_connection() -> None:
    with serving(station()) as server:
        port = port_of(server)
        robot = remote_robot(server, timeout_s=0.2)
    with pytest.raises(LostConnection):
        robot.connect()
    with pytest.raises(LostConnection):
        KIND.make(
            RemoteSettings(port=port, token="x" * 20, timeout_s=0.2),
            _request(),
        )


def _request():
    return ArmRequest(MonotonicClock(), 5.0, image_size=8)


def test_a_server_that_serves_something_else_now_is_noticed() -> None:
    with serving(station()) as server:
        robot = remote_robot(server)
        place = server._station
        place.cameras["other"] = place.cameras.pop("grey")
        with pytest.raises(RobotError, match="another arm or other cameras"):
            robot.connect()
        assert server.status().client == ""


def test_larger_pictures_than_the_server_has_are_refused() -> None:
    with serving(station()) as server:
        request = ArmRequest(MonotonicClock(), 5.0)
        robot, (camera,) = KIND.make(RemoteSettings(**options_for(server)), request)
        with pytest.raises(UsageError, match="gives 8 x 8 pixels"):
            camera.connect()
        with robot:  # It can be stopped all the same.
            robot.stop()


def test_cameras_of_ones_own_may_be_larger_than_those_of_the_server() -> None:
    with serving(station()) as server:
        request = CellRequest(
            "put_carrot_on_plate",
            image_size=32,
            robot_options=options_for(server),
            cameras={"mine": {"kind": "test-pattern"}},
            clock=MonotonicClock(),
        )
        with make_cell("remote", request).station as place:
            assert place.observe().frames["mine"].image.shape == (32, 32, 3)


def test_a_start_pose_is_set_where_the_arm_is_served() -> None:
    request = ArmRequest(MonotonicClock(), 5.0, (0.3, 0.0, 0.15, 0.0, 0.0, 0.0))
    with pytest.raises(UsageError, match="start pose"):
        KIND.make(RemoteSettings(token="x" * 20), request)


def test_a_camera_before_connecting_is_an_error() -> None:
    with serving(station()) as server:
        cell = remote_cell(server)
        with pytest.raises(CameraFault, match="not connected"):
            cell.station.cameras["grey"].read()


def test_doctor_hears_of_the_arm_and_its_link_without_taking_control() -> None:
    with serving(station()) as server, remote_robot(server):
        findings = KIND.check(RemoteSettings(**options_for(server)))
        assert findings[0].health is Health.OK
        assert "serves fake, cameras: grey" in findings[0].found
        assert "in the hands of" in findings[0].found
        assert "round trip" in findings[1].found


def test_doctor_says_what_is_wrong_with_a_missing_server_or_token(monkeypatch) -> None:
    monkeypatch.delenv("PTRCTL_TOKEN", raising=False)
    with serving(station()) as server:
        port = port_of(server)
    (finding,) = KIND.check(RemoteSettings(port=port, token="x" * 20, timeout_s=0.2))
    assert finding.health is Health.FAIL
    assert "did not answer" in finding.found
    (finding,) = KIND.check(RemoteSettings(port=port))
    assert "no token" in finding.found
    assert "PTRCTL_TOKEN" in finding.fix


def test_a_server_on_this_machine_is_found(monkeypatch) -> None:
    with serving(station()) as server:
        monkeypatch.setattr("hardware.remote.REMOTE_PORT", port_of(server))
        (found,) = KIND.discover()
        assert found.options == {}
        assert "on port" in found.words
    assert KIND.discover() == []


@pytest.mark.parametrize("wrong", [{"port": 0}, {"port": 70000}, {"timeout_s": 0.0}])
def test_settings_that_cannot_work_are_refused(wrong) -> None:
    with pytest.raises(ValueError, match="is not within"):
        RemoteSettings(**wrong)
