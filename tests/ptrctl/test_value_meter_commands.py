"""The value meter as an operator meets it: evaluate and improve on the simulator."""

from __future__ import annotations

from pathlib import Path

import pytest

from policies.meter import METER_FILE, Meter, save_meter
from ptrctl.checkpoints import open_checkpoint
from ptrctl.trials import TrialLog, counted_trials, load_summary
from ptrctl.workspace import Workspace
from recordings.reader import read_episode
from tests.ptrctl.conftest import KITCHEN, TASK, run

pytestmark = pytest.mark.sim

WHERE = f"-t {TASK} --kitchen {KITCHEN} -c mine --max-steps 6"


def plant_meter(workspace: Path, odds: float) -> Meter:
    """A fine-tuned checkpoint `mine` with a meter that foretells always the same."""
    run(f"finetune -t {TASK} -c base --steps 4 --learner ptr --name mine", workspace)
    checkpoint = open_checkpoint(Workspace(workspace), "mine")
    meter = Meter(
        checkpoint.digest,
        (TASK,),
        6,
        q_mean=0.0,
        q_deviation=1.0,
        begin=(odds, 0.0),
        end=(odds, 0.0),
        trials=40,
        successes=20,
        sure_of=(TASK,),
    )
    save_meter(checkpoint.path / METER_FILE, meter)
    return meter


def test_chances_are_recorded_and_hopeless_trials_given_up_on_request_only(trained: Path) -> None:
    error = run(f"evaluate -t {TASK} -c base -n 1 --stop-hopeless 0.1", trained, code=2)["error"]
    assert "not calibrated" in error["found"]
    meter = plant_meter(trained, odds=-5.0)
    result = run(f"evaluate {WHERE} -n 2", trained)
    summary = load_summary(Path(result["folder"]))
    assert [record.end_reason for record in summary.counted] == ["time_limit"] * 2
    extras = read_episode(summary.folder / summary.counted[0].episode).extras
    assert extras["chance"] == pytest.approx([0.0067] * 6, abs=1e-4)
    assert len(extras["q"]) == 6
    assert result["value_meter"].startswith("calibrated before, on 40 trials")
    assert "success chance" in Path(result["report"]).read_text()

    stopped = run(f"evaluate {WHERE} -n 2 --stop-hopeless 0.1", trained)
    assert stopped["session"] != result["session"]
    assert stopped["plan"]["stop_hopeless"] == {
        "below": 0.1,
        "meter": meter.digest,
        "in_a_row": 3,
    }
    for record in load_summary(Path(stopped["folder"])).counted:
        assert not record.success
        assert (record.steps, record.labelled_by) == (3, "meter")
        assert record.reason == "stopped as hopeless at step 3"


def test_practice_gives_up_hopeless_trials_and_measuring_does_not(trained: Path) -> None:
    plant_meter(trained, odds=-5.0)
    words = "-n 1 --selection 1 --updates 1 --stop-hopeless 0.1"
    result = run(f"improve {WHERE} {words}", trained)
    assert result["session"].endswith("-stop")
    folder = trained / "trials" / result["session"]
    (practised,) = counted_trials(TrialLog(folder / "practice").records).values()
    assert practised.reason == "stopped as hopeless at step 3"
    measured = [load_summary(path) for path in folder.glob("selection-*")]
    assert len(measured) == 2
    assert all(r.end_reason != "decider_done" for s in measured for r in s.counted)


def test_a_hopeful_trial_is_not_given_up(trained: Path) -> None:
    plant_meter(trained, odds=1.0)
    result = run(f"evaluate {WHERE} -n 1 --stop-hopeless 0.1", trained)
    (record,) = load_summary(Path(result["folder"])).counted
    assert record.end_reason == "time_limit"
