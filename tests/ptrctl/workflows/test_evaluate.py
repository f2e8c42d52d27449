"""Trials run under their plan, are counted once, and go on after whatever ended them."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from hardware.loop import Signal, Subscriber
from ptrctl.operator.interrupts import Interrupts
from ptrctl.operator.operators import NobodyThere, Verdict
from ptrctl.plan import TrialPlan
from ptrctl.trials import load_summary
from ptrctl.workflows.attempt import Listeners
from ptrctl.workflows.evaluate import evaluate
from ptrctl.workflows.logged_trials import TrialEvent, TrialFinished, TrialStarting
from recordings.errors import RobotError, UsageError
from recordings.records import EpisodeEnd, Label, Outcome, Score, Step
from tests.ptrctl.workflows.fake_cell import Walker, make_fake_cell

PLAN = TrialPlan(
    task="go_ahead",
    criterion="the gripper is 30 cm ahead",
    trials=4,
    start_seeds=(1, 2, 3, 4),
    robot="fake",
    kitchen_seed=0,
    checkpoint="walker",
    checkpoint_digest="0123456789ab",
    max_steps=8,
)


def test_every_trial_of_the_plan_is_run_once_from_its_own_start_state(tmp_path: Path) -> None:
    cell = make_fake_cell()
    events: list[TrialEvent] = []
    with cell.station:
        summary = evaluate(PLAN, cell, Walker(only_even=True), tmp_path, on_event=events.append)
    assert [(r.seed, r.success) for r in summary.counted] == [
        (1, False),
        (2, True),
        (3, False),
        (4, True),
    ]
    assert summary.complete
    assert str(summary.rate).startswith("2/4 [")
    assert cell.station.robot.starts[1:] == [1, 2, 3, 4]
    assert [type(event) for event in events] == [TrialStarting, TrialFinished] * 4
    assert load_summary(tmp_path) == summary


@pytest.mark.parametrize(("periods", "success"), [(1, False), (2, True)])
def test_a_success_that_lasts_one_period_is_none(
    tmp_path: Path, periods: int, success: bool
) -> None:
    done = iter([False, *[True] * periods, *[False] * PLAN.max_steps])

    class Judge:
        def score(self) -> Score:
            return Score(next(done), 1.0, "placed")

    cell = make_fake_cell()
    cell.judge = Judge()
    with cell.station:
        summary = evaluate(
            dataclasses.replace(PLAN, trials=1, start_seeds=(1,)), cell, Walker(), tmp_path
        )
    assert [record.success for record in summary.counted] == [success]


def test_each_trial_leaves_a_recording_and_a_video(tmp_path: Path) -> None:
    cell = make_fake_cell()
    with cell.station:
        summary = evaluate(PLAN, cell, Walker(), tmp_path)
    for record in summary.counted:
        assert (tmp_path / record.video).stat().st_size > 0
        assert (tmp_path / record.episode).stat().st_size > 0
        assert record.labelled_by == "simulator"


def test_a_second_call_runs_nothing_again(tmp_path: Path) -> None:
    cell = make_fake_cell()
    with cell.station:
        evaluate(PLAN, cell, Walker(), tmp_path)
        starts = len(cell.station.robot.starts)
        summary = evaluate(PLAN, cell, Walker(step_m=0.0), tmp_path)
    assert len(cell.station.robot.starts) == starts
    assert summary.rate.successes == 4


def test_another_plan_for_the_same_session_is_refused(tmp_path: Path) -> None:
    cell = make_fake_cell()
    longer = dataclasses.replace(PLAN, max_steps=50)
    with cell.station:
        evaluate(PLAN, cell, Walker(), tmp_path)
        with pytest.raises(UsageError, match="max_steps was 8 and is now 50"):
            evaluate(longer, cell, Walker(), tmp_path)


def test_a_fault_aborts_a_trial_which_is_run_again_and_reported(tmp_path: Path) -> None:
    cell = make_fake_cell(faults={2})
    with cell.station:
        summary = evaluate(PLAN, cell, Walker(), tmp_path)
    assert summary.complete
    assert summary.rate.successes == 4
    assert [(r.trial, r.end_reason) for r in summary.aborted] == [(0, "fault")]
    assert "overheating" in summary.to_json()["aborts"][0]["reason"]


def test_a_trial_that_faults_twice_stops_the_session_and_can_go_on(tmp_path: Path) -> None:
    cell = make_fake_cell(faults={2, 4})
    with cell.station:
        with pytest.raises(RobotError, match="2 times"):
            evaluate(PLAN, cell, Walker(), tmp_path)
        summary = evaluate(PLAN, cell, Walker(), tmp_path)
    assert summary.complete
    assert len(summary.aborted) == 2


def test_the_operators_stop_aborts_the_trial_and_keeps_the_rest(tmp_path: Path) -> None:
    cell = make_fake_cell()
    seen: list[Step] = []

    class Watch(Subscriber):
        def on_step(self, step: Step) -> None:
            seen.append(step)

    class StopsAfterSixSteps(NobodyThere):
        def signal(self) -> Signal:
            return Signal.STOP if len(seen) == 6 else Signal.RUN

    with cell.station:
        listeners = Listeners((Watch(),), StopsAfterSixSteps(Interrupts()))
        summary = evaluate(PLAN, cell, Walker(), tmp_path, listeners=listeners)
        assert not summary.complete
        assert summary.rate.trials == 1
        assert summary.aborted[0].reason == "stopped by the operator"
        assert evaluate(PLAN, cell, Walker(), tmp_path).complete


def test_an_interrupt_is_written_down_as_an_abort(tmp_path: Path) -> None:
    cell = make_fake_cell()

    class Interrupt(Walker):
        def act(self, observation: object) -> object:
            raise KeyboardInterrupt

    with cell.station, pytest.raises(KeyboardInterrupt):
        evaluate(PLAN, cell, Interrupt(), tmp_path)
    summary = load_summary(tmp_path)
    assert [r.reason for r in summary.aborted] == ["interrupted by the operator"]


def test_without_a_judge_the_operator_labels(tmp_path: Path) -> None:
    cell = make_fake_cell(judged=False)

    class Labels(NobodyThere):
        can_label = True

        def verdict(self, end: EpisodeEnd) -> Verdict:
            return Verdict(Label(Outcome.FAILURE, "dropped", "operator"))

    with cell.station:
        listeners = Listeners(operator=Labels(Interrupts()))
        summary = evaluate(PLAN, cell, Walker(), tmp_path, listeners=listeners)
    assert {(r.success, r.reason, r.labelled_by) for r in summary.counted} == {
        (False, "dropped", "operator")
    }


def test_without_a_judge_and_without_an_operator_nothing_is_tried(tmp_path: Path) -> None:
    cell = make_fake_cell(judged=False)
    with cell.station, pytest.raises(UsageError, match="Nobody can say"):
        evaluate(PLAN, cell, Walker(), tmp_path)
