"""What practice came to, pooled over its targets."""

from __future__ import annotations

from typing import Any

from benchmarks.improvement import summary

ASKED: dict[str, Any] = {"start": "fine-tuned", "resets": False, "options": [], "scale": {"n": 4}}


def a_line(kitchen: int, before: int, after: int, **changes: Any) -> dict[str, Any]:
    """Of one target, with so many of four successes."""
    outcomes = {
        when: [number < successes for number in range(4)]
        for when, successes in (("before", before), ("after", after))
    }
    return {"task": "put_sushi_in_pot", "kitchen": kitchen, **ASKED, **outcomes, **changes}


def test_two_kitchens_of_one_task_are_two_targets() -> None:
    words = summary([a_line(1, 1, 3), a_line(2, 2, 1)], ASKED)
    assert words.startswith("fine-tuned, 2 targets: 3/8")
    assert "-> 4/8" in words
    assert words.endswith("ended lower: put_sushi_in_pot")


def test_what_was_practised_otherwise_is_not_pooled() -> None:
    others = [
        a_line(2, 0, 4, options=["--noise", "1"]),
        a_line(3, 0, 4, resets=True),
        a_line(4, 0, 4, scale={"n": 9}),
    ]
    assert summary([a_line(1, 1, 3), *others], ASKED).startswith("fine-tuned, 1 targets: 1/4")
    assert summary(others, ASKED) == "fine-tuned: nothing yet"
