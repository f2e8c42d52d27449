"""From a draft to the finished HDF5 file."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from recordings.draft import EpisodeDraft
from recordings.errors import RecordingError
from recordings.files import sync_folder, write_temporary
from recordings.json_form import score_to_json, to_json
from recordings.records import EpisodeInfo
from recordings.schema import (
    CAMERA_DATASETS,
    CONTENT_HASH,
    COPY_OF,
    DATASETS,
    EXTRA_FIELD,
    EXTRAS_GROUP,
    FORMAT_NAME,
    IMAGES_GROUP,
    MAX_ATTRIBUTE_BYTES,
    NOT_JUDGED,
    SCHEMA_VERSION,
    Field,
)


def info_attributes(info: EpisodeInfo) -> dict[str, Any]:
    """The root attributes that are known before the first step.

    Raises:
        RecordingError: One is too long for an HDF5 attribute.
    """
    attributes = {
        "format": FORMAT_NAME,
        "schema_version": SCHEMA_VERSION,
        "episode_id": info.episode_id,
        "kind": info.kind,
        "task": info.task,
        "robot": to_json(info.robot),
        "cameras": to_json(info.cameras),
        "control_rate_hz": float(info.control_rate_hz),
        "decided_by": info.decided_by,
        "seed": to_json(info.seed),
        "scene": to_json(info.scene),
        "code_version": info.code_version,
        "created_at": info.created_at,
    }
    if info.copy_of:
        attributes[COPY_OF] = info.copy_of
    for name, value in attributes.items():
        if isinstance(value, str) and len(value.encode()) > MAX_ATTRIBUTE_BYTES:
            raise RecordingError(
                f"The episode's {name} takes {len(value.encode())} bytes.",
                f"A recording holds at most {MAX_ATTRIBUTE_BYTES}.",
                f"Shorten {name} and record again.",
            )
    return attributes


def write_episode_file(draft: EpisodeDraft, destination: Path) -> None:
    """Write, read back and compare, fsync, rename. Only after the rename the episode counts.

    HDF5 builds the file in memory: when the disk is full, HDF5 cannot close a file cleanly, and
    a plain write can.

    Raises:
        RecordingError: What was read back differs from what was written.
        OSError: The disk is full or refuses. Neither case leaves anything at `destination`.
    """
    contents = _to_hdf5(draft)
    temporary = write_temporary(destination, contents)
    if temporary.read_bytes() != contents:
        temporary.unlink()
        raise RecordingError(
            f"{destination.name} reads back differently from what was written.",
            "A disk returns what it was given.",
            "Check the disk, then run `ptrctl data recover`.",
        )
    os.replace(temporary, destination)
    sync_folder(destination.parent)


def content_hash(file: h5py.File) -> str:
    """SHA-256 of every dataset (name, type, shape, bytes) and attribute but the hash itself."""
    digest = hashlib.sha256()

    def add_attributes(name: str, item: h5py.Group | h5py.Dataset) -> None:
        for key in sorted(item.attrs):
            if key != CONTENT_HASH:
                digest.update(to_json([name, key, item.attrs[key]]).encode())

    def add(name: str, item: h5py.Group | h5py.Dataset) -> None:
        add_attributes(name, item)
        if isinstance(item, h5py.Dataset):
            values = item[...]
            digest.update(to_json([name, values.dtype.str, values.shape]).encode())
            digest.update(np.ascontiguousarray(values).data)

    add_attributes("", file)
    file.visititems(add)
    return digest.hexdigest()


def _to_hdf5(draft: EpisodeDraft) -> bytes:
    with h5py.File("memory", "w", driver="core", backing_store=False) as file:
        file.attrs.update(info_attributes(draft.info))
        file.attrs.update(_end_attributes(draft))
        _write_numbers(file, draft)
        _write_interventions(file, draft)
        _write_scores(file, draft)
        _write_extras(file, draft)
        _write_images(file, draft)
        file.attrs[CONTENT_HASH] = content_hash(file)
        file.flush()
        return bytes(file.id.get_file_image())


def _end_attributes(draft: EpisodeDraft) -> dict[str, Any]:
    end, label = draft.end, draft.label
    return {
        "steps": len(draft.steps),
        "end_reason": end.reason.value,
        "fault": _storable(end.fault),
        "overruns": end.overruns,
        "worst_overrun_s": float(end.worst_overrun_s),
        "intervention_counts": to_json(end.interventions),
        "final_score": to_json(score_to_json(end.final_score)),
        "duration_s": float(end.duration_s),
        "has_final_observation": draft.final is not None,
        "recovered": draft.recovered,
        "label_outcome": label.outcome.value,
        "label_reason": _storable(label.reason),
        "label_by": _storable(label.labelled_by),
    }


def _storable(text: str) -> str:
    """Of a text that comes from a keyboard or an exception what HDF5 can keep: no NUL, no half of a
    character (as a terminal of another encoding types); these are written out."""
    return text.replace("\0", "\\0").encode("utf-8", "backslashreplace").decode()


def _write(group: h5py.Group, name: str, values: Any, field: Field) -> h5py.Dataset:
    dataset = group.create_dataset(name, data=np.asarray(values, dtype=field.dtype))
    dataset.attrs["unit"] = field.unit
    if field.columns:
        dataset.attrs["columns"] = list(field.columns)
    return dataset


def _write_numbers(file: h5py.File, draft: EpisodeDraft) -> None:
    seen, steps = draft.observations, draft.steps
    columns: dict[str, list[Any]] = {
        "state": [observation.state for observation in seen],
        "observed_s": [observation.time_s for observation in seen],
        "paused_periods": [observation.paused_periods for observation in seen],
        "action": [step.action for step in steps],
        "sent_action": [step.sent_action for step in steps],
        "decided_s": [step.decided_s for step in steps],
        "applied_s": [step.applied_s for step in steps],
        "overrun_s": [step.overrun_s for step in steps],
    }
    for name, values in columns.items():
        _write(file, name, values, DATASETS[name])


def _write_interventions(file: h5py.File, draft: EpisodeDraft) -> None:
    names = sorted({name for step in draft.steps for name in step.interventions})
    acted = np.array(
        [[name in step.interventions for name in names] for step in draft.steps], dtype=bool
    )
    dataset = _write(file, "interventions", acted, DATASETS["interventions"])
    dataset.attrs["names"] = to_json(names)


def _write_scores(file: h5py.File, draft: EpisodeDraft) -> None:
    scores = [step.score for step in draft.steps]
    stages = sorted({score.stage for score in scores if score is not None})
    success = [NOT_JUDGED if score is None else int(score.success) for score in scores]
    progress = [np.nan if score is None else score.progress for score in scores]
    stage = [NOT_JUDGED if score is None else stages.index(score.stage) for score in scores]
    _write(file, "score/success", success, DATASETS["score/success"])
    _write(file, "score/progress", progress, DATASETS["score/progress"])
    dataset = _write(file, "score/stage", stage, DATASETS["score/stage"])
    dataset.attrs["names"] = to_json(stages)


def _write_extras(file: h5py.File, draft: EpisodeDraft) -> None:
    group = file.create_group(EXTRAS_GROUP)
    for name in sorted({name for step in draft.steps for name in step.extras}):
        _write(group, name, [step.extras.get(name, np.nan) for step in draft.steps], EXTRA_FIELD)


def _write_images(file: h5py.File, draft: EpisodeDraft) -> None:
    images = file.create_group(IMAGES_GROUP)
    for camera, form in draft.cameras.items():
        frames = [observation.frames[camera] for observation in draft.observations]
        group = images.create_group(camera)
        group.attrs["codec"] = form.codec
        group.attrs["height"] = form.height
        group.attrs["width"] = form.width
        columns: dict[str, Any] = {
            "encoded": np.frombuffer(b"".join(frame.encoded for frame in frames), dtype=np.uint8),
            "offsets": np.cumsum([0, *(len(frame.encoded) for frame in frames)]),
            "captured_s": [frame.captured_s for frame in frames],
            "arrived_s": [frame.arrived_s for frame in frames],
        }
        for name, values in columns.items():
            _write(group, name, values, CAMERA_DATASETS[name])
