"""The plan of the work, its budgets, and going on after an interruption."""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Mapping
from pathlib import Path

import pytest

from benchmarks.ptr_bench.jobs import Job, PretrainingJob, TrialsJob, plan_jobs
from benchmarks.ptr_bench.lines import Line, append_line, read_lines
from benchmarks.ptr_bench.methods import METHODS, choose_methods
from benchmarks.ptr_bench.rollouts import Trial
from benchmarks.ptr_bench.scale import AS_BEST, freeze_scale
from benchmarks.ptr_bench.targets import TARGETS
from benchmarks.ptr_bench.work import Place, Worker
from benchmarks.ptr_bench.workers import take_turns
from policies.presets import preset
from recordings.errors import UsageError
from tests.benchmarks.bench_lines import SCALE, trials_line

FULL = dataclasses.replace(SCALE, config=preset("cpu").to_dict(), targets=6)


def _trials(jobs: list[Job]) -> list[TrialsJob]:
    return [job for job in jobs if isinstance(job, TrialsJob)]


def test_rows_of_a_group_have_equal_updates_and_batches() -> None:
    spent: dict[str, set[tuple[int, int, int]]] = {}
    for job in _trials(plan_jobs(FULL, "reporting", METHODS, [0])):
        parts = [job.pretraining.training if job.pretraining else None, job.finetuning]
        trainings = [part for part in parts if part]
        updates = sum(training.updates for training in trainings)
        for training in trainings:
            config = training.config
            spent.setdefault(job.method.group, set()).add(
                (updates, config.training.batch_size, config.network.image_size)
            )
    assert {group: len(found) for group, found in spent.items()} == dict.fromkeys(spent, 1)
    whole = SCALE.pretraining_updates + SCALE.finetuning_updates
    for group in ("pre-trained", "joint", "ablation"):
        assert {updates for updates, _, _ in spent[group]} == {whole}


def test_no_row_with_a_critic_is_cloned_from_the_first_update_to_the_last() -> None:
    """A warm start in which the actor only clones ends within the row's first training."""
    table = dataclasses.replace(FULL, pretraining_updates=15_000, finetuning_updates=500)
    for job in _trials(plan_jobs(table, "reporting", METHODS, [0])):
        first = job.pretraining.training if job.pretraining else job.finetuning
        assert first is not None
        if first.config.algorithm.learner == "ptr":
            assert first.config.algorithm.bc_warm_start_steps < first.updates / 5, job.name


def test_ptr_and_its_controls_by_cloning_have_one_network() -> None:
    chosen = choose_methods(["bc", "bc_all", "awbc", "ptr", "bc_joint", "cql_joint"])
    jobs = _trials(plan_jobs(FULL, "reporting", chosen, [0]))
    networks = {job.pretraining.training.config.network for job in jobs if job.pretraining}
    assert len(networks) == 1


def test_every_job_comes_after_what_it_needs() -> None:
    seen: set[str] = set()
    for job in plan_jobs(FULL, "reporting", METHODS, [0, 1]):
        assert set(job.needs) <= seen
        seen.add(job.name)


def test_equal_pretrainings_are_shared_between_methods_and_not_between_seeds() -> None:
    chosen = choose_methods(["zero_shot", "ptr", "ptr_mix_10"])
    jobs = plan_jobs(FULL, "reporting", chosen, [0, 1], regimes=["mixed"])
    assert len([job for job in jobs if isinstance(job, PretrainingJob)]) == 2
    assert len(_trials(jobs)) == 2 * 3 * 6


def test_joint_training_learns_all_targets_whichever_are_tried() -> None:
    task = TARGETS["reporting"][1].task
    jobs = plan_jobs(FULL, "reporting", choose_methods(["cql_joint"]), [0], target_names=[task])
    assert {job.target.task for job in _trials(jobs)} == {task}
    for job in _trials(jobs):
        assert job.pretraining is not None
        assert job.pretraining.training.targets == TARGETS["reporting"]


def test_only_what_begins_from_a_pretraining_depends_on_how_a_new_task_begins() -> None:
    other = dataclasses.replace(FULL, new_tasks=AS_BEST)
    before, now = (
        {job.name: job.method.group for job in _trials(plan_jobs(scale, "reporting", METHODS, [0]))}
        for scale in (FULL, other)
    )
    groups = set(before.values())
    assert {before[name] for name in before.keys() & now.keys()} == {"target only", "joint"}
    assert {before[name] for name in before.keys() - now.keys()} == groups - {
        "target only",
        "joint",
    }


def test_a_folder_where_new_tasks_began_otherwise_is_not_added_to(tmp_path: Path) -> None:
    freeze_scale(tmp_path, FULL)
    with pytest.raises(UsageError, match="new_tasks differ"):
        freeze_scale(tmp_path, dataclasses.replace(FULL, new_tasks=AS_BEST))


def test_an_unknown_method_is_refused_with_the_nearest_name() -> None:
    with pytest.raises(UsageError, match="ptr_average"):
        choose_methods(["ptr_averag"])


class Interrupted(BaseException):
    """Stands for a kill: nothing in the bench may catch it."""


def test_an_interrupted_run_goes_on_without_repeating_a_finished_job(tmp_path: Path) -> None:
    chosen = choose_methods(["zero_shot", "bc_target"])
    jobs = plan_jobs(SCALE, "reporting", chosen, [0], regimes=["mixed"])
    done: list[str] = []

    def do(job: Job, lines: Mapping[str, Line]) -> Line:
        assert set(job.needs) <= lines.keys()
        if len(done) == 3 and "killed" not in done:
            done.append("killed")
            raise Interrupted
        line = {**trials_line(), "job": job.name}
        append_line(tmp_path, line)
        done.append(job.name)
        return line

    with pytest.raises(Interrupted):
        take_turns(jobs, tmp_path, do, lambda text: None)
    assert len(read_lines(tmp_path)[0]) == 3
    take_turns(jobs, tmp_path, do, lambda text: None)
    assert sorted([name for name in done if name != "killed"]) == sorted(j.name for j in jobs)


def test_what_needs_a_failed_job_is_left_and_the_rest_is_done(tmp_path: Path) -> None:
    chosen = choose_methods(["zero_shot", "bc_target"])
    jobs = plan_jobs(SCALE, "reporting", chosen, [0], regimes=["mixed"])

    def do(job: Job, lines: Mapping[str, Line]) -> Line:
        if isinstance(job, PretrainingJob):
            raise UsageError("It broke.", "It should not.", "Mend it.")
        line = {**trials_line(), "job": job.name}
        append_line(tmp_path, line)
        return line

    said: list[str] = []
    take_turns(jobs, tmp_path, do, said.append)
    finished = {line["job"] for line in read_lines(tmp_path)[0]}
    assert finished == {j.name for j in jobs if "bc_target" in j.name or "demons" in j.name}
    assert len([text for text in said if text.startswith("failed")]) == 1
    assert "It broke." in next((tmp_path / "failed").glob("*.txt")).read_text()


@pytest.mark.sim
def test_a_killed_cell_keeps_its_training_and_repeats_its_trials(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    jobs = plan_jobs(
        SCALE,
        "selection",
        choose_methods(["bc_target"]),
        [0],
        target_names=[TARGETS["selection"][1].task],
    )
    worker = Worker(Place(tmp_path, {}, tmp_path / "cache"))

    def killed(*_: object) -> list[Trial]:
        raise Interrupted

    monkeypatch.setattr("benchmarks.ptr_bench.work.run_trials", killed)
    with pytest.raises(Interrupted):
        take_turns(jobs, tmp_path, worker.do, lambda text: None)
    assert [line["kind"] for line in read_lines(tmp_path)[0]] == ["demonstrations"]

    monkeypatch.undo()
    take_turns(jobs, tmp_path, worker.do, lambda text: None)
    demonstrations, trials = read_lines(tmp_path)[0]
    assert len(demonstrations["seeds"]) == 10
    (training,) = trials["trainings"]
    assert training["updates"] == training["resumed_at"] == SCALE.finetuning_updates
    assert trials["trials"] == SCALE.starts
    assert trials["budget"]["samples"] == 4 * SCALE.policy_config.training.batch_size
    # Once the line is there, what a run goes on from is not needed any more.
    assert not list(tmp_path.rglob("state.safetensors"))


def test_a_copy_of_lines_goes_on_with_another_seed(tmp_path: Path) -> None:
    task = TARGETS["selection"][1].task
    chosen = choose_methods(["bc_target"])

    def run(folder: Path, seeds: list[int]) -> list[Line]:
        worker = Worker(Place(folder, {}, folder / "cache"))
        jobs = plan_jobs(SCALE, "selection", chosen, seeds, target_names=[task])
        take_turns(jobs, folder, worker.do, lambda text: None)
        return read_lines(folder)[0]

    before = run(tmp_path / "whole", [0])
    copy = tmp_path / "copy"
    copy.mkdir()
    (copy / "runs.jsonl").write_bytes((tmp_path / "whole" / "runs.jsonl").read_bytes())
    # As a kill leaves it that ends the making of the ten.
    for episode in sorted((tmp_path / "whole").glob("demonstrations/*/*.h5"))[:2]:
        there = copy / episode.relative_to(tmp_path / "whole")
        there.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(episode, there)
    assert len(list(copy.glob("demonstrations/*/*.h5"))) == 2
    *kept, new = run(copy, [0, 1])
    assert kept == before
    assert new["seed"] == 1
    assert new["data"] == kept[-1]["data"]
