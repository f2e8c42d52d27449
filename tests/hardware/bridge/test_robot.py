"""The arm behind a Bridge server: what it is sent, and what is made of what comes back."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from hardware.bridge import KIND
from hardware.bridge.client import NotInitialised
from hardware.bridge.following import STUCK_PERIODS
from hardware.bridge.settings import BridgeSettings
from hardware.bridge.wire import ProtocolError
from hardware.faults import LostConnection, MotionStopped, MotorFault, Unreachable
from hardware.kinds import ArmRequest
from hardware.robot import Stop
from recordings.errors import RobotError
from recordings.records import ACTION_HIGH, ACTION_LOW
from tests.hardware.fakes import FastClock
from tests.hardware.peers.bridge import FakeServer, open_server
from tests.hardware.peers.bridge_arm import FakeArm

pytestmark = pytest.mark.sim

FACTOR = 10.0


class Rig:
    """A server and the robot that drives its arm, both at ten times the speed."""

    def __init__(self, server: FakeServer, **settings: Any) -> None:
        self.server, self.arm = server, server.arm
        self.clock = FastClock(server.arm.factor)
        values = {"timeout_s": 30.0, "restart_s": 60.0, "init_timeout_s": 100.0, **settings}
        chosen = BridgeSettings(port=server.port, **values)
        request = ArmRequest(self.clock, 5.0, image_size=32)
        self.robot, (self.camera,) = KIND.make(chosen, request)

    def drive(self, *actions: np.ndarray) -> None:
        """As the control loop does: look, send, wait for the next period."""
        due_s = self.clock.now_s()
        for wanted in actions:
            self.robot.read_state()
            self.robot.apply(wanted)
            due_s += 0.2
            self.clock.wait_until_s(due_s)

    @contextmanager
    def impatient(self) -> Iterator[None]:
        """Requests time out soon; otherwise late, for loaded machines."""
        client = self.robot._client
        patience_s, client._timeout_s = client._timeout_s, 3.0
        try:
            yield
        finally:
            client._timeout_s = patience_s

    def come_to_rest(self) -> None:
        """Wait until the arm has finished its motion."""
        give_up_s = self.clock.now_s() + 100.0
        while not self.arm.is_still():
            assert self.clock.now_s() < give_up_s
            self.clock.wait_until_s(self.clock.now_s() + 0.05)

    def sent(self, key: str) -> list[Any]:
        return [payload for name, payload in self.arm.actions if name == key]


@contextmanager
def rig(arm: dict[str, Any] | None = None, **settings: Any) -> Iterator[Rig]:
    with open_server(FACTOR, **(arm or {})) as server:
        made = Rig(server, **settings)
        with made.robot:
            yield made


@pytest.fixture
def started() -> Iterator[Rig]:
    with rig() as made:
        made.robot.move_to_start()
        yield made


def action(*values: float, gripper: float = 1.0) -> np.ndarray:
    return np.array([*values, *([0.0] * (6 - len(values))), gripper])


# Targets.


def test_after_a_start_the_server_s_target_is_the_commanded_pose(started) -> None:
    np.testing.assert_allclose(started.arm.target[:6], started.robot.commanded_state[:6], atol=1e-6)


def test_the_server_s_target_follows_through_turns_and_lag(started) -> None:
    rng = np.random.default_rng(0)
    for _ in range(12):
        started.drive(action(*rng.uniform(-0.02, 0.02, 3), 0.0, 0.0, rng.uniform(-0.15, 0.15)))
        ours, theirs = started.robot.commanded_state, started.arm.target
        np.testing.assert_allclose(theirs[3:6], ours[3:6], atol=1e-6)
        # Position differs by what the arm moved between the observation and the step.
        np.testing.assert_allclose(theirs[:3], ours[:3], atol=0.02)
    started.robot.stop()
    np.testing.assert_allclose(started.arm.target[:6], started.robot.commanded_state[:6], atol=1e-6)


def test_a_turn_at_a_turned_gripper_means_what_it_means_on_every_other_arm(started) -> None:
    started.drive(*[action(0, 0, 0, 0, 0, 0.2)] * 5)
    before = started.robot.commanded_state
    started.drive(action(0, 0, 0, 0.1, 0.05, 0.0))
    started.come_to_rest()
    started.drive(action())
    moved = started.robot.read_state().state - before
    np.testing.assert_allclose(moved[3:6], [0.1, 0.05, 0.0], atol=5e-3)


def test_what_the_server_clips_is_not_reported_as_sent(started) -> None:
    high = 0.18
    started.drive(action(0, 0, high - 0.01 - started.robot.commanded_state[2]))
    sent = started.robot.apply(action(0, 0, 0.03))
    assert sent[2] == pytest.approx(0.01, abs=1e-6)
    assert started.robot.commanded_state[2] == pytest.approx(high, abs=1e-9)
    assert started.arm.target[2] == pytest.approx(high, abs=1e-9)


def test_turning_while_lagging_never_leads_out_of_the_box(started) -> None:
    robot, rng = started.robot, np.random.default_rng(0)
    low, high = robot.features.workspace.low_m, robot.features.workspace.high_m
    for _ in range(500):
        before = np.concatenate([rng.uniform(low, high), rng.uniform(-0.4, 0.4, 3), [1.0]])
        robot._commanded = before
        wanted = action(*rng.choice([-0.05, 0.0, 0.05], 3), *rng.choice([-0.25, 0.0, 0.25], 3))
        wanted[:3] = np.clip(before[:3] + wanted[:3], low, high) - before[:3]
        asked, done = robot._plan(wanted, before[:3] + rng.uniform(-0.075, 0.075, 3))
        assert (asked >= ACTION_LOW).all()
        assert (asked <= ACTION_HIGH).all()
        assert (before[:3] + done[:3] >= np.array(low) - 1e-5).all()
        assert (before[:3] + done[:3] <= np.array(high) + 1e-5).all()


def test_the_largest_step_of_an_arm_that_has_caught_up_is_sent_whole(started) -> None:
    for values in ((0.05, -0.05, -0.05), (0.0, 0.0, 0.0, 0.0, 0.0, 0.25)):
        wanted = action(*values)
        _, done = started.robot._plan(wanted, started.robot.commanded_state[:3])
        np.testing.assert_allclose(done, wanted, atol=1e-6)


def test_an_action_beyond_the_server_s_limits_is_refused(started) -> None:
    for wanted in (action(0.06), action(0, 0, 0, 0, 0, 0.3), action(gripper=1.2)):
        with pytest.raises(RobotError, match=r"At most 0\.05 m"):
            started.robot.apply(wanted)
    assert not started.sent("step_action")


def test_every_step_is_sent_as_seven_floats_without_waiting_for_its_end(started) -> None:
    started.drive(action(0.01))
    (step,) = started.sent("step_action")
    assert step["action"].shape == (7,)
    assert step["action"].dtype == np.float64
    assert step["blocking"] is False


def test_a_control_period_costs_one_observation_and_one_step() -> None:
    with open_server(factor=1.0) as server:
        made = Rig(server)
        with made.robot as robot, made.camera as camera:
            robot.stop()
            made.clock.wait_until_s(made.clock.now_s() + 0.3)
            before = len(server.requests)
            camera.read()
            robot.read_state()
            robot.read_state()
            robot.apply(action(0.01))
            assert len(server.requests) - before == 2


def test_nothing_is_sent_while_the_server_s_target_is_unknown() -> None:
    with rig() as made:
        with pytest.raises(RobotError, match="target is not known"):
            made.robot.apply(action(0.01))
        assert not made.arm.actions
        made.robot.stop()
        made.robot.apply(action(0.01))


# Starts.


def test_a_start_sets_up_an_arm_that_nobody_has_set_up() -> None:
    with rig({"initialised": False}) as made:
        with pytest.raises(NotInitialised, match="not initialised"):
            made.robot.read_state()
        with pytest.raises(NotInitialised):
            made.robot.stop()
        made.robot.move_to_start()
        (payload,) = made.sent("init")
        params = payload["env_params"]
        assert payload["image_size"] == 32
        assert params["override_workspace_boundaries"][1][:3] == [0.45, 0.25, 0.18]
        assert params["start_at_current_pos"] is True
        np.testing.assert_allclose(made.robot.read_state().state[:3], [0.3, 0, 0.15], atol=0.01)
        made.drive(action(0.01))


def test_an_arm_that_is_set_up_is_not_set_up_again(started) -> None:
    assert not started.sent("init")
    assert not started.sent("reset")


def test_setting_up_can_be_stopped() -> None:
    with rig({"initialised": False}) as made, pytest.raises(MotionStopped):
        made.robot.move_to_start(should_stop=lambda: True)


def test_a_server_without_an_arm_is_told_apart() -> None:
    with rig({"initialised": False, "testing": True}) as made:
        made.arm.init_s = 0.0
        with pytest.raises(NotInitialised, match="test mode"):
            made.robot.move_to_start()


def test_a_start_goes_by_short_moves_and_opens_the_gripper(started) -> None:
    started.drive(*[action(0.03, 0.03, -0.02, gripper=0.0)] * 3)
    before = len(started.sent("move"))
    started.robot.move_to_start()
    way = [payload["pose"] for payload in started.sent("move")[before:]]
    hops = [np.linalg.norm(b[:3, 3] - a[:3, 3]) for a, b in pairwise(way)]
    assert max(hops) <= 0.03 + 1e-9
    assert started.robot.read_state().state[6] > 0.9
    assert started.robot.commanded_state[6] == 1.0


def test_a_start_from_the_sleep_pose_rises_first() -> None:
    with rig() as made:
        asleep = np.array([0.1227, 0.0, 0.0813, 0.0, -1.021, 0.0])
        made.arm.from_pose = made.arm.to_pose = asleep
        made.robot.move_to_start()
        heights = [payload["pose"][2, 3] for payload in made.sent("move")]
        assert min(heights) > 0.08
        np.testing.assert_allclose(made.robot.read_state().state[:3], [0.3, 0, 0.15], atol=0.01)


def test_no_start_is_tried_from_where_no_way_leads() -> None:
    with rig() as made:
        made.arm.from_pose = made.arm.to_pose = np.array([-0.3, 0.0, 0.2, 0.0, 0.0, 0.0])
        with pytest.raises(Unreachable, match="No way leads"):
            made.robot.move_to_start()
        assert not made.arm.actions


def test_a_start_that_meets_something_holds_and_says_so(started) -> None:
    started.drive(*[action(0.04, 0.04)] * 3)
    started.arm.stuck = True
    with pytest.raises(Unreachable, match="behind on its way"):
        started.robot.move_to_start()
    assert started.arm.is_still()


def test_an_overload_on_the_way_is_a_motor_fault(started) -> None:
    started.drive(*[action(0.04, 0.04)] * 3)
    started.arm.overloaded = True
    with pytest.raises(MotorFault, match="could not carry out"):
        started.robot.move_to_start()
    assert started.arm.is_still()


# Faults while stepping.


def test_success_without_motion_is_noticed_by_reading_back(started) -> None:
    started.arm.stuck = True
    with pytest.raises(Unreachable, match="stood still"):
        started.drive(*[action(0, 0.01)] * 10, *[action(0, -0.01)] * 10)
    assert len(started.sent("step_action")) <= STUCK_PERIODS + 1


def test_small_steps_and_holding_still_are_no_fault(started) -> None:
    started.drive(*[action(0.002)] * 10, *[action()] * 20, *[action(gripper=0.0)] * 10)


def test_an_arm_that_somebody_else_moves_is_noticed(started) -> None:
    started.arm.from_pose = started.arm.to_pose = np.array([0.3, -0.3, 0.15, 0, 0, 0])
    started.clock.wait_until_s(started.clock.now_s() + 0.3)
    with pytest.raises(MotorFault, match="from where it was sent"):
        started.drive(*[action()] * 5)


def test_a_step_without_an_answer_is_not_sent_again_and_nothing_else_is(started) -> None:
    started.arm.slow_s = 6.0
    with started.impatient(), pytest.raises(LostConnection):
        started.robot.apply(action(0.02))
    with pytest.raises(RobotError, match="target is not known"):
        started.robot.apply(action(0.02))
    # The stop waits for the late step, and then holds where that has led so far.
    started.robot.stop()
    assert len(started.sent("step_action")) == 1
    state = started.robot.read_state().state
    assert 0.299 < state[0] < 0.321
    np.testing.assert_allclose(started.robot.commanded_state[:6], state[:6], atol=1e-3)
    started.drive(action(0.01))


def test_a_stop_waits_for_a_server_that_sets_up_its_arm_anew(started) -> None:
    started.arm.overloaded = True
    with started.impatient(), pytest.raises(LostConnection):
        started.robot.apply(action(0.02))
    started.robot.stop()
    assert started.arm.is_still()
    np.testing.assert_allclose(
        started.robot.commanded_state[:6], started.robot.read_state().state[:6], atol=1e-3
    )
    started.robot.move_to_start()
    started.drive(action(0.01))


def test_a_stop_without_a_server_says_that_nobody_knows_and_waits_only_once() -> None:
    with rig(restart_s=8.0) as made:
        made.robot.move_to_start()
        made.server.stop()
        begun_s = made.clock.now_s()
        with made.impatient(), pytest.raises(LostConnection, match="not known"):
            made.robot.stop()
        first_s = made.clock.now_s() - begun_s
        with made.impatient(), pytest.raises(LostConnection, match="not known"):
            made.robot.stop()
        assert first_s >= 8.0
        assert made.clock.now_s() - begun_s - first_s < first_s


def test_a_server_that_was_restarted_must_be_set_up_again(started) -> None:
    started.server.stop()
    with open_server(FACTOR, started.server.port, initialised=False) as again:
        with pytest.raises(NotInitialised):
            started.robot.stop()
        again.arm.init_s = 1.0
        started.robot.move_to_start()
        started.drive(action(0.01))
        assert again.arm.target is not None


# Stops.


def test_a_hold_in_full_motion_returns_only_when_the_arm_stands(started) -> None:
    started.drive(*[action(0.02, 0.05)] * 3)
    started.robot.apply(action(0.02, 0.05))
    started.robot.stop()
    assert started.arm.is_still()
    np.testing.assert_allclose(started.arm.target[:6], started.robot.commanded_state[:6], atol=1e-3)


def test_a_hold_leaves_the_servos_as_fast_as_the_steps_need(started) -> None:
    started.robot.stop()
    assert started.arm.moving_time_s == pytest.approx(0.25)


def test_a_hold_keeps_the_gripper_closed(started) -> None:
    started.drive(*[action(gripper=0.0)] * 5)
    started.robot.stop()
    assert started.robot.commanded_state[6] == 0.0
    assert started.arm.opening_goal == 0.0


def test_an_arm_that_never_stands_still_is_reported(started) -> None:
    def wander(pose: np.ndarray, duration_s: float) -> None:
        started.arm.from_pose = started.arm.to_pose = pose + np.random.default_rng().uniform(
            0.01, 0.05, 6
        )

    started.arm.go = wander
    with pytest.raises(MotorFault, match="still moves"):
        started.robot.stop()


def test_parking_goes_to_the_neutral_pose_and_can_be_stopped(started) -> None:
    with pytest.raises(MotionStopped):
        started.robot.stop(Stop.PARK, should_stop=lambda: True)
    assert started.arm.is_still()
    started.robot.stop(Stop.PARK)
    np.testing.assert_allclose(
        started.robot.read_state().state[:3], [0.1202, -0.0191, 0.2467], atol=2e-3
    )
    assert started.arm.is_still()


def test_taking_the_torque_off_is_refused_with_the_arm_held(started) -> None:
    started.robot.apply(action(0.05))
    with pytest.raises(RobotError, match="torque") as caught:
        started.robot.stop(Stop.TORQUE_OFF)
    assert started.arm.is_still()
    assert "12 V" in caught.value.try_next


# Connections.


def test_another_server_is_refused_unless_the_handshake_is_off() -> None:
    with open_server(FACTOR) as server:
        server.config["version"] = "0.9"
        strict = Rig(server)
        with pytest.raises(ProtocolError, match="version"):
            strict.robot.connect()
        strict.robot.disconnect()
        with Rig(server, handshake=False).robot as robot:
            robot.read_state()


def test_no_server_is_a_lost_connection_that_names_doctor() -> None:
    with open_server(FACTOR) as server:
        made = Rig(server, timeout_s=2.0)
    with pytest.raises(LostConnection, match="ptrctl doctor"):
        made.robot.connect()
    made.robot.disconnect()


def test_joints_are_estimates_and_nan_where_there_are_none(started) -> None:
    assert np.isfinite(started.robot.read_state().joint_positions_rad).all()
    started.arm.state_override = np.array([0.9, 0, 0.3, 0, 0, 0, 1.0])
    started.clock.wait_until_s(started.clock.now_s() + 0.3)
    assert np.isnan(started.robot.read_state().joint_positions_rad).all()


def test_the_same_arm_is_named_in_recordings(started) -> None:
    identity = started.robot.identity
    assert identity["embodiment"] == "wx250s"
    assert identity["server"] == f"127.0.0.1:{started.server.port}"
    assert identity["protocol"] == "0.0.1"


@pytest.mark.parametrize(
    "wrong",
    [
        {"port": 0},
        {"timeout_s": 0.0},
        {"restart_s": -1.0},
        {"host": ""},
        {"box_low_m": "0.1, 0.2"},
        {"box_high_m": "a, b, c"},
        {"box_low_m": "0.5, 0, 0", "box_high_m": "0.6, 0.1, 0.1"},
    ],
)
def test_settings_that_cannot_be_are_refused(wrong) -> None:
    with pytest.raises(ValueError, match=r".+"):
        BridgeSettings(**wrong)


def test_the_workspace_ends_where_the_server_clips() -> None:
    box = BridgeSettings().workspace
    assert box.high_m == (0.45, 0.25, 0.18)
    assert box.low_m == (0.14, -0.15, 0.010)


def test_the_fake_arm_turns_about_the_measured_position() -> None:
    """A hand-worked case, so that fake and driver cannot be wrong alike."""
    arm = FakeArm(1000.0)
    arm.observe_s = 0.0
    arm.from_pose = arm.to_pose = np.array([0.30, 0.0, 0.15, 0.0, 0.0, 0.0])
    arm.target = np.array([0.34, 0.0, 0.15, 0.0, 0.0, 0.0, 1.0])
    arm.do_step_action({"action": action(0, 0, 0, 0, 0, 0.25), "blocking": False})
    expected = [0.30 + 0.04 * np.cos(0.25), 0.04 * np.sin(0.25), 0.15, 0, 0, 0.25]
    np.testing.assert_allclose(arm.target[:6], expected, atol=1e-12)
