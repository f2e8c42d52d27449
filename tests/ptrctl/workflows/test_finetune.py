"""Why a checkpoint is recommended, in one line."""

from __future__ import annotations

import pytest

from policies.selection import CRITERIA, HeldOutScore
from ptrctl.workflows.finetune import reason_in_words

NAN = float("nan")
BEST = HeldOutScore(0.931, 2.345, 0.031, 0.02, 0.01)
NEXT = HeldOutScore(0.872, 3.456, 0.052, 0.0, 0.01)
CLONED = HeldOutScore(NAN, NAN, 0.031, 0.02, 0.01)


@pytest.mark.parametrize(
    ("criterion", "expected"),
    [
        ("last", "the last checkpoint of the run"),
        (
            "rise of Q",
            "best of 2 on the held-out demonstration by rise of Q: value against time +0.93 "
            "(next: value against time +0.87)",
        ),
        (
            "TD error",
            "best of 2 on the held-out demonstration by TD error: TD error 2.35 "
            "(next: TD error 3.46)",
        ),
        (
            "action error",
            "best of 2 on the held-out demonstration by action error: action error 0.051 "
            "(next: action error 0.052)",
        ),
        (
            "rising, then action error",
            "best of 2 on the held-out demonstration by rising, then action error: value against "
            "time +0.93, action error 0.051 (next: value against time +0.87, action error 0.052)",
        ),
    ],
)
def test_the_reason_names_the_criterion_and_its_figures(criterion: str, expected: str) -> None:
    assert reason_in_words(criterion, [BEST, NEXT]) == expected


def test_a_single_candidate_has_no_next() -> None:
    assert "next" not in reason_in_words("action error", [BEST])


@pytest.mark.parametrize("criterion", ["rise of Q", "TD error"])
def test_where_no_value_was_learned_the_last_is_taken_and_said_so(criterion: str) -> None:
    reason = reason_in_words(criterion, [CLONED, CLONED])
    assert reason == f"the last of 2: no critic has been trained to judge by {criterion}"


@pytest.mark.parametrize("criterion", CRITERIA)
def test_no_reason_says_nan(criterion: str) -> None:
    assert "nan" not in reason_in_words(criterion, [CLONED, CLONED])
