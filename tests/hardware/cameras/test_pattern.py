"""The test pattern."""

from __future__ import annotations

import numpy as np
import pytest

from hardware.cameras.pattern import KIND, PatternSettings
from hardware.clock import SimulatedClock
from hardware.faults import CameraFault


@pytest.fixture
def clock():
    return SimulatedClock()


@pytest.fixture
def pattern(clock):
    return KIND.make("nowhere", PatternSettings(), clock, 32)


def test_the_pattern_wanders_with_the_clock(pattern, clock) -> None:
    with pattern:
        first, same = pattern.read(), pattern.read()
        clock.wait_until_s(1.0)
        later = pattern.read()
    np.testing.assert_array_equal(first.image, same.image)
    assert (first.image != later.image).any()
    assert (first.captured_s, later.captured_s) == (0.0, 1.0)


def test_it_is_in_colour_and_of_the_size_asked_for(pattern) -> None:
    with pattern:
        image = pattern.read().image
    assert image.shape == (32, 32, 3)
    assert (image[..., 0] != image[..., 1]).any()


def test_a_pattern_that_is_not_connected_gives_no_picture(pattern) -> None:
    with pytest.raises(CameraFault, match="nowhere is not connected"):
        pattern.read()


def test_it_is_always_there_and_never_wrong() -> None:
    assert KIND.discover()
    assert KIND.check(PatternSettings()) == []
