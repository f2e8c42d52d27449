"""The keyboard as a teleoperator.

A terminal tells when a key is pressed and repeated, never when it is released: one repeat comes
after about half a second, then about thirty a second.

Source: the project's survey of teleoperation devices (auto-repeat of terminals).
"""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np

from hardware.teleoperator import FINE, Button, Rate, Speed, TeleopReading
from ptrctl.terminal.keymap import (
    DEFAULT_SPEED,
    GRIPPER_KEY,
    SPEED_KEYS,
    Motion,
    motion_for,
)
from ptrctl.terminal.keys import Key

FIRST_PRESS_HOLDS_S = 0.6
"""Bridges the keyboard's delay before it repeats."""
REPEAT_HOLDS_S = 0.1
"""Bridges the gap between two repeats."""


class HeldKey:
    """Guesses from presses and repeats whether a motion key is still held.

    Only one key repeats at a time in a terminal, so a new key replaces the old one.
    """

    def __init__(self) -> None:
        self._motion: Motion | None = None
        self._until_s = 0.0
        self._single = False

    def press(self, motion: Motion, at_s: float, *, single_steps: bool) -> None:
        """A press or a repeat; times in seconds of one clock."""
        repeated = self._motion is motion and at_s <= self._until_s
        holds_s = REPEAT_HOLDS_S if repeated else FIRST_PRESS_HOLDS_S
        self._until_s = max(self._until_s, at_s + holds_s) if repeated else at_s + holds_s
        self._motion = motion
        self._single = single_steps

    def release(self) -> None:
        """Nothing is held any more."""
        self._motion = None

    def take(self, now_s: float) -> Motion | None:
        """The motion for the control period that starts now."""
        motion = self._motion if now_s < self._until_s else None
        if motion is None or self._single:
            self._motion = None
        return motion


class KeyboardTeleoperator:
    """The `Teleoperator` behind which a person presses keys.

    At the fine speed each press moves exactly one period; otherwise the half second until the
    keyboard repeats is bridged and the motion is smooth.

    Args:
        now_s: The clock of `Key.read_s`.
    """

    name = "keyboard"
    hint = ""

    def __init__(self, now_s: Callable[[], float] = time.monotonic) -> None:
        self._now_s = now_s
        self._held = HeldKey()
        self._pressed: list[Button] = []
        self.speed: Speed = DEFAULT_SPEED

    def connect(self) -> None:
        """Keys come by `press`; the terminal is shared with the commands over the episode."""

    def disconnect(self) -> None:
        self.begin()

    def press(self, key: Key) -> None:
        """Take a key; one that means nothing here is ignored."""
        motion = motion_for(key.name)
        if motion is not None:
            self._held.press(motion, key.read_s, single_steps=self.speed is FINE)
        elif key.name == GRIPPER_KEY:
            self._pressed.append(Button.GRIPPER)
        else:
            self.speed = SPEED_KEYS.get(key.name, self.speed)

    def begin(self) -> None:
        self._held.release()
        self._pressed.clear()

    def read(self) -> TeleopReading:
        """The key held now; no key holds the arm still."""
        now_s = self._now_s()
        values = np.zeros(6)
        motion = self._held.take(now_s)
        if motion is not None:
            values[motion.axis] = motion.sign
        pressed, self._pressed = tuple(self._pressed), []
        return TeleopReading(now_s, True, Rate(values), pressed=pressed)
