"""Processes that record or relabel until they are killed."""

from __future__ import annotations

import itertools
import os
from pathlib import Path

from recordings.labels import relabel
from recordings.records import Label, Outcome
from recordings.writer import EpisodeWriter
from tests.recordings.episodes import SUCCESS, make_end, make_info, make_observation, make_step

REASONS = ("a" * 40, "b" * 4000)


def content_seed(episode_id: str) -> int:
    """What the pictures of an episode are made from."""
    return int(episode_id.removeprefix("e")) % 1000


def expected_steps(episode_id: str) -> int:
    """How many steps an episode has when it is whole."""
    return 3 + content_seed(episode_id) % 5


def record_until_killed(folder: Path, log: Path, first: int) -> None:
    """Record one episode after the other; each goes into the log once it counts."""
    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    number = first
    while True:
        episode_id = f"e{number:06d}"
        seed, steps = content_seed(episode_id), expected_steps(episode_id)
        with EpisodeWriter(folder, make_info(episode_id), flush_every=2) as writer:
            for index in range(steps):
                writer.append(make_step(index, seed=seed))
            final = make_observation(steps, seed=seed)
            writer.finish(make_end(steps, final_observation=final), SUCCESS)
        os.write(descriptor, f"{episode_id}\n".encode())
        number += 1


def relabel_until_killed(recording: Path, log: Path) -> None:
    """Change the label to and fro; each number of changes goes into the log once it is made."""
    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    for count in itertools.count():
        relabel(recording, Label(Outcome.FAILURE, REASONS[count % 2], "operator"))
        os.write(descriptor, f"{count}\n".encode())
