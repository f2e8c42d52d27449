"""Commands that learn or try refuse what does not fit, before any work."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from ptrctl.main import app
from ptrctl.terminal import console
from ptrctl.workspace import Workspace
from tests.ptrctl.conftest import TASK, evaluate, run

pytestmark = pytest.mark.sim


@pytest.mark.parametrize("name", ["pretrained", "a/b", "..", "/tmp/elsewhere"])
def test_a_name_that_would_not_be_found_again_is_refused(trained: Path, name: str) -> None:
    error = run(f"finetune -t {TASK} -c base --steps 2 --name {name}", trained, code=2)["error"]
    assert "--name" in error["try_next"]
    demos = trained / "demos" / TASK
    words = f"pretrain --data {demos} --preset tiny --steps 2 --name {name}"
    assert "--name" in run(words, trained, code=2)["error"]["try_next"]
    if name != "pretrained":
        assert "--session" in evaluate(trained, f"-n 1 --session {name}", code=2)["error"]["found"]


@pytest.mark.parametrize(
    "words",
    [
        f"finetune -t {TASK} -c nowhere",
        f"improve -t {TASK} -c nowhere",
        "pretrain --data nowhere",
        "demo -c nowhere",
    ],
)
def test_commands_that_load_pytorch_say_at_once_that_they_start(
    words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(console, "can_draw", lambda: True)
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(app, words.split())
    assert result.exit_code == 2
    assert result.stderr.startswith("starting ...\r\x1b[2K")


def test_an_unknown_checkpoint_is_named_with_the_nearest(trained: Path) -> None:
    error = run(f"evaluate -t {TASK} -c bse -n 1", trained, code=2)["error"]
    assert "bse" in error["found"]
    assert "base" in error["try_next"]


def test_a_damaged_checkpoint_is_refused(trained: Path) -> None:
    (model,) = (trained / "checkpoints" / "base").rglob("step-*12/model.safetensors")
    model.write_bytes(model.read_bytes()[:100])
    error = evaluate(trained, "-n 1", code=5)["error"]
    assert "SHA-256" in error["expected"]


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
