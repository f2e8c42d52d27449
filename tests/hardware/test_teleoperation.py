"""From a device's readings to actions: clutch, limits, stale data, gripper."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from hardware.faults import LostConnection
from hardware.loop import ControlLoop
from hardware.robot import Stop
from hardware.teleoperation import TeleoperatedDecider
from hardware.teleoperator import FAST, FINE, NORMAL, SPEEDS, Button, Rate, Speed
from hardware.wx250s import euler_to_rotation, rotation_to_euler
from recordings.errors import RobotError
from recordings.records import (
    ACTION_HIGH,
    ACTION_LOW,
    EndReason,
    FloatArray,
    Observation,
)
from tests.hardware.fake_teleoperator import FakeTeleoperator
from tests.hardware.fakes import episode_info, fake_station

SEEN = Observation({}, np.zeros(7), 0.0)
PERIOD_S = 0.2


class Desk:
    """A device, the decider behind it, and an arm that goes exactly where it is told."""

    def __init__(self) -> None:
        self.now_s = 10.0
        self.arm = np.array([0.3, 0.0, 0.15, 0.0, 0.0, 0.0, 1.0])
        self.device = FakeTeleoperator(lambda: self.now_s)
        self.decider = TeleoperatedDecider(self.device, self.arm.copy, lambda: self.now_s)
        self.decider.begin(episode_info())

    def act(self) -> FloatArray:
        action = self.decider.act(SEEN).action
        self.arm[:6] += action[:6]
        self.arm[6] = action[6]
        self.now_s += PERIOD_S
        return action

    def act_until_still(self) -> None:
        for _ in range(60):
            if np.abs(self.act()[:6]).max() < 1e-9:
                return
        raise AssertionError("the arm does not come to rest")


@pytest.mark.parametrize("speed", SPEEDS)
def test_a_full_push_moves_one_step_of_the_speed_level(speed: Any) -> None:
    desk = Desk()
    desk.device.speed = speed
    desk.device.push(1, -1, 0.5, 1, 0, -1)
    m, rad = speed.step_m, speed.step_rad
    assert desk.act()[:6] == pytest.approx([m, -m, m / 2, rad, 0, -rad])


def test_a_speed_level_is_the_same_speed_at_a_higher_control_rate() -> None:
    desk = Desk()
    desk.decider.begin(episode_info(control_rate_hz=20.0))
    desk.device.speed = FINE
    desk.device.push(1, 0, 0, 0, 0, 1)
    sent = desk.act()
    assert sent[0] == pytest.approx(FINE.step_m / 4)
    assert sent[5] == pytest.approx(FINE.step_rad / 4)


def test_nothing_moves_without_the_clutch_and_the_gripper_holds() -> None:
    desk = Desk()
    desk.device.push(1, 1, 1, 1, 1, 1)
    desk.device.pressed = [Button.GRIPPER]
    assert desk.act()[6] == 0.0
    desk.device.engaged = False
    desk.device.pressed = [Button.GRIPPER]
    desk.device.opening = 1.0
    assert desk.act().tolist() == [0, 0, 0, 0, 0, 0, 0.0]
    assert desk.decider.engaged == "no: press the clutch"


def test_nothing_moves_on_stale_data_and_it_goes_on_with_fresh_data() -> None:
    desk = Desk()
    desk.device.push(1, 0, 0, 0, 0, 0)
    desk.device.received_s = desk.now_s
    assert desk.act()[0] > 0
    assert desk.act()[0] > 0
    assert not desk.act()[:6].any()
    assert desk.decider.engaged == "no: no fresh data"
    desk.device.received_s = None
    assert desk.act()[0] > 0
    assert desk.decider.engaged == "yes"


def test_speed_buttons_go_through_the_levels_and_stop_at_the_ends() -> None:
    desk = Desk()
    desk.device.pressed = [Button.FASTER, Button.FASTER]
    desk.act()
    assert desk.decider.speed is FAST
    desk.device.pressed = [Button.SLOWER] * 5
    desk.act()
    assert desk.decider.speed is FINE


def test_buttons_about_the_episode_are_handed_over_once_and_those_before_it_are_forgotten() -> None:
    desk = Desk()
    desk.device.pressed = [Button.SUCCESS, Button.GRIPPER]
    desk.act()
    desk.device.pressed = [Button.STOP]
    assert desk.decider.episode_buttons() == [Button.SUCCESS, Button.STOP]
    assert desk.decider.episode_buttons() == []
    desk.device.pressed = [Button.FAILURE]
    desk.act()
    desk.decider.begin(episode_info())
    assert desk.decider.episode_buttons() == []


def test_an_episode_begins_with_an_open_gripper() -> None:
    desk = Desk()
    desk.device.pressed = [Button.GRIPPER]
    assert desk.act()[6] == 0.0
    desk.decider.begin(episode_info())
    assert desk.act()[6] == 1.0


def test_engaging_a_gripper_handle_drops_nothing_and_noise_moves_nothing() -> None:
    desk = Desk()
    desk.device.opening = 0.3
    assert desk.act()[6] == 1.0
    desk.device.opening = 0.1
    assert desk.act()[6] == pytest.approx(0.1)
    for noise in (0.12, 0.08, 0.14):
        desk.device.opening = noise
        assert desk.act()[6] == pytest.approx(0.1)
    desk.device.opening = 0.02
    assert desk.act()[6] == 0.0
    desk.device.engaged = False
    desk.act()
    desk.device.engaged, desk.device.opening = True, 0.9
    assert desk.act()[6] == 0.0


def test_the_gripper_follows_a_relative_hand_in_the_base_frame() -> None:
    desk = Desk()
    desk.device.speed = FAST
    desk.arm[3:6] = (0.1, -0.2, 0.7)
    before = euler_to_rotation(desk.arm[3:6])
    held = Rotation.from_euler("xyz", (0.5, 1.0, -2.0)).as_matrix()
    desk.device.put_hand((5.0, 5.0, 5.0), held)
    assert np.abs(desk.act()[:6]).max() < 1e-12
    turn = Rotation.from_rotvec((0.0, 0.15, 0.1)).as_matrix()
    desk.device.put_hand((5.04, 4.97, 5.01), turn @ held)
    desk.act_until_still()
    assert desk.arm[:3] == pytest.approx([0.34, -0.03, 0.16])
    assert desk.arm[3:6] == pytest.approx(rotation_to_euler(turn @ before))


def test_a_hand_across_half_a_turn_takes_the_short_way() -> None:
    desk = Desk()
    desk.device.speed = FAST
    desk.arm[5] = np.pi - 0.05
    desk.device.put_hand(np.zeros(3))
    desk.act()
    desk.device.put_hand(np.zeros(3), Rotation.from_rotvec((0, 0, 0.1)).as_matrix())
    assert desk.act()[5] == pytest.approx(0.1)


def test_a_hand_that_runs_ahead_does_not_make_the_arm_run_on() -> None:
    desk = Desk()
    desk.device.put_hand(np.zeros(3))
    desk.act()
    for x in np.linspace(0.05, 0.5, 10):
        desk.device.put_hand((x, 0, 0))
        desk.act()
    begin = desk.arm[0]
    desk.act_until_still()
    assert desk.arm[0] - begin <= 0.1 + 1e-9


def test_a_hand_that_jumps_moves_nothing_until_the_clutch_was_released() -> None:
    desk = Desk()
    desk.device.put_hand(np.zeros(3))
    desk.act()
    desk.device.put_hand((0.5, 0, 0))
    assert not desk.act()[:6].any()
    desk.device.put_hand((0.55, 0, 0))
    assert not desk.act()[:6].any()
    assert desk.decider.engaged == "no: jumped, release the clutch"
    desk.device.engaged = False
    desk.act()
    desk.device.engaged = True
    desk.act()
    desk.device.put_hand((0.56, 0, 0))
    assert desk.act()[0] == pytest.approx(0.01)


def test_after_a_pause_the_hand_begins_anew() -> None:
    desk = Desk()
    desk.device.put_hand(np.zeros(3))
    desk.act()
    desk.now_s += 5.0
    desk.device.put_hand((0.3, 0, 0))
    assert not desk.act()[:6].any()
    desk.device.put_hand((0.31, 0, 0))
    assert desk.act()[0] == pytest.approx(0.01)


def test_a_handle_that_springs_open_in_a_pause_drops_nothing() -> None:
    desk = Desk()
    desk.device.opening = 1.0
    desk.act()
    desk.device.opening = 0.0
    assert desk.act()[6] == 0.0
    desk.device.opening = 1.0
    for _ in range(6):
        desk.decider.episode_buttons()
        desk.now_s += PERIOD_S
    assert [desk.act()[6] for _ in range(3)] == [0.0, 0.0, 0.0]


def test_a_leader_is_followed_only_once_it_is_near_and_then_slowly_at_first() -> None:
    desk = Desk()
    desk.device.speed = FAST
    desk.device.put_hand((0.3, 0.2, 0.15), absolute=True)
    assert not desk.act()[:6].any()
    assert desk.decider.engaged == "no: 20 cm, 0° from the arm"
    desk.device.put_hand((0.3, 0.07, 0.15), absolute=True)
    steps = [desk.act()[1] for _ in range(9)]
    assert max(steps) == pytest.approx(FINE.step_m)
    assert desk.decider.engaged == "yes"
    assert desk.arm[1] == pytest.approx(0.07)
    desk.device.put_hand((0.3, 0.11, 0.15), absolute=True)
    assert desk.act()[1] == pytest.approx(0.04)


@pytest.mark.parametrize("rate_hz", [5.0, 20.0])
@pytest.mark.parametrize("speed", [Speed("finer", 0.004, 0.02), *SPEEDS])
def test_a_leader_is_caught_up_with_no_faster_than_at_the_fine_speed_nor_the_chosen_one(
    speed: Speed, rate_hz: float
) -> None:
    desk = Desk()
    desk.decider.begin(episode_info(control_rate_hz=rate_hz))
    desk.device.speed = speed
    turn = Rotation.from_rotvec((0.0, 0.0, 0.4)).as_matrix()
    desk.device.put_hand((0.3, 0.07, 0.15), turn, absolute=True)
    sent = desk.act()
    slowed = 5.0 / rate_hz
    assert sent[1] == pytest.approx(min(speed.step_m, FINE.step_m) * slowed)
    assert sent[5] == pytest.approx(min(speed.step_rad, FINE.step_rad) * slowed)


def test_before_the_episode_the_panel_says_how_far_the_leader_is() -> None:
    desk = Desk()
    desk.device.put_hand((0.3, 0.1, 0.15), absolute=True)
    desk.decider.episode_buttons()
    assert desk.decider.engaged == "no: 10 cm, 0° from the arm"
    desk.device.put_hand((0.3, 0.01, 0.15), absolute=True)
    desk.decider.episode_buttons()
    assert desk.decider.engaged == "yes"


def test_a_leader_that_falls_is_not_followed() -> None:
    desk = Desk()
    desk.device.put_hand((0.3, 0.0, 0.15), absolute=True)
    desk.act()
    desk.device.put_hand((0.1, 0.0, -0.2), absolute=True)
    for _ in range(5):
        assert not desk.act()[:6].any()
    desk.device.put_hand((0.3, 0.0, 0.16), absolute=True)
    for _ in range(3):
        desk.act()
    assert desk.arm[2] == pytest.approx(0.16)


def test_the_handle_of_a_leader_that_is_not_followed_leaves_the_gripper_alone() -> None:
    desk = Desk()
    desk.device.opening = 1.0
    desk.device.put_hand((0.3, 0.0, 0.15), absolute=True)
    desk.act()
    desk.device.opening = 0.0
    assert desk.act()[6] == 0.0
    # It is dropped, and its handle springs open.
    desk.device.put_hand((0.3, 0.0, -0.25), absolute=True)
    for opening in (0.3, 0.6, 1.0):
        desk.device.opening = opening
        desk.decider.episode_buttons()
        assert desk.act()[6] == 0.0
        assert desk.decider.engaged.startswith("no: ")
    desk.device.put_hand((0.3, 0.0, 0.15), absolute=True)
    assert [desk.act()[6] for _ in range(3)] == [0.0] * 3
    assert desk.decider.engaged == "yes"
    desk.device.opening = 0.5
    assert desk.act()[6] == 0.5


def test_a_device_that_is_gone_or_sends_nonsense_is_an_error() -> None:
    desk = Desk()
    desk.device.push(np.nan, 0, 0, 0, 0, 0)
    with pytest.raises(RobotError, match="not finite"):
        desk.act()
    desk.device.gone = True
    with pytest.raises(LostConnection):
        desk.act()


def test_a_device_that_is_lost_in_an_episode_stops_the_arm() -> None:
    station, robot, clock = fake_station()
    device = FakeTeleoperator(clock.now_s)
    device.push(1, 0, 0, 0, 0, 0)
    decider = TeleoperatedDecider(device, lambda: robot.commanded_state, clock.now_s)
    loop = ControlLoop(station, 5.0)
    read, seen = device.read, []

    def read_thrice() -> Any:
        seen.append(1)
        device.gone = len(seen) > 3
        return read()

    device.read = read_thrice  # type: ignore[method-assign]
    with station, decider:
        end = loop.run_episode(episode_info(), decider, max_steps=20)
    assert (end.reason, end.steps, end.fault) == (EndReason.FAULT, 3, "The fake is gone.")
    assert robot.log[-2:] == [f"stop {Stop.HOLD.value}", "disconnect"]
    assert device.log == ["connect", "begin", "disconnect"]


coordinates = st.floats(-0.4, 0.4)
turns = st.tuples(*[st.floats(-1.0, 1.0)] * 3)
hands = st.tuples(st.tuples(coordinates, coordinates, coordinates), turns, st.booleans())


@given(st.lists(hands, max_size=25), st.sampled_from(SPEEDS), st.booleans())
def test_no_hand_exceeds_the_speed_level_whatever_it_does(
    poses: list[Any], speed: Any, absolute: bool
) -> None:
    desk = Desk()
    desk.device.speed = speed
    for position, turn, engaged in poses:
        desk.device.engaged = engaged
        rotation = Rotation.from_rotvec(turn).as_matrix()
        desk.device.put_hand(np.array(position), rotation, absolute=absolute)
        action = desk.act()
        assert np.abs(action[:3]).max() <= speed.step_m + 1e-12
        assert np.abs(action[3:6]).max() <= speed.step_rad + 1e-12
        assert engaged or not action[:6].any()
        assert (action >= ACTION_LOW).all()
        assert (action <= ACTION_HIGH).all()


@given(st.lists(hands, min_size=1, max_size=10), hands)
def test_engaging_anew_never_moves_the_arm_wherever_the_hand_has_gone(
    poses: list[Any], last: Any
) -> None:
    desk = Desk()
    for position, turn, _ in poses:
        desk.device.put_hand(np.array(position), Rotation.from_rotvec(turn).as_matrix())
        desk.act()
    desk.device.engaged = False
    desk.act()
    desk.device.engaged = True
    desk.device.put_hand(np.array(last[0]), Rotation.from_rotvec(last[1]).as_matrix())
    assert np.abs(desk.act()[:6]).max() < 1e-12


@given(st.tuples(*[st.floats(-5.0, 5.0)] * 6))
def test_no_push_exceeds_the_speed_level(values: Any) -> None:
    desk = Desk()
    desk.device.motion = Rate(np.array(values))
    action = desk.act()
    assert np.abs(action[:3]).max() <= NORMAL.step_m
    assert np.abs(action[3:6]).max() <= NORMAL.step_rad
