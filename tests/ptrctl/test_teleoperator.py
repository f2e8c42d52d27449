"""Keys to actions, with the auto-repeat of a terminal."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hardware.teleoperation import TeleoperatedDecider
from ptrctl.operator.teleoperator import KeyboardTeleoperator
from ptrctl.terminal.keymap import MOTIONS, SPEED_KEYS
from ptrctl.terminal.keys import Key
from recordings.records import (
    ACTION_HIGH,
    ACTION_LOW,
    EpisodeInfo,
    Observation,
)

SEEN = Observation({}, np.zeros(7), 0.0)
INFO = EpisodeInfo("e", "demo", "t", {}, {}, 5.0, "keyboard")
PERIOD_S = 0.2


class Hand:
    """Presses keys on a teleoperator along a clock of its own."""

    def __init__(self) -> None:
        self.now_s = 0.0
        self.teleoperator = KeyboardTeleoperator(lambda: self.now_s)
        self.decider = TeleoperatedDecider(
            self.teleoperator, lambda: np.zeros(7), lambda: self.now_s
        )
        self.decider.begin(INFO)

    def press(self, name: str) -> None:
        self.teleoperator.press(Key(name, self.now_s))

    def act(self) -> np.ndarray:
        action = self.decider.act(SEEN).action
        self.now_s += PERIOD_S
        return action


def test_without_keys_the_arm_holds_with_an_open_gripper() -> None:
    assert Hand().act().tolist() == [0, 0, 0, 0, 0, 0, 1.0]


def test_a_press_bridges_the_wait_for_the_first_repeat_then_stops() -> None:
    hand = Hand()
    hand.press("i")
    moved = [hand.act()[0] for _ in range(5)]
    assert moved == pytest.approx([0.02, 0.02, 0.02, 0, 0])


def test_a_held_key_moves_every_period_and_stops_within_one_after_its_last_repeat() -> None:
    hand = Hand()
    hand.press("j")
    for _ in range(10):
        hand.press("j")
        assert hand.act()[1] == pytest.approx(0.02)
    hand.now_s += 0.5
    assert hand.act()[1] == 0


def test_at_fine_speed_a_press_is_exactly_one_step() -> None:
    hand = Hand()
    hand.press("1")
    hand.press("u")
    assert [hand.act()[2] for _ in range(3)] == pytest.approx([0.01, 0, 0])


def test_a_new_key_replaces_the_old_one() -> None:
    hand = Hand()
    hand.press("i")
    hand.press("l")
    action = hand.act()
    assert action[0] == 0
    assert action[1] == pytest.approx(-0.02)


def test_the_gripper_key_toggles() -> None:
    hand = Hand()
    hand.press("o")
    assert hand.act()[6] == 0.0
    assert hand.act()[6] == 0.0
    hand.press("o")
    assert hand.act()[6] == 1.0


def test_an_episode_begins_with_nothing_held() -> None:
    hand = Hand()
    hand.press("i")
    hand.press("o")
    hand.decider.begin(INFO)
    assert hand.act().tolist() == [0, 0, 0, 0, 0, 0, 1.0]


ALL_KEYS = [key for motion in MOTIONS for key in motion.keys] + list(SPEED_KEYS) + ["o", "#"]


@given(st.lists(st.one_of(st.none(), st.sampled_from(ALL_KEYS)), max_size=40))
def test_no_sequence_of_keys_leaves_the_action_limits(keys: list[str | None]) -> None:
    hand = Hand()
    for key in keys:
        if key is not None:
            hand.press(key)
        action = hand.act()
        assert (action >= ACTION_LOW).all()
        assert (action <= ACTION_HIGH).all()
        assert np.count_nonzero(action[:6]) <= 1
