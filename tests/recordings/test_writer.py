from __future__ import annotations

import errno
import os
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from recordings.errors import RecordingError
from recordings.reader import read_episode, read_summary
from recordings.records import EndReason, Label, Outcome
from recordings.recovery import Fate, recover
from recordings.writer import EpisodeRecorder, EpisodeWriter, journal_path, new_episode_id
from tests.recordings.episodes import (
    FAILURE,
    SUCCESS,
    make_end,
    make_info,
    make_observation,
    make_step,
    record,
)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_an_episode_counts_only_after_finish(tmp_path: Path) -> None:
    writer = EpisodeWriter(tmp_path, make_info())
    for index in range(3):
        writer.append(make_step(index))
    writer.end(make_end(3))
    assert names(tmp_path) == [".e0.partial"]
    assert writer.label(SUCCESS) == tmp_path / "e0.h5"
    assert names(tmp_path) == ["e0.h5"]


def test_an_episode_of_the_same_name_is_never_overwritten(tmp_path: Path) -> None:
    before = record(tmp_path).read_bytes()
    with pytest.raises(RecordingError, match="exists already"):
        EpisodeWriter(tmp_path, make_info())
    assert (tmp_path / "e0.h5").read_bytes() == before
    assert names(tmp_path) == ["e0.h5"]


def test_two_writers_cannot_write_one_episode(tmp_path: Path) -> None:
    with (
        EpisodeWriter(tmp_path, make_info()),
        pytest.raises(RecordingError, match="ptrctl data recover"),
    ):
        EpisodeWriter(tmp_path, make_info())


def test_discard_leaves_nothing(tmp_path: Path) -> None:
    writer = EpisodeWriter(tmp_path, make_info())
    writer.append(make_step(0))
    writer.discard()
    writer.discard()
    assert names(tmp_path) == []


def test_leaving_the_context_without_finish_keeps_the_episode_for_recovery(tmp_path: Path) -> None:
    with EpisodeWriter(tmp_path, make_info()) as writer:
        writer.append(make_step(0))
    assert names(tmp_path) == [".e0.partial"]


def test_an_episode_without_steps_cannot_be_finished(tmp_path: Path) -> None:
    writer = EpisodeWriter(tmp_path, make_info())
    with pytest.raises(RecordingError, match="has no step"):
        writer.finish(make_end(0), SUCCESS)
    writer.discard()
    assert names(tmp_path) == []


def test_a_journal_that_reads_back_differently_is_kept_and_said(tmp_path: Path) -> None:
    writer = EpisodeWriter(tmp_path, make_info())
    for index in range(8):
        writer.append(make_step(index))
    writer.end(make_end(8))
    journal = journal_path(tmp_path, "e0")
    contents = bytearray(journal.read_bytes())
    contents[len(contents) // 2] ^= 0xFF
    journal.write_bytes(bytes(contents))
    with pytest.raises(RecordingError, match="reads back differently"):
        writer.label(SUCCESS)
    assert journal.exists()
    assert not (tmp_path / "e0.h5").exists()


def test_steps_and_what_follows_them_are_forced_to_the_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    forced: list[str] = []
    fsync = os.fsync

    def force(descriptor: int) -> None:
        name = os.readlink(f"/proc/self/fd/{descriptor}").removeprefix(str(tmp_path))
        # The folder is synced when its recording is there, and only then may the journal go.
        forced.append(name or "/ with " + " ".join(names(tmp_path)))
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", force)
    journal = "/.e0.partial"
    writer = EpisodeWriter(tmp_path, make_info(), flush_every=2)
    assert forced == [journal]
    for index in range(4):
        writer.append(make_step(index))
    assert forced == [journal] * 3
    writer.end(make_end(4))
    assert forced == [journal] * 4
    writer.label(SUCCESS)
    assert forced[4:] == [journal, "/.e0.h5.tmp", "/ with .e0.partial e0.h5"]


def test_a_recording_that_reads_back_differently_does_not_count(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer = EpisodeWriter(tmp_path, make_info())
    writer.append(make_step(0))
    read = Path.read_bytes

    def faulty(path: Path) -> bytes:
        contents = bytearray(read(path))
        if path.suffix == ".tmp":
            contents[-1] ^= 0xFF
        return bytes(contents)

    monkeypatch.setattr(Path, "read_bytes", faulty)
    with pytest.raises(RecordingError, match=r"e0\.h5 reads back differently"):
        writer.finish(make_end(1), SUCCESS)
    assert names(tmp_path) == [".e0.partial"]


def test_a_final_observation_that_does_not_fit_is_refused(tmp_path: Path) -> None:
    writer = EpisodeWriter(tmp_path, make_info())
    writer.append(make_step(0))
    with pytest.raises(RecordingError, match="The final observation"):
        writer.end(make_end(1, final_observation=make_observation(1, cameras=("wrist",))))
    assert len(read_episode(writer.finish(make_end(1), SUCCESS))) == 1


def test_nothing_can_be_added_after_the_end(tmp_path: Path) -> None:
    writer = EpisodeWriter(tmp_path, make_info())
    writer.append(make_step(0))
    writer.end(make_end(1))
    with pytest.raises(RecordingError, match="is closed"):
        writer.append(make_step(1))


def with_picture(image: Any) -> Any:
    observation = make_observation(1)
    frame = replace(observation.frames["front"], image=image)
    return make_step(1, observation=replace(observation, frames={"front": frame}))


@pytest.mark.parametrize(
    ("step", "message"),
    [
        (lambda: make_step(2), "Step 2 came after 1 steps"),
        (lambda: make_step(1, cameras=("wrist",)), r"pictures of \['wrist'\]"),
        (lambda: make_step(1, size=32), "picture of `front` is \\(32, 32\\) pixels"),
        (lambda: with_picture(np.zeros((24, 24, 3))), "is float64"),
        (lambda: with_picture(np.zeros((24, 24), np.uint8)), r"is uint8 \(24, 24\)"),
        (lambda: make_step(1, action=np.zeros(6)), r"action has shape \(6,\)"),
        (lambda: make_step(1, extras={"a/b": 1.0}), "extra named `a/b`"),
    ],
)
def test_a_step_that_does_not_fit_is_refused_and_the_episode_goes_on(
    tmp_path: Path, step: Callable[[], Any], message: str
) -> None:
    writer = EpisodeWriter(tmp_path, make_info())
    writer.append(make_step(0))
    with pytest.raises(RecordingError, match=message):
        writer.append(step())
    writer.append(make_step(1))
    assert len(read_episode(writer.finish(make_end(2), SUCCESS))) == 2


@pytest.mark.parametrize("episode_id", ["", ".hidden", "a/b", "a b", "x" * 200])
def test_an_unsafe_name_is_refused(tmp_path: Path, episode_id: str) -> None:
    with pytest.raises(RecordingError, match="cannot name an episode"):
        EpisodeWriter(tmp_path, make_info(episode_id))


def test_a_description_too_long_for_hdf5_is_refused_before_the_first_step(tmp_path: Path) -> None:
    with pytest.raises(RecordingError, match="scene takes"):
        EpisodeWriter(tmp_path, make_info(scene={"words": "x" * 70_000}))
    assert names(tmp_path) == []


@pytest.mark.parametrize("bad", [{"flush_every": 0}, {"jpeg_quality": 0}, {"image_codec": "gif"}])
def test_bad_settings_are_refused(tmp_path: Path, bad: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="not"):
        EpisodeWriter(tmp_path, make_info(), **bad)


def test_new_episode_ids_are_unique_and_sort_by_time() -> None:
    ids = [new_episode_id() for _ in range(50)]
    assert len(set(ids)) == 50
    assert [name[:22] for name in ids] == sorted(name[:22] for name in ids)


class TinyDisk:
    """Lets `os.write` store a number of bytes, then says that the disk is full."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.room = 10**12
        self._write = os.write
        monkeypatch.setattr(os, "write", self.write)

    def write(self, descriptor: int, data: Any) -> int:
        if self.room <= 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        written = self._write(descriptor, data[: self.room])
        self.room -= written
        return written


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> TinyDisk:
    return TinyDisk(monkeypatch)


def test_a_disk_that_fills_during_a_step_keeps_the_steps_before_it(
    tmp_path: Path, disk: TinyDisk
) -> None:
    writer = EpisodeWriter(tmp_path, make_info())
    for index in range(3):
        writer.append(make_step(index))
    disk.room = 100
    with pytest.raises(RecordingError, match="disk is full") as raised:
        writer.append(make_step(3))
    assert "3 steps so far are kept" in str(raised.value)
    assert "ptrctl data recover" in raised.value.try_next
    disk.room = 10**9
    (saved,) = recover(tmp_path)
    assert (saved.fate, saved.steps) == (Fate.RECOVERED, 3)
    assert "cut off" not in saved.reason


def test_a_disk_that_fills_while_finishing_keeps_the_whole_episode(
    tmp_path: Path, disk: TinyDisk
) -> None:
    writer = EpisodeWriter(tmp_path, make_info())
    for index in range(3):
        writer.append(make_step(index))
    writer.end(make_end(3))
    disk.room = 2000
    with pytest.raises(RecordingError, match="does not count as finished"):
        writer.label(FAILURE)
    assert names(tmp_path) == [".e0.partial"]
    disk.room = 10**9
    (saved,) = recover(tmp_path)
    summary = read_summary(saved.path)
    assert (summary.steps, summary.label, summary.recovered) == (3, FAILURE, True)
    assert summary.has_final_observation


def test_a_disk_that_is_full_from_the_start_is_reported(tmp_path: Path, disk: TinyDisk) -> None:
    disk.room = 0
    with pytest.raises(RecordingError, match="disk is full"):
        EpisodeWriter(tmp_path, make_info())


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A real file system of 128 kB; needs the right to mount."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=128k", "tmpfs", str(folder)]
    if subprocess.run(mount, check=False, capture_output=True).returncode:
        pytest.skip("mounting a small disk is not permitted here")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_a_really_full_disk_keeps_the_steps_before_it(small_disk: Path) -> None:
    writer = EpisodeWriter(small_disk, make_info(), image_codec="png")

    def fill() -> None:
        for index in range(200):
            writer.append(make_step(index))

    with pytest.raises(RecordingError, match="disk is full"):
        fill()
    kept = writer.steps
    assert kept > 5
    with pytest.raises(RecordingError, match="disk is full"):
        recover(small_disk)
    assert names(small_disk) == [".e0.partial"]
    grow = ["mount", "-o", "remount,size=10m", str(small_disk)]
    subprocess.run(grow, check=True, capture_output=True)
    (saved,) = recover(small_disk)
    assert saved.steps == kept


def test_the_recorder_holds_an_episode_until_it_is_labelled(tmp_path: Path) -> None:
    recorder = EpisodeRecorder(tmp_path)
    recorder.on_begin(make_info())
    recorder.on_step(make_step(0))
    assert not recorder.waiting
    recorder.on_pause(make_observation(1))
    recorder.on_step(make_step(1))
    recorder.on_end(make_end(2))
    assert recorder.waiting
    assert recorder.steps == 2
    assert names(tmp_path) == [".e0.partial"]
    episode = read_episode(recorder.label(SUCCESS))
    assert not recorder.waiting
    assert episode.label == SUCCESS
    assert episode.paused_periods.tolist() == [0, 1, 0]


def test_the_recorder_discards(tmp_path: Path) -> None:
    recorder = EpisodeRecorder(tmp_path)
    recorder.on_begin(make_info())
    recorder.on_step(make_step(0))
    recorder.on_end(make_end(1))
    recorder.discard()
    assert names(tmp_path) == []
    with pytest.raises(RecordingError, match="No episode waits"):
        recorder.label(SUCCESS)


def test_beginning_the_next_episode_leaves_the_last_unlabelled_not_lost(tmp_path: Path) -> None:
    recorder = EpisodeRecorder(tmp_path)
    recorder.on_begin(make_info("e0"))
    recorder.on_step(make_step(0))
    recorder.on_end(make_end(1))
    recorder.on_begin(make_info("e1"))
    recorder.discard()
    assert read_summary(tmp_path / "e0.h5").label == Label()


def test_a_crash_at_the_label_prompt_is_recovered_as_unlabelled(tmp_path: Path) -> None:
    recorder = EpisodeRecorder(tmp_path)
    recorder.on_begin(make_info())
    recorder.on_step(make_step(0))
    recorder.on_end(make_end(1))
    recorder.close()
    (saved,) = recover(tmp_path)
    summary = read_summary(saved.path)
    assert summary.label.outcome is Outcome.UNLABELLED
    assert summary.end.reason is EndReason.TIME_LIMIT
    assert summary.has_final_observation
    assert "had no label" in saved.reason


def test_the_recorder_survives_the_loops_end_after_a_full_disk(
    tmp_path: Path, disk: TinyDisk
) -> None:
    recorder = EpisodeRecorder(tmp_path)
    recorder.on_begin(make_info())
    recorder.on_step(make_step(0))
    disk.room = 10
    with pytest.raises(RecordingError, match="disk is full"):
        recorder.on_step(make_step(1))
    recorder.on_end(make_end(1, final=False))
    assert not recorder.waiting
    assert journal_path(tmp_path, "e0").exists()
    disk.room = 10**9
    recorder.on_begin(make_info("e1"))
    recorder.discard()
    assert [saved.episode_id for saved in recover(tmp_path)] == ["e0"]


def test_the_recorder_hears_the_end_of_an_episode_that_never_began(tmp_path: Path) -> None:
    record(tmp_path)
    recorder = EpisodeRecorder(tmp_path)
    with pytest.raises(RecordingError, match="exists already"):
        recorder.on_begin(make_info())
    recorder.on_end(make_end(0, final=False))
    assert not recorder.waiting
