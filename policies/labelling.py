"""Rewards, discounts and returns of a finished episode.

A success earns +10 in each of its last three steps, every one of which is terminal; all other
steps cost 1. A failure costs 1 throughout and is never terminal: it ended because time was up,
so its value is that of failing for ever, -1/(1-gamma).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

import numpy as np
import numpy.typing as npt

STEP_REWARD = -1.0
SUCCESS_REWARD = 10.0


@dataclass(frozen=True)
class EpisodeLabels:
    """What the critic learns from, for each transition of an episode of L steps.

    Args:
        rewards: (L,) float32, discounted sum over the n-step window.
        discounts: (L,) float32, gamma^n where the window ends in a bootstrap, 0 where it ends in
            success.
        next_steps: (L,) int64, index of the state to bootstrap from, step + window, at most L.
        returns: (L,) float32, Monte-Carlo return of the whole episode.
    """

    rewards: npt.NDArray[np.float32]
    discounts: npt.NDArray[np.float32]
    next_steps: npt.NDArray[np.int64]
    returns: npt.NDArray[np.float32]


def value_range(discount: float) -> tuple[float, float]:
    """The lowest and the highest value a state can have: failing for ever, and success now."""
    return STEP_REWARD / (1.0 - discount), SUCCESS_REWARD


def label_episode(
    length: int, success: bool, *, discount: float, terminal_steps: int = 3, n_step: int = 1
) -> EpisodeLabels:
    """Label one episode.

    Args:
        length: L, number of steps.
        success: Whether it succeeded; unlabelled episodes must not come here.
        discount: gamma.
        terminal_steps: How many last steps of a success count as successful.
        n_step: Largest number of real rewards before the bootstrap.

    Source: Asap7772/PTR, examples/train_utils.py (with `term_as_rew`); the treatment of failures
    and of time limits is ours.
    """
    steps = np.arange(length)
    first_success = max(length - terminal_steps, 0)
    # Each successful step is terminal by itself, so no window passes the first of them.
    last_in_reach = np.maximum(steps, first_success) if success else np.full(length, length - 1)
    window = np.minimum(n_step, last_in_reach - steps + 1)
    ends_in_success = (steps + window - 1 >= first_success) & success

    cost = STEP_REWARD * (1.0 - discount**window) / (1.0 - discount)
    gain = (SUCCESS_REWARD - STEP_REWARD) * discount ** (window - 1.0)
    rewards = np.where(ends_in_success, cost + gain, cost)
    discounts = np.where(ends_in_success, 0.0, discount**window)

    floor, _ = value_range(discount)
    if success:
        until = np.maximum(first_success - steps, 0)
        returns = floor * (1.0 - discount**until) + SUCCESS_REWARD * discount**until
    else:
        returns = np.full(length, floor)
    return EpisodeLabels(
        rewards.astype(np.float32),
        discounts.astype(np.float32),
        (steps + window).astype(np.int64),
        returns.astype(np.float32),
    )


def next_toggles(
    gripper_commands: npt.NDArray[np.floating],
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.bool_]]:
    """For each step, the next step at which the commanded gripper crosses 0.5.

    The gripper counts as open before the first step. The step of the crossing itself points to
    itself; steps after the last crossing have none.

    Args:
        gripper_commands: (L,) 0..1.

    Returns:
        (L,) step indices (0 where there is none) and (L,) whether there is one.
    """
    opened = np.concatenate([[True], gripper_commands >= 0.5])
    crossings = np.flatnonzero(opened[1:] != opened[:-1])
    steps = np.arange(len(gripper_commands))
    position = np.searchsorted(crossings, steps)
    valid = position < len(crossings)
    found = np.zeros(len(steps), dtype=np.int64)
    found[valid] = crossings[position[valid]]
    return found, valid


HELD_OPENING = 0.1
"""A gripper that was told to close and stays open by more than this share holds something."""


def grasps(
    gripper_commands: npt.NDArray[np.floating], openings: npt.NDArray[np.floating]
) -> npt.NDArray[np.bool_]:
    """Whether the gripper began at this step to close on something that it then held.

    Told by the measured opening at the last step before the gripper is told to open again, as a
    real gripper can; the last step of the episode if it never is.

    Args:
        gripper_commands: (L,) 0..1.
        openings: (L,) measured, 0..1.

    Returns:
        (L,) bool; true at a step of closing only.
    """
    closed = gripper_commands < 0.5
    before = np.concatenate([[False], closed[:-1]])
    began = np.zeros(len(closed), dtype=bool)
    for step in np.flatnonzero(closed & ~before):
        opened = np.flatnonzero(~closed[step:])
        last = step + int(opened[0]) if len(opened) else len(closed) - 1
        # A gripper that has had no time to close says nothing.
        began[step] = last - step >= 2 and openings[last] > HELD_OPENING
    return began


CLOSING_STEPS = 3
"""Control periods after which a gripper that was told to close has closed, or holds something.
At 5 Hz and with the simulated gripper; after 2, half of the grasps that missed looked held."""


class Hand(IntEnum):
    """How far the gripper has come in an episode, as a real one can tell; each presumes the last.

    `UNKNOWN` where the episode is not known from its beginning; `EMPTY` until the gripper has held
    something; `HELD` while it is told to be closed after that, be the thing still in it or not;
    `LET_GO` while it is told to be open after that.
    """

    UNKNOWN = -1
    EMPTY = 0
    HELD = 1
    LET_GO = 2


class HandMemory:
    """Follows the gripper through an episode; before the first step it counts as open."""

    def __init__(self) -> None:
        self._held = False
        self._closed_steps = 0

    def see(self, opening: float) -> Hand:
        """Take up the measured opening, 0..1, of an observation; how far the gripper has come."""
        self._held |= self._closed_steps >= CLOSING_STEPS and opening > HELD_OPENING
        if not self._held:
            return Hand.EMPTY
        return Hand.HELD if self._closed_steps else Hand.LET_GO

    def command(self, opening: float) -> None:
        """Take up what the gripper was then told, 0..1."""
        self._closed_steps = self._closed_steps + 1 if opening < 0.5 else 0


def hand_of_episode(
    gripper_commands: npt.NDArray[np.floating], openings: npt.NDArray[np.floating]
) -> npt.NDArray[np.int8]:
    """How far the gripper had come at each observation, see `Hand`.

    Args:
        gripper_commands: (L,) 0..1, or longer.
        openings: (N,) measured, 0..1; N is at most L + 1.

    Returns:
        (N,) int8.
    """
    memory = HandMemory()
    hand = []
    for number, opening in enumerate(openings):
        hand.append(memory.see(float(opening)))
        if number < len(gripper_commands):
            memory.command(float(gripper_commands[number]))
    return np.array(hand, dtype=np.int8)
