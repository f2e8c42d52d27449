from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from recordings.errors import RecordingError
from recordings.images import resize_image
from recordings.labels import relabel
from recordings.packed import PackedDataset, pack
from recordings.reader import read_episode
from recordings.records import Label, Outcome
from tests.recordings.episodes import FAILURE, SUCCESS, record


@pytest.fixture
def demos(tmp_path: Path) -> Path:
    """Three episodes of two tasks; the second has no final observation."""
    folder = tmp_path / "demos"
    record(folder, "e0", steps=4, seed=1)
    record(folder, "e1", steps=5, seed=2, label=FAILURE, final=False, task="open_drawer")
    record(folder, "e2", steps=3, seed=3, label=Label(), kind="trial")
    return folder


def test_every_transition_is_packed_as_recorded(demos: Path, tmp_path: Path) -> None:
    packed = pack([demos], tmp_path / "cache", 16)
    assert len(packed) == 4 + 4 + 3
    assert packed.images["front"].shape == (5 + 5 + 4, 16, 16, 3)
    assert packed.episode.tolist() == [0] * 4 + [1] * 4 + [2] * 3
    assert packed.step.tolist() == [0, 1, 2, 3] * 2 + [0, 1, 2]
    assert packed.length.tolist() == [4] * 4 + [5] * 4 + [3] * 3
    assert packed.tasks == ("open_drawer", "put_carrot_on_plate")
    assert packed.success.tolist() == [True] * 4 + [False] * 7
    assert packed.unlabelled.tolist() == [False] * 8 + [True] * 3
    assert packed.episode_ids == ("e0", "e1", "e2")
    assert packed.seeds == (7, 7, 7)
    assert packed.outcomes == (Outcome.SUCCESS, Outcome.FAILURE, Outcome.UNLABELLED)
    assert packed.control_rate_hz == 5.0
    assert packed.frame.dtype == np.int64

    for row, frame in enumerate(packed.frame):
        episode = read_episode(demos / f"e{packed.episode[row]}.h5")
        step = int(packed.step[row])
        for k in (0, 1):
            picture = resize_image(episode.image("front", step + k), 16)
            assert np.array_equal(packed.images["front"][frame + k], picture)
            assert np.array_equal(packed.states[frame + k], episode.states[step + k].astype("f4"))
        assert np.array_equal(packed.actions[row], episode.sent_actions[step].astype("f4"))
        assert packed.tasks[packed.task[row]] == episode.info.task


def test_packing_again_reuses_the_files(demos: Path, tmp_path: Path) -> None:
    done: list[tuple[int, int]] = []

    def progress(count: int, total: int) -> None:
        done.append((count, total))

    first = pack([demos], tmp_path / "cache", 16, progress=progress)
    again = pack([demos], tmp_path / "cache", 16, progress=progress)
    assert done == [(1, 3), (2, 3), (3, 3)]
    assert first.digest == again.digest
    assert len(list((tmp_path / "cache").iterdir())) == 1


def test_a_new_label_changes_the_digest_and_needs_no_new_pictures(
    demos: Path, tmp_path: Path
) -> None:
    before = pack([demos], tmp_path / "cache", 16)
    relabel(demos / "e2.h5", SUCCESS)
    after = pack([demos], tmp_path / "cache", 16)
    assert after.digest != before.digest
    assert after.success.tolist() == [True] * 4 + [False] * 4 + [True] * 3
    assert len(list((tmp_path / "cache").iterdir())) == 1


def test_size_cameras_and_contents_change_the_digest(tmp_path: Path) -> None:
    cameras = ("front", "wrist")
    record(tmp_path / "demos", "e0", cameras=cameras)
    digests = {
        pack([tmp_path / "demos"], tmp_path / "cache", size, names).digest
        for size in (8, 16)
        for names in (None, ["front"], ["wrist"])
    }
    record(tmp_path / "demos", "e1", cameras=cameras)
    digests.add(pack([tmp_path / "demos"], tmp_path / "cache", 8).digest)
    assert len(digests) == 7


def test_several_processes_pack_the_same(demos: Path, tmp_path: Path) -> None:
    one = pack([demos], tmp_path / "one", 16)
    two = pack([demos], tmp_path / "two", 16, workers=2)
    assert one.digest == two.digest
    assert np.array_equal(one.images["front"], two.images["front"])
    assert np.array_equal(one.states, two.states)
    assert np.array_equal(one.actions, two.actions)


def resident_kb(path: Path) -> int:
    """How much of a mapped file this process has in memory."""
    inside = False
    for line in Path("/proc/self/smaps").read_text().splitlines():
        if line.endswith(path.name):
            inside = True
        elif inside and line.startswith("Rss:"):
            return int(line.split()[1])
    raise AssertionError(f"{path} is not mapped")


def test_only_the_pictures_asked_for_are_read(tmp_path: Path) -> None:
    record(tmp_path / "demos", steps=120)
    packed = pack([tmp_path / "demos"], tmp_path / "cache", 256)
    (store,) = (tmp_path / "cache").iterdir()
    file = store / "images-front.npy"
    assert file.stat().st_size > 23_000_000
    np.array(packed.images["front"][[10, 11, 60, 61]])
    # Four pictures of 192 kB, and what the kernel maps around them.
    assert 700 < resident_kb(file) < 2500


def test_a_selection_shares_the_pictures(demos: Path, tmp_path: Path) -> None:
    packed = pack([demos], tmp_path / "cache", 16)
    some = packed.select(np.array([True, False, True]))
    assert some.images is packed.images
    assert some.episode.tolist() == [0] * 4 + [2] * 3
    assert np.array_equal(some.frame, packed.frame[packed.episode != 1])
    assert some.digest != packed.digest
    rest = packed.select(np.array([False, True, False]))
    assert len(some) + len(rest) == len(packed)


def test_folders_without_episodes_cannot_be_packed(tmp_path: Path) -> None:
    (tmp_path / "demos").mkdir()
    with pytest.raises(RecordingError, match="no finished episode"):
        pack([tmp_path / "demos"], tmp_path / "cache", 16)


def test_a_missing_camera_is_named_with_its_episode(demos: Path, tmp_path: Path) -> None:
    record(demos, "e3", cameras=("wrist",))
    with pytest.raises(RecordingError, match=r"e0\.h5 has the cameras front\. Expected: wrist "):
        pack([demos], tmp_path / "cache", 16, ["wrist"])
    with pytest.raises(RecordingError, match="All episodes share a camera"):
        pack([demos], tmp_path / "cache", 16)


def test_different_control_rates_are_refused(demos: Path, tmp_path: Path) -> None:
    record(demos, "e3", control_rate_hz=10.0)
    with pytest.raises(RecordingError, match=r"10\.0 Hz"):
        pack([demos], tmp_path / "cache", 16)


def test_a_damaged_recording_stops_packing_and_leaves_nothing(demos: Path, tmp_path: Path) -> None:
    path = demos / "e1.h5"
    contents = bytearray(path.read_bytes())
    start = contents.index(b"\xff\xd8\xff")
    contents[start : start + 100] = bytes(100)
    path.write_bytes(contents)
    with pytest.raises(RecordingError, match=r"e1\.h5, camera `front`"):
        pack([demos], tmp_path / "cache", 16)
    assert list((tmp_path / "cache").iterdir()) == []


def test_a_full_disk_stops_packing_and_leaves_nothing(
    demos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "posix_fallocate", refuse)
    with pytest.raises(RecordingError, match=r"disk is full.*untouched"):
        pack([demos], tmp_path / "cache", 16)
    assert list((tmp_path / "cache").iterdir()) == []


def test_a_damaged_cache_is_an_error_that_says_what_to_delete(demos: Path, tmp_path: Path) -> None:
    pack([demos], tmp_path / "cache", 16)
    (store,) = (tmp_path / "cache").iterdir()
    (store / "states.npy").write_bytes(b"")
    with pytest.raises(RecordingError, match="Delete"):
        pack([demos], tmp_path / "cache", 16)


def test_the_repr_shows_shapes(demos: Path, tmp_path: Path) -> None:
    packed: PackedDataset = pack([demos], tmp_path / "cache", 16)
    assert "front: (14, 16, 16, 3) uint8" in repr(packed)
    assert "3 episodes, 11 transitions" in repr(packed)


def test_a_folder_of_folders_is_refused_with_the_name_of_one_that_holds_episodes(
    demos: Path, tmp_path: Path
) -> None:
    with pytest.raises(RecordingError, match="no finished episode") as caught:
        pack([tmp_path], tmp_path / "cache", 16)
    assert str(demos) in caught.value.try_next


def test_those_who_share_a_workspace_share_what_was_packed(demos: Path, tmp_path: Path) -> None:
    before = os.umask(0o002)
    try:
        pack([demos], tmp_path / "cache", 16)
    finally:
        os.umask(before)
    (store,) = (tmp_path / "cache").iterdir()
    assert store.stat().st_mode & 0o777 == 0o775
    assert {file.stat().st_mode & 0o777 for file in store.iterdir()} == {0o664}
