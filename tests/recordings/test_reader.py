from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from recordings.errors import RecordingError
from recordings.reader import read_episode, read_summary
from recordings.records import EndReason, Frame, Observation, Score, Step
from recordings.schema import (
    ATTRIBUTES,
    CAMERA_DATASETS,
    COPY_OF,
    DATASETS,
    FORMAT_NAME,
    SCHEMA_VERSION,
)
from recordings.writer import EpisodeWriter
from tests.recordings.episodes import (
    FAILURE,
    SUCCESS,
    make_end,
    make_info,
    make_observation,
    make_step,
    picture,
    record,
)


def assert_same_step(read: Step, written: Step, *, lossless: bool = True) -> None:
    assert np.array_equal(read.observation.state, written.observation.state)
    assert np.array_equal(read.action, written.action)
    assert np.array_equal(read.sent_action, written.sent_action)
    for name in ("index", "decided_s", "applied_s", "overrun_s", "score", "interventions"):
        assert getattr(read, name) == getattr(written, name)
    assert read.extras == written.extras
    assert read.observation.time_s == written.observation.time_s
    for camera, frame in written.observation.frames.items():
        again = read.observation.frames[camera]
        assert (again.captured_s, again.arrived_s) == (frame.captured_s, frame.arrived_s)
        if lossless:
            assert np.array_equal(again.image, frame.image)


def test_everything_written_is_read_back(tmp_path: Path) -> None:
    path = record(tmp_path, steps=5, cameras=("front", "wrist"), codec="png", label=FAILURE)
    episode = read_episode(path)
    assert len(episode) == 5
    assert episode.label == FAILURE
    sizes = {camera: {"height": 24, "width": 24} for camera in ("front", "wrist")}
    assert episode.info == make_info(cameras=sizes)
    for index in range(5):
        assert_same_step(episode.step(index), make_step(index, ("front", "wrist")))
    assert replace(episode.end, final_observation=None) == replace(
        make_end(5), final_observation=None
    )
    assert episode.end.final_observation is not None
    last = make_observation(5, ("front", "wrist"))
    assert np.array_equal(episode.end.final_observation.state, last.state)
    assert np.array_equal(episode.image("wrist", -1), last.frames["wrist"].image)
    assert episode.images("front").shape == (6, 24, 24, 3)
    assert episode.states.shape == (6, 7)


numbers = st.floats(allow_nan=False, allow_infinity=False, width=64)
vectors = hnp.arrays(np.float64, 7, elements=numbers)


@st.composite
def steps(draw: st.DrawFn, index: int) -> Step:
    frame = Frame(draw(hnp.arrays(np.uint8, (5, 7, 3))), draw(numbers), draw(numbers))
    score = st.builds(Score, st.booleans(), st.floats(0, 1), st.sampled_from(["", "moved"]))
    return Step(
        index=index,
        observation=Observation({"front": frame}, draw(vectors), draw(numbers)),
        action=draw(vectors),
        sent_action=draw(vectors),
        interventions=draw(st.lists(st.sampled_from("abc"), unique=True).map(sorted).map(tuple)),
        decided_s=draw(numbers),
        applied_s=draw(numbers),
        overrun_s=draw(numbers),
        score=draw(st.none() | score),
        extras=draw(st.dictionaries(st.sampled_from(["q", "v"]), numbers)),
    )


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_steps_survive_the_round_trip(tmp_path: Path, data: st.DataObject) -> None:
    written = [data.draw(steps(index)) for index in range(data.draw(st.integers(1, 4)))]
    path = tmp_path / "e0.h5"
    path.unlink(missing_ok=True)
    with EpisodeWriter(tmp_path, make_info(), image_codec="png") as writer:
        for step in written:
            writer.append(step)
        writer.finish(make_end(len(written), final=False), SUCCESS)
    episode = read_episode(path)
    assert len(episode) == len(written)
    for step in written:
        assert_same_step(episode.step(step.index), step)


def test_jpeg_pictures_stay_close(tmp_path: Path) -> None:
    episode = read_episode(record(tmp_path, codec="jpeg"))
    difference = episode.image("front", 1).astype(int) - picture(10)
    assert 0 < np.abs(difference).max() < 25
    assert np.abs(difference).mean() < 3


def test_an_episode_without_a_final_observation_has_as_many_states_as_steps(
    tmp_path: Path,
) -> None:
    episode = read_episode(record(tmp_path, steps=3, final=False))
    assert episode.states.shape == (3, 7)
    assert episode.end.reason is EndReason.FAULT
    assert episode.end.final_observation is None
    assert not episode.summary.has_final_observation


def test_the_file_holds_every_documented_field(tmp_path: Path) -> None:
    path = record(tmp_path)
    with h5py.File(path) as file:
        assert set(file.attrs) == set(ATTRIBUTES)
        assert file.attrs["format"] == FORMAT_NAME
        assert file.attrs["schema_version"] == SCHEMA_VERSION
        for name, field in DATASETS.items():
            assert file[name].dtype == np.dtype(field.dtype)
            assert file[name].attrs["unit"] == field.unit
        for name, field in CAMERA_DATASETS.items():
            assert file[f"images/front/{name}"].dtype == np.dtype(field.dtype)
        assert list(file["state"].attrs["columns"])[:3] == ["x_m", "y_m", "z_m"]


def test_the_format_document_names_every_field() -> None:
    text = (Path(__file__).parents[2] / "docs/recording-format.md").read_text(encoding="utf-8")
    missing = [
        name
        for name in (*DATASETS, *CAMERA_DATASETS, *ATTRIBUTES, COPY_OF)
        if f"`{name}`" not in text
    ]
    assert missing == []


def test_the_repr_shows_shapes_task_and_label(tmp_path: Path) -> None:
    shown = repr(read_episode(record(tmp_path)))
    for part in ("(5, 7)", "(4, 7)", "put_carrot_on_plate", "success", "(5, 24, 24, 3) uint8"):
        assert part in shown
    assert len(shown) < 300


def test_the_summary_agrees_with_the_episode(tmp_path: Path) -> None:
    path = record(tmp_path, steps=6)
    summary = read_summary(path)
    assert (summary.steps, summary.frames) == (6, 7)
    assert summary.end.interventions == {"step_clamp": 2}
    assert summary.info == read_episode(path).info
    assert summary.size_bytes == path.stat().st_size


def test_a_missing_file_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(RecordingError, match="There is no recording"):
        read_episode(tmp_path / "e9.h5")


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.9, 0.999])
def test_a_truncated_file_is_an_error(tmp_path: Path, share: float) -> None:
    path = record(tmp_path)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(share * len(whole))])
    with pytest.raises(RecordingError, match="cannot be read as a recording"):
        read_episode(path)


def test_a_foreign_hdf5_file_is_an_error(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file["data"] = [1, 2, 3]
    with pytest.raises(RecordingError, match="not a recording of ptrctl"):
        read_summary(tmp_path / "x.h5")


def test_an_unknown_version_is_an_error_that_names_both(tmp_path: Path) -> None:
    path = record(tmp_path)
    with h5py.File(path, "r+") as file:
        file.attrs["schema_version"] = 99
    with pytest.raises(RecordingError, match=r"version 99.*reads version 1"):
        read_episode(path)


def test_a_missing_dataset_is_an_error(tmp_path: Path) -> None:
    path = record(tmp_path)
    with h5py.File(path, "r+") as file:
        del file["sent_action"]
    with pytest.raises(RecordingError, match="sent_action"):
        read_episode(path)


@pytest.mark.parametrize("stage", [-2, -1, 1, 32])
def test_a_stage_that_has_no_name_is_an_error(tmp_path: Path, stage: int) -> None:
    path = record(tmp_path)
    with h5py.File(path, "r+") as file:
        file["score/stage"][2] = stage
    with pytest.raises(RecordingError, match="score/stage goes beyond its 1 names"):
        read_episode(path)


@pytest.mark.parametrize("names", ["[]", '["a", "b"]'])
def test_interventions_without_their_names_are_an_error(tmp_path: Path, names: str) -> None:
    path = record(tmp_path)
    with h5py.File(path, "r+") as file:
        file["interventions"].attrs["names"] = names
    with pytest.raises(RecordingError, match="cannot be read as a recording"):
        read_episode(path)


def test_an_unknown_camera_is_an_error_that_lists_the_known(tmp_path: Path) -> None:
    with pytest.raises(RecordingError, match="cameras are front"):
        read_episode(record(tmp_path)).image("wrist", 0)


def test_a_damaged_picture_is_an_error_that_says_where(tmp_path: Path) -> None:
    path = record(tmp_path)
    with h5py.File(path, "r+") as file:
        start, end = file["images/front/offsets"][2:4]
        file["images/front/encoded"][start:end] = 0
    episode = read_episode(path)
    episode.image("front", 1)
    with pytest.raises(RecordingError, match="camera `front`, picture 2"):
        episode.image("front", 2)
