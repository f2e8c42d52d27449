"""Events of SDL to readings, through pygame itself without a display or a pad."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from hardware.faults import LostConnection
from hardware.teleoperator import Button, Rate
from hardware.teleoperators import gamepad
from hardware.teleoperators.gamepad import Gamepad, GamepadSettings, StickMap
from recordings.errors import RobotError, SystemSetupError

ID = 7


class FakePad:
    """A joystick as pygame shows it."""

    def __init__(self, name: str = "Xbox Wireless Controller") -> None:
        self.name = name
        self.held = [0.0] * 6

    def get_name(self) -> str:
        return self.name

    def get_instance_id(self) -> int:
        return ID

    def get_numaxes(self) -> int:
        return len(self.held)

    def get_numbuttons(self) -> int:
        return 11

    def get_axis(self, axis: int) -> float:
        return self.held[axis]


class Desk:
    """A gamepad whose events are posted into pygame's queue."""

    def __init__(self, **settings: Any) -> None:
        self.now_s = 50.0
        self.pad = Gamepad(GamepadSettings(**settings), lambda: self.now_s)
        self.pad.connect()
        self.pygame = gamepad.import_module("pygame")

    def post(self, kind: str, instance_id: int = ID, **values: Any) -> None:
        event = self.pygame.event.Event(
            getattr(self.pygame, kind), instance_id=instance_id, **values
        )
        self.pygame.event.post(event)

    def rate(self) -> list[float]:
        motion = self.pad.read().motion
        assert isinstance(motion, Rate)
        return [round(float(value), 6) + 0.0 for value in motion.values]


@pytest.fixture
def pads(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[FakePad]]:
    """The pads that are plugged in."""
    there = [FakePad()]
    monkeypatch.setattr(gamepad, "_pads", lambda pygame: there)
    yield there
    gamepad.import_module("pygame").quit()


@pytest.mark.parametrize(
    ("axis", "value", "direction", "sign"),
    [(1, -1.0, 0, 1), (0, -1.0, 1, 1), (4, -1.0, 2, 1), (3, -1.0, 5, 1), (1, 1.0, 0, -1)],
)
def test_a_stick_moves_one_direction(
    pads: list[FakePad], axis: int, value: float, direction: int, sign: int
) -> None:
    desk = Desk()
    desk.post("JOYAXISMOTION", axis=axis, value=value)
    expected = [0.0] * 6
    expected[direction] = float(sign)
    assert desk.rate() == expected
    desk.post("JOYAXISMOTION", axis=axis, value=0.05)  # Worn sticks do not rest at nought.
    assert desk.rate() == [0.0] * 6


def test_the_hat_tilts_the_gripper(pads: list[FakePad]) -> None:
    desk = Desk()
    desk.post("JOYHATMOTION", hat=0, value=(1, -1))
    assert desk.rate() == [0, 0, 0, 1, -1, 0]
    desk.post("JOYHATMOTION", hat=0, value=(0, 0))
    assert desk.rate() == [0.0] * 6


def test_buttons_are_edges_and_the_clutch_is_a_state(pads: list[FakePad]) -> None:
    desk = Desk()
    assert not desk.pad.read().engaged
    desk.post("JOYBUTTONDOWN", button=5)
    desk.post("JOYBUTTONDOWN", button=7)
    reading = desk.pad.read()
    assert reading.engaged
    assert reading.pressed == (Button.START, Button.STOP)
    assert desk.pad.read().pressed == ()
    desk.post("JOYBUTTONUP", button=5)
    assert not desk.pad.read().engaged


def test_the_mapping_is_a_setting(pads: list[FakePad]) -> None:
    desk = Desk(axes="z=+2", buttons="3=gripper")
    desk.post("JOYAXISMOTION", axis=2, value=1.0)
    desk.post("JOYAXISMOTION", axis=1, value=1.0)
    desk.post("JOYBUTTONDOWN", button=3)
    assert desk.rate() == [0, 0, 1, 0, 0, 0]
    assert desk.pad.read().engaged  # Without a clutch.


def test_another_pad_drives_nothing(pads: list[FakePad]) -> None:
    desk = Desk()
    desk.post("JOYAXISMOTION", instance_id=ID + 1, axis=1, value=-1.0)
    desk.post("JOYDEVICEREMOVED", instance_id=ID + 1)
    assert desk.rate() == [0.0] * 6


def test_a_stick_that_is_held_when_the_pad_is_opened_is_known(pads: list[FakePad]) -> None:
    pads[0].held[1] = -1.0
    assert Desk().rate()[0] == 1.0


def test_unplugging_is_an_error_and_the_last_push_is_forgotten(pads: list[FakePad]) -> None:
    desk = Desk()
    desk.post("JOYAXISMOTION", axis=1, value=-1.0)
    desk.post("JOYDEVICEREMOVED")
    with pytest.raises(LostConnection, match="gamepad is gone"):
        desk.pad.read()
    with pytest.raises(LostConnection, match="not connected"):
        desk.pad.read()
    desk.pad.connect()
    assert desk.rate() == [0.0] * 6


def test_the_pad_is_chosen_by_name(pads: list[FakePad]) -> None:
    pads.append(FakePad("DualSense"))
    Desk(device="dualsense")
    assert [found.options for found in gamepad.KIND.discover()] == [
        {"device": "Xbox Wireless Controller"},
        {"device": "DualSense"},
    ]
    with pytest.raises(RobotError, match="Xbox Wireless Controller, DualSense"):
        Desk(device="Switch")
    pads.clear()
    (finding,) = gamepad.KIND.check(GamepadSettings())
    assert finding.found == "No gamepad is plugged in."


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> None:
        raise ImportError(name)

    monkeypatch.setattr(gamepad, "import_module", missing)
    with pytest.raises(SystemSetupError, match=r"ptrctl\[gamepad\]"):
        Gamepad(GamepadSettings()).connect()


@pytest.mark.parametrize("text", ["x", "w=1", "x=hat1z", "x=1 x=2", "x=1 y=-1", "x=--1"])
def test_axes_that_make_no_sense_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"such as `x=-1`|a second time"):
        StickMap.parse(text)
