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
    folder = EpisodeFolder(tmp_path)
    assert [path.name for path in folder.paths()] == ["e0.h5", "e1.h5", "e2.h5"]
    assert len(folder) == 3


def test_outcomes_and_steps_are_counted(tmp_path: Path) -> None:
    for index, label in enumerate([SUCCESS, SUCCESS, FAILURE, Label()]):
        record(tmp_path, f"e{index}", label=label, steps=index + 1)
    folder = EpisodeFolder(tmp_path)
    assert folder.counts() == {Outcome.SUCCESS: 2, Outcome.FAILURE: 1, Outcome.UNLABELLED: 1}
    assert folder.total_steps() == 10
    relabel(tmp_path / "e3.h5", FAILURE)
    assert folder.counts()[Outcome.FAILURE] == 2


def test_the_digest_changes_with_labels_names_and_contents(tmp_path: Path) -> None:
    record(tmp_path / "a")
    folder = EpisodeFolder(tmp_path / "a")
    digests = {folder.digest()}
    relabel(tmp_path / "a" / "e0.h5", FAILURE)
    digests.add(folder.digest())
    relabel(tmp_path / "a" / "e0.h5", Label(Outcome.FAILURE, "another reason", "operator"))
    digests.add(folder.digest())
    record(tmp_path / "a", "e1")
    digests.add(folder.digest())
    record(tmp_path / "b", seed=1)
    digests.add(EpisodeFolder(tmp_path / "b").digest())
    assert len(digests) == 5


def test_the_digest_of_equal_recordings_is_equal(tmp_path: Path) -> None:
    for name in ("a", "b"):
        record(tmp_path / name)
    assert EpisodeFolder(tmp_path / "a").digest() == EpisodeFolder(tmp_path / "b").digest()


def test_a_missing_folder_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(RecordingError, match="ptrctl record"):
        EpisodeFolder(tmp_path / "nowhere")


def test_an_empty_folder_counts_nothing(tmp_path: Path) -> None:
    assert sum(EpisodeFolder(tmp_path).counts().values()) == 0
