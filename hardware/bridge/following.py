"""Notices an arm that does not go where it was sent."""

from __future__ import annotations

import numpy as np

from hardware.bridge.geometry import distance
from hardware.faults import MotorFault, Unreachable
from recordings.records import FloatArray

STILL_M = 0.003
STILL_RAD = 0.02
"""The arm stands still when two readings, a period apart or more, differ by less."""

ASKED_M = 0.005
ASKED_RAD = 0.03
"""A step that a healthy arm shows between two readings."""
PRESSED_M = 0.05
PRESSED_RAD = 0.3
"""Further from its target than an arm sags or is held up while it grasps."""
STUCK_PERIODS = 6
"""So many periods of standing still, asked to move or pressing, are not to follow."""
ASTRAY_M = 0.25
ASTRAY_RAD = 1.2
"""No lag: somebody else moves the arm, or the server has set it up anew."""


def stands_still(one: FloatArray, other: FloatArray) -> bool:
    """Whether two readings are of an arm that stands still."""
    metres, radians = distance(one, other)
    return metres < STILL_M and radians < STILL_RAD


class Following:
    """Compares, once a control period, where the arm is with where it was sent."""

    def __init__(self) -> None:
        self._measured = np.zeros(7)
        self._commanded = np.zeros(7)
        self._stuck_periods = 0

    def begin(self, state: FloatArray) -> None:
        """The arm stands at its target (7,)."""
        self._measured = self._commanded = state.copy()
        self._stuck_periods = 0

    def check(self, commanded: FloatArray, measured: FloatArray) -> None:
        """Raises:
        MotorFault: The arm is far from its target.
        Unreachable: It has stood still for `STUCK_PERIODS` though it was sent elsewhere.
        """
        lag_m, lag_rad = distance(commanded, measured)
        if lag_m > ASTRAY_M or lag_rad > ASTRAY_RAD:
            raise MotorFault(
                f"The arm is {lag_m * 100:.0f} cm and {np.degrees(lag_rad):.0f} degrees from "
                "where it was sent.",
                "Nobody else drives it, and its server has not set it up anew.",
                "Close other clients of the server, read its messages, then start a new episode.",
            )
        asked_m, asked_rad = distance(commanded, self._commanded)
        asked = asked_m > ASKED_M or asked_rad > ASKED_RAD
        pressing = lag_m > PRESSED_M or lag_rad > PRESSED_RAD
        if not stands_still(measured, self._measured):
            self._stuck_periods = 0
        elif asked or pressing:
            self._stuck_periods += 1
        self._measured, self._commanded = measured.copy(), commanded.copy()
        if self._stuck_periods >= STUCK_PERIODS:
            raise Unreachable(
                f"The arm stood still for {STUCK_PERIODS} steps, {lag_m * 100:.1f} cm from its "
                "target.",
                "The server reports success even if it finds no joint positions; or something "
                "blocks the arm; or its workspace box is smaller than the profile says.",
                "Clear the arm's way, compare box_low_m and box_high_m with the server's, then "
                "start a new episode.",
            )
