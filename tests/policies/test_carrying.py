from __future__ import annotations

import numpy as np
import pytest

from hardware.loop import ControlLoop, Subscriber
from hardware.registry import CellRequest, make_sim_cell
from policies.carrying import (
    APART_M,
    ASIDE_M,
    CLEARANCE_M,
    EDGE_M,
    LEG_PERIODS,
    NAME,
    NEARBY_M,
    Carry,
    Places,
    places_of,
    somewhere_near,
)
from recordings.records import (
    ACTION_HIGH,
    ACTION_LOW,
    CONTROL_RATE_HZ,
    EndReason,
    EpisodeInfo,
    Observation,
    Step,
)

HERE = np.array([0.25, -0.1, 0.02, 0.0, 0.0, 0.3])
THERE = np.array([0.32, 0.1, 0.03, 0.0, 0.0, -0.2])
HOME = np.array([0.22, 0.0, 0.17, 0.0, 0.0, 0.0, 1.0])
INFO = EpisodeInfo("e", "improve", "put_carrot_on_plate", {}, {}, CONTROL_RATE_HZ, NAME)


def episode(commands: list[int], openings: list[float]) -> tuple[np.ndarray, np.ndarray]:
    """States whose x tells the step, and commands."""
    states = np.zeros((len(openings), 7))
    states[:, 0] = np.arange(len(openings)) / 100
    states[:, 6] = openings
    return states, np.array(commands, float)


def test_the_places_of_a_thing_are_where_the_hand_closed_on_it_and_where_it_opened() -> None:
    held = [1.0, 1.0, 0.7, 0.4, 0.4, 0.4, 0.8, 1.0]
    found = places_of(*episode([1, 0, 0, 0, 0, 1, 1], held))
    assert isinstance(found, Places)
    assert found.taken_from[0] == pytest.approx(0.01)
    assert found.let_go[0] == pytest.approx(0.05)


def test_a_later_grasp_of_nothing_does_not_hide_where_the_thing_was_let_go() -> None:
    openings = [1.0, 0.7, 0.4, 0.4, 0.4, 1.0, 0.6, 0.2, 0.0, 0.0, 0.5]
    found = places_of(*episode([0, 0, 0, 0, 1, 0, 0, 0, 0, 1], openings))
    assert found is not None
    assert (found.taken_from[0], found.let_go[0]) == pytest.approx((0.0, 0.04))


@pytest.mark.parametrize(
    ("commands", "openings"),
    [
        ([1, 1, 1], [1.0, 1.0, 1.0, 1.0]),  # Never closed.
        ([0, 0, 0, 0, 0, 1], [1.0, 0.6, 0.2, 0.0, 0.0, 0.0, 0.5]),  # Closed on nothing.
        ([0, 0, 0, 0, 0, 0], [1.0, 0.7, 0.4, 0.4, 0.4, 0.4, 0.4]),  # Holds it still.
    ],
)
def test_without_a_thing_that_was_let_go_of_there_are_no_places(
    commands: list[int], openings: list[float]
) -> None:
    assert places_of(*episode(commands, openings)) is None


def test_a_thing_is_put_down_near_where_it_lay_but_not_in_its_container() -> None:
    low, high = (0.14, -0.25, 0.01), (0.46, 0.25, 0.26)
    rng = np.random.default_rng(0)
    beside = HERE + np.array([0.1, 0.05, 0, 0, 0, 0])
    places = np.array([somewhere_near(rng, HERE, beside, low, high) for _ in range(200)])
    assert np.abs(places[:, :2] - HERE[:2]).max() <= NEARBY_M
    assert np.linalg.norm(places[:, :2] - beside[:2], axis=1).min() >= APART_M
    assert (places[:, 2:5] == HERE[2:5]).all()
    assert len(np.unique(places[:, 5])) == 200
    # A random walk stays in the box.
    place = HERE
    for _ in range(200):
        place = somewhere_near(rng, place, THERE, low, high)
        assert (place[:2] >= np.array(low[:2]) + EDGE_M).all()
        assert (place[:2] <= np.array(high[:2]) - EDGE_M).all()
    assert (somewhere_near(rng, HERE, HERE, HERE[:3], HERE[:3]) == HERE).all()


def drive(
    carry: Carry, opening: float = 0.4, *, lost_at: int = 200, held_at: int = 1, stuck: bool = False
) -> list[np.ndarray]:
    """States of an arm without physics.

    Args:
        carry: Drives it.
        opening: How far its gripper stays open when it has closed on the thing.
        lost_at: The step at which the thing slips.
        held_at: It closes on nothing before this grasp, from 1.
        stuck: It does not move.
    """
    state, states, actions, closings = HOME.copy(), [], [], 0
    carry.begin(INFO)
    for step in range(200):
        decision = carry.act(Observation({}, state.copy(), 0.0))
        if decision.done:
            break
        actions.append(decision.action)
        if not stuck:
            state[:6] += decision.action[:6]
        closed = decision.action[6] < 0.5
        closings += closed and state[6] == 1.0
        held = opening if step < lost_at and closings >= held_at else 0.0
        state[6] = held if closed else 1.0
        states.append(state.copy())
    else:
        raise AssertionError("it never ends")
    assert (np.array(actions) >= ACTION_LOW).all()
    assert (np.array(actions) <= ACTION_HIGH).all()
    return states


def test_it_goes_over_the_thing_closes_lifts_it_and_lets_go_at_the_goal() -> None:
    carry = Carry(HERE, THERE)
    states = np.array(drive(carry))
    closed = np.flatnonzero(states[:, 6] < 1.0)
    assert carry.carried
    assert states[closed[0], :2] == pytest.approx(HERE[:2], abs=0.01)
    assert states[closed[-1], :3] == pytest.approx(THERE[:3], abs=0.01)
    far = (
        np.linalg.norm(states[closed][:, :2, None] - np.array([HERE, THERE])[:, :2].T, axis=1)
        > 0.03
    ).all(axis=1)
    assert states[closed][far][:, 2].min() >= THERE[2] + CLEARANCE_M - 0.03
    assert states[-1, 2] >= THERE[2] + CLEARANCE_M - 0.03
    assert states[-1, 6] == 1.0


def closed_at(states: np.ndarray) -> np.ndarray:
    """Where the gripper began to close, (N, 3) m."""
    closed = states[:, 6] < 1.0
    return states[closed & ~np.concatenate([[False], closed[:-1]]), :3]


def test_a_hand_that_lifts_nothing_grasps_on_both_sides_and_carries_nothing() -> None:
    carry = Carry(HERE, THERE)
    states = np.array(drive(carry, opening=0.0))
    assert not carry.carried
    assert states[:, 1].max() <= HOME[1] + 0.01
    assert (states[-1, 6], len(closed_at(states))) == (0.0, len(ASIDE_M))
    drive(carry)
    assert carry.carried


def test_a_thing_beside_the_place_is_found_along_the_fingers() -> None:
    carry = Carry(HERE, THERE)
    states = np.array(drive(carry, held_at=2))
    assert carry.carried
    first, second = closed_at(states)
    ahead = np.array([np.cos(HERE[5]), np.sin(HERE[5])])
    assert (second - first)[:2] == pytest.approx(ASIDE_M[1] * ahead, abs=0.01)
    assert states[:, 1].max() == pytest.approx(THERE[1], abs=0.02)


def test_a_thing_that_slips_on_the_way_was_not_carried() -> None:
    carry = Carry(HERE, THERE)
    whole = drive(carry)
    closed = [step for step, state in enumerate(whole) if state[6] < 1.0]
    drive(carry, lost_at=closed[-1] - 2)
    assert not carry.carried


def test_a_place_that_cannot_be_reached_does_not_hold_it_up_for_ever() -> None:
    assert len(drive(Carry(HERE, THERE), stuck=True)) <= (4 * len(ASIDE_M) + 4) * (LEG_PERIODS + 1)


class Keeps(Subscriber):
    def __init__(self) -> None:
        self.states: list[np.ndarray] = []
        self.commands: list[float] = []

    def on_begin(self, info: EpisodeInfo) -> None:
        self.__init__()  # type: ignore[misc]

    def on_step(self, step: Step) -> None:
        self.states.append(step.observation.state)
        self.commands.append(float(step.sent_action[6]))


@pytest.mark.sim
def test_the_simulated_arm_puts_back_what_it_took_out() -> None:
    kept = Keeps()
    out = make_sim_cell(CellRequest("take_carrot_off_plate", 3, realtime=False))
    assert out.demonstrator is not None
    assert out.use_task is not None
    with out.station as station:
        loop = ControlLoop(station, CONTROL_RATE_HZ, (kept,))
        out.start(5)
        end = loop.run_episode(INFO, out.demonstrator(), max_steps=40, judge=out.judge)
        assert end.reason is EndReason.SUCCESS
        assert end.final_observation is not None
        states = np.array([*kept.states, end.final_observation.state])
        places = places_of(states, np.array(kept.commands))
        assert places is not None
        back = out.use_task("put_carrot_on_plate")
        back.start(None)
        carry = Carry(places.let_go, places.taken_from)
        end = loop.run_episode(INFO, carry, max_steps=40, judge=back.judge)
    assert carry.carried
    assert end.reason is EndReason.SUCCESS
