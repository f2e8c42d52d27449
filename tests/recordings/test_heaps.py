from __future__ import annotations

import contextlib
from pathlib import Path

import h5py
import numpy as np
import pytest

from recordings.errors import RecordingError
from recordings.heaps import check_heaps
from recordings.reader import read_episode, read_summary
from recordings.verification import verify_episode
from tests.recordings.episodes import record

SHIPPED = Path(__file__).parents[2] / "policies/shipped"


def first_object(contents: bytes) -> int:
    return contents.index(b"GCOL") + 16


def free_space(contents: bytes) -> int:
    """Where the header of a collection's free space is."""
    position = first_object(contents)
    while contents[position : position + 2] != b"\0\0":
        size = int.from_bytes(contents[position + 8 : position + 16], "little")
        position += 16 + (size + 7) // 8 * 8
    return position


def overwrite(path: Path, position: int, values: bytes) -> None:
    contents = bytearray(path.read_bytes())
    contents[position : position + len(values)] = values
    path.write_bytes(contents)


@pytest.mark.parametrize("size", [0, 8, 15, 2**20, 2**64 - 16])
def test_free_space_of_an_impossible_size_is_found_before_hdf5_loops_over_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    path = record(tmp_path)
    overwrite(path, free_space(path.read_bytes()) + 8, size.to_bytes(8, "little"))
    monkeypatch.setattr(h5py, "File", lambda *_, **__: pytest.fail("HDF5 would hang."))
    with pytest.raises(RecordingError, match=r"cannot be read.* texts at byte \d+ are damaged"):
        read_summary(path)


@pytest.mark.parametrize("size", [2**20, 2**64 - 16, 2**64 - 1])
def test_a_text_that_is_longer_than_its_collection_is_found(tmp_path: Path, size: int) -> None:
    path = record(tmp_path)
    overwrite(path, first_object(path.read_bytes()) + 8, size.to_bytes(8, "little"))
    with pytest.raises(ValueError, match="are damaged"):
        check_heaps(path)


def test_a_collection_that_is_longer_than_the_file_is_found(tmp_path: Path) -> None:
    path = record(tmp_path)
    overwrite(path, first_object(path.read_bytes()) - 8, (2**40).to_bytes(8, "little"))
    with pytest.raises(ValueError, match="are damaged"):
        check_heaps(path)


def test_a_recording_with_a_zeroed_sector_is_read_or_an_error(tmp_path: Path) -> None:
    path = record(tmp_path, steps=2, size=8)
    whole = path.read_bytes()
    unreadable = 0
    for start in range(0, len(whole), 512):
        overwrite(path, start, bytes(len(whole[start : start + 512])))
        # The check comes first in both, so neither can hang.
        unreadable += any(problem.kind == "unreadable" for problem in verify_episode(path))
        with contextlib.suppress(RecordingError):
            read_episode(path)
        path.write_bytes(whole)
    assert unreadable > 4
    assert verify_episode(path) == []


@pytest.mark.parametrize("libver", ["earliest", "v108", "v110", "latest"])
def test_whole_files_of_every_version_pass(tmp_path: Path, libver: str) -> None:
    path = tmp_path / "x.h5"
    rng = np.random.default_rng(0)
    with h5py.File(path, "w", libver=libver) as file:
        # Texts of all lengths fill collections up to the last bytes; removed ones leave gaps.
        texts = file.create_dataset("texts", (300,), dtype=h5py.string_dtype())
        for index in range(300):
            texts[index] = "x" * int(rng.integers(0, 300))
        file.attrs["note"] = "x" * 9000
    with h5py.File(path, "r+") as file:
        for index in range(0, 300, 3):
            file["texts"][index] = "y" * int(rng.integers(0, 900))
    assert path.read_bytes().count(b"GCOL") > 1
    check_heaps(path)


def test_the_shipped_recordings_pass() -> None:
    paths = list(SHIPPED.rglob("rehearsal/*.h5"))
    assert paths
    for path in paths:
        check_heaps(path)
