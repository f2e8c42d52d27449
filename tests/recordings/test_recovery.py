from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from recordings.dataset import EpisodeFolder
from recordings.errors import RecordingError
from recordings.labels import relabel
from recordings.reader import read_episode, read_summary
from recordings.records import EndReason, Label, Outcome
from recordings.recovery import Fate, leftovers, recover, set_aside
from recordings.writer import EpisodeWriter, journal_path
from tests.recordings.episodes import FAILURE, SUCCESS, make_end, make_info, make_step, record


def interrupted(folder: Path, episode_id: str = "e0", steps: int = 4) -> Path:
    """The journal of an episode that was cut off."""
    with EpisodeWriter(folder, make_info(episode_id)) as writer:
        for index in range(steps):
            writer.append(make_step(index))
    return journal_path(folder, episode_id)


def test_an_interrupted_episode_becomes_a_recording_that_says_so(tmp_path: Path) -> None:
    interrupted(tmp_path)
    (saved,) = recover(tmp_path)
    assert (saved.fate, saved.path, saved.steps) == (Fate.RECOVERED, tmp_path / "e0.h5", 4)
    assert "interrupted after 4 steps" in saved.reason
    episode = read_episode(saved.path)
    assert episode.label == Label()
    assert episode.summary.recovered
    assert episode.end.reason is EndReason.FAULT
    assert episode.end.fault == "interrupted"
    assert episode.end.final_observation is None
    assert episode.end.interventions == {"step_clamp": 2}
    assert (episode.end.overruns, episode.end.worst_overrun_s) == (1, 0.05)
    assert episode.end.final_score == make_step(3).score
    # From the first observation, at 100.0 s, until the last action was applied, at 100.62 s.
    assert episode.end.duration_s == pytest.approx(0.62)
    assert episode.states.shape == (4, 7)


def test_a_half_written_step_is_dropped(tmp_path: Path) -> None:
    path = interrupted(tmp_path)
    path.write_bytes(path.read_bytes()[:-10])
    (saved,) = recover(tmp_path)
    assert saved.steps == 3
    assert "cut off" in saved.reason


def test_recovering_again_does_nothing(tmp_path: Path) -> None:
    interrupted(tmp_path)
    recover(tmp_path)
    before = (tmp_path / "e0.h5").read_bytes()
    assert recover(tmp_path) == []
    assert (tmp_path / "e0.h5").read_bytes() == before


def test_an_episode_that_a_living_process_records_is_left_alone(tmp_path: Path) -> None:
    with EpisodeWriter(tmp_path, make_info()) as writer:
        writer.append(make_step(0))
        assert leftovers(tmp_path) == []
        assert recover(tmp_path) == []
        writer.append(make_step(1))
        assert len(read_episode(writer.finish(make_end(2), SUCCESS))) == 2


def test_an_episode_without_a_step_goes_into_quarantine_with_the_reason(tmp_path: Path) -> None:
    interrupted(tmp_path, steps=0)
    (saved,) = recover(tmp_path)
    assert saved.fate is Fate.QUARANTINED
    assert saved.path == tmp_path / "quarantine" / "e0.partial"
    assert saved.path.exists()
    assert "before the first step" in saved.reason
    assert leftovers(tmp_path) == []


def test_garbage_goes_into_quarantine_and_nothing_there_is_overwritten(tmp_path: Path) -> None:
    for contents in (b"", b"garbage" * 100):
        journal_path(tmp_path, "e0").write_bytes(contents)
        (saved,) = recover(tmp_path)
        assert saved.fate is Fate.QUARANTINED
    assert len(list((tmp_path / "quarantine").iterdir())) == 2


def test_a_journal_beside_its_finished_recording_is_deleted(tmp_path: Path) -> None:
    path = interrupted(tmp_path)
    journal = path.read_bytes()
    recover(tmp_path)
    path.write_bytes(journal)
    (saved,) = recover(tmp_path)
    assert saved.fate is Fate.ALREADY_FINISHED
    assert not path.exists()
    assert read_summary(tmp_path / "e0.h5").steps == 4


def test_a_journal_beside_another_episode_of_its_name_goes_into_quarantine(tmp_path: Path) -> None:
    path = interrupted(tmp_path, steps=2)
    journal = path.read_bytes()
    path.unlink()
    recording = record(tmp_path, steps=3)
    before = recording.read_bytes()
    path.write_bytes(journal)
    (saved,) = recover(tmp_path)
    assert saved.fate is Fate.QUARANTINED
    assert "different episode" in saved.reason
    assert recording.read_bytes() == before


def test_a_journal_beside_a_recording_that_got_its_name_goes_into_quarantine(
    tmp_path: Path,
) -> None:
    journal = interrupted(tmp_path, steps=4).read_bytes()
    record(tmp_path, "e1", steps=4).rename(tmp_path / "e0.h5")
    (saved,) = recover(tmp_path)
    assert saved.fate is Fate.QUARANTINED
    assert "different episode" in saved.reason
    assert saved.path.read_bytes() == journal


def test_a_label_given_before_the_crash_is_kept_and_no_recording_is_there_in_part(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken_disk(*_: object) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    writer = EpisodeWriter(tmp_path, make_info())
    writer.append(make_step(0))
    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", broken_disk)
        with pytest.raises(RecordingError, match="could not be written"):
            writer.finish(make_end(1), SUCCESS)
    assert not (tmp_path / "e0.h5").exists()
    (saved,) = recover(tmp_path)
    assert "complete and labelled" in saved.reason
    assert read_summary(tmp_path / "e0.h5").label == SUCCESS


def test_a_journal_beside_its_damaged_recording_is_kept_whole(tmp_path: Path) -> None:
    path = interrupted(tmp_path)
    journal = path.read_bytes()
    recover(tmp_path)
    os.truncate(tmp_path / "e0.h5", 500)
    path.write_bytes(journal)
    (saved,) = recover(tmp_path)
    assert saved.fate is Fate.QUARANTINED
    assert "e0.h5 is damaged" in saved.reason
    assert saved.path.read_bytes() == journal


def test_a_journal_of_another_version_is_kept_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = interrupted(tmp_path).read_bytes()
    monkeypatch.setattr("recordings.draft.SCHEMA_VERSION", 2)
    (saved,) = recover(tmp_path)
    assert saved.fate is Fate.QUARANTINED
    assert "has version 1" in saved.reason
    assert saved.path.read_bytes() == journal


def test_every_leftover_is_treated(tmp_path: Path) -> None:
    for name in ("e2", "e0", "e1"):
        interrupted(tmp_path, name)
    record(tmp_path, "e3")
    assert [saved.episode_id for saved in recover(tmp_path)] == ["e0", "e1", "e2"]
    assert read_summary(tmp_path / "e3.h5").label == SUCCESS


def test_a_damaged_recording_is_set_aside_with_its_labels_and_replaces_nothing(
    tmp_path: Path,
) -> None:
    for expected in ("e0.h5", "e0-2.h5"):
        recording = record(tmp_path)
        relabel(recording, FAILURE)
        contents = recording.read_bytes()
        moved = set_aside(recording)
        assert moved.name == expected
        assert moved.read_bytes() == contents
        assert not recording.exists()
    assert len(list(moved.parent.iterdir())) == 4
    assert not EpisodeFolder(tmp_path).paths()


def damage(path: Path, share: float) -> None:
    """Turn over one byte of a file."""
    contents = bytearray(path.read_bytes())
    contents[int(share * len(contents))] ^= 0xFF
    path.write_bytes(bytes(contents))


def test_a_journal_that_is_damaged_in_the_middle_is_kept_beside_what_was_saved(
    tmp_path: Path,
) -> None:
    path = interrupted(tmp_path, steps=8)
    damage(path, 0.6)
    whole = path.read_bytes()
    (saved,) = recover(tmp_path)
    assert saved.fate is Fate.RECOVERED
    assert 0 < saved.steps < 8
    assert "damaged in the middle" in saved.reason
    assert "cut off" not in saved.reason
    (kept,) = (tmp_path / "quarantine").iterdir()
    assert kept.read_bytes() == whole
    assert recover(tmp_path) == []


def test_a_journal_that_is_damaged_in_the_middle_is_kept_though_recovery_was_cut_short(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = interrupted(tmp_path, steps=8)
    damage(path, 0.6)
    whole = path.read_bytes()

    def full_disk(*_: object) -> Path:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("recordings.recovery._move_to_quarantine", full_disk)
        with pytest.raises(RecordingError, match="the disk is full"):
            recover(tmp_path)
    steps = read_summary(tmp_path / "e0.h5").steps
    (kept,) = recover(tmp_path)
    assert kept.fate is Fate.QUARANTINED
    assert f"e0.h5 holds the {steps} steps before the damage" in kept.reason
    assert kept.path.read_bytes() == whole
    assert recover(tmp_path) == []


@pytest.mark.parametrize("reason", ["zu fr\udcfch", "a\0b"])
def test_a_reason_that_hdf5_cannot_keep_loses_no_episode(tmp_path: Path, reason: str) -> None:
    with EpisodeWriter(tmp_path, make_info()) as writer:
        writer.append(make_step(0))
        path = writer.finish(make_end(1), Label(Outcome.FAILURE, reason, "operator"))
    label = read_summary(path).label
    assert label.outcome is Outcome.FAILURE
    assert label.reason.startswith(reason[0])
    assert recover(tmp_path) == []


def test_a_journal_of_another_user_is_left_alone_and_its_owner_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    theirs = interrupted(tmp_path, "e0")
    interrupted(tmp_path, "e1")
    access, owner = os.access, theirs.owner()
    monkeypatch.setattr(os, "geteuid", lambda: theirs.stat().st_uid + 1)
    monkeypatch.setattr(os, "access", lambda path, mode: path != theirs and access(path, mode))
    assert [path.name for path in leftovers(tmp_path)] == [".e1.partial"]
    left, saved = recover(tmp_path)
    assert (left.fate, left.path, left.episode_id) == (Fate.LEFT_ALONE, theirs, "e0")
    assert f"`{owner}`" in left.reason
    assert saved.fate is Fate.RECOVERED
    assert theirs.exists()
    assert not (tmp_path / "e0.h5").exists()


def test_those_who_share_a_folder_may_recover_each_others_episodes(tmp_path: Path) -> None:
    before = os.umask(0o002)
    try:
        modes = [
            path.stat().st_mode & 0o777 for path in (interrupted(tmp_path), record(tmp_path, "e1"))
        ]
    finally:
        os.umask(before)
    assert modes == [0o664, 0o664]
