"""What a task's name stands for after more demonstrations, practice and kills."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import ptrctl.workflows.finetune as finetune_workflow
from ptrctl.checkpoints import RECOMMENDED_FILE, open_checkpoint
from ptrctl.plan import TRIALS_FILE
from ptrctl.workspace import Workspace
from tests.ptrctl.conftest import KITCHEN, TASK, run

pytestmark = pytest.mark.sim

TUNE = f"finetune -t {TASK} -c base --steps 4 --learner bc"
PRACTISE = f"improve -t {TASK} --kitchen {KITCHEN} -n 1 --selection 4 --updates 1 --max-steps 2"
DEMONSTRATE = f"record -t {TASK} --kitchen {KITCHEN} --demonstrator scripted --fast -n 6"


def stands_for(workspace: Path) -> str:
    """Digest of the checkpoint that the task's name stands for."""
    return open_checkpoint(Workspace(workspace), TASK).digest


def pointer(workspace: Path, name: str = TASK) -> bytes:
    """The file that says what a name stands for."""
    return (workspace / "checkpoints" / name / RECOMMENDED_FILE).read_bytes()


def keep_practice(workspace: Path, start: str) -> tuple[Path, Any]:
    """Practise; write into what was measured after it that all trials succeeded; practise again.

    Returns:
        The practised checkpoint, and what the second command said.
    """
    command = f"{PRACTISE} -c {start}"
    assert not run(command, workspace)["kept"]
    (candidate,) = (workspace / "checkpoints" / TASK).glob("improve-*/after-*")
    digest = open_checkpoint(Workspace(workspace), str(candidate)).digest
    (lines,) = (workspace / "trials").glob(f"improve-*/selection-{digest[:8]}/{TRIALS_FILE}")
    lines.write_text(lines.read_text().replace('"success": false', '"success": true'))
    result = run(command, workspace)
    assert result["kept"]
    assert result["recommended"] == str(candidate)
    return candidate, result


def killed(*ranked: Any) -> None:
    raise KeyboardInterrupt


def test_more_demonstrations_are_learned_beside_the_earlier_run(trained: Path) -> None:
    first = run(TUNE, trained)
    assert first["name_note"] == ""
    again = run(TUNE, trained)
    assert (again["digest"], again["resumed_at"], again["name_note"]) == (first["digest"], 4, "")
    following = run(DEMONSTRATE, trained)["next"]
    assert following.startswith(f"ptrctl finetune --task {TASK}")
    more = run(TUNE, trained)
    assert more["demonstrations"]["success"] == 6
    assert more["digest"] != first["digest"]
    assert "training-2" in more["checkpoint"]
    assert "training/" in more["name_note"]
    assert Path(first["checkpoint"]).is_dir()
    assert stands_for(trained) == more["digest"]


def test_a_name_that_was_given_is_not_given_to_another_run(trained: Path) -> None:
    run(f"{TUNE} --name mine", trained)
    error = run(f"{TUNE} --name mine --seed 1", trained, code=5)["error"]
    assert "different: seed" in error["found"]
    assert "--name" in error["try_next"]


def test_a_repeated_finetune_does_not_undo_what_practice_made_of_it(trained: Path) -> None:
    tuned = run(TUNE, trained)
    candidate, _ = keep_practice(trained, TASK)
    again = run(TUNE, trained)
    assert again["digest"] == tuned["digest"]
    assert not again["recommended"]
    assert "practice made of this training" in again["name_note"]
    assert open_checkpoint(Workspace(trained), TASK).path == candidate
    # Other settings are another wish.
    other = run(f"{TUNE} --seed 1", trained)
    assert "improve-" in other["name_note"]
    assert stands_for(trained) == other["digest"]


def test_more_demonstrations_take_the_name_from_practice_even_after_a_kill(
    trained: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(TUNE, trained)
    candidate, _ = keep_practice(trained, TASK)
    run(DEMONSTRATE, trained)
    with monkeypatch.context() as patched:
        patched.setattr(finetune_workflow, "rank_checkpoints", killed)
        # All updates are done; what they led to has not been recommended yet.
        run(TUNE, trained, code=130)
    assert open_checkpoint(Workspace(trained), TASK).path == candidate
    tuned = run(TUNE, trained)
    assert tuned["resumed_at"] == 4
    assert tuned["recommended"]
    assert stands_for(trained) == tuned["digest"]
    # The former practice is found by its checkpoint's path, has other data, and leaves the name.
    former = next((trained / "checkpoints" / TASK / "training" / "checkpoints").glob("*4"))
    refused = run(f"{PRACTISE} -c {former}", trained, code=5)["error"]
    assert "other demonstrations" in refused["found"]
    assert stands_for(trained) == tuned["digest"]


def test_practice_that_was_not_kept_can_be_repeated_without_naming_the_checkpoint(
    trained: Path,
) -> None:
    result = run(PRACTISE, trained)
    assert result["complete"]
    assert not result["kept"]
    # Its candidate lies under the task's name, which stands for nothing yet.
    assert list((trained / "checkpoints" / TASK).glob("improve-*/after-*"))
    again = run(PRACTISE, trained)
    assert again["session"] == result["session"]
    assert again["recommended_digest"] == result["recommended_digest"]


def test_practice_of_a_pre_training_is_kept_under_the_tasks_name(trained: Path) -> None:
    base = pointer(trained, "base")
    candidate, result = keep_practice(trained, "base")
    assert f"--checkpoint {TASK}" in result["next"]
    assert open_checkpoint(Workspace(trained), TASK).path == candidate
    assert pointer(trained, "base") == base


def test_a_name_that_stands_for_another_checkpoint_is_not_taken_from_it(trained: Path) -> None:
    run(TUNE, trained)
    tuned = pointer(trained)
    candidate, result = keep_practice(trained, "base")
    assert pointer(trained) == tuned
    assert f"--checkpoint {candidate}" in result["next"]
