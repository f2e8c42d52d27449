"""Reading finished recordings."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt

from recordings.codec import decode_image
from recordings.errors import RecordingError
from recordings.heaps import check_heaps
from recordings.json_form import score_from_json
from recordings.labels import read_label_file
from recordings.records import (
    EndReason,
    EpisodeEnd,
    EpisodeInfo,
    FloatArray,
    Frame,
    ImageArray,
    Label,
    Observation,
    Outcome,
    Score,
    Step,
)
from recordings.schema import (
    CONTENT_HASH,
    COPY_OF,
    EXTRAS_GROUP,
    FORMAT_NAME,
    IMAGES_GROUP,
    NOT_JUDGED,
    SCHEMA_VERSION,
)

BoolArray = npt.NDArray[np.bool_]
IntArray = npt.NDArray[np.int64]

_STUMBLES = (
    ArithmeticError,
    AttributeError,
    LookupError,
    MemoryError,
    OSError,
    RuntimeError,
    TypeError,
    ValueError,
)
"""What h5py and the reading of damaged values raise."""


@dataclass(frozen=True)
class EpisodeSummary:
    """What a recording says of itself, without its arrays.

    Args:
        path: The file.
        info: Known before the first step.
        label: The newest label, from the label file if there is one.
        end: Its `final_observation` is None here, always; see `has_final_observation`.
        steps: N.
        has_final_observation: Whether there are N + 1 observations.
        recovered: Put together after an interruption.
        size_bytes: Of the file.
        content_hash: SHA-256 of what was recorded, hexadecimal; labels given later do not count.
    """

    path: Path
    info: EpisodeInfo
    label: Label
    end: EpisodeEnd
    steps: int
    has_final_observation: bool
    recovered: bool
    size_bytes: int
    content_hash: str

    @property
    def frames(self) -> int:
        """F, the number of observations."""
        return self.steps + self.has_final_observation


@dataclass(frozen=True)
class CameraTrack:
    """One camera's pictures, still encoded.

    Args:
        codec: "jpeg" or "png".
        height, width: Pixels.
        encoded: (B,) uint8, all pictures one after the other.
        offsets: (F+1,) int64; picture i is `encoded[offsets[i]:offsets[i+1]]`.
        captured_s, arrived_s: (F,) float64, seconds.
    """

    codec: str
    height: int
    width: int
    encoded: ImageArray
    offsets: IntArray
    captured_s: FloatArray
    arrived_s: FloatArray

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def encoded_image(self, index: int) -> bytes:
        """Picture `index` as stored."""
        return self.encoded[self.offsets[index] : self.offsets[index + 1]].tobytes()


@dataclass(frozen=True, repr=False, eq=False)
class Episode:
    """A finished recording; pictures are decoded when asked for.

    N is the number of steps, F the number of observations: N + 1, or N after a fault.

    Args:
        summary: What it says of itself.
        states: (F, 7) float64, see `records.STATE_NAMES`.
        actions: (N, 7) float64, wanted, see `records.ACTION_NAMES`.
        sent_actions: (N, 7) float64, really sent.
        observed_s: (F,) float64, when each observation was complete, seconds.
        decided_s, applied_s, overrun_s: (N,) float64, seconds.
        paused_periods: (F,) int64, control periods paused just before each observation.
        interventions: Safety rule to (N,) bool, whether it changed the action.
        scores: N scores, None where nobody judged.
        extras: Name to (N,) float64, NaN where missing.
        cameras: Camera name to its encoded pictures.
    """

    summary: EpisodeSummary
    states: FloatArray
    actions: FloatArray
    sent_actions: FloatArray
    observed_s: FloatArray
    decided_s: FloatArray
    applied_s: FloatArray
    overrun_s: FloatArray
    paused_periods: IntArray
    interventions: Mapping[str, BoolArray]
    scores: tuple[Score | None, ...]
    extras: Mapping[str, FloatArray]
    cameras: Mapping[str, CameraTrack] = field(default_factory=dict)

    def __len__(self) -> int:
        """N, the number of steps."""
        return len(self.actions)

    def __repr__(self) -> str:
        cameras = ", ".join(
            f"{name}: ({len(track)}, {track.height}, {track.width}, 3) uint8"
            for name, track in self.cameras.items()
        )
        return (
            f"Episode({self.info.episode_id!r}, task={self.info.task!r}, "
            f"label={self.label.outcome.value!r}, states={self.states.shape} float64, "
            f"actions={self.actions.shape} float64, images={{{cameras}}})"
        )

    @property
    def path(self) -> Path:
        return self.summary.path

    @property
    def info(self) -> EpisodeInfo:
        return self.summary.info

    @property
    def label(self) -> Label:
        return self.summary.label

    @cached_property
    def end(self) -> EpisodeEnd:
        """How it ended; decodes the final observation, if there is one."""
        final = self.observation(len(self)) if self.summary.has_final_observation else None
        return replace(self.summary.end, final_observation=final)

    def image(self, camera: str, index: int) -> ImageArray:
        """Picture `index` in 0..F-1 of a camera, (H, W, 3) uint8.

        Raises:
            RecordingError: No such camera, or the picture is damaged.
        """
        track = self._track(camera)
        try:
            return decode_image(track.encoded_image(range(len(track))[index]))
        except RecordingError as error:
            raise RecordingError(
                f"{self.path}, camera `{camera}`, picture {index}: {error.found}",
                error.expected,
                error.try_next,
            ) from error

    def images(self, camera: str) -> ImageArray:
        """All pictures of a camera, (F, H, W, 3) uint8.

        Raises:
            RecordingError: No such camera, or a picture is damaged.
        """
        return np.stack([self.image(camera, index) for index in range(len(self._track(camera)))])

    def observation(self, index: int) -> Observation:
        """Observation `index` in 0..F-1, with all its pictures."""
        frames = {
            camera: Frame(
                self.image(camera, index),
                float(track.captured_s[index]),
                float(track.arrived_s[index]),
            )
            for camera, track in self.cameras.items()
        }
        return Observation(frames, self.states[index], float(self.observed_s[index]))

    def step(self, index: int) -> Step:
        """Step `index` in 0..N-1 as it was recorded."""
        index = range(len(self))[index]
        extras = {name: float(values[index]) for name, values in self.extras.items()}
        return Step(
            index=index,
            observation=self.observation(index),
            action=self.actions[index],
            sent_action=self.sent_actions[index],
            interventions=tuple(name for name, acted in self.interventions.items() if acted[index]),
            decided_s=float(self.decided_s[index]),
            applied_s=float(self.applied_s[index]),
            overrun_s=float(self.overrun_s[index]),
            score=self.scores[index],
            extras={name: value for name, value in extras.items() if not np.isnan(value)},
        )

    def _track(self, camera: str) -> CameraTrack:
        if camera not in self.cameras:
            raise RecordingError(
                f"{self.path} has no camera `{camera}`.",
                f"Its cameras are {', '.join(sorted(self.cameras)) or 'none'}.",
                "Choose one of them.",
            )
        return self.cameras[camera]


def read_summary(path: Path) -> EpisodeSummary:
    """Read a recording's attributes and label; no array is touched.

    Raises:
        RecordingError: The file is missing, cut off, foreign or of an unknown version.
    """
    with open_recording(path) as file:
        return _summary(path, file)


def read_episode(path: Path) -> Episode:
    """Read a recording; its pictures stay encoded until asked for.

    Raises:
        RecordingError: The file is missing, cut off, foreign or of an unknown version.
    """
    with open_recording(path) as file:
        return Episode(
            summary=_summary(path, file),
            states=file["state"][...],
            actions=file["action"][...],
            sent_actions=file["sent_action"][...],
            observed_s=file["observed_s"][...],
            decided_s=file["decided_s"][...],
            applied_s=file["applied_s"][...],
            overrun_s=file["overrun_s"][...],
            paused_periods=file["paused_periods"][...].astype(np.int64),
            interventions=_interventions(file["interventions"]),
            scores=_scores(file["score"]),
            extras={name: values[...] for name, values in file[EXTRAS_GROUP].items()},
            cameras={name: _camera(group) for name, group in file[IMAGES_GROUP].items()},
        )


@contextmanager
def open_recording(path: Path) -> Iterator[h5py.File]:
    """The recording as an open HDF5 file, its format and version checked.

    Whatever reading stumbles over inside the `with` block becomes a `RecordingError`.
    """
    path = Path(path)
    if not path.is_file():
        raise RecordingError(
            f"There is no recording at {path}.",
            "A finished episode ends in `.h5`.",
            "Run `ptrctl data list` to see what there is.",
        )
    try:
        check_heaps(path)
        # Finished recordings never change, so no lock is needed, and read-only disks work.
        with h5py.File(path, "r", locking=False) as file:
            _check_format(path, file)
            yield file
    except _STUMBLES as error:
        raise RecordingError(
            f"{path} cannot be read as a recording: {str(error).strip(chr(39))}.",
            "It should be a whole HDF5 file written by ptrctl.",
            f"Run `ptrctl data verify --folder {shlex.quote(str(path.parent))}` to find damaged "
            "episodes; `--quarantine` moves them away.",
        ) from error


def _check_format(path: Path, file: h5py.File) -> None:
    if file.attrs.get("format") != FORMAT_NAME:
        raise RecordingError(
            f"{path} is an HDF5 file, but not a recording of ptrctl.",
            f"Its attribute `format` would be `{FORMAT_NAME}`.",
            "Move it out of the folder of recordings.",
        )
    version = int(file.attrs["schema_version"])
    if version != SCHEMA_VERSION:
        raise RecordingError(
            f"{path} has format version {version}.",
            f"This ptrctl reads version {SCHEMA_VERSION}.",
            "Read it with the ptrctl that wrote it, or update ptrctl.",
        )


def _summary(path: Path, file: h5py.File) -> EpisodeSummary:
    values = file.attrs
    recorded = Label(
        Outcome(values["label_outcome"]), str(values["label_reason"]), str(values["label_by"])
    )
    steps = int(values["steps"])
    return EpisodeSummary(
        path=Path(path),
        info=_info(values),
        label=read_label_file(path) or recorded,
        end=EpisodeEnd(
            reason=EndReason(values["end_reason"]),
            final_observation=None,
            fault=str(values["fault"]),
            steps=steps,
            overruns=int(values["overruns"]),
            worst_overrun_s=float(values["worst_overrun_s"]),
            interventions=json.loads(values["intervention_counts"]),
            final_score=score_from_json(json.loads(values["final_score"])),
            duration_s=float(values["duration_s"]),
        ),
        steps=steps,
        has_final_observation=bool(values["has_final_observation"]),
        recovered=bool(values["recovered"]),
        size_bytes=Path(path).stat().st_size,
        content_hash=str(values[CONTENT_HASH]),
    )


def _info(values: Mapping[str, Any]) -> EpisodeInfo:
    return EpisodeInfo(
        episode_id=str(values["episode_id"]),
        kind=str(values["kind"]),
        task=str(values["task"]),
        robot=json.loads(values["robot"]),
        cameras=json.loads(values["cameras"]),
        control_rate_hz=float(values["control_rate_hz"]),
        decided_by=str(values["decided_by"]),
        seed=json.loads(values["seed"]),
        scene=json.loads(values["scene"]),
        code_version=str(values["code_version"]),
        created_at=str(values["created_at"]),
        copy_of=str(values.get(COPY_OF, "")),
    )


def _interventions(dataset: h5py.Dataset) -> dict[str, BoolArray]:
    return dict(zip(json.loads(dataset.attrs["names"]), dataset[...].T, strict=True))


def _scores(group: h5py.Group) -> tuple[Score | None, ...]:
    stages = json.loads(group["stage"].attrs["names"])
    columns = (group["success"][...], group["progress"][...], group["stage"][...])
    # A negative index would name another stage and no error.
    if not np.isin(columns[2][columns[0] != NOT_JUDGED], range(len(stages))).all():
        raise ValueError(f"score/stage goes beyond its {len(stages)} names")
    return tuple(
        None if success == NOT_JUDGED else Score(bool(success), float(progress), stages[stage])
        for success, progress, stage in zip(*columns, strict=True)
    )


def _camera(group: h5py.Group) -> CameraTrack:
    return CameraTrack(
        codec=str(group.attrs["codec"]),
        height=int(group.attrs["height"]),
        width=int(group.attrs["width"]),
        encoded=group["encoded"][...],
        offsets=group["offsets"][...],
        captured_s=group["captured_s"][...],
        arrived_s=group["arrived_s"][...],
    )
