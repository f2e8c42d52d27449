"""Training a success classifier shows how far it is, and an interrupt ends it at once."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from policies.classifier import train_classifier
from policies.labelled_pictures import LabelledPictures
from policies.learners import make_networks
from policies.presets import preset
from policies.tasks import TaskSlots
from ptrctl.files import write_json
from ptrctl.plan import PLAN_FILE
from ptrctl.practice_reward import _telling, gather
from ptrctl.workspace import Workspace
from recordings.records import Label, Outcome
from tests.policies.test_classifier import pictures
from tests.recordings.episodes import record

TASK = "put_carrot_on_plate"


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


def test_of_a_session_of_trials_only_what_a_person_has_labelled_is_learned(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path)
    record(workspace.demos(TASK), "demo", steps=4)
    session = workspace.trials("monday")
    for steps, who in ((5, "operator"), (6, "meter"), (7, "simulator")):
        label = Label(Outcome.FAILURE, "", who)
        record(session / "episodes", who, steps=steps, label=label, seed=steps)
    write_json(session / PLAN_FILE, {"task": TASK, "start_seeds": [1, 2, 3]})
    by_machine = workspace.trials("tuesday")
    record(by_machine / "episodes", "other", steps=8, seed=8)
    write_json(by_machine / PLAN_FILE, {"task": TASK, "start_seeds": [1]})
    record(tmp_path / "prior", "prior", steps=3, seed=9, task="take_carrot_off_plate")

    checkpoint = SimpleNamespace(info=SimpleNamespace(camera="front", image_size=24))
    found = gather(
        workspace,
        SimpleNamespace(task=TASK, backward=None),  # type: ignore[arg-type]
        checkpoint,  # type: ignore[arg-type]
        SimpleNamespace(cache=tmp_path / "cache"),  # type: ignore[arg-type]
        TaskSlots((TASK, "take_carrot_off_plate"), 4),
        None,
        [tmp_path / "prior"],
        Shown(),  # type: ignore[arg-type]
    )
    # A picture more than steps.
    assert np.bincount(found.episode).tolist() == [5, 6, 4]
