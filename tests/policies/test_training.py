from __future__ import annotations

import dataclasses
import json
import math
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from policies import training
from policies.checkpoint import MODEL_FILE, Checkpoint, load_checkpoint
from policies.config import Learner, PolicyConfig
from policies.policy import Policy
from policies.presets import preset
from policies.selection import score_held_out
from policies.storage import read_tensors, write_tensors
from policies.training import (
    STATE_FILE,
    AnotherRunError,
    TrainingEvent,
    TrainingResult,
    train,
)
from recordings.errors import CheckpointError, RecordingError
from recordings.records import EpisodeInfo, Frame, Observation
from tests.policies.synthetic import CAMERA, dot_data, picture

LEARNERS: tuple[Learner, ...] = ("bc", "ptr")


def tiny(learner: Learner = "ptr") -> PolicyConfig:
    return preset("tiny").with_learner(learner)


def run(
    folder: Path,
    config: PolicyConfig | None = None,
    steps: int = 6,
    on_event: Callable[[TrainingEvent], None] = lambda event: None,
) -> TrainingResult:
    return train(
        config or tiny(),
        dot_data(8),
        steps=steps,
        run_folder=folder,
        robot="sim-wx250s",
        on_event=on_event,
        report_every=1,
        save_every_s=0.0,
    )


def pointing_error(policy: Policy, count: int = 50) -> float:
    """Mean distance between the dot and where the action points, in half pictures."""
    policy.begin(
        EpisodeInfo("e", "trial", "reach_dot", {}, {}, control_rate_hz=5.0, decided_by="policy")
    )
    rng = np.random.default_rng(99)
    errors = []
    for _ in range(count):
        place = rng.uniform(-0.8, 0.8, size=2)
        frame = Frame(picture(place, 32), 0.0, 0.0)
        state = rng.normal(0, 0.05, size=7)
        action = policy.act(Observation({CAMERA: frame}, state, 0.0)).action
        errors.append(np.linalg.norm(action[:2] / 0.04 - place))
    return float(np.mean(errors))


@pytest.mark.parametrize("learner", LEARNERS)
def test_a_tiny_policy_learns_to_point_at_the_dot(tmp_path: Path, learner: Learner) -> None:
    result = train(
        tiny(learner),
        dot_data(200, failures=0.1),
        steps=400,
        run_folder=tmp_path,
        robot="sim-wx250s",
        threads=1,
    )
    assert pointing_error(Policy.from_checkpoint(result.checkpoint)) < 0.2


@pytest.mark.parametrize("learner", LEARNERS)
def test_the_same_seed_gives_the_same_losses_and_weights(tmp_path: Path, learner: Learner) -> None:
    first, second = [
        run(tmp_path / name, tiny(learner)).checkpoint.info.metrics for name in ("a", "b")
    ]
    assert first == second
    other = dataclasses.replace(tiny(learner))
    third = train(
        other, dot_data(8), steps=6, run_folder=tmp_path / "c", robot="sim-wx250s", seed=1
    )
    assert third.checkpoint.info.metrics != first


def test_progress_is_reported_with_its_rate(tmp_path: Path) -> None:
    events: list[TrainingEvent] = []
    run(tmp_path, steps=4, on_event=events.append)
    assert [event.step for event in events] == [1, 2, 3, 4]
    assert all(event.updates_per_s > 0 and event.steps == 4 for event in events)


def test_progress_is_told_between_two_reports_of_metrics_and_changes_none_of_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def told(folder: str, every_s: float) -> list[TrainingEvent]:
        monkeypatch.setattr(training, "TELL_EVERY_S", every_s)
        events: list[TrainingEvent] = []
        where = {"run_folder": tmp_path / folder, "robot": "sim-wx250s"}
        train(tiny(), dot_data(8), steps=5, on_event=events.append, report_every=4, **where)
        return events

    seldom, often = told("seldom", 1e9), told("often", 0.0)
    assert [event.step for event in seldom] == [1, 4, 5]
    assert [event.step for event in often] == [1, 2, 3, 4, 5]
    measured = [(event.step, event.metrics) for event in often if event.metrics]
    assert measured == [(event.step, event.metrics) for event in seldom[1:]]


KILLED_RUN = """
import os, signal, sys
from pathlib import Path
from tests.policies.test_training import run, tiny

def on_event(event):
    print(event.step, repr(sorted(event.metrics.items())), flush=True)
    if event.step == int(sys.argv[3]):
        os.kill(os.getpid(), signal.SIGKILL)

run(Path(sys.argv[1]), tiny(sys.argv[2]), steps=20, on_event=on_event)
"""


def killed_run(folder: Path, learner: str, kill_at: int) -> tuple[int, dict[int, str]]:
    """Run 20 steps in a process that kills itself; returns its end and the losses it saw."""
    process = subprocess.run(
        [sys.executable, "-c", KILLED_RUN, str(folder), learner, str(kill_at)],
        capture_output=True,
        text=True,
        check=False,
        cwd=Path(__file__).parents[2],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    lines = [line.split(" ", 1) for line in process.stdout.splitlines()]
    assert lines, process.stderr
    return process.returncode, {int(step): losses for step, losses in lines}


@pytest.mark.parametrize("learner", LEARNERS)
def test_a_killed_run_goes_on_with_bit_identical_losses(tmp_path: Path, learner: str) -> None:
    whole_end, whole = killed_run(tmp_path / "whole", learner, kill_at=-1)
    killed_end, before = killed_run(tmp_path / "killed", learner, kill_at=11)
    resumed_end, after = killed_run(tmp_path / "killed", learner, kill_at=-1)
    assert (whole_end, killed_end, resumed_end) == (0, -signal.SIGKILL, 0)
    assert max(before) == 11
    assert 1 < min(after) <= 11  # some state was saved, that of step 11 was not
    assert before | after == whole
    checkpoints = [
        load_checkpoint(tmp_path / name / "checkpoints" / "step-0000020")
        for name in ("whole", "killed")
    ]
    assert checkpoints[0].digest == checkpoints[1].digest


@pytest.mark.parametrize("step", [3, 4])
def test_an_interrupt_between_updates_loses_none_of_them(tmp_path: Path, step: int) -> None:
    def interrupted(event: TrainingEvent) -> None:
        if event.step == step:
            raise KeyboardInterrupt

    def begin(folder: Path, on_event: Callable[[TrainingEvent], None]) -> TrainingResult:
        where = {"run_folder": folder, "robot": "sim-wx250s", "checkpoint_every": 2}
        return train(tiny(), dot_data(8), steps=6, on_event=on_event, report_every=1, **where)

    with pytest.raises(KeyboardInterrupt):
        begin(tmp_path / "twice", interrupted)
    again = begin(tmp_path / "twice", lambda event: None)
    assert again.resumed_at == step
    once = begin(tmp_path / "once", lambda event: None)
    assert again.checkpoint.digest == once.checkpoint.digest
    assert [p.name for p in again.checkpoints] == [p.name for p in once.checkpoints]


def test_a_finished_run_is_not_trained_again(tmp_path: Path) -> None:
    first = run(tmp_path).checkpoint
    digest = first.digest
    beside = first.path / "meter.json"
    beside.write_text("{}")
    again = run(tmp_path)
    # What was measured of the checkpoint lies beside it, and stays.
    assert beside.exists()
    assert again.resumed_at == 6
    assert again.checkpoint.digest == digest


def test_a_folder_with_another_run_is_refused(tmp_path: Path) -> None:
    run(tmp_path)
    with pytest.raises(AnotherRunError, match="different: config, steps"):
        run(tmp_path, tiny("bc"), steps=7)
    (tmp_path / training.RUN_FILE).write_text("[1]")
    with pytest.raises(AnotherRunError):
        run(tmp_path)


def interrupted(folder: Path) -> Path:
    """The state of a run that was stopped after three updates."""

    def stop(event: TrainingEvent) -> None:
        if event.step == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(folder, on_event=stop)
    return folder / STATE_FILE


def test_a_damaged_state_is_refused(tmp_path: Path) -> None:
    state = interrupted(tmp_path)
    state.write_bytes(state.read_bytes()[:1000])
    with pytest.raises(CheckpointError, match="cannot be read") as caught:
        run(tmp_path)
    # The same command would meet the same state.
    assert "--name NAME" in caught.value.try_next


STATE_DAMAGES: dict[str, Callable[[dict[str, torch.Tensor], dict[str, Any]], object]] = {
    "a weight": lambda tensors, notes: tensors.pop("fast/log_beta"),
    "shape": lambda tensors, notes: tensors.update({"weights/0": torch.ones(3)}),
    "random": lambda tensors, notes: tensors.update(random=torch.zeros(3, dtype=torch.uint8)),
    "sampler": lambda tensors, notes: notes.pop("sampler"),
    "metrics": lambda tensors, notes: notes.pop("metrics"),
    "updates": lambda tensors, notes: notes.update(updates=math.inf),
}


@pytest.mark.parametrize("damage", STATE_DAMAGES.values(), ids=STATE_DAMAGES)
def test_a_state_that_does_not_fit_is_refused(
    tmp_path: Path, damage: Callable[[dict[str, torch.Tensor], dict[str, Any]], object]
) -> None:
    state = interrupted(tmp_path)
    tensors, notes = read_tensors(state)
    damage(tensors, notes)
    write_tensors(state, tensors, notes)
    with pytest.raises(CheckpointError, match=r"lacks|does not fit") as caught:
        run(tmp_path)
    assert "--name NAME" in caught.value.try_next


def test_a_finished_run_with_a_damaged_state_stands_as_long_as_its_checkpoint(
    tmp_path: Path,
) -> None:
    first = run(tmp_path).checkpoint
    state = tmp_path / STATE_FILE
    state.write_bytes(state.read_bytes()[:1000])
    again = run(tmp_path)
    assert (again.checkpoint.digest, again.resumed_at) == (first.digest, 6)
    (first.path / MODEL_FILE).write_bytes(b"")
    with pytest.raises(CheckpointError, match="cannot be read"):
        run(tmp_path)


def test_learning_ends_where_a_loss_is_not_finite_and_nothing_of_it_is_kept(tmp_path: Path) -> None:
    config = tiny()
    rates = dataclasses.replace(config.training, actor_rate=1e30, critic_rate=1e30)
    with pytest.raises(CheckpointError, match=r"Update 2 gave .*td (nan|inf)"):
        run(tmp_path, dataclasses.replace(config, training=rates), steps=2)
    assert not (tmp_path / "checkpoints").exists()
    assert read_tensors(tmp_path / STATE_FILE)[1]["updates"] == 1


def test_no_checkpoint_is_written_of_weights_that_the_last_update_lost(tmp_path: Path) -> None:
    config = tiny()
    rates = dataclasses.replace(config.training, actor_rate=1e39, critic_rate=1e39)
    with pytest.raises(CheckpointError, match="Update 1 gave weights that are not finite"):
        run(tmp_path, dataclasses.replace(config, training=rates), steps=1)
    assert not (tmp_path / "checkpoints").exists()


def test_fine_tuning_takes_a_spare_slot_and_mixes_or_does_without_prior_data(
    tmp_path: Path,
) -> None:
    prior = dot_data(8, tasks=("put_carrot_on_plate", "put_sushi_in_pot", "open_drawer"))
    target = dot_data(6, seed=5, tasks=("put_knife_on_plate",))
    pretrained = train(
        tiny("bc"), prior, steps=4, run_folder=tmp_path / "prior", robot="sim-wx250s"
    ).checkpoint
    for name, data in (("mixed", prior), ("alone", None)):
        tuned = train(
            tiny("ptr"),
            data,
            target,
            steps=4,
            run_folder=tmp_path / name,
            robot="sim-wx250s",
            init=pretrained,
        ).checkpoint
        assert tuned.info.tasks.slot("put_knife_on_plate") == 3
        assert tuned.info.parent == pretrained.digest
        assert (tuned.info.steps, tuned.info.critic_updates) == (8, 4)
        assert set(tuned.info.data) == ({"prior", "target"} if data else {"target"})


def test_cloning_leaves_no_critic_to_believe(tmp_path: Path) -> None:
    def trained(learner: Learner, init: Checkpoint | None = None) -> Checkpoint:
        folder = tmp_path / f"{learner}-{init is not None}"
        return train(
            tiny(learner), dot_data(8), steps=2, run_folder=folder, robot="sim-wx250s", init=init
        ).checkpoint

    with_critic = trained("ptr")
    cloned = trained("bc", with_critic)
    assert (with_critic.info.critic_updates, cloned.info.critic_updates) == (2, 0)
    assert math.isnan(score_held_out(cloned, dot_data(2, seed=1)).td_error)
    assert trained("ptr", cloned).info.critic_updates == 2


def test_fine_tuning_can_continue_the_optimiser(tmp_path: Path) -> None:
    config = tiny("ptr")
    config = dataclasses.replace(
        config, training=dataclasses.replace(config.training, continue_optimiser=True)
    )
    first = run(tmp_path / "a", config).checkpoint
    state = first.training_state()
    assert state is not None
    assert state.updates == 6
    fresh = dataclasses.replace(
        config, training=dataclasses.replace(config.training, continue_optimiser=False)
    )
    results = [
        train(
            one,
            dot_data(8),
            steps=3,
            run_folder=tmp_path / name,
            robot="sim-wx250s",
            init=first,
        ).checkpoint.info.metrics
        for name, one in (("b", config), ("c", fresh))
    ]
    assert results[0] != results[1]


def test_a_continued_optimiser_leaves_the_random_numbers_to_the_seed(tmp_path: Path) -> None:
    config = tiny("ptr")
    config = dataclasses.replace(
        config, training=dataclasses.replace(config.training, continue_optimiser=True)
    )
    first = run(tmp_path / "a", config).checkpoint
    states = []
    for seed in (0, 7):
        checkpoint = train(
            config,
            dot_data(8),
            steps=1,
            run_folder=tmp_path / str(seed),
            robot="sim-wx250s",
            init=first,
            seed=seed,
        ).checkpoint
        state = checkpoint.training_state()
        assert state is not None
        states.append(state.tensors)
    for name in ("random", "critic_random"):
        assert not torch.equal(states[0][name], states[1][name])


@pytest.mark.parametrize("whose", ["prior data", "checkpoint"])
def test_another_control_rate_is_refused_before_anything_is_written(
    tmp_path: Path, whose: str
) -> None:
    first = run(tmp_path / "a").checkpoint
    faster = dataclasses.replace(dot_data(8), control_rate_hz=10.0)
    with pytest.raises(RecordingError, match="target data 10 Hz") as caught:
        train(
            tiny(),
            dot_data(8) if whose == "prior data" else None,
            faster,
            steps=1,
            run_folder=tmp_path / "b",
            robot="sim-wx250s",
            init=None if whose == "prior data" else first,
        )
    assert "--rate 5" in caught.value.try_next
    assert not (tmp_path / "b").exists()


def test_other_networks_than_the_start_checkpoints_are_refused(tmp_path: Path) -> None:
    first = run(tmp_path / "a").checkpoint
    config = tiny()
    wider = dataclasses.replace(
        config, network=dataclasses.replace(config.network, hidden=(48, 48))
    )
    with pytest.raises(CheckpointError, match="differ from the config's in hidden"):
        train(
            wider,
            dot_data(8),
            steps=2,
            run_folder=tmp_path / "b",
            robot="sim-wx250s",
            init=first,
        )


def test_data_that_cannot_be_learned_from_is_refused(tmp_path: Path) -> None:
    def attempt(name: str, learner: Learner, **changes: float) -> None:
        data = dot_data(4, **changes)  # type: ignore[arg-type]
        train(tiny(learner), data, steps=1, run_folder=tmp_path / name, robot="sim-wx250s")

    with pytest.raises(RecordingError, match="no labelled episode"):
        attempt("silent", "ptr", unlabelled=1.0)
    for learner in LEARNERS:
        with pytest.raises(RecordingError, match="None of the recordings is a success"):
            attempt("failed", learner, failures=1.0)
    with pytest.raises(RecordingError, match="64 pixels wide"):
        attempt("large", "bc", size=64)
    with pytest.raises(RecordingError, match="There is no data"):
        train(tiny(), None, steps=1, run_folder=tmp_path / "none", robot="sim-wx250s")


def test_values_alone_may_be_learned_from_failures(tmp_path: Path) -> None:
    config = tiny("ptr")
    algorithm = dataclasses.replace(config.algorithm, extraction="value", bc_weight=0.0)
    result = train(
        dataclasses.replace(config, algorithm=algorithm),
        dot_data(4, failures=1.0),
        steps=1,
        run_folder=tmp_path,
        robot="sim-wx250s",
    )
    assert result.checkpoint.info.critic_updates == 1


def test_a_run_that_cannot_begin_leaves_nothing_behind(tmp_path: Path) -> None:
    data = dataclasses.replace(dot_data(8), success=np.zeros_like(dot_data(8).success))
    with pytest.raises(RecordingError, match="None of the recordings is a success"):
        train(tiny("bc"), data, steps=2, run_folder=tmp_path / "run", robot="sim-wx250s")
    assert not (tmp_path / "run").exists()


def test_a_continued_run_keeps_its_number_of_threads(tmp_path: Path) -> None:
    for asked in (1, 2):
        train(tiny(), dot_data(8), steps=4, run_folder=tmp_path, robot="sim-wx250s", threads=asked)
        assert json.loads((tmp_path / training.RUN_FILE).read_text())["threads"] == 1
        assert torch.get_num_threads() == 1
