"""Makes the gripper follow a hand: clutch, limits and the frame of rotations."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from hardware.teleoperator import HandPose, Speed
from hardware.wx250s import euler_to_rotation, rotation_to_euler
from recordings.records import FloatArray

MAX_HAND_M_S = 1.5
MAX_HAND_RAD_S = 6.0
"""A hand that seems faster than this was not tracked, or a leader arm fell."""
MAX_LEAD_M = 0.10
MAX_LEAD_RAD = 0.5
"""A hand that is farther ahead of the arm than this drags its reference along, so that the arm
does not go on for long after the hand has stopped."""
MATCHED_M = 0.08
MATCHED_RAD = 0.5
"""An absolute hand must be as near as this to the gripper before the gripper follows."""
CAUGHT_UP_M = 0.01
CAUGHT_UP_RAD = 0.05
"""Until it is as near as this the gripper comes at the fine speed."""
MIN_PERIOD_S = 0.02
"""Two poses are taken to lie at least this far apart in time."""


@dataclass(frozen=True)
class _Reference:
    """A hand's pose and the gripper's pose that belongs to it."""

    hand: HandPose
    gripper: FloatArray


class HandFollower:
    """Turns poses of a hand into displacements of the gripper.

    A relative hand moves the gripper by what it has moved since the clutch was pressed: positions
    are added, and the hand's rotation since then, in axes of the base frame, is applied to the
    gripper's. An absolute hand must first be brought near the gripper's pose; then the gripper
    comes to it slowly, and follows.
    """

    def __init__(self) -> None:
        self._reference: _Reference | None = None
        self._last: tuple[HandPose, float] | None = None
        self._caught_up = False
        self._lost = False
        self.problem = ""
        """Why the gripper does not follow, "" if it does."""

    def release(self) -> None:
        """The clutch is released: the next pose begins anew."""
        self._reference = self._last = None
        self._caught_up = self._lost = False
        self.problem = ""

    def look(self, hand: HandPose, commanded: FloatArray) -> None:
        """While nothing moves: whether an absolute hand is near enough, for `problem`."""
        if hand.absolute and self._reference is None:
            self.problem = ""
            self._engage(hand, commanded)

    def displacement(
        self, hand: HandPose, commanded: FloatArray, speed: Speed, now_s: float, fine: Speed
    ) -> FloatArray:
        """The gripper's displacement (6,) for this control period, x, y, z and three angles.

        Args:
            hand: Its pose now; the clutch is pressed.
            commanded: (6,) pose last commanded to the arm.
            speed: Limits the step.
            now_s: When.
            fine: Limits the step too until an absolute hand is caught up with.
        """
        if self._jumped(hand, now_s):
            self._reference, self._caught_up = None, False
            # An absolute hand proves itself by coming back to the gripper.
            self._lost = not hand.absolute
        if self._lost:
            self.problem = "jumped, release the clutch"
            return np.zeros(6)
        if self._reference is None:
            self._reference = self._engage(hand, commanded)
            if self._reference is None:
                return np.zeros(6)
        self.problem = ""
        wanted = self._target(hand) - commanded
        wanted[3:] = (wanted[3:] + np.pi) % (2 * np.pi) - np.pi
        if not hand.absolute:
            led = _limited(wanted, MAX_LEAD_M, MAX_LEAD_RAD)
            if not np.array_equal(led, wanted):
                self._reference = _Reference(hand, commanded + led)
            return _limited(led, speed.step_m, speed.step_rad)
        if not self._caught_up:
            self._caught_up = (
                np.abs(wanted[:3]).max() < CAUGHT_UP_M and np.abs(wanted[3:]).max() < CAUGHT_UP_RAD
            )
        if not self._caught_up:
            wanted = _limited(wanted, fine.step_m, fine.step_rad)
        return _limited(wanted, speed.step_m, speed.step_rad)

    def _jumped(self, hand: HandPose, now_s: float) -> bool:
        last, self._last = self._last, (hand, now_s)
        if last is None:
            return False
        period_s = max(now_s - last[1], MIN_PERIOD_S)
        return bool(
            np.linalg.norm(hand.position_m - last[0].position_m) > MAX_HAND_M_S * period_s
            or _angle(hand.rotation @ last[0].rotation.T) > MAX_HAND_RAD_S * period_s
        )

    def _engage(self, hand: HandPose, commanded: FloatArray) -> _Reference | None:
        if not hand.absolute:
            return _Reference(hand, commanded.copy())
        away_m = float(np.linalg.norm(hand.position_m - commanded[:3]))
        away_rad = _angle(hand.rotation @ euler_to_rotation(commanded[3:]).T)
        if away_m <= MATCHED_M and away_rad <= MATCHED_RAD:
            return _Reference(hand, commanded.copy())
        self.problem = f"{away_m * 100:.0f} cm, {np.degrees(away_rad):.0f}° from the arm"
        return None

    def _target(self, hand: HandPose) -> FloatArray:
        """Where the gripper shall be, (6,)."""
        assert self._reference is not None
        if hand.absolute:
            return np.concatenate([hand.position_m, rotation_to_euler(hand.rotation)])
        then, gripper = self._reference.hand, self._reference.gripper
        turned = hand.rotation @ then.rotation.T
        return np.concatenate(
            [
                gripper[:3] + hand.position_m - then.position_m,
                rotation_to_euler(turned @ euler_to_rotation(gripper[3:])),
            ]
        )


def _limited(displacement: FloatArray, step_m: float, step_rad: float) -> FloatArray:
    """The displacement (6,), shortened along its direction until no axis exceeds its step."""
    limited = displacement.copy()
    for part, step in ((slice(0, 3), step_m), (slice(3, 6), step_rad)):
        largest = np.abs(limited[part]).max()
        if largest > step:
            # Rounding must not make it longer than the step.
            limited[part] = np.clip(limited[part] * (step / largest), -step, step)
    return limited


def _angle(rotation: FloatArray) -> float:
    """Angle of a rotation matrix (3, 3), rad."""
    return float(np.arccos(np.clip((np.trace(rotation) - 1.0) / 2.0, -1.0, 1.0)))
