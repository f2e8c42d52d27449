"""`ptrctl improve` as an operator types it, on the simulator."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from policies.presets import preset
from ptrctl.checkpoints import open_checkpoint
from ptrctl.sessions import improvement as improvement_session
from ptrctl.workspace import Workspace
from recordings.reader import read_episode
from tests.ptrctl.conftest import KITCHEN, TASK, run

pytestmark = pytest.mark.sim


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
