"""Simulated prior data by recipe, in several processes, resumable."""

from __future__ import annotations

import dataclasses
import multiprocessing
import signal
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path

from hardware.loop import ControlLoop
from hardware.registry import CellRequest, make_sim_cell
from hardware.sim.recipes import MAX_STEPS, Recipe, prior_recipe
from ptrctl.files import only_one
from ptrctl.workflows.attempt import new_episode_info
from recordings.records import CONTROL_RATE_HZ, EpisodeEnd, Label, Outcome
from recordings.writer import EpisodeRecorder, episode_path, journal_path

LOCK_FILE = ".generate.lock"
_EPISODES_A_TASK = 10
"""Handed to a process at a time: small enough for a smooth progress bar."""


@dataclass(frozen=True)
class Generated:
    """What a call made.

    Args:
        made: Episodes made now.
        total: Episodes of the recipe, all on the disk.
    """

    made: int
    total: int


def generate(
    recipe: str,
    episodes_per_task: int,
    out: Path,
    *,
    workers: int = 1,
    image_size: int = 128,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
) -> Generated:
    """Make every episode of a recipe that is not in the folder yet.

    The contents depend on the recipe alone: neither on the number of processes nor on when it
    was interrupted.

    Args:
        recipe: Its name, see `hardware.sim.recipes`.
        episodes_per_task: At least 1.
        out: Folder of the recordings, made if missing.
        workers: Processes.
        image_size: Edge of the recorded pictures in pixels.
        on_progress: Told of (episodes there, episodes of the recipe).

    Raises:
        UsageError: Unknown recipe, or another process is at work in the folder.
    """
    episodes = prior_recipe(recipe, episodes_per_task)
    out.mkdir(parents=True, exist_ok=True)
    busy = f"Another ptrctl is making data in {out}."
    with only_one(out / LOCK_FILE, busy, "name another folder with `--out`"):
        missing = [e for e in episodes if not episode_path(out, _name(recipe, e)).exists()]
        for episode in missing:
            # What a kill cut short is made again from its seed.
            journal_path(out, _name(recipe, episode)).unlink(missing_ok=True)
        done = len(episodes) - len(missing)
        on_progress(done, len(episodes))
        for made in _make_all(recipe, missing, out, workers=workers, image_size=image_size):
            done += made
            on_progress(done, len(episodes))
    return Generated(made=len(missing), total=len(episodes))


def _make_all(
    recipe: str, missing: Sequence[Recipe], out: Path, *, workers: int, image_size: int
) -> Iterator[int]:
    """Make the episodes; yields how many more there are."""
    parts = [
        missing[start : start + _EPISODES_A_TASK]
        for start in range(0, len(missing), _EPISODES_A_TASK)
    ]
    if workers == 1 or len(parts) <= 1:
        for part in parts:
            yield _make(recipe, part, out, image_size)
        return
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, mp_context=context) as pool:
        # Workers finish what they are at when somebody types Ctrl-C: this process hears it alone.
        before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        futures = [pool.submit(_make, recipe, part, out, image_size) for part in parts]
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        try:
            for future in as_completed(futures):
                yield future.result()
        except BaseException:
            pool.shutdown(wait=True, cancel_futures=True)
            raise


def _make(recipe: str, episodes: Sequence[Recipe], out: Path, image_size: int) -> int:
    for episode in episodes:
        make_episode(episode, _name(recipe, episode), out, image_size=image_size)
    return len(episodes)


def make_episode(recipe: Recipe, name: str, out: Path, *, image_size: int = 128) -> Path:
    """Make one episode; returns its recording, the same bits for the same recipe."""
    cell = make_sim_cell(
        CellRequest(recipe.task, recipe.kitchen_seed, realtime=False, image_size=image_size)
    )
    assert cell.demonstrator is not None, "the simulator has one"
    recorder = EpisodeRecorder(out)
    with cell.station:
        cell.start(recipe.seed)
        decider = cell.demonstrator(noise=recipe.noise, failure=recipe.failure)
        info = new_episode_info(cell, kind="demo", decided_by=decider.name, seed=recipe.seed)
        loop = ControlLoop(cell.station, CONTROL_RATE_HZ, (recorder,))
        end = loop.run_episode(
            # The time of day is left out, so that the data can be made again with one digest.
            dataclasses.replace(info, episode_id=name, created_at=""),
            decider,
            max_steps=MAX_STEPS,
            judge=cell.judge,
        )
    outcome = Outcome.SUCCESS if _done_at_the_end(end) else Outcome.FAILURE
    return recorder.label(Label(outcome, recipe.failure, "simulator"))


def _done_at_the_end(end: EpisodeEnd) -> bool:
    """Whether the last score says so. Everywhere else success must last (`operators.judged`); the
    shipped checkpoint learned from data with this rule, and they can be made again with one digest.
    """
    return end.final_score is not None and end.final_score.success


def _name(recipe: str, episode: Recipe) -> str:
    return f"{recipe}-{episode.index:06d}"
