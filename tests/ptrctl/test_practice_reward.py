"""Training a success classifier shows how far it is, and an interrupt ends it at once."""

from __future__ import annotations

from typing import Any

import pytest

from policies.classifier import train_classifier
from policies.labelled_pictures import LabelledPictures
from policies.learners import make_networks
from policies.presets import preset
from ptrctl.practice_reward import _telling
from tests.policies.test_classifier import pictures


class Shown:
    """Remembers what it was told."""

    def __init__(self) -> None:
        self.told: list[tuple[float, float]] = []

    def advance(self, done: float, total: float, words: str = "") -> None:
        self.told.append((done, total))


def train(on_step: Any, some: LabelledPictures, steps: int = 3) -> None:
    config = preset("tiny")
    networks = make_networks(config, seed=0)
    train_classifier(networks, some, config.training, tasks=[1], steps=steps, on_step=on_step)


def test_the_steps_of_all_folds_count_on() -> None:
    shown: Any = Shown()
    tell = _telling(shown, lambda: False)
    for _ in range(2):
        train(tell, pictures(2, 2))
    assert [done for done, _ in shown.told] == [1, 2, 3, 4, 5, 6]
    # Four folds and the last training, of 300 steps each.
    assert {total for _, total in shown.told} == {1500}


def test_an_interrupt_ends_the_training() -> None:
    shown: Any = Shown()
    tell = _telling(shown, lambda: len(shown.told) == 2)
    with pytest.raises(KeyboardInterrupt):
        train(tell, pictures(2, 2), steps=50)
    assert len(shown.told) == 2
