"""What the arm does from memory, what the policy has to try, and what is laid out."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from hardware.robot import WorkspaceBox
from policies.carrying import NAME, NEARBY_M, Carry
from ptrctl.workflows.alternation import MOST_OVERLOOKED, POLICY_EVERY, Alternation

PUT, TAKE = "put_carrot_on_plate", "take_carrot_off_plate"
PLATE_M, COUNTER_M = 0.30, 0.25
HELD = [0.4] * 4


def both(*, task: str = PUT, backward: str = TAKE) -> Alternation:
    return Alternation(task, backward, WorkspaceBox((0.1, -0.3, 0.0), (0.5, 0.3, 0.3)), seed=0)


def trial(
    task: str, closed_at: float, opened_at: float, by: str = "policy", held: bool = True
) -> Any:
    """An episode that closes at one x, carries and opens at another."""
    openings = [1.0, 0.7, *(HELD if held else [0.0] * 4), 0.9, 1.0]
    states = np.zeros((len(openings), 7))
    states[:, 0] = np.linspace(closed_at, opened_at, len(openings))
    states[0, 0], states[-2:, 0] = closed_at, opened_at
    states[:, 6] = openings
    actions = np.zeros((len(openings) - 1, 7))
    actions[-2:, 6] = 1.0
    states[5, 0] = opened_at
    return SimpleNamespace(
        info=SimpleNamespace(task=task, decided_by=by), states=states, sent_actions=actions
    )


def taken_out() -> Alternation:
    known = both()
    known.saw(trial(TAKE, PLATE_M, COUNTER_M), True)
    return known


def carried(known: Alternation, number: int = 0) -> Carry:
    """What it does next from memory, as if the gripper had held the thing."""
    done = known.from_memory(number)
    assert done is not None
    assert done[1] is not None
    done[1].carried = True
    return done[1]


def test_a_thing_that_was_taken_out_is_put_back_where_it_came_from() -> None:
    known = taken_out()
    assert known.from_memory(0) is not None
    carry = carried(known)
    assert carry.start[0] == pytest.approx(COUNTER_M)
    assert carry.goal[0] == pytest.approx(PLATE_M)


def test_what_was_put_back_is_taken_out_again_to_another_place_each_time() -> None:
    known = taken_out()
    ends = []
    for number in range(0, 40 * POLICY_EVERY, 2 * POLICY_EVERY):
        put = carried(known, number)
        known.saw(trial(PUT, COUNTER_M, PLATE_M, NAME), True)
        out = known.from_memory(number + POLICY_EVERY)
        assert out is not None
        assert out[0] == TAKE
        take = carried(known, number + POLICY_EVERY)
        assert (take.start == put.goal).all()
        known.saw(trial(TAKE, PLATE_M, COUNTER_M, NAME), True)
        ends.append(tuple(take.goal))
        # Not lower each time, although the gripper goes below what it was told.
        assert take.goal[2] == put.start[2]
    assert len(set(ends)) == len(ends)
    # Around where it lay at first, however often it was carried about.
    assert max(abs(x - COUNTER_M) for x, *_ in ends) <= NEARBY_M


def test_nothing_is_lifted_from_memory_but_what_is_put_and_taken() -> None:
    known = both(task="open_door", backward="close_door")
    known.saw(trial("close_door", PLATE_M, COUNTER_M), True)
    assert known.from_memory(0) is None


@pytest.mark.parametrize(("tried", "times"), [([], 2), ([True], 2), ([False], 0)])
def test_the_policy_tries_every_few_trials_what_it_mostly_can_do(
    tried: list[bool], times: int
) -> None:
    known = both()
    for success in tried:
        known.saw(trial(PUT, COUNTER_M, PLATE_M), success)
    known.saw(trial(TAKE, PLATE_M, COUNTER_M), True)
    who = [known.from_memory(number) for number in range(2 * POLICY_EVERY)]
    assert who.count((PUT, None)) == times
    assert (who[POLICY_EVERY - 1] == (PUT, None)) == (times > 0)


@pytest.mark.parametrize(
    ("task", "by", "held", "remembers"),
    [
        (PUT, "policy", False, True),  # It has touched nothing.
        (PUT, "policy", True, False),  # It has moved it.
        (PUT, NAME, False, False),  # It is not where it should be.
    ],
)
def test_after_a_failure_it_knows_only_of_what_was_not_touched(
    task: str, by: str, held: bool, remembers: bool
) -> None:
    known = taken_out()
    known.saw(trial(task, COUNTER_M, PLATE_M, by, held), False)
    assert (known.from_memory(0) is not None) == remembers


def test_the_hand_knows_what_it_has_put_down_though_it_was_overlooked() -> None:
    known = taken_out()
    for number in range(MOST_OVERLOOKED + 1):
        task = (PUT, TAKE)[number % 2]
        todo = known.from_memory(0)
        assert todo is not None
        assert todo[0] == task
        carried(known)
        known.saw(trial(task, COUNTER_M, PLATE_M, NAME), False)
    # What is overlooked again and again is not there.
    assert known.from_memory(0) is None
    # A new beginning.
    known.saw(trial(TAKE, PLATE_M, COUNTER_M), True)
    carried(known)
    known.saw(trial(PUT, COUNTER_M, PLATE_M, NAME), False)
    assert known.from_memory(0) is not None


def test_what_was_seen_again_may_be_overlooked_again() -> None:
    known = taken_out()
    for number in range(6):
        carried(known)
        known.saw(trial((PUT, TAKE)[number % 2], COUNTER_M, PLATE_M, NAME), number % 2 == 1)
    assert known.from_memory(0) is not None


def test_what_was_believed_without_a_thing_in_the_hand_is_not_remembered() -> None:
    known = taken_out()
    carried(known).carried = False
    known.saw(trial(PUT, COUNTER_M, PLATE_M, NAME), True)
    assert known.from_memory(0) is None
    never = both()
    never.saw(trial(TAKE, PLATE_M, COUNTER_M, held=False), True)
    assert never.from_memory(0) is None


def test_a_scene_that_somebody_changed_is_forgotten() -> None:
    known = taken_out()
    known.forget()
    assert known.from_memory(0) is None


def test_the_scene_is_laid_out_for_what_the_policy_can_do() -> None:
    known = both()
    assert known.promising == TAKE
    known.saw(trial(TAKE, PLATE_M, COUNTER_M), False)
    assert known.promising == PUT
    known.saw(trial(PUT, COUNTER_M, PLATE_M), False)
    known.saw(trial(PUT, COUNTER_M, PLATE_M), False)
    assert known.promising == TAKE
    # What was done from memory says nothing of the policy.
    for _ in range(5):
        known.saw(trial(PUT, COUNTER_M, PLATE_M, NAME), True)
    assert known.promising == TAKE
