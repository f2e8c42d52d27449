"""The keyboard as a teleoperator: keys to actions.

A terminal tells when a key is pressed and repeated, never when it is released: one repeat comes
after about half a second, then about thirty a second.

Source: the project's survey of teleoperation devices (auto-repeat of terminals).
"""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np

from hardware.loop import Decision
from ptrctl.keymap import (
    DEFAULT_SPEED,
    GRIPPER_KEY,
    HOLD_KEY,
    SPEEDS,
    Motion,
    Speed,
    motion_for,
)
from ptrctl.keys import Key
from recordings.records import ACTION_SIZE, GRIPPER, EpisodeInfo, Observation

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
    """A `Decider` behind which a person presses keys.

    Args:
        now_s: The clock of `Key.read_s`.
    """

    name = "keyboard"

    def __init__(self, now_s: Callable[[], float] = time.monotonic) -> None:
        self._now_s = now_s
        self._held = HeldKey()
        self.speed: Speed = DEFAULT_SPEED
        self.gripper = 1.0

    def press(self, key: Key) -> None:
        """Take a key; one that means nothing here is ignored."""
        motion = motion_for(key.name)
        if motion is not None:
            self._held.press(motion, key.read_s, single_steps=self.speed.single_steps)
        elif key.name == HOLD_KEY:
            self._held.release()
        elif key.name == GRIPPER_KEY:
            self.gripper = 1.0 - self.gripper
        else:
            self.speed = next((s for s in SPEEDS if s.key == key.name), self.speed)

    def begin(self, info: EpisodeInfo) -> None:
        """Start with an open gripper and no key held."""
        self._held.release()
        self.gripper = 1.0

    def act(self, observation: Observation) -> Decision:
        """The action (7,) of the key held now; no key holds the arm still."""
        action = np.zeros(ACTION_SIZE)
        action[GRIPPER] = self.gripper
        motion = self._held.take(self._now_s())
        if motion is not None:
            step = self.speed.step_m if motion.axis < 3 else self.speed.step_rad
            action[motion.axis] = motion.sign * step
        return Decision(action)
