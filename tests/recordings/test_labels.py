from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any

import pytest

from recordings.errors import RecordingError
from recordings.labels import label_history, label_path, relabel
from recordings.reader import read_episode, read_summary
from recordings.records import Label, Outcome
from tests.recordings.episodes import FAILURE, SUCCESS, record


def test_a_new_label_wins_and_leaves_the_recording_as_it_is(tmp_path: Path) -> None:
    path = record(tmp_path, label=SUCCESS)
    before = path.read_bytes()
    relabel(path, FAILURE)
    assert read_summary(path).label == FAILURE
    assert read_episode(path).label == FAILURE
    assert path.read_bytes() == before


def test_earlier_labels_stay_in_the_history(tmp_path: Path) -> None:
    path = record(tmp_path, label=Label())
    given = [FAILURE, SUCCESS, Label(Outcome.UNLABELLED, "unsure", "operator")]
    for label in given:
        relabel(path, label)
    assert [entry.label for entry in label_history(path)] == given
    assert all(entry.given_at.endswith("+00:00") for entry in label_history(path))
    assert read_summary(path).label == given[-1]


def test_a_missing_recording_cannot_be_labelled(tmp_path: Path) -> None:
    with pytest.raises(RecordingError, match="There is no recording"):
        relabel(tmp_path / "e9.h5", SUCCESS)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("contents", ["", "{}", "[1]", '{"label_file_version": 9, "labels": []}'])
def test_a_damaged_label_file_is_an_error_and_never_a_label(tmp_path: Path, contents: str) -> None:
    path = record(tmp_path)
    label_path(path).write_text(contents)
    with pytest.raises(RecordingError, match=r"e0\.label\.json cannot be read"):
        read_summary(path)


@pytest.mark.parametrize("broken", ["write", "fsync", "replace"])
def test_when_the_disk_refuses_the_old_label_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, broken: str
) -> None:
    path = record(tmp_path)
    relabel(path, FAILURE)

    def refuse(*_: Any) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(os, broken, refuse)
        with pytest.raises(RecordingError, match=r"disk is full.*keeps its old label"):
            relabel(path, SUCCESS)
    assert read_summary(path).label == FAILURE
