"""Small copies of datasets."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from recordings.dataset import EpisodeFolder
from recordings.errors import RecordingError, UsageError
from recordings.excerpt import excerpt
from recordings.images import resize_image
from recordings.labels import relabel
from recordings.reader import read_episode, read_summary
from recordings.records import Label, Outcome
from recordings.recovery import recover
from recordings.writer import EpisodeWriter
from tests.recordings.episodes import make_end, make_info, make_step, record

GOOD, BAD = Label(Outcome.SUCCESS, "", "simulator"), Label(Outcome.FAILURE, "", "simulator")


@pytest.fixture
def source(tmp_path: Path) -> Path:
    folder = tmp_path / "source"
    for index, label in enumerate([BAD, GOOD, GOOD, GOOD]):
        record(folder, f"e{index}", label=label)
    return folder


def test_an_excerpt_holds_the_first_successes_of_each_task(source: Path, tmp_path: Path) -> None:
    assert excerpt(source, tmp_path / "small", successes_per_task=2, image_size=16) == 2
    names = [summary.info.episode_id for summary in EpisodeFolder(tmp_path / "small").summaries()]
    assert names == ["e1", "e2"]


def test_copies_differ_in_nothing_but_their_pictures(source: Path, tmp_path: Path) -> None:
    excerpt(source, tmp_path / "small", successes_per_task=1, image_size=16)
    big, small = read_episode(source / "e1.h5"), read_episode(tmp_path / "small" / "e1.h5")
    np.testing.assert_array_equal(small.states, big.states)
    np.testing.assert_array_equal(small.sent_actions, big.sent_actions)
    np.testing.assert_array_equal(small.observed_s, big.observed_s)
    assert small.label == big.label
    assert small.info.cameras["front"]["height"] == 16
    expected = resize_image(big.image("front", 0), 16).astype(int)
    assert small.image("front", 0).shape == (16, 16, 3)
    assert np.abs(small.image("front", 0) - expected).mean() < 6


def test_making_an_excerpt_twice_changes_nothing(source: Path, tmp_path: Path) -> None:
    folder = tmp_path / "small"
    for _ in range(2):
        excerpt(source, folder, successes_per_task=2, image_size=16)
    assert len(EpisodeFolder(folder).paths()) == 2


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in EpisodeFolder(folder).paths()}


def in_quarantine(folder: Path) -> list[str]:
    return sorted(path.name for path in (folder / "quarantine").iterdir())


def test_a_copy_of_what_is_a_success_no_more_is_set_aside(source: Path, tmp_path: Path) -> None:
    small = tmp_path / "small"
    excerpt(source, small, successes_per_task=2, image_size=16)
    relabel(source / "e1.h5", BAD)
    assert excerpt(source, small, successes_per_task=2, image_size=16) == 2
    assert sorted(contents(small)) == ["e2.h5", "e3.h5"]
    assert in_quarantine(small) == ["e1.h5"]
    for name in ("e2.h5", "e3.h5"):
        relabel(source / name, Label())
    with pytest.raises(RecordingError, match="no episode labelled success"):
        excerpt(source, small, successes_per_task=2, image_size=16)
    assert contents(small) == {}


def test_failures_are_copied_where_they_are_asked_for(source: Path, tmp_path: Path) -> None:
    small = tmp_path / "small"
    record(source, "e7", label=BAD)
    record(source, "e8", label=Label())
    excerpt(source, small, successes_per_task=1, failures_per_task=1, image_size=16)
    assert sorted(contents(small)) == ["e0.h5", "e1.h5"]
    assert read_episode(small / "e0.h5").label == BAD
    excerpt(source, small, successes_per_task=0, failures_per_task=5, image_size=16)
    assert sorted(contents(small)) == ["e0.h5", "e1.h5", "e7.h5"]
    with pytest.raises(UsageError, match="No success and no failure"):
        excerpt(source, small, successes_per_task=0, image_size=16)


def test_a_copy_of_what_was_relabelled_as_a_success_is_made_anew(
    source: Path, tmp_path: Path
) -> None:
    small = tmp_path / "small"
    excerpt(source, small, successes_per_task=0, failures_per_task=1, image_size=16)
    relabel(source / "e0.h5", GOOD)
    excerpt(source, small, successes_per_task=1, image_size=16)
    assert in_quarantine(small) == ["e0.h5"]
    assert read_episode(small / "e0.h5").label == GOOD


def test_what_was_recorded_anew_is_copied_anew(source: Path, tmp_path: Path) -> None:
    small = tmp_path / "small"
    excerpt(source, small, successes_per_task=3, image_size=16)
    before = contents(small)
    (source / "e1.h5").unlink()
    (source / "e2.h5").unlink()
    record(source, "e2", label=GOOD, seed=9)
    # Nothing else differs, as in simulation, where nobody writes down the time.
    original = record(source, "e1", label=GOOD, seed=9)
    excerpt(source, small, successes_per_task=1, image_size=16)
    after = contents(small)
    assert after["e1.h5"] != before["e1.h5"]
    assert read_summary(small / "e1.h5").info.copy_of == read_summary(original).content_hash
    # Neither of those that are not asked for this time does an old one stay.
    assert sorted(after) == ["e1.h5", "e3.h5"]
    assert after["e3.h5"] == before["e3.h5"]
    assert in_quarantine(small) == ["e1.h5", "e2.h5"]


def test_copies_whose_original_is_elsewhere_stay(source: Path, tmp_path: Path) -> None:
    small = tmp_path / "small"
    excerpt(source, small, successes_per_task=2, image_size=16)
    before = contents(small)
    (source / "e1.h5").unlink()
    record(source, "e9", label=GOOD)
    excerpt(source, small, successes_per_task=1, image_size=16)
    assert contents(small) == before


def test_of_early_copies_their_time_tells_of_what_they_are(source: Path, tmp_path: Path) -> None:
    small = tmp_path / "small"
    # Without the original's hash.
    for name in ("e1", "e2"):
        record(small, name, label=GOOD, size=16)
    before = contents(small)
    (source / "e2.h5").unlink()
    record(source, "e2", label=GOOD, created_at="2025-01-02T00:00:00+00:00")
    excerpt(source, small, successes_per_task=2, image_size=16)
    assert contents(small)["e1.h5"] == before["e1.h5"]
    assert in_quarantine(small) == ["e2.h5"]


def test_without_a_success_there_is_no_excerpt(tmp_path: Path) -> None:
    record(tmp_path / "bad", label=BAD)
    with pytest.raises(RecordingError, match="no episode labelled success"):
        excerpt(tmp_path / "bad", tmp_path / "small", successes_per_task=1, image_size=16)


def test_a_folder_of_folders_is_told_from_one_without_a_success(
    source: Path, tmp_path: Path
) -> None:
    with pytest.raises(RecordingError, match=f"holds episodes itself, such as `{source}`"):
        excerpt(tmp_path, tmp_path / "small", successes_per_task=1, image_size=16)


def test_what_a_kill_left_of_a_copy_does_not_count_as_one(source: Path, tmp_path: Path) -> None:
    folder = tmp_path / "small"

    def begun_copy(steps: int) -> None:
        with EpisodeWriter(folder, read_episode(source / "e1.h5").info) as writer:
            for index in range(steps):
                writer.append(make_step(index))

    begun_copy(2)
    excerpt(source, folder, successes_per_task=1, image_size=16)
    assert len(read_episode(folder / "e1.h5")) == 4
    (folder / "e1.h5").unlink()
    # All steps are no whole copy either: its label is missing.
    for number, steps in enumerate((2, 4), start=1):
        begun_copy(steps)
        recover(folder)
        assert read_summary(folder / "e1.h5").recovered
        excerpt(source, folder, successes_per_task=1, image_size=16)
        assert len(read_episode(folder / "e1.h5")) == 4
        assert read_episode(folder / "e1.h5").label == GOOD
        assert len(list((folder / "quarantine").glob("*.h5"))) == number
        (folder / "e1.h5").unlink()


def test_pauses_are_copied(tmp_path: Path) -> None:
    writer = EpisodeWriter(tmp_path / "source", make_info("e0"))
    for index in range(3):
        for _ in range(index):
            writer.pause()
        writer.append(make_step(index))
    writer.pause()
    writer.finish(make_end(3), GOOD)
    excerpt(tmp_path / "source", tmp_path / "small", successes_per_task=1, image_size=16)
    for folder in ("source", "small"):
        assert read_episode(tmp_path / folder / "e0.h5").paused_periods.tolist() == [0, 1, 2, 1]


def test_an_excerpt_says_how_many_episodes_are_there_and_keeps_to_one_size(
    source: Path, tmp_path: Path
) -> None:
    small = tmp_path / "small"
    assert excerpt(source, small, successes_per_task=3, image_size=16) == 3
    assert excerpt(source, small, successes_per_task=1, image_size=16) == 3
    with pytest.raises(UsageError, match="has pictures of 16 pixels") as caught:
        excerpt(source, small, successes_per_task=1, image_size=24)
    assert "--image-size 16" in caught.value.try_next
    with pytest.raises(UsageError, match="both the source and the excerpt"):
        excerpt(source, source, successes_per_task=1, image_size=16)
