"""Demonstrations and trials: the ordinary control loop on the simulated arm."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.ptr_bench.lines import digest_of
from benchmarks.ptr_bench.targets import (
    DEMONSTRATIONS,
    MAX_STEPS,
    Target,
    demonstration_seeds,
)
from hardware.loop import SUCCESS_STEPS, ControlLoop, Decider
from hardware.registry import Cell, CellRequest, make_sim_cell
from hardware.sim import recipes
from ptrctl.workflows.attempt import new_episode_info
from recordings.dataset import EpisodeFolder
from recordings.errors import RecordingError
from recordings.records import CONTROL_RATE_HZ, EndReason, Label, Outcome
from recordings.writer import EpisodeRecorder

_NAME = "demonstration-"


@dataclass(frozen=True)
class Demonstrations:
    """The demonstrations of a target.

    Args:
        seeds: Start states, those of failed attempts left out.
        digest: Of what was recorded.
    """

    seeds: tuple[int, ...]
    digest: str


@dataclass(frozen=True)
class Trial:
    """One scored trial.

    Args:
        seed: Start state.
        success: The criterion held for two control periods.
        stage: The furthest stage reached.
        end: Why it ended, see `recordings.records.EndReason`. A fault is no success.
        steps: Control periods.
    """

    seed: int
    success: bool
    stage: str
    end: str
    steps: int


def target_cell(target: Target) -> Cell:
    """The simulated arm in a target's kitchen, as fast as it can."""
    return make_sim_cell(CellRequest(target.task, target.kitchen, realtime=False))


def make_demonstrations(
    target: Target, folder: Path, count: int = DEMONSTRATIONS
) -> Demonstrations:
    """Record scripted demonstrations until `count` are successes, unless they are there.

    All in one go: their times count on from one to the next, and those that a kill left would
    not have the digest that they have together.

    Raises:
        RecordingError: The demonstrator fails too often, or the disk is full.
    """
    # With the journal of one that was cut short, which is hidden.
    there = [*sorted(folder.glob(f"{_NAME}*")), *folder.glob(f".{_NAME}*")]
    seeds = [int(path.stem.removeprefix(_NAME)) for path in there if path.suffix == ".h5"]
    if len(seeds) == count:
        return Demonstrations(tuple(seeds), _digest(folder))
    for path in there:
        path.unlink()
    cell = target_cell(target)
    recorder = EpisodeRecorder(folder)
    seeds = []
    with cell.station:
        for seed in demonstration_seeds():
            if not _demonstrate(cell, recorder, f"{_NAME}{seed:04d}", seed):
                continue
            seeds.append(seed)
            if len(seeds) == count:
                return Demonstrations(tuple(seeds), _digest(folder))
    raise RecordingError(
        f"Only {len(seeds)} of {len(demonstration_seeds())} demonstrations of {target.task} in "
        f"kitchen {target.kitchen} succeeded.",
        f"{count} successes were expected.",
        "Choose another kitchen for this target in benchmarks/ptr_bench/targets.py.",
    )


def _digest(folder: Path) -> str:
    return digest_of([summary.content_hash for summary in EpisodeFolder(folder).summaries()])


def _demonstrate(cell: Cell, recorder: EpisodeRecorder, name: str, seed: int) -> bool:
    """Record one attempt if it succeeds."""
    assert cell.demonstrator is not None, "the simulator has one"
    cell.start(seed)
    decider = cell.demonstrator()
    info = new_episode_info(cell, kind="demo", decided_by=decider.name, seed=seed)
    end = ControlLoop(cell.station, CONTROL_RATE_HZ, (recorder,)).run_episode(
        # The time of day is left out, so that the demonstrations can be made again bit for bit.
        dataclasses.replace(info, episode_id=name, created_at=""),
        decider,
        max_steps=recipes.MAX_STEPS,
        judge=cell.judge,
    )
    if end.reason is not EndReason.SUCCESS:
        recorder.discard()
        return False
    recorder.label(Label(Outcome.SUCCESS, "", "simulator"))
    return True


def run_trials(decider: Decider, target: Target, seeds: Sequence[int]) -> list[Trial]:
    """Try a policy once from each start state; the simulator judges."""
    cell = target_cell(target)
    loop = ControlLoop(cell.station, CONTROL_RATE_HZ)
    trials = []
    with cell.station:
        for seed in seeds:
            cell.start(seed)
            info = new_episode_info(cell, kind="trial", decided_by=decider.name, seed=seed)
            end = loop.run_episode(
                info,
                decider,
                max_steps=MAX_STEPS,
                judge=cell.judge,
                success_steps=SUCCESS_STEPS,
            )
            stage = end.final_score.stage if end.final_score else ""
            success = end.reason is EndReason.SUCCESS
            trials.append(Trial(seed, success, stage, end.reason.value, end.steps))
    return trials
