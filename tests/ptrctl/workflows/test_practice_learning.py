"""When practice learns, and what is kept of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import ptrctl.workflows.practice_learning as practice_learning_module
from ptrctl.operator.interrupts import Interrupts
from ptrctl.operator.operators import NobodyThere
from ptrctl.workflows.practice_learning import (
    FIRST_DEMONSTRATIONS,
    Learned,
    Learning,
    PracticeLearning,
    StoppedError,
)
from tests.ptrctl.workflows.test_improve import PLAN


class Learner:
    """Counts its updates."""

    has_something_new = True
    successes = 0
    updates = 0

    def begin_again(self, planned_updates: int) -> None:
        self.updates = 0

    def update(self, count: int) -> dict[str, float]:
        self.updates += count
        return {"loss": 1.0}

    def save_state(self, path: Path) -> None:
        path.write_text(str(self.updates))


class Operator(NobodyThere):
    """Remembers why the arm needs consent to move again."""

    def __init__(self) -> None:
        super().__init__(Interrupts())
        self.told: list[str] = []

    def ask_again(self, why: str) -> None:
        self.told.append(why)


def practice_learning(
    folder: Path,
    *,
    backward: str = "",
    updates_per_trial: int = 7,
    stopping: Callable[[], bool] = lambda: False,
) -> tuple[PracticeLearning, Any, list[Learning | Learned]]:
    """With its learner and what it has told."""
    told: list[Learning | Learned] = []
    learner: Any = Learner()
    plan = replace(PLAN, backward=backward, updates_per_trial=updates_per_trial)
    learning = PracticeLearning(plan, learner, folder, told.append, Operator(), stopping)
    return learning, learner, told


@pytest.mark.parametrize("updates", [0, 7])
def test_after_learning_the_arm_needs_consent_to_move_again(tmp_path: Path, updates: int) -> None:
    learning, _, _ = practice_learning(tmp_path, updates_per_trial=updates)
    learning.after_trial(0)
    operator: Any = learning.operator
    assert len(operator.told) == (1 if updates else 0)


def test_what_could_not_be_learned_after_the_first_trials_is_made_up_for(tmp_path: Path) -> None:
    learning, learner, told = practice_learning(tmp_path)
    learner.has_something_new = False
    learning.after_trial(0)
    learning.after_trial(1)
    assert learner.updates == 0
    learner.has_something_new = True
    learning.after_trial(2)
    assert learner.updates == 21
    assert told[-1] == Learned(2, {"loss": 1.0})
    assert [event.apart for event in told if isinstance(event, Learning)] == [True] * 5
    learning.after_trial(3)
    assert learner.updates == 28


def test_who_stops_while_it_is_made_up_for_goes_on_with_what_is_missing(tmp_path: Path) -> None:
    stop_at = 10
    learning, learner, told = practice_learning(
        tmp_path, stopping=lambda: learner.updates == stop_at
    )
    with pytest.raises(StoppedError):
        learning.after_trial(2)
    assert (tmp_path / "learner-00003.safetensors").read_text() == "10"
    operator: Any = learning.operator
    assert operator.told == []
    stop_at = 0
    learning.after_trial(2)
    assert learner.updates == 21
    assert [(e.done, e.total) for e in told if isinstance(e, Learning)] == [
        *((0, 21), (5, 21)),
        *((0, 11), (5, 11), (10, 11)),
    ]


def test_only_the_state_after_the_last_trial_is_kept(tmp_path: Path) -> None:
    learning, _, _ = practice_learning(tmp_path)
    # Of a trial that was thrown away.
    (tmp_path / "learner-00003.safetensors").touch()
    for trial in (0, 1):
        learning.after_trial(trial)
    assert [path.name for path in tmp_path.glob("learner-*")] == ["learner-00002.safetensors"]


def test_with_a_backward_task_it_learns_anew_before_it_is_measured(tmp_path: Path) -> None:
    learning, learner, told = practice_learning(tmp_path, backward="go_back", updates_per_trial=1)
    learner.successes = FIRST_DEMONSTRATIONS
    learning.after_trial(0)
    assert told == [Learned(0, {})]
    learner.updates = 4
    assert learning.before_measuring(2)
    assert learner.updates == 10
    assert (tmp_path / "learner-00002.safetensors").read_text() == "10"
    # The time left is that of these updates, not of trials.
    assert told[1:] == [
        Learning(1, PLAN.trials, 0, 10, apart=True),
        Learning(1, PLAN.trials, 5, 10, apart=True),
        Learned(1, {"loss": 1.0}),
    ]


def test_a_session_keeps_the_number_of_threads_that_it_began_with(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    used: list[int] = []

    @contextmanager
    def torch_threads(count: int) -> Iterator[None]:
        used.append(count)
        yield

    monkeypatch.setattr(practice_learning_module, "torch_threads", torch_threads)
    for threads in (3, 1):
        monkeypatch.setattr(practice_learning_module, "learning_threads", lambda n=threads: n)
        practice_learning(tmp_path)[0].after_trial(0)
    assert used == [3, 3]


@pytest.mark.parametrize("backward", ["", "go_back"])
def test_from_too_few_successes_nothing_is_learned_before_it_is_measured(
    tmp_path: Path, backward: str
) -> None:
    learning, learner, told = practice_learning(tmp_path, backward=backward)
    learner.successes = FIRST_DEMONSTRATIONS - 1
    assert not learning.before_measuring(2)
    assert told == []
    learner.updates = 3
    assert learning.before_measuring(2)
    assert learner.updates == 3


def test_who_stops_while_it_learns_anew_leaves_the_state_as_it_was(tmp_path: Path) -> None:
    asked: list[None] = []

    def stopping() -> bool:
        asked.append(None)
        return len(asked) > 1

    learning, learner, _ = practice_learning(tmp_path, backward="go_back", stopping=stopping)
    learner.successes = FIRST_DEMONSTRATIONS
    learning.after_trial(1)
    with pytest.raises(StoppedError):
        learning.before_measuring(2)
    assert learner.updates == 5
    assert (tmp_path / "learner-00002.safetensors").read_text() == "0"
