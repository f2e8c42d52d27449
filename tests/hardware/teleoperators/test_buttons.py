"""Buttons as a text of settings, and their edges."""

from __future__ import annotations

import pytest

from hardware.settings import build_settings
from hardware.teleoperator import Button
from hardware.teleoperators.buttons import ButtonMap, ButtonPanel
from hardware.teleoperators.gamepad import GamepadSettings
from recordings.errors import UsageError


def panel(text: str) -> ButtonPanel:
    return ButtonPanel(ButtonMap.parse(text))


def test_a_press_counts_once_however_often_it_is_reported() -> None:
    buttons = panel("0=gripper 1=start,stop")
    for _ in range(3):
        buttons.change(0, True)
    buttons.change(1, True)
    assert buttons.take() == (True, (Button.GRIPPER, Button.START, Button.STOP))
    assert buttons.take() == (True, ())
    buttons.change(0, False)
    buttons.change(0, True)
    assert buttons.take() == (True, (Button.GRIPPER,))


def test_a_clutch_engages_while_it_is_held() -> None:
    buttons = panel("5=clutch")
    assert buttons.take()[0] is False
    buttons.change(5, True)
    assert buttons.take()[0] is True
    buttons.change(5, False)
    assert buttons.take()[0] is False


def test_a_clutch_that_was_released_and_pressed_between_readings_shows_as_released_once() -> None:
    buttons = panel("5=clutch")
    buttons.change(5, True)
    assert buttons.take()[0] is True
    buttons.change(5, False)
    buttons.change(5, True)
    assert buttons.take()[0] is False
    assert buttons.take()[0] is True


def test_buttons_that_nothing_is_said_about_do_nothing() -> None:
    buttons = panel("0=gripper")
    buttons.change(9, True)
    assert buttons.take() == (True, ())


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("zero=gripper", "is not a button and its use"),
        ("0=grip", "known: clutch, gripper"),
        ("0=gripper 0=start", "two entries"),
        ("0=clutch 1=clutch", "only one clutch"),
        ("0", "is not a button and its use"),
    ],
)
def test_a_mapping_that_makes_no_sense_is_refused_with_the_words_that_do(
    text: str, said: str
) -> None:
    with pytest.raises(UsageError, match=said):
        build_settings(GamepadSettings, {"buttons": text}, "teleoperator.options")
