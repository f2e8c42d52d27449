"""`ptrctl evaluate` as an operator types it, on the simulator."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from ptrctl.main import app
from ptrctl.plan import TRIALS_FILE
from tests.ptrctl.conftest import KITCHEN, TASK, evaluate

pytestmark = pytest.mark.sim


def test_evaluate_reports_counts_with_an_interval_and_writes_a_page(trained: Path) -> None:
    result = evaluate(trained, "-n 2")
    assert result["complete"]
    assert result["trials"] == 2
    low, high = result["wilson_95"]
    assert 0.0 <= low < high <= 1.0
    assert "<!doctype html>" in Path(result["report"]).read_text()
    folder = trained / "trials" / result["session"]
    assert len(list((folder / "videos").glob("*.mp4"))) == 2
    assert len(list((folder / "episodes").glob("*.h5"))) == 2
    again = evaluate(trained, "-n 2")
    assert again["plan"]["created_at"] == result["plan"]["created_at"]
    assert len((folder / TRIALS_FILE).read_text().splitlines()) == 4


def test_evaluate_refuses_a_changed_plan_and_names_the_way_out(trained: Path) -> None:
    evaluate(trained, "-n 1")
    error = evaluate(trained, "-n 2", code=2)["error"]
    assert "trials was 1 and is now 2" in error["found"]
    assert "--session" in error["try_next"]
    assert evaluate(trained, "-n 2 --session other")["complete"]


def test_trials_without_their_plan_count_for_no_other(trained: Path) -> None:
    session = evaluate(trained, "-n 1")["session"]
    (trained / "trials" / session / "plan.json").unlink()
    error = evaluate(trained, f"-n 1 --seed 3 --session {session}", code=2)["error"]
    assert "without plan.json" in error["found"]
    assert "--session" in error["try_next"]


def test_a_film_that_cannot_be_written_costs_no_verdict(trained: Path) -> None:
    folder = trained / "trials" / "filmed"
    folder.mkdir(parents=True)
    (folder / "videos").write_text("not a folder")
    result = evaluate(trained, "-n 1 --session filmed")
    assert (result["complete"], result["trials"]) == (True, 1)
    words = f"evaluate -t {TASK} --kitchen {KITCHEN} -c base --max-steps 6 -n 1 --session filmed"
    panel = CliRunner().invoke(app, [*words.split(), "-w", str(trained)]).stdout
    assert "1 of 1 could not be written" in panel


def test_a_new_label_of_a_trial_leaves_its_score_and_says_so(trained: Path) -> None:
    result = evaluate(trained, "-n 1 --session mine")
    (episode,) = (trained / "trials" / "mine" / "episodes").glob("*.h5")
    words = ["data", "label", str(episode), "success", "-w", str(trained)]
    told = CliRunner().invoke(app, words)
    assert told.exit_code == 0
    assert "the session mine has counted and learned keeps the verdict" in " ".join(
        told.stderr.split()
    )
    assert evaluate(trained, "-n 1 --session mine")["successes"] == result["successes"]


def test_two_sessions_are_compared_trial_by_trial(trained: Path) -> None:
    first = evaluate(trained, "-n 2 --session first")
    second = evaluate(trained, "-n 2 --session second --compare first")
    assert second["comparison"]["pairs"] == 2
    assert second["comparison"]["before"] == first["successes"]
    # The same deterministic policy from the same start states does the same.
    assert second["comparison"]["only_after"] == second["comparison"]["only_before"] == 0


def test_trials_in_another_kitchen_than_the_demonstrations_are_pointed_out(trained: Path) -> None:
    command = f"evaluate -t {TASK} -c base -n 1 --max-steps 3 -w {trained}"
    result = CliRunner().invoke(app, command.split())
    assert result.exit_code == 0, result.output
    assert f"--kitchen {KITCHEN}" in result.stderr


def test_a_session_that_cannot_be_paired_is_refused_before_the_first_trial(trained: Path) -> None:
    evaluate(trained, "-n 1 --session first")
    error = evaluate(trained, "-n 1 --seed 3 --session second --compare first", code=2)["error"]
    assert "share no start state" in error["found"]
    assert evaluate(trained, "-n 1 --session third --compare frist", code=2)["error"][
        "try_next"
    ].endswith("`--compare first`?")
    assert not (trained / "trials" / "second").exists()


def test_a_damaged_recording_hides_no_result(trained: Path) -> None:
    session = evaluate(trained, "-n 2")["session"]
    first, _ = sorted((trained / "trials" / session / "episodes").glob("*.h5"))
    first.write_bytes(first.read_bytes()[:1000])
    again = evaluate(trained, "-n 2")
    assert (again["complete"], again["trials"]) == (True, 2)
    words = f"evaluate -t {TASK} --kitchen {KITCHEN} -c base --max-steps 6 -n 2 -w {trained}"
    said = CliRunner().invoke(app, words.split())
    assert f"such as {first.name}" in " ".join(said.stderr.split())


def test_trials_are_paired_as_far_as_both_sessions_have_them(trained: Path) -> None:
    old = trained / "trials" / "old" / TRIALS_FILE
    evaluate(trained, "-n 2 --session old")
    lines = old.read_text().splitlines(keepends=True)
    old.write_text("".join(line for line in lines if json.loads(line)["trial"] == 1))
    result = evaluate(trained, "-n 1 --session new --compare old")
    assert result["complete"]
    assert result["comparison"] is None
    assert Path(result["report"]).exists()
    old.unlink()
    refused = evaluate(trained, "-n 1 --session newer --compare old", code=2)["error"]
    assert "No trial of the session old" in refused["found"]
    assert not (trained / "trials" / "newer").exists()
