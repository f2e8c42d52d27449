from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from recordings.episode_file import content_hash
from recordings.labels import label_path
from recordings.schema import CONTENT_HASH
from recordings.verification import verify_episode
from recordings.writer import EpisodeWriter
from tests.recordings.episodes import SUCCESS, make_end, make_info, make_observation, make_step
from tests.recordings.episodes import record as record_episode


def record_with(folder: Path, change: Callable[[int], dict[str, Any]], steps: int = 5) -> Path:
    """A recording whose steps are changed before they are written."""
    writer = EpisodeWriter(folder, make_info())
    for index in range(steps):
        writer.append(make_step(index, **change(index)))
    return writer.finish(make_end(steps), SUCCESS)


def edit(path: Path, change: Callable[[h5py.File], None]) -> None:
    """Change a recording and make its checksum agree, as a faulty recorder would."""
    with h5py.File(path, "r+") as file:
        change(file)
        file.attrs[CONTENT_HASH] = content_hash(file)


def replace_dataset(file: h5py.File, name: str, values: Any) -> None:
    del file[name]
    file[name] = values


def kinds(path: Path) -> list[tuple[str, int | None]]:
    return [(problem.kind, problem.step) for problem in verify_episode(path)]


def test_sound_recordings_have_no_problem(tmp_path: Path) -> None:
    assert kinds(record_episode(tmp_path, "e0")) == []
    assert kinds(record_episode(tmp_path, "e1", cameras=("front", "wrist"), codec="png")) == []


def test_a_truncated_recording_is_found(tmp_path: Path) -> None:
    path = record_episode(tmp_path)
    path.write_bytes(path.read_bytes()[:-2000])
    assert kinds(path) == [("unreadable", None)]


def test_a_changed_number_is_found_by_the_checksum(tmp_path: Path) -> None:
    path = record_episode(tmp_path)
    with h5py.File(path, "r+") as file:
        file["sent_action"][1, 2] = 0.001
    assert kinds(path) == [("changed", None)]


def test_a_damaged_label_file_is_told_from_a_damaged_recording(tmp_path: Path) -> None:
    path = record_episode(tmp_path)
    label_path(path).write_text("{")
    (problem,) = verify_episode(path)
    assert (problem.kind, problem.serious) == ("damaged_label", True)
    assert problem.message.startswith(f"Its label file {path.stem}.label.json cannot be read")
    assert "`ptrctl data label`" in problem.message
    path.write_bytes(path.read_bytes()[:-2000])
    assert kinds(path) == [("unreadable", None)]


def test_a_changed_stage_that_cannot_be_read_is_found_by_the_checksum(tmp_path: Path) -> None:
    path = record_episode(tmp_path)
    with h5py.File(path, "r+") as file:
        file["score/stage"][2] = 32
    assert kinds(path) == [("changed", None)]


@pytest.mark.parametrize("name", ["state", "action", "sent_action", "observed_s", "applied_s"])
def test_a_wrong_shape_is_found(tmp_path: Path, name: str) -> None:
    path = record_episode(tmp_path)
    edit(path, lambda file: replace_dataset(file, name, file[name][:-1]))
    assert kinds(path) == [("wrong_shape", None)]


def test_a_lost_picture_is_found(tmp_path: Path) -> None:
    path = record_episode(tmp_path)
    offsets = "images/front/offsets"
    edit(path, lambda file: replace_dataset(file, offsets, file[offsets][:-1]))
    assert kinds(path) == [("wrong_shape", None)]


@pytest.mark.parametrize("name", ["state", "action"])
def test_numbers_that_are_not_finite_are_found(tmp_path: Path, name: str) -> None:
    path = record_episode(tmp_path)

    def spoil(file: h5py.File) -> None:
        file[name][2, 3] = np.nan

    edit(path, spoil)
    assert kinds(path) == [("not_finite", 2)]


def test_an_action_sent_beyond_the_limits_is_found(tmp_path: Path) -> None:
    far = np.array([0.0, 0.0, 0.051, 0.0, 0.0, 0.0, 1.0])
    path = record_with(tmp_path, lambda index: {"sent_action": far} if index == 3 else {})
    assert kinds(path) == [("action_out_of_range", 3)]


def later(index: int, gap_s: float) -> dict[str, Any]:
    """From step 2 on, everything is seen `gap_s` later."""
    observation = make_observation(index)
    delay_s = gap_s if index >= 2 else 0.0
    return {"observation": replace(observation, time_s=observation.time_s + delay_s)}


def test_a_gap_in_time_is_found(tmp_path: Path) -> None:
    path = record_with(tmp_path, lambda index: later(index, 0.5))
    assert ("time_gap", 1) in kinds(path)


def test_time_that_runs_backwards_is_found(tmp_path: Path) -> None:
    assert ("time_gap", 1) in kinds(record_with(tmp_path, lambda index: later(index, -0.5)))


def test_a_late_period_is_no_gap(tmp_path: Path) -> None:
    path = record_with(tmp_path, lambda index: later(index, 0.15))
    assert kinds(path) == []


def test_a_pause_is_no_gap(tmp_path: Path) -> None:
    writer = EpisodeWriter(tmp_path, make_info())
    for index in range(4):
        if index == 2:
            for _ in range(5):
                writer.pause()
        writer.append(make_step(index, **later(index, 1.0)))
    final = later(4, 1.0)["observation"]
    assert kinds(writer.finish(make_end(4, final_observation=final), SUCCESS)) == []


def test_a_damaged_picture_is_found(tmp_path: Path) -> None:
    path = record_episode(tmp_path)

    def spoil(file: h5py.File) -> None:
        start, end = file["images/front/offsets"][1:3]
        file["images/front/encoded"][start:end] = 0

    edit(path, spoil)
    assert kinds(path) == [("unreadable", 1)]


def frozen(index: int, *, still: bool) -> dict[str, Any]:
    """Steps 2 and 3 show one picture; the arm moves unless it is still."""
    if index != 3:
        return {}
    observation = make_observation(index)
    state = make_observation(2).state if still else observation.state
    return {"observation": replace(observation, frames=make_observation(2).frames, state=state)}


def test_a_frozen_picture_is_found(tmp_path: Path) -> None:
    path = record_with(tmp_path, lambda index: frozen(index, still=False))
    assert kinds(path) == [("frozen_picture", 2)]


def test_an_arm_at_rest_may_look_the_same_twice(tmp_path: Path) -> None:
    assert kinds(record_with(tmp_path, lambda index: frozen(index, still=True))) == []


def test_a_missing_final_observation_is_found_and_is_not_serious(tmp_path: Path) -> None:
    (problem,) = verify_episode(record_episode(tmp_path, final=False))
    assert problem.kind == "missing_final_observation"
    assert not problem.serious
    assert "The bus is dead." in problem.message
