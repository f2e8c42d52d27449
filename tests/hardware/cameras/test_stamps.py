"""Bringing cameras' clocks onto ours."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hardware.cameras.stamps import WINDOW, ForeignStamps, SystemStamps

DELAYS = st.lists(st.floats(0.0, 0.5), min_size=1, max_size=60)


def test_a_system_stamp_gives_the_age_that_it_has_in_system_time() -> None:
    stamps = SystemStamps(lambda: 1_700_000_000.25)
    assert stamps.captured_s(1_700_000_000.20, arrived_s=55.0) == pytest.approx(54.95)


def test_a_system_stamp_from_the_future_is_taken_as_now() -> None:
    assert SystemStamps(lambda: 100.0).captured_s(103.0, arrived_s=7.0) == 7.0


def test_the_offset_of_a_foreign_clock_is_that_of_the_picture_held_up_least() -> None:
    stamps = ForeignStamps()
    assert stamps.captured_s(0.0, 1000.30) == 1000.30
    assert stamps.captured_s(1.0, 1001.05) == pytest.approx(1001.05)
    assert stamps.captured_s(2.0, 1002.25) == pytest.approx(1002.05)


@given(delays=DELAYS, offset=st.floats(-1e6, 1e6), system=st.booleans())
def test_no_picture_is_taken_after_it_arrived(delays, offset, system) -> None:
    now_s = 0.0
    stamps = SystemStamps(lambda: now_s) if system else ForeignStamps()
    for index, delay in enumerate(delays):
        taken_s = index * 0.6
        arrived_s = taken_s + delay
        now_s = arrived_s + offset
        assert stamps.captured_s(taken_s + offset, arrived_s) <= arrived_s


@given(delays=DELAYS, offset=st.floats(-1e6, 1e6))
def test_a_better_offset_does_not_turn_time_back(delays, offset) -> None:
    stamps = ForeignStamps()
    last_s = float("-inf")
    arrived_s = 0.0
    for index, delay in enumerate(delays):
        taken_s = index * 0.03
        arrived_s = max(arrived_s, taken_s + delay)
        captured_s = stamps.captured_s(taken_s + offset, arrived_s)
        assert last_s <= captured_s <= arrived_s
        last_s = captured_s


@given(delays=DELAYS, offset=st.floats(-1e6, 1e6))
def test_a_foreign_picture_seems_no_older_than_it_is(delays, offset) -> None:
    stamps = ForeignStamps()
    for index, delay in enumerate(delays):
        taken_s = index * 0.6
        captured_s = stamps.captured_s(taken_s + offset, taken_s + delay)
        assert captured_s >= taken_s - 1e-6


def test_a_clock_that_drifts_is_followed() -> None:
    stamps = ForeignStamps()
    for index in range(20 * WINDOW):
        true_s = index / 30
        captured_s = stamps.captured_s(true_s * (1 - 1e-4), true_s + 0.01)
    assert captured_s == pytest.approx(true_s + 0.01, abs=0.002)


def test_a_clock_that_restarts_is_learned_anew() -> None:
    stamps = ForeignStamps()
    stamps.captured_s(5000.0, 100.0)
    assert stamps.captured_s(0.5, 101.0) == 101.0
    assert stamps.captured_s(1.5, 102.0) == pytest.approx(102.0)
