"""`ptrctl finetune` as an operator types it, on the simulator."""

from __future__ import annotations

import dataclasses
import shutil
from pathlib import Path

import h5py
import numpy as np
import pytest
from typer.testing import CliRunner

from policies.checkpoint import load_checkpoint
from policies.selection import CRITERIA, DEFAULT_CRITERION
from policies.tasks import slots_for
from ptrctl.checkpoints import REHEARSAL, open_checkpoint, rehearsal_of, shipped_folder
from ptrctl.main import app
from ptrctl.profile import Profile, save_profile
from ptrctl.terminal import dashboard
from ptrctl.workspace import Workspace
from tests.ptrctl.conftest import TASK, run
from tests.recordings.episodes import record

pytestmark = pytest.mark.sim


def test_finetune_counts_the_demonstrations_and_holds_one_out(trained: Path) -> None:
    result = run(f"finetune -t {TASK} -c base --steps 8 --learner ptr", trained)
    assert result["demonstrations"] == {"success": 5, "failure": 0, "unlabelled": 0}
    assert result["held_out_episode"]
    # Of the four that a run keeps.
    assert len(result["held_out"]) == len(CRITERIA[DEFAULT_CRITERION].candidates(range(4)))
    assert DEFAULT_CRITERION in result["reason"]
    assert Path(result["checkpoint"]).is_dir()
    assert f"ptrctl evaluate --task {TASK}" in result["next"]


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


def test_demonstrations_of_another_task_are_not_learned_under_its_name(trained: Path) -> None:
    other = "take_carrot_off_plate"
    command = f"finetune -t {other} -c base --demos {trained}/demos/{TASK} --steps 1 --learner bc"
    refused = run(command, trained, code=2)["error"]
    assert TASK in refused["found"]
    assert f"--task {TASK}" in refused["try_next"]


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


def test_a_rehearsal_set_is_mixed_in_wherever_its_checkpoint_keeps_it(trained: Path) -> None:
    def prior_transitions(checkpoint: str, run_name: str) -> int:
        words = f"finetune -t {TASK} -c {checkpoint} --steps 2 --learner bc --name {run_name}"
        return int(run(words, trained)["prior_transitions"])

    name = trained / "checkpoints" / "base"
    # A name in the workspace is no set of the checkpoint beside it.
    shutil.copytree(trained / "demos" / TASK, trained / "checkpoints" / REHEARSAL)
    assert prior_transitions("base", "none") == 0
    shutil.move(trained / "checkpoints" / REHEARSAL, name)
    base = open_checkpoint(Workspace(trained), "base")
    assert rehearsal_of(base) == (name / REHEARSAL,)
    assert prior_transitions("base", "named") > 0
    shutil.copytree(base.path, trained / "flat")
    shutil.move(name / REHEARSAL, trained / "flat")
    assert rehearsal_of(base) == ()
    assert prior_transitions(f"{trained}/flat", "beside") > 0


def test_what_comes_from_the_shipped_checkpoint_rehearses_its_set() -> None:
    shipped = load_checkpoint(shipped_folder())
    elsewhere = dataclasses.replace(shipped, path=Path("elsewhere"))
    assert rehearsal_of(elsewhere) == (shipped_folder() / REHEARSAL,)
    fewer = dataclasses.replace(shipped.info, tasks=slots_for([TASK], 8))
    assert rehearsal_of(dataclasses.replace(elsewhere, info=fewer)) == ()


def test_pretraining_goes_on_with_the_camera_of_its_checkpoint(trained: Path) -> None:
    save_profile(Workspace(trained), Profile(camera="front"))
    words = f"pretrain --data {trained}/demos/{TASK} -c base --learner bc --steps 2 --name more"
    run(words, trained)
    more, base = (open_checkpoint(Workspace(trained), name) for name in ("more", "base"))
    assert more.info.camera == base.info.camera
