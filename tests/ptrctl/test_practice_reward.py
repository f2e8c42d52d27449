"""From which pictures the success classifier of a practice learns, and when it may drive."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import policies.classifier as classifier_module
from policies.classifier import SuccessClassifier, train_classifier
from policies.classifier_check import Count, ErrorRates
from policies.labelled_pictures import LabelledPictures
from policies.learners import make_networks
from policies.presets import preset
from policies.tasks import TaskSlots
from ptrctl.files import write_json
from ptrctl.plan import PLAN_FILE
from ptrctl.sessions import practice_reward
from ptrctl.sessions.practice_reward import (
    PracticeReward,
    _telling,
    _train,
    gather,
    make_reward,
)
from ptrctl.workspace import Workspace
from recordings.errors import UsageError
from recordings.records import Label, Outcome
from tests.policies.test_classifier import pictures
from tests.ptrctl.workflows.test_improve import PLAN
from tests.recordings.episodes import FAILURE, record

TASK = "put_carrot_on_plate"
BACK = "take_carrot_off_plate"


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


def gathered(workspace: Workspace, backward: str = "", examples: Path | None = None) -> list[int]:
    """Pictures of each episode in a workspace that holds prior data in `prior`, that data last."""
    checkpoint = SimpleNamespace(info=SimpleNamespace(camera="front", image_size=24))
    ours, prior = gather(
        workspace,
        dataclasses.replace(PLAN, task=TASK, backward=backward),
        checkpoint,  # type: ignore[arg-type]
        SimpleNamespace(cache=workspace.root / "cache"),  # type: ignore[arg-type]
        TaskSlots((TASK, BACK), 4),
        examples,
        [workspace.root / "prior"],
        Shown(),  # type: ignore[arg-type]
    )
    assert all(part.episodes == 1 for part in prior)
    return [*np.bincount(ours.episode).tolist(), *map(len, prior)]


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
    record(tmp_path / "prior", "prior", steps=3, seed=9, task=BACK)
    # A picture more than steps.
    assert gathered(workspace) == [5, 6, 4]


def test_an_episode_in_two_folders_is_learned_from_once(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path)
    record(workspace.demos(TASK), "done", steps=4)
    record(workspace.demos(TASK), "missed", steps=5, seed=1, label=FAILURE)
    record(tmp_path / "prior", "prior", steps=3, seed=9, task=BACK)
    assert gathered(workspace, examples=workspace.demos(TASK)) == [5, 6, 4]
    # Another episode of the same name is another one.
    examples = tmp_path / "examples"
    record(examples, "missed", steps=6, seed=2, label=FAILURE, scene={"kitchen": 4})
    assert gathered(workspace, examples=examples) == [5, 6, 7, 4]


def test_examples_of_one_task_say_nothing_of_the_task_that_undoes_it(tmp_path: Path) -> None:
    workspace, examples = Workspace(tmp_path), tmp_path / "examples"
    record(examples, "done", steps=4)
    record(examples, "missed", steps=5, seed=1, label=FAILURE)
    record(tmp_path / "prior", "prior", steps=3, seed=9, task=BACK)
    with pytest.raises(UsageError, match=f"0 pictures show {BACK} done and 0 show it not done"):
        gathered(workspace, BACK, examples)
    record(examples, "undone", steps=4, seed=2, task=BACK)
    with pytest.raises(UsageError, match=f"2 pictures show {BACK} done and 0 show it not done"):
        gathered(workspace, BACK, examples)
    record(examples, "kept", steps=5, seed=3, task=BACK, label=FAILURE)
    assert len(gathered(workspace, BACK, examples)) == 5


def test_prior_data_of_the_task_is_always_learned_from_and_never_counted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    config = preset("tiny")
    learned: list[int] = []

    def note(networks: Any, some: LabelledPictures, *_: Any, **__: Any) -> SuccessClassifier:
        learned.append(some.episodes)
        return SuccessClassifier(config.network)

    monkeypatch.setattr(classifier_module, "train_classifier", note)
    monkeypatch.setattr(practice_reward, "classifier_to_start_with", lambda *_: None)
    checkpoint: Any = SimpleNamespace(
        networks=lambda _: (make_networks(config, seed=0), TaskSlots((TASK,), 8)),
        info=SimpleNamespace(config=config),
    )
    ours, prior = (pictures(4, 4, seed=seed, task=0) for seed in range(2))
    _, rates = _train(checkpoint, ours, [prior], PLAN, [TASK], lambda step, loss: None)
    assert rates[TASK].missed_episodes.total == rates[TASK].false_failures.total == 4
    # Of the eight of ours two are held out in each of the folds.
    assert learned == [14] * 4 + [16]


def test_a_classifier_that_is_wrong_about_one_of_two_tasks_does_not_drive(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    good = ErrorRates(Count(0, 400), Count(0, 40), Count(0, 40), Count(0, 20), Count(0, 20))
    bad = dataclasses.replace(
        good, false_episodes=Count(2, 30), missed_episodes=Count(0, 20), false_failures=Count(2, 10)
    )
    assert not (good + bad).fault
    config = preset("tiny")
    classifier = SuccessClassifier(config.network)
    monkeypatch.setattr(practice_reward, "gather", lambda *_: (None, []))
    monkeypatch.setattr(practice_reward, "_train", lambda *_: (classifier, {TASK: good, BACK: bad}))
    checkpoint: Any = SimpleNamespace(
        networks=lambda _: (None, TaskSlots((TASK, BACK), 8)),
        info=SimpleNamespace(config=config, camera="front"),
    )

    def begin(*, accept: bool) -> PracticeReward:
        plan = dataclasses.replace(PLAN, task=TASK, backward=BACK, reward="classifier")
        request: Any = None
        shown: Any = Shown()
        return make_reward(
            Workspace(tmp_path),
            plan,
            checkpoint,
            request,
            tmp_path,
            examples=None,
            prior=[],
            accept=accept,
            shown=shown,
        )

    with pytest.raises(UsageError, match=f"practice of {BACK}: .* 2/10 failures"):
        begin(accept=False)
    assert begin(accept=True).rates == good + bad
    # What was accepted once is no better the next time.
    with pytest.raises(UsageError, match=f"practice of {BACK}: .* 2/10 failures"):
        begin(accept=False)
