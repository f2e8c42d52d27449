"""The tables of keys: nothing collides, everything is reachable."""

from __future__ import annotations

from collections import Counter

import pytest

from hardware.teleoperator import EPISODE_BUTTONS, Button
from ptrctl.terminal.keymap import (
    BUTTON_COMMANDS,
    COMMAND_KEYS,
    FAILURE_REASONS,
    HOLD_KEYS,
    MOTIONS,
    SPEED_KEYS,
    Command,
    Moment,
    arm_keys,
    command_for,
    command_for_buttons,
    command_keys_at,
    commands_at,
    motion_for,
    moves_the_arm,
)


@pytest.mark.parametrize("moment", list(Moment))
def test_at_any_moment_a_letter_means_one_thing(moment: Moment) -> None:
    letters = Counter(binding.key for binding in commands_at(moment))
    assert not [letter for letter, uses in letters.items() if uses > 1]


def test_no_command_key_moves_the_arm() -> None:
    assert not [binding.key for binding in COMMAND_KEYS if moves_the_arm(binding.key)]


def test_every_command_has_a_key_and_only_holding_has_a_named_one() -> None:
    assert {binding.command for binding in COMMAND_KEYS} == set(Command)
    named = {binding.key for binding in COMMAND_KEYS if len(binding.key) > 1}
    assert named == set(HOLD_KEYS)


@pytest.mark.parametrize("moment", [Moment.RUNNING, Moment.MOVING, Moment.PARKING])
@pytest.mark.parametrize("key", HOLD_KEYS)
def test_space_and_escape_hold_the_arm_whenever_it_may_move(key: str, moment: Moment) -> None:
    assert command_for(key, moment) is Command.HOLD
    assert ("space esc", "hold") in command_keys_at(moment)


@pytest.mark.parametrize("moment", list(Moment))
@pytest.mark.parametrize("key", HOLD_KEYS)
def test_space_and_escape_never_do_anything_else(key: str, moment: Moment) -> None:
    assert command_for(key, moment) in (None, Command.HOLD)


def test_motions_cover_both_directions_of_six_axes_without_sharing_a_key() -> None:
    assert {(m.axis, m.sign) for m in MOTIONS} == {(a, s) for a in range(6) for s in (1.0, -1.0)}
    keys = [key for motion in MOTIONS for key in motion.keys] + list(SPEED_KEYS)
    assert len(keys) == len(set(keys))


def test_the_panel_shows_every_motion_key() -> None:
    shown = {letter for letters, _ in arm_keys() for letter in letters.split()}
    assert {motion.keys[0] for motion in MOTIONS} <= shown


def test_discarding_needs_a_finished_episode() -> None:
    assert command_for("d", Moment.RUNNING) is None
    assert command_for("d", Moment.LABEL) is Command.DISCARD


def test_a_trial_is_never_dropped_or_judged_later() -> None:
    assert [key for key, _ in command_keys_at(Moment.VERDICT)] == ["y", "f", "r", "q"]


def test_enter_or_an_unknown_key_never_means_success() -> None:
    meanings = {command_for(key, Moment.LABEL) for key in ("enter", "space", "#", "Y")}
    meanings |= {command_for(key, Moment.VERDICT) for key in ("enter", "space", "#", "Y")}
    assert meanings == {None}


def test_failure_reasons_have_single_letters_and_one_is_free_text() -> None:
    assert all(len(letter) == 1 for letter in FAILURE_REASONS)
    assert FAILURE_REASONS["o"] == ""


def test_an_unknown_key_moves_nothing() -> None:
    assert motion_for("#") is None
    assert not moves_the_arm("#")


def test_every_button_about_an_episode_has_a_command() -> None:
    assert set(BUTTON_COMMANDS) == set(EPISODE_BUTTONS)


def test_a_button_means_the_first_command_that_works_now() -> None:
    pressed = [Button.START, Button.STOP]
    assert command_for_buttons(pressed, Moment.READY) is Command.START
    assert command_for_buttons(pressed, Moment.RUNNING) is Command.STOP
    assert command_for_buttons(pressed, Moment.MOVING) is Command.HOLD
    assert command_for_buttons(pressed, Moment.LABEL) is None
    assert command_for_buttons([Button.PAUSE], Moment.RUNNING) is Command.HOLD
    assert command_for_buttons([Button.PAUSE], Moment.PAUSED) is Command.RESUME
