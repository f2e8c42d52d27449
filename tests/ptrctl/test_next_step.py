"""What each command names as the next one works as it stands."""

from __future__ import annotations

import json
import re
import shlex
import shutil
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from ptrctl.main import app
from ptrctl.plan import TRIALS_FILE
from ptrctl.sessions import improvement as improvement_session
from tests.ptrctl.conftest import KITCHEN, TASK, run

pytestmark = pytest.mark.sim


def test_each_command_names_the_next_and_it_works_as_it_stands(trained: Path) -> None:
    def follow(told: str, more: str) -> Any:
        words = shlex.split(told)
        assert words[0] == "ptrctl"
        result = CliRunner().invoke(app, [*words[1:], *more.split(), "--json"])
        assert result.exit_code == 0, result.output
        return json.loads(result.stdout)

    tuned = run(f"finetune -t {TASK} -c base --steps 4 --learner bc", trained)
    scored = follow(tuned["next"], "-n 1 --max-steps 3")
    assert scored["plan"]["kitchen_seed"] == int(KITCHEN)
    practised = follow(scored["next"], "-n 1 --selection 1 --updates 1 --max-steps 3")
    assert TASK in practised["task"]
    # Three steps are too few for any success.
    assert practised["next"].startswith(f"ptrctl record --task {TASK} --kitchen {KITCHEN}")
    follow(practised["next"], "-n 6 --demonstrator scripted --fast")
    assert len(list((trained / "demos" / TASK).glob("*.h5"))) == 6


def test_what_has_been_scored_and_practised_is_shown_more_next(trained: Path, monkeypatch) -> None:
    monkeypatch.setattr(improvement_session, "_lacks", lambda plan, result: None)
    run(f"finetune -t {TASK} -c base --steps 4 --learner bc", trained)
    evaluate = f"evaluate -t {TASK} --kitchen {KITCHEN} -n 1 --max-steps 3"
    improve = f"improve -t {TASK} --kitchen {KITCHEN} -n 1 --selection 1 --updates 1 --max-steps 3"
    assert run(improve, trained)["next"].startswith("ptrctl evaluate")
    first = run(evaluate, trained)
    assert not first["did_nothing"]
    assert first["next"].startswith("ptrctl record")
    again = run(evaluate, trained)
    assert again["did_nothing"]
    assert again["successes"] == first["successes"]
    again = run(improve, trained)
    assert again["did_nothing"]
    assert again["next"].startswith("ptrctl record")
    # A damaged recording costs no result.
    broken = next((trained / "demos" / TASK).glob("*.h5"))
    broken.write_bytes(broken.read_bytes()[:1000])
    assert run(evaluate, trained)["next"] == first["next"].replace("episodes 15", "episodes 14")
    # A practice that has only begun goes on.
    (log,) = (trained / "trials").glob("improve-*/practice/trials.jsonl")
    log.unlink()
    assert run(evaluate, trained)["next"].startswith("ptrctl improve")


def test_a_task_that_the_policy_has_not_learned_is_to_be_recorded_next(trained: Path) -> None:
    result = run("evaluate -t open_drawer -c base -n 1 --max-steps 3", trained)
    assert result["next"].startswith("ptrctl record --task open_drawer")


def test_settings_of_a_practice_that_was_begun_are_repeated(trained: Path) -> None:
    demos = trained / "demos" / TASK
    words = f"-t {TASK} --kitchen {KITCHEN} -c base --max-steps 3 -n 1"
    given = f"--updates 1 --noise 0.1234567 --prior {demos} --learner bc --selection 1"
    run(f"improve {words} {given}", trained)
    (log,) = (trained / "trials").glob("improve-*/practice/trials.jsonl")
    log.unlink()
    shutil.rmtree(trained / "checkpoints" / TASK)
    following = run(f"evaluate {words} --session s", trained)["next"]
    for flag in ("--max-steps 3", "--trials 1", *re.findall(r"--\S+ \S+", given)):
        assert flag in following
    assert run(following.removeprefix("ptrctl "), trained)["complete"]


def test_trials_that_were_begun_go_on_with_their_settings(trained: Path) -> None:
    tune = f"finetune -t {TASK} -c base --steps 4 --learner bc"
    run(tune, trained)
    words = f"evaluate -t {TASK} --kitchen {KITCHEN} -n 2 --seed 3 --max-steps 3"
    (trained / "trials" / run(words, trained)["session"] / TRIALS_FILE).unlink()
    following = run(tune, trained)["next"]
    assert "--seed 3" in following
    assert run(following.removeprefix("ptrctl "), trained)["complete"]
