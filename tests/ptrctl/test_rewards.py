"""A classifier of pictures ends and labels attempts, and the truth has no part in it."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from hardware.faults import LostConnection, MotorFault
from hardware.registry import Cell
from policies.labelling import Hand
from policies.tasks import TaskSlots
from ptrctl.operator.interrupts import Interrupts
from ptrctl.operator.operators import NobodyThere, Verdict
from ptrctl.rewards import (
    NOBODY_TO_ASK,
    PROBABILITY,
    ClassifierReward,
    GroundTruth,
    OperatorReward,
)
from ptrctl.trials import TrialLog, TrialRecord
from ptrctl.workflows.attempt import Attempt, AttemptSettings, Listeners, run_attempt
from ptrctl.workflows.improve import _Session
from recordings.errors import UsageError
from recordings.reader import read_episode
from recordings.records import EndReason, EpisodeEnd, ImageArray, Label, Outcome, Score
from tests.ptrctl.workflows.fake_cell import Walker, make_fake_cell
from tests.ptrctl.workflows.test_improve import PLAN


class NeverAsked:
    """The truth, which nobody may ask for."""

    def score(self) -> Score:
        raise AssertionError("the truth was asked for")


def cell_without_truth() -> Cell:
    return dataclasses.replace(make_fake_cell(), judge=NeverAsked())


def reward(says: Callable[[ImageArray], float]) -> ClassifierReward:
    classifier: Any = SimpleNamespace(
        probability=lambda image, task: says(image), needed_hand=lambda task: Hand.EMPTY
    )
    return ClassifierReward(classifier, TaskSlots(("go_ahead", "go_back"), 8), "front")


def ahead(image: ImageArray) -> float:
    """Sure once the bright column is beyond two fifths of the picture."""
    return 0.9 if int(image[0, :, 0].argmax()) >= 14 else 0.1


class Asked(NobodyThere):
    """Somebody who answers and remembers what was asked."""

    can_label = True

    def __init__(self, outcome: Outcome) -> None:
        super().__init__(Interrupts())
        self.outcome = outcome
        self.told: list[str] = []

    def ask_again(self, why: str) -> None:
        self.told.append(why)

    def verdict(self, end: EpisodeEnd) -> Verdict:
        return Verdict(Label(self.outcome, "", "operator"))


def attempt(folder: Path, what: Any, operator: Any = None, step_m: float = 0.02) -> Attempt:
    cell = cell_without_truth()
    settings = AttemptSettings("improve", max_steps=12, success_steps=2, episodes=folder)
    listeners = Listeners(operator=operator) if operator else Listeners()
    with cell.station:
        done = run_attempt(cell, Walker(step_m), settings, 1, listeners, what)
    assert done is not None
    return done


def test_a_believed_success_ends_the_attempt_and_labels_it(tmp_path: Path) -> None:
    done = attempt(tmp_path, reward(ahead))
    assert done.end.reason.value == "decider_done"
    assert done.label == Label(Outcome.SUCCESS, "", "classifier")
    assert done.end.steps < 12
    assert done.episode is not None
    kept = read_episode(done.episode).extras[PROBABILITY]
    assert kept.max() == pytest.approx(0.9)
    # Two pictures said so: one is in a step, the other is the last.
    assert (kept > 0.5).sum() == 1


def test_the_last_picture_counts_too(tmp_path: Path) -> None:
    pictures = iter([0.0] * 11 + [0.9, 0.9])
    done = attempt(tmp_path, reward(lambda image: next(pictures)))
    assert done.end.reason.value == "time_limit"
    assert done.label.outcome is Outcome.SUCCESS


def test_a_failure_is_labelled_without_asking(tmp_path: Path) -> None:
    asked = Asked(Outcome.SUCCESS)
    done = attempt(tmp_path, reward(lambda image: 0.1), asked)
    assert done.label.outcome is Outcome.FAILURE
    assert done.label.labelled_by == "classifier"
    assert asked.told == []


@pytest.mark.parametrize("answer", [Outcome.SUCCESS, Outcome.FAILURE])
def test_an_uncertain_trial_is_asked_of_the_operator(tmp_path: Path, answer: Outcome) -> None:
    asked = Asked(answer)
    done = attempt(tmp_path, reward(lambda image: 0.5), asked)
    assert done.label == Label(answer, "", "operator")
    assert "uncertain" in asked.told[0]


def test_an_uncertain_trial_without_operator_fails_and_is_not_learned_from(tmp_path: Path) -> None:
    done = attempt(tmp_path, reward(lambda image: 0.5))
    assert done.label == Label(Outcome.FAILURE, NOBODY_TO_ASK, "classifier")
    taken: list[Any] = []
    learner: Any = SimpleNamespace(
        add_episode=lambda *args: taken.append(args),
        checkpoint=SimpleNamespace(info=SimpleNamespace(camera="front")),
    )
    session = session_of(tmp_path, learner, reward(ahead))
    session.plan = dataclasses.replace(session.plan, backward="")
    assert done.episode is not None
    (tmp_path / "practice").mkdir()
    moved = done.episode.rename(tmp_path / "practice" / done.episode.name)
    record = TrialRecord(0, 1, "counted", reason=NOBODY_TO_ASK, episode=moved.name)
    session.take_up(record)
    assert taken == []
    session.take_up(dataclasses.replace(record, reason="seen"))
    assert len(taken) == 1


def session_of(folder: Path, learner: Any, what: Any, cell: Cell | None = None) -> _Session:
    plan = dataclasses.replace(PLAN, backward="go_back", reward="classifier")
    cell = cell or cell_without_truth()
    both = dataclasses.replace(cell, use_task=lambda task: dataclasses.replace(cell, task=task))
    return _Session(
        plan, both, learner, folder, folder, lambda event: None, Listeners(), reward=what
    )


def learns_nothing() -> Any:
    """A learner whose policy walks on, whatever it is given."""
    return SimpleNamespace(
        checkpoint=SimpleNamespace(info=SimpleNamespace(camera="front")),
        policy=lambda **how: Walker(0.02),
        add_episode=lambda *args: None,
        has_something_new=False,
        save_state=lambda path: None,
    )


@pytest.mark.parametrize(
    ("success", "backward", "learned"),
    [(True, "go_back", 1), (False, "go_back", 0), (True, "", 1), (False, "", 1)],
)
def test_with_a_backward_task_only_successes_of_the_task_are_learned_from(
    tmp_path: Path, success: bool, backward: str, learned: int
) -> None:
    done = attempt(tmp_path / "practice", reward(ahead))
    assert done.episode is not None
    taken: list[Any] = []
    learner: Any = SimpleNamespace(
        add_episode=lambda *args: taken.append(args),
        checkpoint=SimpleNamespace(info=SimpleNamespace(camera="front")),
    )
    session = session_of(tmp_path, learner, reward(ahead))
    session.plan = dataclasses.replace(session.plan, backward=backward)
    record = TrialRecord(0, 1, "counted", success=success, episode=done.episode.name)
    session.take_up(record)
    assert len(taken) == learned
    session.plan = dataclasses.replace(session.plan, task="go_back", backward=backward)
    session.take_up(record)
    assert len(taken) == learned + (not backward)


@pytest.mark.parametrize(
    ("success", "probabilities", "forward_next"),
    [
        (True, {0: 0.0, 1: 0.0}, False),  # Believed to be done: the other task is next.
        (False, {0: 0.1, 1: 0.8}, True),  # The least completed is next.
        (False, {0: 0.7, 1: 0.2}, False),
    ],
)
def test_the_classifier_decides_which_task_is_next(
    tmp_path: Path, success: bool, probabilities: dict[int, float], forward_next: bool
) -> None:
    done = attempt(tmp_path / "practice", reward(lambda image: 0.1))
    assert done.episode is not None
    classifier: Any = SimpleNamespace(probability=lambda image, task: probabilities[task])
    decides = ClassifierReward(classifier, TaskSlots(("go_ahead", "go_back"), 8), "front")
    learner: Any = SimpleNamespace(checkpoint=SimpleNamespace(info=SimpleNamespace(camera="front")))
    session = session_of(tmp_path, learner, decides)
    session.scene_is_ours = True
    record = TrialRecord(0, 300, "counted", success=success, episode=done.episode.name)
    session.trials.log.append(record)
    task, seed, carry = session.choose(1)
    assert seed is None
    assert carry is None
    assert task == ("go_ahead" if forward_next else "go_back")


@pytest.mark.parametrize("simulated", [True, False])
def test_the_simulator_lays_the_scene_out_anew_where_the_arm_is_wedged(
    tmp_path: Path, simulated: bool
) -> None:
    cell = cell_without_truth()
    arm: Any = cell.station.robot
    arm.features = dataclasses.replace(arm.features, simulated=simulated)
    starts: list[int | None] = []

    def start(seed: int | None, should_stop: Any = None) -> None:
        starts.append(seed)
        if seed is None:
            raise MotorFault("A joint is behind.", "The way is free.", "Clear it.")
        arm.move_to_start(seed=seed)

    session = session_of(
        tmp_path, learns_nothing(), reward(ahead), dataclasses.replace(cell, start=start)
    )
    session.scene_is_ours = True
    with session.cell.station:
        if not simulated:
            with pytest.raises(MotorFault):
                session.practise(1)
        else:
            assert session.practise(1)
            assert starts == [None, PLAN.practice_seeds[1]]
    wedged, *done = TrialLog(tmp_path / "practice").records
    assert (wedged.status, wedged.reason, wedged.end_reason) == (
        "aborted",
        "A joint is behind.",
        "fault",
    )
    assert [record.success for record in done] == ([True] if simulated else [])


@pytest.mark.parametrize("both_done", [False, True])
def test_what_the_way_to_the_start_pose_has_done_is_nobodys_success(
    tmp_path: Path, both_done: bool
) -> None:
    cell = make_fake_cell()
    arm: Any = cell.station.robot
    starts: list[int | None] = []

    def start(seed: int | None, should_stop: Any = None) -> None:
        # What was held falls into place, unless the scene is laid out anew.
        starts.append(seed)
        arm.move_to_start(seed=seed)

    def judge(task: str) -> Any:
        def score() -> Score:
            fell = bool(starts) and starts[-1] is None
            return Score(fell and (task == "go_ahead" or both_done), 0.0, "")

        return SimpleNamespace(score=score)

    session = session_of(tmp_path, learns_nothing(), GroundTruth())
    session.cell = dataclasses.replace(
        cell,
        use_task=lambda task: dataclasses.replace(cell, task=task, start=start, judge=judge(task)),
    )
    session.scene_is_ours = True
    log = session.trials.log
    # One more failure in a row would have the scene laid out anew.
    log.append(TrialRecord(0, 300, "counted", success=True))
    log.append(TrialRecord(0, 300, "counted"))
    with session.cell.station:
        assert session.practise(1)
    *_, done = records = TrialLog(tmp_path / "practice").records[2:]
    assert [record.end_reason for record in records] == [
        *["already done"] * (1 + both_done),
        "time_limit",
    ]
    assert [record.status for record in records[:-1]] == ["aborted"] * (1 + both_done)
    assert starts == [None, None, *[PLAN.practice_seeds[1]] * both_done]
    assert read_episode(tmp_path / "practice" / done.episode).info.task == "go_back"


@pytest.mark.parametrize("simulated", [True, False])
def test_a_lost_connection_between_practice_trials_is_not_taken_for_a_kill(
    tmp_path: Path, simulated: bool
) -> None:
    cell = cell_without_truth()
    arm: Any = cell.station.robot
    arm.features = dataclasses.replace(arm.features, simulated=simulated)

    def start(seed: int | None, should_stop: Any = None) -> None:
        raise LostConnection("Nobody answers.")

    session = session_of(
        tmp_path, learns_nothing(), reward(ahead), dataclasses.replace(cell, start=start)
    )
    with session.cell.station, pytest.raises(LostConnection):
        session.practise(0)
    (record,) = TrialLog(tmp_path / "practice").records
    assert (record.status, record.reason, record.end_reason) == (
        "aborted",
        "Nobody answers.",
        "fault",
    )


def test_the_operators_reward_asks_no_simulator(tmp_path: Path) -> None:
    done = attempt(tmp_path, OperatorReward(), Asked(Outcome.SUCCESS))
    assert done.label.labelled_by == "operator"
    with pytest.raises(UsageError, match="Nobody can say"):
        attempt(tmp_path, OperatorReward())


def test_by_default_the_simulator_judges(tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match="the truth was asked for"):
        attempt(tmp_path, GroundTruth())


@pytest.mark.parametrize(
    ("reason", "score", "label"),
    [
        (EndReason.SUCCESS, Score(True, 1.0, "placed"), (Outcome.SUCCESS, "", "simulator")),
        # A success that came too late to last.
        (
            EndReason.TIME_LIMIT,
            Score(True, 1.0, "placed"),
            (Outcome.FAILURE, "furthest stage: placed", "simulator"),
        ),
        (
            EndReason.DECIDER_DONE,
            Score(False, 0.0),
            (Outcome.FAILURE, "furthest stage: nothing", "simulator"),
        ),
        (
            EndReason.OPERATOR_STOP,
            Score(False, 0.5, "grasped"),
            (Outcome.UNLABELLED, "stopped by the operator", ""),
        ),
    ],
)
def test_the_simulators_verdict_on_a_trial_and_on_a_demonstration_is_one(
    reason: EndReason, score: Score, label: tuple[Outcome, str, str]
) -> None:
    end = EpisodeEnd(reason, None, steps=1, final_score=score)
    operator = NobodyThere(Interrupts())
    assert operator.verdict(end) == Verdict(Label(*label))
    assert GroundTruth().verdict(make_fake_cell(), end, operator) == Verdict(Label(*label))


def test_what_the_truth_says_changes_no_label(tmp_path: Path) -> None:
    tried = cell_without_truth()
    never: Any = SimpleNamespace(score=lambda: Score(False, 0.0, ""))
    session = session_of(tmp_path, learns_nothing(), reward(ahead), tried)
    session.compare_labels = True
    session.cell = dataclasses.replace(
        session.cell, use_task=lambda task: dataclasses.replace(tried, task=task, judge=never)
    )
    with session.cell.station:
        assert session.practise(0)
    (record,) = session.trials.log.records
    assert record.success
    assert record.labelled_by == "classifier"
    agreement = session.agreement({0: record})
    assert agreement is not None
    assert (agreement.successes, agreement.trials) == (0, 1)
    assert np.isfinite(record.progress)
