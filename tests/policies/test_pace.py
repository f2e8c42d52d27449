"""What successes are worth as time goes by."""

from __future__ import annotations

import pytest
import torch

from policies.pace import STEPS_A_BIN, Pace


def test_the_pace_is_the_mean_value_at_that_time() -> None:
    pace = Pace(torch.device("cpu"))
    pace.note(torch.tensor([-6.0, -4.0, 2.0]), torch.tensor([0, 1, STEPS_A_BIN]))
    expected = [-5.0, -5.0, 2.0]
    assert pace.at(torch.tensor([0, 2, STEPS_A_BIN])).tolist() == pytest.approx(expected)


def test_times_that_no_success_reaches_take_the_last_known_value() -> None:
    pace = Pace(torch.device("cpu"))
    pace.note(torch.tensor([-6.0, 8.0]), torch.tensor([0, 12]))
    assert pace.at(torch.tensor([6, 12, 40, 1000])).tolist() == pytest.approx([-6.0, 8.0, 8.0, 8.0])


def test_the_pace_follows_the_critic_and_goes_on_exactly() -> None:
    pace, other = Pace(torch.device("cpu")), Pace(torch.device("cpu"))
    steps = torch.zeros(4, dtype=torch.int64)
    for _ in range(300):
        pace.note(torch.full((4,), -20.0), steps)
    for _ in range(300):
        pace.note(torch.full((4,), 5.0), steps)
    assert pace.at(steps[:1]).item() == pytest.approx(5.0, abs=0.1)
    other.load_state_dict(pace.state_dict())
    assert torch.equal(other.at(steps), pace.at(steps))
