from __future__ import annotations

from pathlib import Path

import pytest

from recordings.dataset import EpisodeFolder
from recordings.errors import RecordingError
from recordings.labels import relabel
from recordings.records import Label, Outcome
from recordings.writer import EpisodeWriter
from tests.recordings.episodes import FAILURE, SUCCESS, make_info, make_step, record


def test_only_finished_episodes_are_listed_and_in_order(tmp_path: Path) -> None:
    for name in ("e2", "e0", "e1"):
        record(tmp_path, name)
    with EpisodeWriter(tmp_path, make_info("e3")) as writer:
        writer.append(make_step(0))
    (tmp_path / ".e4.h5.tmp").write_bytes(b"half")
    assert [path.name for path in EpisodeFolder(tmp_path).paths()] == ["e0.h5", "e1.h5", "e2.h5"]


def test_outcomes_are_counted(tmp_path: Path) -> None:
    for index, label in enumerate([SUCCESS, SUCCESS, FAILURE, Label()]):
        record(tmp_path, f"e{index}", label=label)
    folder = EpisodeFolder(tmp_path)
    assert folder.counts() == {Outcome.SUCCESS: 2, Outcome.FAILURE: 1, Outcome.UNLABELLED: 1}
    relabel(tmp_path / "e3.h5", FAILURE)
    assert folder.counts()[Outcome.FAILURE] == 2


def test_a_missing_folder_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(RecordingError, match="ptrctl record"):
        EpisodeFolder(tmp_path / "nowhere")


def test_an_empty_folder_counts_nothing(tmp_path: Path) -> None:
    assert sum(EpisodeFolder(tmp_path).counts().values()) == 0
