"""`ptrctl record` killed with SIGKILL at 100 random moments: no counted episode is ever lost."""

from __future__ import annotations

import random
import subprocess
import time
from pathlib import Path

import pytest

from recordings.dataset import EpisodeFolder
from recordings.reader import read_episode
from recordings.records import Label, Outcome
from recordings.recovery import recover
from recordings.verification import verify_episode
from tests.ptrctl.terminal import PTRCTL

pytestmark = [pytest.mark.sim, pytest.mark.slow]

KILLS = 100
TASK = "put_carrot_on_plate"
EPISODES_S = 0.6
"""An episode takes about a fifth of a second on an idle machine."""


def said_to_be_kept(lines: str) -> int:
    """Episodes that the command told of, each after its file was whole."""
    return sum(line.startswith("Kept: ") for line in lines.splitlines())


def await_an_episode(process: subprocess.Popen[bytes], lines: Path) -> None:
    """Until the command has told of one; it goes on with the next at once."""
    while not said_to_be_kept(lines.read_text()):
        assert process.poll() is None, lines.read_text()
        time.sleep(0.01)


@pytest.mark.timeout(600)
def test_every_counted_episode_survives_100_kills(tmp_path: Path) -> None:
    chance = random.Random(7)
    folder = tmp_path / "demos" / TASK
    words = [
        *("record", "--workspace", str(tmp_path), "--task", TASK, "--fast"),
        *("--demonstrator", "scripted", "--episodes", "100000"),
    ]
    began_s = time.monotonic()
    first = subprocess.run([PTRCTL, *words[:-1], "1"], capture_output=True, text=True, check=True)
    whole_s = time.monotonic() - began_s
    counted = said_to_be_kept(first.stderr)
    killed_in_an_episode = 0
    for number in range(KILLS):
        with (tmp_path / "lines").open("w") as lines:
            process = subprocess.Popen(
                [PTRCTL, *words], stderr=lines, stdout=subprocess.DEVNULL, start_new_session=True
            )
            if number % 3 == 0:  # In the start or the first episode, however busy the machine.
                time.sleep(chance.uniform(0.5 * whole_s, whole_s))
            else:
                await_an_episode(process, tmp_path / "lines")
                time.sleep(chance.uniform(0.0, EPISODES_S))
            process.kill()
            process.wait()
        counted += said_to_be_kept((tmp_path / "lines").read_text())
        if folder.exists():
            killed_in_an_episode += bool(list(folder.glob(".*.partial")))
            assert len(EpisodeFolder(folder).paths()) >= counted

    recover(folder)
    assert not list(folder.glob(".*.partial"))
    paths = EpisodeFolder(folder).paths()
    assert counted >= KILLS / 2, "the kills came too early to show anything"
    assert killed_in_an_episode >= KILLS / 10, "the kills missed the episodes"
    recovered = 0
    for path in paths:
        serious = [problem for problem in verify_episode(path) if problem.serious]
        assert not serious, serious
        episode = read_episode(path)
        recovered += episode.summary.recovered
        if episode.label.outcome is Outcome.UNLABELLED:
            assert episode.label == Label()
            assert episode.summary.recovered
    seeds = [read_episode(path).info.seed for path in paths]
    assert len(set(seeds)) == len(seeds), "a start state was used twice"
    assert recovered >= 1
