from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from policies.storage import read_tensors, write_file, write_tensors
from recordings.errors import CheckpointError


def test_a_full_disk_leaves_the_old_file_and_nothing_beside_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    path = tmp_path / "run.json"
    write_file(path, b"old")
    monkeypatch.setattr(os, "fsync", refuse)
    with pytest.raises(CheckpointError, match=r"could not be written: No space left.*were"):
        write_file(path, b"new")
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("notes", [[1], "none"])
def test_notes_of_another_kind_are_refused_with_what_to_do(tmp_path: Path, notes: object) -> None:
    path = tmp_path / "state.safetensors"
    write_tensors(path, {}, notes)  # type: ignore[arg-type]
    with pytest.raises(CheckpointError, match="cannot be read") as caught:
        read_tensors(path, "Do this.")
    assert caught.value.try_next == "Do this."
