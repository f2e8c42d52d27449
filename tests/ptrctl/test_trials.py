"""The lines of trials survive kills and add up."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest

from ptrctl.plan import TRIALS_FILE, StopRule, freeze_plan
from ptrctl.trials import (
    ABORTED,
    COUNTED,
    TrialLog,
    TrialRecord,
    check_comparable,
    compare_sessions,
    load_summary,
    summarise,
)
from recordings.errors import RecordingError, UsageError
from tests.ptrctl.test_plan import PLAN


def record(trial: int, success: bool) -> TrialRecord:
    return TrialRecord(
        trial=trial,
        seed=PLAN.start_seeds[trial],
        status=COUNTED,
        success=success,
        progress=1.0 if success else 0.25,
        stage="placed" if success else "reached",
    )


def test_trials_are_read_back_and_added_up(tmp_path: Path) -> None:
    freeze_plan(PLAN, tmp_path)
    log = TrialLog(tmp_path)
    for trial, success in enumerate((True, False, True)):
        log.start(trial, PLAN.start_seeds[trial], "now")
        log.append(record(trial, success))
    summary = load_summary(tmp_path)
    assert summary.complete
    assert str(summary.rate).startswith("2/3 [")
    assert summary.mean_progress == pytest.approx(0.75)
    assert summary.stages == {"placed": 2, "reached": 1}
    assert summary.to_json()["successes"] == 2


def test_a_line_cut_off_by_a_kill_is_dropped_and_the_trial_counts_as_aborted(
    tmp_path: Path,
) -> None:
    log = TrialLog(tmp_path)
    log.start(0, 10, "now")
    log.append(record(0, True))
    log.start(1, 11, "now")
    log.append(record(1, True))
    path = tmp_path / TRIALS_FILE
    path.write_bytes(path.read_bytes()[:-20])

    again = TrialLog(tmp_path)
    assert [r.status for r in again.records] == [COUNTED, ABORTED]
    assert "killed" in again.records[1].reason
    again.start(1, 11, "now")
    again.append(record(1, False))
    assert [r.status for r in TrialLog(tmp_path).records] == [COUNTED, ABORTED, COUNTED]


def test_a_line_from_another_start_state_than_the_plans_is_refused(tmp_path: Path) -> None:
    log = TrialLog(tmp_path)
    log.append(record(0, True))
    log.check_starts(PLAN.start_seeds)
    log.append(dataclasses.replace(record(1, True), seed=99))
    with pytest.raises(RecordingError, match="trial 2 from the start state 99"):
        TrialLog(tmp_path).check_starts(PLAN.start_seeds)


def test_a_trial_counts_once_however_often_it_is_run() -> None:
    summary = summarise(PLAN, [record(0, False), record(0, True)], Path("x"))
    assert (summary.rate.successes, summary.rate.trials) == (0, 1)


def test_a_damaged_line_is_reported_with_its_number(tmp_path: Path) -> None:
    (tmp_path / TRIALS_FILE).write_text('{"trial": 0}\nnot json\n')
    with pytest.raises(RecordingError, match="Line 2"):
        TrialLog(tmp_path)


def test_faults_are_counted_by_trial_and_nothing_else_is_one() -> None:
    log = TrialLog(Path("nowhere"))
    fault = dataclasses.replace(record(0, False), status=ABORTED, end_reason="fault")
    elsewhere = dataclasses.replace(fault, trial=1)
    log.records = [fault, elsewhere, elsewhere, record(0, True)]
    assert [log.faults(trial) for trial in range(3)] == [1, 2, 0]


def test_what_is_not_counted_adds_nothing() -> None:
    late = dataclasses.replace(record(0, True), overruns=2)
    aborted = dataclasses.replace(late, trial=1, seed=11, status=ABORTED)
    summary = summarise(PLAN, [late, aborted, dataclasses.replace(late, trial=2)], Path())
    assert summary.overruns == 4
    # Of two trials, whatever was planned.
    assert summary.mean_progress == 1.0


def test_an_arm_measures_no_progress() -> None:
    done = [dataclasses.replace(record(trial, trial != 1), stage="") for trial in range(3)]
    summary = summarise(PLAN, done, Path())
    assert summary.mean_progress is None
    assert summary.to_json()["mean_progress"] is None


def test_two_sessions_are_paired_by_start_seed() -> None:
    old = summarise(PLAN, [record(0, False), record(1, False), record(2, True)], Path("old"))
    new = summarise(PLAN, [record(2, True), record(0, True)], Path("new"))
    comparison = compare_sessions(old, new)
    assert (comparison.only_new, comparison.only_old, comparison.both) == (1, 0, 1)


def test_sessions_in_different_kitchens_are_not_paired() -> None:
    old = summarise(PLAN, [record(0, True)], Path("old"))
    elsewhere = dataclasses.replace(PLAN, kitchen_seed=8)
    new = summarise(elsewhere, [record(0, True)], Path("new"))
    with pytest.raises(UsageError, match="kitchen_seed 7"):
        compare_sessions(old, new)


@pytest.mark.parametrize(
    ("changed", "try_next"),
    [
        ({"task": "open_door"}, "or give `--task put_carrot_on_plate`."),
        ({"robot": "wx250s"}, "or give `--robot sim-wx250s`."),
        ({"max_steps": 80}, "or give `--max-steps 40`."),
        ({"stop_hopeless": StopRule(0.1, "meter")}, "or leave `--stop-hopeless` out."),
        ({"criterion": "the carrot lies"}, "session with `--compare`."),
    ],
)
def test_what_keeps_sessions_from_being_paired_is_named_as_a_flag(
    changed: dict[str, Any], try_next: str
) -> None:
    with pytest.raises(UsageError) as caught:
        check_comparable(PLAN, "old", dataclasses.replace(PLAN, **changed), "new")
    assert caught.value.try_next.endswith(try_next)


def test_sessions_without_a_common_start_are_not_paired() -> None:
    old = summarise(PLAN, [record(0, True)], Path("old"))
    new = summarise(PLAN, [record(1, True)], Path("new"))
    with pytest.raises(UsageError, match="finished no trial from the same"):
        compare_sessions(old, new)
