"""What a display is told about practice, and what an operator is told before."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from ptrctl.sessions.demo import PRACTISE, expected_stages
from ptrctl.sessions.demo_state import DemoOptions
from ptrctl.sessions.improvement import _lacks, expected_s, warn_of_memory
from ptrctl.sessions.practice_display import telling
from ptrctl.statistics import Rate
from ptrctl.trials import TrialRecord
from ptrctl.workflows.improve_result import ImproveResult
from ptrctl.workflows.logged_trials import TrialFinished
from ptrctl.workflows.practice_learning import Learned, Learning
from tests.ptrctl.workflows.fake_cell import make_fake_cell
from tests.ptrctl.workflows.test_improve import PLAN, candidate


class Shown:
    """Remembers what a display was told."""

    def __init__(self) -> None:
        self.said: list[Any] = []

    def advance(self, done: float, total: float, words: str = "") -> None:
        self.said.append((done, total, words))

    def figures(self, values: dict[str, float]) -> None:
        self.said.append(values)

    def trial(self, success: bool | None) -> None:
        self.said.append(success)


def test_learning_shows_its_updates_and_never_fewer_trials_than_are_counted() -> None:
    shown = Shown()
    tell = telling(shown)  # type: ignore[arg-type]
    tell(TrialFinished(TrialRecord(2, 2, "counted"), 3, 20, Rate(0, 3)))
    tell(Learning(trial=2, trials=20, done=10, total=50))
    tell(Learned(trial=2, metrics={"arm": 0.1}))
    tell(Learning(trial=19, trials=20, done=5, total=500, apart=True))
    assert shown.said == [
        False,
        (3, 20, f" {Rate(0, 3)}"),
        (3, 20, "learning: 10 of 50 updates"),
        {"arm": 0.1},
        (5, 500, "updates of learning"),
    ]


@pytest.mark.parametrize(
    ("backward", "simulated", "warned"),
    [("go_back", False, True), ("go_back", True, False), ("", False, False)],
)
def test_on_an_arm_it_says_where_things_are_put_down_from_memory(
    capsys: pytest.CaptureFixture[str], backward: str, simulated: bool, warned: bool
) -> None:
    cell = make_fake_cell()
    arm: Any = cell.station.robot
    arm.features = replace(arm.features, simulated=simulated)
    warn_of_memory(replace(PLAN, backward=backward), cell)
    said = " ".join(capsys.readouterr().err.split())
    assert ("keep the counter clear" in said) == warned


def test_practice_in_turn_is_a_session_of_its_own() -> None:
    """It is what the panel advises after practice that came to nothing."""
    assert replace(PLAN, backward="go_back").session_name != PLAN.session_name


@pytest.mark.parametrize(
    ("succeeded", "before", "learned", "lacks"),
    [
        (0, 0, False, "demonstrations"),
        (0, 0, True, "demonstrations"),
        (1, 0, False, "demonstrations"),
        (2, 0, False, "trials"),
        (1, 2, True, None),
        (0, 2, True, None),
    ],
)
def test_what_a_practice_that_came_to_nothing_lacks(
    succeeded: int, before: int, learned: bool, lacks: str | None
) -> None:
    old = candidate("old", before)
    result = ImproveResult(
        practice=tuple(TrialRecord(n, n, "counted", success=n < succeeded) for n in range(4)),
        aborted=(),
        before=old,
        candidates=(candidate("new", 0),) if learned else (),
        recommended=old.checkpoint,
        verdict="",
        complete=True,
    )
    plan = replace(PLAN, trials=4, practice_seeds=(1, 2, 3, 4))
    assert _lacks(plan, result) == lacks
    assert _lacks(plan, replace(result, complete=False)) is None


def test_practice_is_expected_to_take_as_long_in_a_demo_as_alone() -> None:
    plan = replace(
        PLAN,
        trials=20,
        practice_seeds=tuple(range(20)),
        selection_seeds=tuple(range(20, 40)),
        updates_per_trial=50,
    )
    stages = {stage.name: stage.expected_s for stage in expected_stages(DemoOptions())}
    assert stages[PRACTISE] == pytest.approx(expected_s(plan))
