"""Checkpoints are found by name, by path, and through what is recommended."""

from __future__ import annotations

from pathlib import Path

import pytest

from hardware.modules import USUAL_CAMERA
from policies.config import INFO_FILE
from ptrctl.checkpoints import (
    RECOMMENDED_FILE,
    find_checkpoint,
    is_taken,
    recommend,
    recommended,
    shipped_folder,
    stands_for,
)
from ptrctl.files import read_json
from ptrctl.workspace import Workspace
from recordings.errors import CheckpointError, UsageError


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    (tmp_path / "checkpoints" / "carrot" / "training" / "step-1").mkdir(parents=True)
    return Workspace(tmp_path)


def test_a_name_stands_for_the_recommended_checkpoint(workspace: Workspace) -> None:
    run = workspace.checkpoint("carrot")
    recommend(run, run / "training" / "step-1", "the last one")
    assert find_checkpoint(workspace, "carrot") == run / "training" / "step-1"
    assert find_checkpoint(workspace, str(run)) == run / "training" / "step-1"


def test_pretrained_is_the_shipped_one(workspace: Workspace) -> None:
    assert find_checkpoint(workspace, "pretrained") == shipped_folder()
    assert read_json(shipped_folder() / INFO_FILE)["camera"] == USUAL_CAMERA


def test_an_unfinished_run_is_no_checkpoint(workspace: Workspace) -> None:
    with pytest.raises(CheckpointError, match="no finished checkpoint"):
        find_checkpoint(workspace, "carrot")


def test_the_nearest_name_is_offered(workspace: Workspace) -> None:
    with pytest.raises(UsageError, match="carrot"):
        find_checkpoint(workspace, "carot")


def test_what_a_name_stands_for(workspace: Workspace) -> None:
    run = workspace.checkpoint("carrot")
    assert recommended(run) == {}
    assert stands_for(run, "abc", "practice")
    recommend(run, run / "training" / "step-1", "the last one", digest="abc")
    # It is not there.
    assert recommended(run) == {}
    (run / "training" / "step-1" / "checkpoint.json").write_text("{}")
    assert recommended(run)["checkpoint"] == "training/step-1"
    assert stands_for(run, "abc", "practice")
    assert not stands_for(run, "def", "practice")
    assert stands_for(run, "def", "training")
    (run / RECOMMENDED_FILE).write_text("{")
    assert recommended(run) == {}


def test_candidates_that_were_not_kept_leave_the_name_free(workspace: Workspace) -> None:
    assert is_taken(workspace, "carrot")
    assert not is_taken(workspace, "banana")
    (workspace.checkpoint("banana") / "improve-banana" / "after-00020-trials").mkdir(parents=True)
    assert not is_taken(workspace, "banana")
    with pytest.raises(CheckpointError, match="no checkpoint of its own") as caught:
        find_checkpoint(workspace, "banana")
    assert "--checkpoint" in caught.value.try_next
    recommend(workspace.checkpoint("banana"), workspace.checkpoint("banana") / "improve", "kept")
    assert is_taken(workspace, "banana")
