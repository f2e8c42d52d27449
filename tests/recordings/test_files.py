"""What file systems lack must not lose what is written, and is said in words."""

from __future__ import annotations

import errno
import fcntl
import mmap
import os
import stat
from pathlib import Path

import pytest

from recordings.errors import SystemSetupError
from recordings.files import sync_folder
from recordings.labels import relabel
from recordings.packed import pack
from recordings.reader import read_summary
from recordings.recovery import recover
from recordings.writer import journal_path
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


def refuse(monkeypatch: pytest.MonkeyPatch, module: object, name: str, code: int) -> None:
    """Let a call of the system fail."""

    def fail(*_: object, **__: object) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(module, name, fail)


@pytest.mark.parametrize("code", [errno.ENOLCK, errno.ENOSYS, errno.ENOTSUP])
def test_a_file_system_without_locks_is_named_and_no_journal_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    recording = record(tmp_path, label=SUCCESS)
    refuse(monkeypatch, fcntl, "flock", code)
    without_locks = pytest.raises(SystemSetupError, match=r"no file locks.*--workspace.*flock")
    with without_locks:
        record(tmp_path, "e1")
    assert list(tmp_path.iterdir()) == [recording]
    with without_locks:
        relabel(recording, FAILURE)
    left = journal_path(tmp_path, "e2")
    left.touch()
    with without_locks:
        recover(tmp_path)
    assert left.exists()


@pytest.mark.parametrize(
    ("code", "words"),
    [(errno.ENODEV, "cannot map files into memory"), (errno.ENOMEM, "not enough memory to map")],
)
def test_packed_pictures_that_cannot_be_mapped_are_not_called_damaged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int, words: str
) -> None:
    record(tmp_path / "demos")
    with monkeypatch.context() as patch:
        refuse(patch, mmap, "mmap", code)
        with pytest.raises(SystemSetupError, match=words):
            pack([tmp_path / "demos"], tmp_path / "cache", 16)
    assert list((tmp_path / "cache").iterdir()) == []
    pack([tmp_path / "demos"], tmp_path / "cache", 16)
    refuse(monkeypatch, mmap, "mmap", code)
    with pytest.raises(SystemSetupError, match=words):
        pack([tmp_path / "demos"], tmp_path / "cache", 16)
