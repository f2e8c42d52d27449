"""A trial is given up only if the operator allows it, and then counts as a failure."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hardware.faults import MotorFault
from hardware.robot import Stop
from ptrctl.operator.interrupts import Interrupts
from ptrctl.operator.operators import NobodyThere
from ptrctl.plan import PLAN_FILE, StopRule, TrialPlan, load_plan
from ptrctl.trials import check_comparable
from ptrctl.workflows.attempt import Listeners
from ptrctl.workflows.evaluate import evaluate
from ptrctl.workflows.hopeless import StopsWhenHopeless
from recordings.errors import UsageError
from recordings.reader import read_episode
from recordings.records import Decision, EpisodeInfo, Observation
from tests.ptrctl.workflows.fake_cell import FakeArm, Walker, make_fake_cell
from tests.ptrctl.workflows.test_evaluate import PLAN
from tests.recordings.episodes import make_info

RULE = StopRule(below=0.1, meter="feed")
ONE = dataclasses.replace(PLAN, trials=1, start_seeds=(1,))


class Meters(Walker):
    """Foretells these chances, step by step; None foretells nothing."""

    def __init__(self, chances: Sequence[float | None], step_m: float = 0.0) -> None:
        super().__init__(step_m)
        self.chances = chances
        self.step = 0

    def begin(self, info: EpisodeInfo) -> None:
        super().begin(info)
        self.step = 0

    def act(self, observation: Observation) -> Decision:
        decision = super().act(observation)
        chance = self.chances[min(self.step, len(self.chances) - 1)]
        self.step += 1
        extras = {"q": 1.0} if chance is None else {"q": 1.0, "chance": chance}
        return dataclasses.replace(decision, extras=extras)


def run(folder: Path, policy: Meters, plan: TrialPlan, *, judged: bool = True) -> tuple[str, ...]:
    """(end reason, labelled by, reason) of the only trial."""
    cell = make_fake_cell(judged=judged)
    with cell.station:
        summary = evaluate(plan, cell, policy, folder)
    (record,) = summary.counted
    assert not record.success
    return record.end_reason, record.labelled_by, record.reason


def test_three_low_chances_in_a_row_end_a_trial_as_a_failure(tmp_path: Path) -> None:
    plan = dataclasses.replace(ONE, stop_hopeless=RULE)
    policy = Meters([0.5, 0.05, 0.05, 0.2, 0.09, 0.08, 0.07, 0.5])
    end = run(tmp_path, policy, plan)
    assert end == ("decider_done", "meter", "stopped as hopeless at step 7")
    (path,) = (tmp_path / "episodes").glob("*.h5")
    episode = read_episode(path)
    # All that the rule was applied to can be read afterwards.
    assert episode.extras["chance"].tolist() == [0.5, 0.05, 0.05, 0.2, 0.09, 0.08, 0.07]
    assert episode.label.reason == "stopped as hopeless at step 7"


def test_a_trial_that_is_given_up_while_the_arm_fails_is_a_fault(tmp_path: Path) -> None:
    class DoesNotHold(FakeArm):
        """Until it has moved again."""

        holds = False

        def move_to_start(self, **how: Any) -> None:
            self.holds = len(self.starts) > 1
            super().move_to_start(**how)

        def stop(self, kind: Stop = Stop.HOLD, **how: Any) -> None:
            if not self.holds:
                raise MotorFault("A motor has no torque.")

    class Told(NobodyThere):
        why = ""

        def held(self, why: str) -> None:
            self.why = why

    plan = dataclasses.replace(ONE, stop_hopeless=RULE)
    operator = Told(Interrupts())
    cell = make_fake_cell(arm=DoesNotHold())
    with cell.station:
        listeners = Listeners(operator=operator)
        summary = evaluate(plan, cell, Meters([0.0]), tmp_path, listeners=listeners)
    assert "no torque" in operator.why
    assert [record.end_reason for record in summary.aborted] == ["fault"]
    assert [record.labelled_by for record in summary.counted] == ["meter"]


@pytest.mark.parametrize("chances", [[0.01, 0.01, 0.2], [0.1], [None]])
def test_a_chance_that_recovers_or_is_not_known_ends_nothing(
    tmp_path: Path, chances: list[float | None]
) -> None:
    plan = dataclasses.replace(ONE, stop_hopeless=RULE)
    assert run(tmp_path, Meters(chances), plan)[0] == "time_limit"


def test_without_the_operators_leave_every_trial_uses_its_time(tmp_path: Path) -> None:
    assert run(tmp_path, Meters([0.0]), ONE)[0] == "time_limit"


def test_a_trial_that_succeeds_is_not_given_up(tmp_path: Path) -> None:
    plan = dataclasses.replace(ONE, stop_hopeless=StopRule(0.1, "feed", in_a_row=6))
    cell = make_fake_cell()
    with cell.station:
        summary = evaluate(plan, cell, Meters([0.0], step_m=0.05), tmp_path)
    assert [(r.success, r.labelled_by) for r in summary.counted] == [(True, "simulator")]


def test_the_next_episode_begins_with_a_clean_slate() -> None:
    policy = StopsWhenHopeless(Meters([0.0]), RULE)
    seen = Observation({}, np.zeros(7), 0.0)
    for _ in range(2):
        policy.begin(make_info())
        assert not policy.gave_up
        assert [policy.act(seen).done for _ in range(4)] == [False, False, False, True]
        assert policy.gave_up


def test_the_plan_holds_the_rule_and_another_rule_is_another_plan(tmp_path: Path) -> None:
    plan = dataclasses.replace(ONE, stop_hopeless=RULE)
    run(tmp_path, Meters([0.0]), plan)
    assert load_plan(tmp_path) == plan
    cell = make_fake_cell()
    for other in (None, StopRule(0.2, "feed"), StopRule(0.1, "beef")):
        with cell.station, pytest.raises(UsageError, match="stop_hopeless was"):
            evaluate(dataclasses.replace(ONE, stop_hopeless=other), cell, Walker(), tmp_path)
    with pytest.raises(UsageError, match=r"stop_hopeless 0\.1"):
        check_comparable(plan, "old", ONE, "new")
    check_comparable(plan, "old", dataclasses.replace(plan, stop_hopeless=StopRule(0.1, "b")), "n")


def test_a_plan_without_the_rule_is_written_as_it_always_was(tmp_path: Path) -> None:
    run(tmp_path, Meters([0.5]), ONE)
    assert "stop_hopeless" not in (tmp_path / PLAN_FILE).read_text()
    assert load_plan(tmp_path) == ONE


@pytest.mark.parametrize("below", [0.0, 1.0, -0.5, 5.0])
def test_a_threshold_is_a_chance(below: float) -> None:
    with pytest.raises(UsageError, match="chance"):
        StopRule(below, "feed")
