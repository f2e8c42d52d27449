"""What a display is told about practice."""

from __future__ import annotations

from typing import Any

from ptrctl.practice_display import telling
from ptrctl.workflows.improve import Learned, Learning


class Shown:
    """Remembers what a display was told."""

    def __init__(self) -> None:
        self.said: list[Any] = []

    def advance(self, done: float, total: float, words: str = "") -> None:
        self.said.append((done, total, words))

    def figures(self, values: dict[str, float]) -> None:
        self.said.append(values)


def test_learning_shows_its_updates_and_that_a_signal_was_heard() -> None:
    shown, stopping = Shown(), False
    tell = telling(shown, lambda: stopping)  # type: ignore[arg-type]
    tell(Learning(trial=2, trials=20, done=10, total=50))
    stopping = True
    tell(Learning(trial=2, trials=20, done=15, total=50))
    tell(Learned(trial=2, metrics={"arm": 0.1}))
    assert shown.said == [
        (2, 20, "learning: 10 of 50 updates"),
        (2, 20, "stopping after learning: 15 of 50 updates"),
        {"arm": 0.1},
    ]
