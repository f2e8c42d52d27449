"""Carry a thing by what the arm remembers of it: where it let go of it, and where it took it from.

An arm that has just taken a thing out of a pot knows where both are. To put it back it needs no
picture, and the pictures of its doing so are a demonstration that nobody had to give.

Source: the undoing of a task as its own reset and its reversal as a lesson: Nair et al. 2018,
"Time Reversal as Self-Supervision"; here the arm drives the way back, and what it sees on it is
real.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from policies.labelling import CLOSING_STEPS, HELD_OPENING, grasps
from recordings.records import (
    ACTION_HIGH,
    ACTION_LOW,
    GRIPPER,
    Decision,
    EpisodeInfo,
    FloatArray,
    Observation,
    hold_action,
)

OPEN, CLOSED = 1.0, 0.0
NAME = "memory"
"""Who decides, in recordings."""

CLEARANCE_M = 0.08
"""Above the higher of both places, while the thing is carried."""
DEEPER_M = 0.008
"""What is let go of sinks or rolls a little: without this, one grasp in six closed above it."""
ASIDE_M = (0.0, -0.025, 0.025)
"""Where it grasps, one after the other until it lifts something, ahead of the place. The fingers
centre a thing between them, but not along them; most that were missed lay nearer to the arm."""
NEAR_M, ON_THE_WAY_M, NEAR_RAD = 0.008, 0.02, 0.15
LEG_PERIODS = 10
"""A place that is not reached by then is out of reach; half a metre at full speed."""
OPENING_PERIODS = 3
MOST_PERIODS = 60
"""Time for all grasps and the way."""
NEARBY_M = 0.08
"""Each way from where a thing lay at first, at most, is another place for it. Anywhere in the
middle of the workspace, or ever farther away, it was put down on other things, and the arm ran into
them."""
EDGE_M = 0.04
"""Between such a place and the edge of the workspace box, at least."""
APART_M = 0.10
"""Between the gripper's places in and beside a container, at least."""
MOST_YAW_RAD = 0.5


@dataclass(frozen=True)
class Places:
    """Where the gripper closed on a thing and where it let go of it.

    Args:
        taken_from, let_go: (6,) gripper poses: x, y, z m, roll, pitch, yaw rad, base frame.
    """

    taken_from: FloatArray
    let_go: FloatArray


def places_of(
    states: npt.NDArray[np.floating], gripper_commands: npt.NDArray[np.floating]
) -> Places | None:
    """Both places of the last thing that an episode's gripper held and let go of.

    Args:
        states: (L + 1, 7), see `recordings.records.STATE_NAMES`.
        gripper_commands: (L,) 0..1.

    Returns:
        None if it never held anything, or holds it still.
    """
    told_open = gripper_commands >= 0.5
    held = np.flatnonzero(grasps(gripper_commands, states[: len(told_open), GRIPPER]))
    if not len(held) or not told_open[-1]:
        return None
    closing = int(held[-1])
    opening = closing + int(np.argmax(told_open[closing:]))
    return Places(np.array(states[closing, :6]), np.array(states[opening, :6]))


def somewhere_near(
    rng: np.random.Generator,
    pose: FloatArray,
    away_from: FloatArray,
    low_m: Sequence[float],
    high_m: Sequence[float],
) -> FloatArray:
    """Another place for a thing, near where it has lain, where there was room for it.

    Args:
        rng: Draws it.
        pose: (6,) where the gripper let go of the thing.
        away_from: (6,) where it must not come to lie: in its container.
        low_m, high_m: (x, y, z) corners of the workspace box.

    Returns:
        (6,), as high as `pose`; `pose` itself where there is no other place.
    """
    low, high = np.array(low_m[:2]) + EDGE_M, np.array(high_m[:2]) - EDGE_M
    for _ in range(100):
        place = pose[:2] + rng.uniform(-NEARBY_M, NEARBY_M, 2)
        inside = (place >= low).all() and (place <= high).all()
        if inside and np.linalg.norm(place - away_from[:2]) >= APART_M:
            yaw = rng.uniform(-MOST_YAW_RAD, MOST_YAW_RAD)
            return np.array([*place, *pose[2:5], yaw])
    return pose


class _Leg(NamedTuple):
    pose: FloatArray
    gripper: float
    periods: int
    """To stay after arriving."""
    near_m: float


class Carry:
    """A decider that takes a thing from one place to another, by poses alone.

    Where it lifts nothing it grasps anew, a little beside the place.

    Args:
        start: (6,) gripper pose at which the thing was let go of.
        goal: (6,) where to let go of it.
    """

    name = NAME

    def __init__(self, start: FloatArray, goal: FloatArray) -> None:
        self.start, self.goal = start, goal
        self.carried = False
        """The gripper held something when it lifted it, and when it let go of it at the goal."""
        self._high_m = max(start[2], goal[2]) + CLEARANCE_M
        self._grasp = self._leg = self._periods = 0
        self._legs = self._way(ASIDE_M[0])

    def begin(self, info: EpisodeInfo) -> None:
        self.carried = False
        self._begin_grasp(0)

    def act(self, observation: Observation) -> Decision:
        """The next step of the way; done once the hand is above the goal, or lifts nothing."""
        state = observation.state
        while self._leg < len(self._legs):
            leg = self._legs[self._leg]
            way = leg.pose - state[:6]
            if not self._arrived(leg, way):
                self._periods += 1
                return Decision(_towards(way, leg.gripper))
            self._leg, self._periods = self._leg + 1, 0
            if self._leg in (_LIFTED, _THERE):
                self.carried = bool(state[GRIPPER] > HELD_OPENING)
            if self._leg == _LIFTED and not self.carried:
                if self._grasp + 1 == len(ASIDE_M):
                    break
                self._begin_grasp(self._grasp + 1)
        return Decision(hold_action(OPEN), done=True)

    def _begin_grasp(self, number: int) -> None:
        self._grasp, self._leg, self._periods = number, 0, 0
        self._legs = self._way(ASIDE_M[number])

    def _way(self, aside_m: float) -> list[_Leg]:
        goal, high_m = self.goal, self._high_m
        above = _aside(_raised(self.start, high_m), aside_m)
        grasp = _raised(above, self.start[2] - DEEPER_M)
        return [
            _Leg(above, OPEN, 0, NEAR_M),
            _Leg(grasp, OPEN, 0, NEAR_M),
            _Leg(grasp, CLOSED, CLOSING_STEPS + 1, np.inf),
            _Leg(above, CLOSED, 0, ON_THE_WAY_M),
            _Leg(_raised(goal, high_m), CLOSED, 0, NEAR_M),
            _Leg(goal, CLOSED, 0, NEAR_M),
            _Leg(goal, OPEN, OPENING_PERIODS, np.inf),
            _Leg(_raised(goal, high_m), OPEN, 0, ON_THE_WAY_M),
        ]

    def _arrived(self, leg: _Leg, way: FloatArray) -> bool:
        if self._periods >= LEG_PERIODS:
            return True
        near = np.abs(way[:3]).max() <= leg.near_m and np.abs(way[3:]).max() <= NEAR_RAD
        return bool(self._periods >= leg.periods if leg.periods else near)


_LIFTED, _THERE = 4, 6
"""Legs until the thing is in the air, and at the goal."""


def _raised(pose: FloatArray, z_m: float) -> FloatArray:
    return np.array([*pose[:2], z_m, *pose[3:]])


def _aside(pose: FloatArray, aside_m: float) -> FloatArray:
    """Across the way in which the fingers close, ahead of the hand."""
    ahead = aside_m * np.array([np.cos(pose[5]), np.sin(pose[5])])
    return np.array([*(pose[:2] + ahead), *pose[2:]])


def _towards(way: FloatArray, gripper: float) -> FloatArray:
    """As far in one period as an action may go, straight."""
    action = hold_action(gripper)
    far = np.abs(way[:3]).max() / ACTION_HIGH[0]
    action[:3] = way[:3] / max(1.0, far)
    action[3:6] = way[3:]
    return np.clip(action, ACTION_LOW, ACTION_HIGH)
