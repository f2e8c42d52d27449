"""Why a checkpoint is recommended, in one line."""

from __future__ import annotations

import pytest

from policies.selection import CRITERIA, HeldOutScore
from ptrctl.workflows.finetune import reason_in_words

NAN = float("nan")
BEST = HeldOutScore(0.931, 2.345, 0.031, 0.02, 0.01)
NEXT = HeldOutScore(0.872, 3.456, 0.052, 0.0, 0.01)
CLONED = HeldOutScore(NAN, NAN, 0.031, 0.02, 0.01)


OF_TWO = "best of 2 on the held-out demonstration by"


@pytest.mark.parametrize(
    ("criterion", "expected"),
    [
        ("last", "the last checkpoint of the run"),
        ("rise of Q", f"{OF_TWO} rise of Q: +0.93"),
        ("TD error", f"{OF_TWO} TD error: 2.35"),
        ("action error", f"{OF_TWO} action error: 0.051"),
    ],
)
def test_the_reason_names_the_criterion_and_its_figures(criterion: str, expected: str) -> None:
    assert reason_in_words(criterion, [BEST, NEXT]) == expected


@pytest.mark.parametrize("criterion", ["rise of Q", "TD error"])
def test_where_no_value_was_learned_the_last_is_taken_and_said_so(criterion: str) -> None:
    reason = reason_in_words(criterion, [CLONED, CLONED])
    assert reason == f"the last of 2: no critic has been trained to judge by {criterion}"


@pytest.mark.parametrize("criterion", CRITERIA)
def test_no_reason_says_nan(criterion: str) -> None:
    assert "nan" not in reason_in_words(criterion, [CLONED, CLONED])
