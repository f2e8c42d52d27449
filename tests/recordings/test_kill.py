"""SIGKILL at random moments: what counted stays whole, what did not is recovered."""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from recordings.codec import encode_image
from recordings.dataset import EpisodeFolder
from recordings.labels import label_history, relabel
from recordings.reader import read_episode, read_summary
from recordings.records import EndReason, Outcome
from recordings.recovery import Fate, leftovers, recover
from recordings.verification import verify_episode
from tests.recordings.endless_writer import (
    REASONS,
    content_seed,
    expected_steps,
    record_until_killed,
    relabel_until_killed,
)
from tests.recordings.episodes import FAILURE, SUCCESS, make_observation, record

KILLS = 30


def kill_after(work: Callable[..., None], args: tuple[Any, ...], log: Path, delay_s: float) -> None:
    """Start `work` in a process, wait until its log grows, and kill it `delay_s` later."""
    # A fork server starts processes in milliseconds and inherits no lock of this one.
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["tests.recordings.endless_writer"])
    before = log.stat().st_size if log.exists() else 0
    process = context.Process(target=work, args=args, daemon=True)
    process.start()
    while process.is_alive() and (not log.exists() or log.stat().st_size == before):
        time.sleep(0.001)
    time.sleep(delay_s)
    process.kill()
    process.join()
    assert process.exitcode == -9


def assert_whole(path: Path) -> None:
    episode = read_episode(path)
    seed = content_seed(episode.info.episode_id)
    assert episode.images("front").shape[0] == len(episode.states)
    for index in range(len(episode.states)):
        wanted = make_observation(index, seed=seed)
        assert np.array_equal(episode.states[index], wanted.state)
        stored = episode.cameras["front"].encoded_image(index)
        assert stored == encode_image(wanted.frames["front"].image, "jpeg")


def test_killed_while_recording_nothing_is_lost_or_half_counted(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    folder, log = tmp_path / "demos", tmp_path / "log"
    fates: list[Fate] = []
    for kill in range(KILLS):
        args = (folder, log, 1 + 10_000 * kill)
        kill_after(record_until_killed, args, log, float(rng.uniform(0, 0.03)))

        counted = set(log.read_text().split())
        present = {path.stem for path in EpisodeFolder(folder).paths()}
        # Killed between the rename and the log, an episode is finished and not yet in the log.
        assert counted <= present
        assert len(present - counted) <= 1
        left = {path.name for path in leftovers(folder)}
        treated = recover(folder)
        assert {f".{saved.episode_id}.partial" for saved in treated} == left
        for saved in treated:
            fates.append(saved.fate)
            if saved.fate is Fate.RECOVERED:
                assert_whole(saved.path)
                summary = read_summary(saved.path)
                assert summary.recovered
                interrupted = summary.end.fault == "interrupted"
                assert interrupted == (summary.end.reason is EndReason.FAULT)
                assert summary.has_final_observation != interrupted
                if interrupted:
                    assert summary.label.outcome is Outcome.UNLABELLED
            elif saved.fate is Fate.QUARANTINED:
                assert "before the first step" in saved.reason or "nothing" in saved.reason
        assert recover(folder) == []
        log.write_text("".join(f"{path.stem}\n" for path in EpisodeFolder(folder).paths()))

    assert fates.count(Fate.RECOVERED) > KILLS // 4
    for path in EpisodeFolder(folder).paths():
        assert_whole(path)
        assert not any(problem.serious for problem in verify_episode(path))
        summary = read_summary(path)
        if not summary.recovered:
            assert summary.label == SUCCESS
            assert summary.steps == expected_steps(path.stem)
    assert not list(folder.glob(".*"))


def test_killed_while_relabelling_the_label_is_the_old_or_the_new(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    path, log = record(tmp_path / "demos"), tmp_path / "log"
    relabel(path, FAILURE)
    for _ in range(10):
        kill_after(relabel_until_killed, (path, log), log, float(rng.uniform(0, 0.02)))
        made = len(log.read_text().split())
        changes = [entry.label.reason for entry in label_history(path)][1:]
        assert made <= len(changes)
        assert set(changes) <= set(REASONS)
        assert read_summary(path).label.reason == changes[-1]
        log.write_text("0\n" * len(changes))
