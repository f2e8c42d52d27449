"""A gamepad, read through SDL (pygame) without a window.

Which number an axis or a button has differs by controller and by SDL's version, so the mapping
is a setting. The default is that of an Xbox pad.
"""

from __future__ import annotations

import contextlib
import io
import os
import re
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any

import numpy as np

from hardware.checks import Finding, Health
from hardware.faults import LostConnection
from hardware.install import cannot_import
from hardware.kinds import Discovered, TeleoperatorKind
from hardware.settings import setting
from hardware.teleoperator import NORMAL, Rate, Speed, TeleopReading
from hardware.teleoperators.buttons import ButtonMap, ButtonPanel
from hardware.teleoperators.dead_zone import without_dead_zone
from recordings.errors import RobotError, SystemSetupError
from recordings.records import FloatArray

DIRECTIONS = ("x", "y", "z", "roll", "pitch", "yaw")

# Without a window SDL would not report the pad, and would take Ctrl-C for itself.
_SDL = {
    "SDL_VIDEODRIVER": "dummy",
    "SDL_AUDIODRIVER": "dummy",
    "SDL_JOYSTICK_ALLOW_BACKGROUND_EVENTS": "1",
    "SDL_NO_SIGNAL_HANDLERS": "1",
    "PYGAME_HIDE_SUPPORT_PROMPT": "1",
}


@dataclass(frozen=True)
class StickMap:
    """Where each of the six directions comes from.

    Args:
        axes: Number of an axis to (direction, sign).
        hats: (number of a hat, 0 for its x or 1 for its y) to (direction, sign).
    """

    axes: dict[int, tuple[int, float]] = field(default_factory=dict)
    hats: dict[tuple[int, int], tuple[int, float]] = field(default_factory=dict)

    @classmethod
    def parse(cls, text: str) -> StickMap:
        """From "x=-1 y=-0 pitch=hat0y": a sign and the number of an axis, or of a hat's x or y.

        Raises:
            ValueError: A word is not of that form, or a direction or an axis comes twice.
        """
        map_, seen = cls(), set()
        for word in text.split():
            match = re.fullmatch(r"(\w+)=([+-]?)(?:(\d+)|hat(\d+)([xy]))", word)
            if match is None or match[1] not in DIRECTIONS:
                raise ValueError(
                    f"`{word}` is not a direction ({', '.join(DIRECTIONS)}) and its axis, such "
                    "as `x=-1` or `pitch=hat0y`"
                )
            to = DIRECTIONS.index(match[1]), -1.0 if match[2] == "-" else 1.0
            source = match[3] or match[4] + match[5]
            if match[1] in seen or source in seen:
                raise ValueError(f"`{word}` uses a direction or an axis a second time")
            seen |= {match[1], source}
            if match[3]:
                map_.axes[int(match[3])] = to
            else:
                map_.hats[int(match[4]), "xy".index(match[5])] = to
        return map_


@dataclass(frozen=True)
class GamepadSettings:
    """How a gamepad drives the arm."""

    device: str = setting("", "Part of the pad's name; empty takes the first pad.")
    dead_zone: float = setting(0.15, "Sticks below this share of their travel are ignored.")
    axes: str = setting(
        "x=-1 y=-0 z=-4 yaw=-3 roll=hat0x pitch=hat0y",
        "Axis behind each direction: `x=-1` is ahead when axis 1 is pushed away.",
    )
    buttons: str = setting(
        "0=gripper 1=failure 2=slower 3=success 4=faster 5=clutch 6=discard 7=start,stop",
        "What each button does: gripper, clutch, slower, faster, start, stop, pause, success, "
        "failure, discard, redo.",
    )

    def __post_init__(self) -> None:
        if not 0.0 <= self.dead_zone < 1.0:
            raise ValueError(f"dead_zone is {self.dead_zone:g}, but must lie in [0, 1)")
        StickMap.parse(self.axes)
        ButtonMap.parse(self.buttons)


class Gamepad:
    """A `Teleoperator` that follows SDL's events, which come only when something changes.

    Args:
        settings: See there.
        now_s: Stamps readings.
    """

    name = "gamepad"
    hint = ""

    def __init__(
        self, settings: GamepadSettings, now_s: Callable[[], float] = time.monotonic
    ) -> None:
        self.speed: Speed = NORMAL
        self._settings = settings
        self._now_s = now_s
        self._sticks = StickMap.parse(settings.axes)
        self._buttons = ButtonPanel(ButtonMap.parse(settings.buttons))
        self._push: FloatArray = np.zeros(6)
        self._pygame: Any = None
        self._pad: Any = None

    def connect(self) -> None:
        self._pygame = _start_pygame()
        try:
            self._pad = _open_pad(self._pygame, self._settings.device)
        except RobotError:
            self.disconnect()
            raise
        # A stick that is held now will not be reported before it moves.
        for axis, (direction, sign) in self._sticks.axes.items():
            if axis < self._pad.get_numaxes():
                self._push[direction] = sign * self._pad.get_axis(axis)

    def disconnect(self) -> None:
        self._push[:] = 0.0
        self._buttons.release_all()
        if self._pygame is not None:
            self._pygame.quit()
        self._pygame = self._pad = None

    def begin(self) -> None:
        self._drain()
        self._buttons.take()

    def read(self) -> TeleopReading:
        self._drain()
        engaged, pressed = self._buttons.take()
        values = without_dead_zone(np.clip(self._push, -1.0, 1.0), self._settings.dead_zone)
        return TeleopReading(
            self._now_s(), engaged, Rate(values), pressed=pressed, words=self._buttons.words
        )

    def _drain(self) -> None:
        """Take all events that have come."""
        if self._pad is None:
            raise LostConnection("The gamepad is not connected.")
        for event in self._pygame.event.get():
            if getattr(event, "instance_id", None) == self._pad.get_instance_id():
                self._take(event)

    def _take(self, event: Any) -> None:
        pygame = self._pygame
        if event.type == pygame.JOYDEVICEREMOVED:
            self.disconnect()
            raise LostConnection(
                "The gamepad is gone.",
                "It answers as long as it is plugged in and switched on.",
                "Plug it in again, then type the same command to go on.",
            )
        if event.type == pygame.JOYAXISMOTION and event.axis in self._sticks.axes:
            direction, sign = self._sticks.axes[event.axis]
            self._push[direction] = sign * event.value
        elif event.type == pygame.JOYHATMOTION:
            for axis in (0, 1):
                if (event.hat, axis) in self._sticks.hats:
                    direction, sign = self._sticks.hats[event.hat, axis]
                    self._push[direction] = sign * event.value[axis]
        elif event.type in (pygame.JOYBUTTONDOWN, pygame.JOYBUTTONUP):
            self._buttons.change(event.button, event.type == pygame.JOYBUTTONDOWN)


def _start_pygame() -> Any:
    for name, value in _SDL.items():
        os.environ.setdefault(name, value)
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            pygame = import_module("pygame")
    except ImportError as problem:
        raise cannot_import(problem, "A gamepad", "gamepad", "pygame") from problem
    pygame.display.init()
    pygame.joystick.init()
    return pygame


def _pads(pygame: Any) -> list[Any]:
    return [pygame.joystick.Joystick(index) for index in range(pygame.joystick.get_count())]


def _open_pad(pygame: Any, name: str) -> Any:
    pads = _pads(pygame)
    for pad in pads:
        if name.lower() in pad.get_name().lower():
            return pad
    names = ", ".join(pad.get_name() for pad in pads)
    raise RobotError(
        f"No gamepad named `{name}` is there; found: {names}."
        if names
        else "No gamepad is plugged in.",
        "One is needed for `--demonstrator gamepad`.",
        "Plug it in and type the same command again; `ptrctl doctor` lists what is found.",
    )


def _discover() -> Sequence[Discovered]:
    pygame = _start_pygame()
    try:
        return [Discovered(pad.get_name(), {"device": pad.get_name()}) for pad in _pads(pygame)]
    finally:
        pygame.quit()


def _check(settings: GamepadSettings) -> Sequence[Finding]:
    try:
        pygame = _start_pygame()
    except SystemSetupError as problem:
        return [Finding("gamepad", Health.FAIL, problem.found, problem.try_next)]
    try:
        pad = _open_pad(pygame, settings.device)
        found = f"{pad.get_name()}: {pad.get_numaxes()} axes, {pad.get_numbuttons()} buttons"
        return [Finding("gamepad", Health.OK, found)]
    except RobotError as problem:
        return [Finding("gamepad", Health.FAIL, problem.found, problem.try_next)]
    finally:
        pygame.quit()


KIND = TeleoperatorKind(
    name="gamepad",
    summary="a gamepad with two sticks (Xbox, PlayStation and the like)",
    settings=GamepadSettings,
    make=Gamepad,
    discover=_discover,
    check=_check,
)
