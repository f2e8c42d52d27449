"""What file systems lack must not lose what is written, and is said in words."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

import pytest

from recordings.files import sync_folder
from recordings.labels import relabel
from recordings.reader import read_summary
from tests.recordings.episodes import FAILURE, SUCCESS, record


def refuse_folder_sync(monkeypatch: pytest.MonkeyPatch, code: int) -> None:
    """Let fsync fail for folders alone."""
    fsync = os.fsync

    def refuse(descriptor: int) -> None:
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            raise OSError(code, os.strerror(code))
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", refuse)


@pytest.mark.parametrize("code", [errno.EINVAL, errno.ENOTSUP, errno.ENOSYS])
def test_what_is_written_counts_where_folders_cannot_be_synced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    refuse_folder_sync(monkeypatch, code)
    recording = record(tmp_path, label=SUCCESS)
    relabel(recording, FAILURE)
    assert read_summary(recording).label == FAILURE


def test_a_folder_that_a_broken_disk_does_not_sync_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    refuse_folder_sync(monkeypatch, errno.EIO)
    with pytest.raises(OSError, match="Input/output error"):
        sync_folder(tmp_path)
