"""finetune, evaluate, improve and demo as an operator types them, on the simulator."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import h5py
import numpy as np
import pytest
from typer.testing import CliRunner

from policies.presets import preset
from policies.selection import CRITERIA, DEFAULT_CRITERION
from ptrctl.checkpoints import open_checkpoint
from ptrctl.main import app
from ptrctl.plan import TRIALS_FILE
from ptrctl.sessions import improvement as improvement_session
from ptrctl.terminal import dashboard
from ptrctl.workspace import Workspace
from recordings.reader import read_episode
from tests.ptrctl.conftest import KITCHEN, TASK
from tests.recordings.episodes import record

pytestmark = pytest.mark.sim


def run(command: str, workspace: Path, *, code: int = 0) -> Any:
    result = CliRunner().invoke(app, [*command.split(), "-w", str(workspace), "--json"])
    assert result.exit_code == code, result.output
    return json.loads(result.stdout)


def evaluate(workspace: Path, more: str = "", *, code: int = 0) -> Any:
    command = f"evaluate -t {TASK} --kitchen {KITCHEN} -c base --max-steps 6 {more}"
    return run(command, workspace, code=code)


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


@pytest.mark.parametrize("name", ["pretrained", "a/b", "..", "/tmp/elsewhere"])
def test_a_name_that_would_not_be_found_again_is_refused(trained: Path, name: str) -> None:
    error = run(f"finetune -t {TASK} -c base --steps 2 --name {name}", trained, code=2)["error"]
    assert "--name" in error["try_next"]
    demos = trained / "demos" / TASK
    words = f"pretrain --data {demos} --preset tiny --steps 2 --name {name}"
    assert "--name" in run(words, trained, code=2)["error"]["try_next"]
    if name != "pretrained":
        assert "--session" in evaluate(trained, f"-n 1 --session {name}", code=2)["error"]["found"]


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


def test_an_unknown_checkpoint_is_named_with_the_nearest(trained: Path) -> None:
    error = run(f"evaluate -t {TASK} -c bse -n 1", trained, code=2)["error"]
    assert "bse" in error["found"]
    assert "base" in error["try_next"]


def test_a_damaged_checkpoint_is_refused(trained: Path) -> None:
    (model,) = (trained / "checkpoints" / "base").rglob("step-*12/model.safetensors")
    model.write_bytes(model.read_bytes()[:100])
    error = evaluate(trained, "-n 1", code=5)["error"]
    assert "SHA-256" in error["expected"]


def test_finetune_counts_the_demonstrations_and_holds_one_out(trained: Path) -> None:
    result = run(f"finetune -t {TASK} -c base --steps 8 --learner ptr", trained)
    assert result["demonstrations"] == {"success": 5, "failure": 0, "unlabelled": 0}
    assert result["held_out_episode"]
    # Of the four that a run keeps.
    assert len(result["held_out"]) == len(CRITERIA[DEFAULT_CRITERION].candidates(range(4)))
    assert DEFAULT_CRITERION in result["reason"]
    assert Path(result["checkpoint"]).is_dir()
    assert f"ptrctl evaluate --task {TASK}" in result["next"]


@pytest.mark.parametrize(
    ("folder", "command", "flag"),
    [
        ("trials/mine", f"evaluate -t {TASK} -c base --session mine", "--session"),
        ("trials/mine", f"improve -t {TASK} -c base --session mine", "--session"),
        (f"checkpoints/{TASK}", f"finetune -t {TASK} -c base --steps 8", "--name"),
        ("checkpoints/mine", "pretrain --data DEMOS --preset tiny --steps 4 --name mine", "--name"),
        ("", "demo --quick", "--workspace"),
    ],
)
def test_a_second_command_in_the_same_folder_is_refused_and_leaves_nothing(
    trained: Path, folder: str, command: str, flag: str
) -> None:
    before = sorted(trained.glob("[!.]*/*"))
    with Workspace(trained).alone_in(trained / folder, ""):
        words = command.replace("DEMOS", str(trained / "demos" / TASK))
        error = run(words, trained, code=2)["error"]
    assert "Another ptrctl is at work" in error["found"]
    assert flag in error["try_next"]
    assert sorted(trained.glob("[!.]*/*")) == before


def test_finetune_from_scratch_needs_no_checkpoint(trained: Path) -> None:
    result = run(
        f"finetune -t {TASK} --from-scratch --preset tiny --learner bc --steps 4 --name new",
        trained,
    )
    assert result["name"] == "new"
    error = run(f"finetune -t {TASK} --from-scratch -c base", trained, code=2)["error"]
    assert "--from-scratch" in error["found"]


def test_finetune_says_what_it_does_between_packing_and_learning(
    trained: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dashboard, "LINE_EVERY_S", 0.0)
    command = f"finetune -t {TASK} -c base --steps 4 --learner bc -w {trained}"
    lines = CliRunner().invoke(app, command.split()).stderr.splitlines()
    ready = next(n for n, line in enumerate(lines) if "fine-tune: getting ready to learn" in line)
    assert lines[ready + 1].startswith("fine-tune: 1 of 4, ")


def test_finetune_names_a_demonstration_that_is_not_finite(trained: Path) -> None:
    *_, held_out = sorted((trained / "demos" / TASK).glob("*.h5"))
    with h5py.File(held_out, "r+") as file:
        file["state"][3, 4] = np.nan
    shutil.rmtree(trained / ".cache")
    error = run(f"finetune -t {TASK} -c base --steps 4", trained, code=4)["error"]
    assert held_out.stem in error["found"]
    assert "--quarantine" in error["try_next"]
    assert not (trained / "checkpoints" / TASK).exists()


def test_finetune_without_a_success_says_so(trained: Path) -> None:
    for path in (trained / "demos" / TASK).glob("*.h5"):
        relabel = ["data", "label", str(path), "failure", "-w", str(trained)]
        assert CliRunner().invoke(app, relabel).exit_code == 0
    error = run(f"finetune -t {TASK} -c base --steps 4", trained, code=4)["error"]
    assert "0 success, 5 failure" in error["found"]


def test_improve_measures_before_and_after_and_can_be_repeated(trained: Path) -> None:
    run(f"finetune -t {TASK} -c base --steps 4 --learner bc", trained)
    command = f"improve -t {TASK} --kitchen {KITCHEN} -n 2 --selection 1 --updates 2 --max-steps 6"
    result = run(command, trained)
    assert result["complete"]
    assert len(result["practice"]) == 2
    assert result["selection_before"].endswith("]")
    assert Path(result["report"]).exists()
    if result["kept"]:
        evaluated = run(f"evaluate -t {TASK} --kitchen {KITCHEN} -n 1 --max-steps 3", trained)
        assert evaluated["plan"]["checkpoint_digest"] == result["recommended_digest"]


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


def test_folders_of_folders_are_looked_through_or_refused(trained: Path) -> None:
    demos = trained / "demos"
    recording = next((demos / TASK).glob("*.h5"))
    recording.write_bytes(recording.read_bytes()[:1000])
    assert len(run(f"data verify --folder {demos}", trained, code=4)["damaged"]) == 1
    assert (
        "no episode in"
        in run(f"data list --folder {trained / 'checkpoints'}", trained, code=4)["error"]["found"]
    )
    refused = run(f"pretrain --data {demos} --preset tiny --steps 1", trained, code=4)["error"]
    assert (
        refused["try_next"]
        == f"Name a folder that holds episodes itself, such as `{demos / TASK}`."
    )


def test_demonstrations_of_another_task_are_not_learned_under_its_name(trained: Path) -> None:
    other = "take_carrot_off_plate"
    command = f"finetune -t {other} -c base --demos {trained}/demos/{TASK} --steps 1 --learner bc"
    refused = run(command, trained, code=2)["error"]
    assert TASK in refused["found"]
    assert f"--task {TASK}" in refused["try_next"]


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


def test_trials_in_another_kitchen_than_the_demonstrations_are_pointed_out(trained: Path) -> None:
    command = f"evaluate -t {TASK} -c base -n 1 --max-steps 3 -w {trained}"
    result = CliRunner().invoke(app, command.split())
    assert result.exit_code == 0, result.output
    assert f"--kitchen {KITCHEN}" in result.stderr


def test_a_task_that_the_policy_has_not_learned_is_to_be_recorded_next(trained: Path) -> None:
    result = run("evaluate -t open_drawer -c base -n 1 --max-steps 3", trained)
    assert result["next"].startswith("ptrctl record --task open_drawer")


def test_improve_begins_with_a_task_that_the_policy_has_never_seen(trained: Path) -> None:
    back = "take_carrot_off_plate"
    command = (
        f"improve -t {back} --kitchen {KITCHEN} -c base -n 2 --selection 1 --updates 1 "
        "--max-steps 3"
    )
    result = run(command, trained)
    assert result["complete"]
    # Three steps are too few for any success: nothing to learn from, and nothing new to measure.
    assert result["selection_after"] is None
    assert "Nothing was learned" in result["verdict"]
    assert result["next"].startswith(f"ptrctl record --task {back}")
    assert not list((trained / "checkpoints").glob("*/improve-*"))
    (measured,) = (trained / "trials").glob("improve-*/selection-*")
    assert run(command, trained)["practice"] == result["practice"]
    assert list((trained / "trials").glob("improve-*/selection-*")) == [measured]
    assert "not measured after" in Path(result["report"]).read_text()


def test_a_classifier_that_is_often_wrong_does_not_drive_unless_it_is_accepted(
    trained: Path,
) -> None:
    command = (
        f"improve -t {TASK} --kitchen {KITCHEN} -c base -n 2 --selection 1 --updates 1 "
        "--max-steps 4 --reward classifier"
    )
    # Five successes and no failure, to an encoder that has learned for twelve steps.
    error = run(command, trained, code=2)["error"]
    assert "held out: false success" in error["found"]
    assert "--accept-classifier" in error["try_next"]
    result = run(f"{command} --accept-classifier", trained)
    assert result["complete"]
    assert result["reward"] == "classifier"
    assert result["classifier"]["missed_episodes"][1] == 5
    assert result["agreement"].startswith(("0/2", "1/2", "2/2"))
    lines = trained.glob("trials/improve-*/practice/trials.jsonl")
    labelled = [json.loads(line)["labelled_by"] for path in lines for line in path.open()]
    assert set(labelled) == {"", "classifier"}
    # What has labelled trials stays, and no other is trained for a plan that is not the session's.
    (kept,) = trained.glob("trials/improve-*/classifier.safetensors")
    run(command, trained, code=2)
    assert kept.exists()
    error = run(f"{command} --noise 1", trained, code=2)["error"]
    assert "noise_scale was 0.3 and is now 1" in error["found"]


def test_without_recordings_the_classifier_has_nothing_to_learn_from(trained: Path) -> None:
    command = (
        f"improve -t take_carrot_off_plate --kitchen {KITCHEN} -c base -n 1 --selection 1 "
        "--max-steps 3 --reward classifier"
    )
    error = run(command, trained, code=2)["error"]
    assert "--examples" in error["try_next"]


def test_the_demo_runs_every_stage_once_and_goes_on(trained: Path, tmp_path: Path) -> None:
    checkpoint = trained / "checkpoints" / "base"
    folder = tmp_path / "demo"
    result = run(f"demo --quick -c {checkpoint}", folder)
    assert set(result["sessions"]) == {"fine-tuned", "after practice"}
    assert result["paired_practice"]["pairs"] == 2
    assert "A new task from 2 demonstrations" in Path(result["report"]).read_text()
    again = run(f"demo --quick -c {checkpoint}", folder)
    assert again["seconds"] == result["seconds"]
    error = run(f"demo --quick --seed 1 -c {checkpoint}", folder, code=2)["error"]
    assert "seed was 0 and is now 1" in error["found"]


def kill_when(command: str, lines: Path, count: int) -> list[dict[str, Any]]:
    """Run a command, SIGKILL it once `lines` has that many lines; what they were."""
    code = "from ptrctl.main import main; main()"
    process = subprocess.Popen(
        [sys.executable, "-c", code, *command.split()],
        stderr=subprocess.DEVNULL,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    deadline_s = time.monotonic() + 60
    while not lines.exists() or lines.read_bytes().count(b"\n") < count:
        assert process.poll() is None, "the command ended before it could be killed"
        assert time.monotonic() < deadline_s
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    return [json.loads(line) for line in lines.read_text().splitlines()]


def test_trials_counted_before_a_sigkill_are_kept_and_the_session_goes_on(trained: Path) -> None:
    command = f"evaluate -t {TASK} --kitchen {KITCHEN} -c base -n 8 --max-steps 25 --session killed"
    lines = trained / "trials" / "killed" / TRIALS_FILE
    # Two trials are four lines; the fifth says that a third one runs.
    before = kill_when(f"{command} -w {trained}", lines, 5)
    result = run(command, trained)
    assert result["complete"]
    assert result["trials"] == 8
    after = [json.loads(line) for line in lines.read_text().splitlines()]
    assert after[: len(before)] == before
    assert len([r for r in after if r["status"] == "counted"]) == 8
    cut_short = before[-1]["status"] == "started"
    assert [abort["reason"] for abort in result["aborts"]] == (
        ["ptrctl was killed during the trial"] if cut_short else []
    )


def test_practice_goes_on_after_a_sigkill(trained: Path) -> None:
    command = (
        f"improve -t {TASK} --kitchen {KITCHEN} -c base -n 4 --selection 1 --updates 2 "
        "--max-steps 15 --session killed"
    )
    lines = trained / "trials" / "killed" / "practice" / TRIALS_FILE
    before = kill_when(f"{command} -w {trained}", lines, 5)
    result = run(command, trained)
    assert result["complete"]
    assert len(result["practice"]) == 4
    after = [json.loads(line) for line in lines.read_text().splitlines()]
    assert after[: len(before)] == before


def test_practice_alternates_between_a_task_and_the_one_that_undoes_it(trained: Path) -> None:
    back = "take_carrot_off_plate"
    record = f"record -t {back} --kitchen {KITCHEN} --demonstrator scripted --fast -n 1"
    run(record, trained)
    demos = trained / "demos"
    run(
        f"pretrain --data {demos / TASK} --data {demos / back} --preset tiny --learner bc "
        "--steps 4 --name both --precision bfloat16",
        trained,
    )
    both = open_checkpoint(Workspace(trained), "both")
    assert both.info.config == preset("tiny").with_learner("bc").with_precision("bfloat16")
    result = run(
        f"improve -t {TASK} --kitchen {KITCHEN} -c both -n 2 --selection 1 --updates 1 "
        f"--max-steps 5 --backward {back}",
        trained,
    )
    assert result["complete"]
    told = f"{result['from_memory'][0]} of {result['from_memory'][1]} succeeded, not by the policy"
    assert told in (trained / result["report"]).read_text()
    again = run(
        f"improve -t {TASK} --kitchen {KITCHEN} -c both -n 2 --selection 1 --updates 1 "
        f"--max-steps 5 --backward {back} --session again",
        trained,
    )
    first, second = (
        sorted((trained / "trials" / session["session"] / "practice" / "episodes").glob("*.h5"))
        for session in (result, again)
    )
    assert len(first) == len(second) == 2
    for one, other in zip(first, second, strict=True):
        # The second of them begins in the scene that the first has left.
        np.testing.assert_array_equal(
            read_episode(one).sent_actions, read_episode(other).sent_actions
        )
    refused = run(
        f"improve -t {TASK} --kitchen {KITCHEN} -c both --backward {TASK}", trained, code=2
    )
    assert refused["error"]["try_next"].endswith(f"--backward {back}`.")


@pytest.mark.parametrize(
    ("command", "words"),
    [
        (f"finetune -t {TASK} -c base --preset tiny", "--from-scratch"),
        ("finetune -t put_carrot_on_plat -c base", f"--task {TASK}"),
        (f"finetune -t {TASK} -c base --demos nowhere", "nowhere"),
        (f"evaluate -t {TASK} -c ./nowhere", "Correct the path"),
        (f"evaluate -t {TASK} -c base --compare nonesuch", "Leave `--compare` out"),
        (f"improve -t {TASK} -c base --backward nonsense", "--list-tasks"),
        ("data stats -t nonsense", f"demonstrated tasks are: {TASK}"),
        ("data list -t put_carrot_on_plat", f"--task {TASK}"),
        ("finetune -t put_carot_on_plate", f"Did you mean `--task {TASK}`? If not, run `ptrctl re"),
        ("finetune -t put_sushy_in_pot", "Did you mean `--task put_sushi_in_pot`?"),
        ("finetune -t put_sushi_in_pot", "Run `ptrctl record --task put_sushi_in_pot"),
    ],
)
def test_what_does_not_exist_is_refused_before_any_work(
    trained: Path, command: str, words: str
) -> None:
    error = run(command, trained, code=2)["error"]
    assert words in " ".join((error["found"], error["expected"], error["try_next"]))
    assert error["expected"]
    assert error["try_next"]
    assert not (trained / "trials").exists()


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


@pytest.mark.parametrize("name", ["training", "training-2"])
def test_practice_is_not_called_as_a_training_is(trained: Path, name: str) -> None:
    refused = run(f"improve -t {TASK} -c base --session {name}", trained, code=2)["error"]
    assert name in refused["found"]


def test_a_path_means_the_name_that_it_is_the_folder_of(trained: Path) -> None:
    run(f"finetune -t {TASK} -c base --steps 4 --learner bc --name mine", trained)
    workspace = Workspace(trained)
    kept = {}
    for called in ("mine", str(workspace.checkpoint("mine"))):
        checkpoint = open_checkpoint(workspace, called)
        plan = SimpleNamespace(checkpoint=called, task=TASK)
        kept[called] = improvement_session._run_folder(workspace, plan, checkpoint, "s")
    assert set(kept.values()) == {workspace.checkpoint("mine")}


@pytest.mark.parametrize(
    "words",
    [
        "evaluate -n 10001",
        "improve -n 10001",
        "record --seed 99000001",
        "finetune --seed 4294967296",
        "pretrain --data . --seed 4294967296",
    ],
)
def test_numbers_beyond_start_states_and_seeds_are_refused(tmp_path: Path, words: str) -> None:
    result = CliRunner().invoke(app, [*words.split(), "-w", str(tmp_path)])
    assert result.exit_code == 2
    assert "should be less than" in result.output


def test_a_task_with_a_slash_and_two_ways_to_name_a_folder_are_refused(trained: Path) -> None:
    assert "--task a/b" in run("finetune -t a/b", trained, code=2)["error"]["found"]
    both = run(f"data list --folder {trained / 'demos'} --task {TASK}", trained, code=2)["error"]
    assert "Both `--folder" in both["found"]


def test_finetune_says_where_a_critic_had_nothing_to_choose(trained: Path) -> None:
    def panel(name: str, steps: int = 2) -> str:
        words = f"finetune -t {TASK} --from-scratch --preset tiny --steps {steps} --name {name}"
        done = CliRunner().invoke(app, [*words.split(), "-w", str(trained)])
        assert done.exit_code == 0, done.output
        return " ".join(done.stdout.replace("│", " ").split())

    assert "the policy is a clone" in panel("successes")
    first = sorted((trained / "demos" / TASK).glob("*.h5"))[0].stem
    labelled = CliRunner().invoke(app, ["data", "label", first, "failure", "-w", str(trained)])
    assert labelled.exit_code == 0
    assert "during its first 50 updates only successes are cloned" in panel("both")
    assert "chose nothing" not in panel("longer", steps=51)


def test_demonstrations_of_another_camera_than_the_checkpoints_are_refused(trained: Path) -> None:
    demos = trained / "demos" / TASK
    shutil.rmtree(demos)
    record(demos, cameras=("front",), robot={"name": "sim-wx250s"})
    error = run(f"finetune -t {TASK} -c base --steps 2", trained, code=5)["error"]
    assert "The checkpoint base looks through `over_shoulder`" in error["found"]
    assert error["found"].endswith("have front.")
    assert "--from-scratch" in error["try_next"]
    assert "`over_shoulder` in `ptrctl setup`" in error["try_next"]
