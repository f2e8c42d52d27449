"""Labels that are given after an episode was finished.

A label file, `<episode_id>.label.json`, lies beside the recording and wins over the label inside.
The recording itself is never rewritten.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from recordings.errors import RecordingError
from recordings.files import replace_file, storage_error, take_lock
from recordings.json_form import label_from_json, label_to_json
from recordings.records import Label
from recordings.schema import EPISODE_SUFFIX, LABEL_SUFFIX

LABEL_FILE_VERSION = 1


@dataclass(frozen=True)
class GivenLabel:
    """One entry of a recording's label history.

    Args:
        label: The label.
        given_at: UTC, ISO 8601.
    """

    label: Label
    given_at: str


def label_path(recording: Path) -> Path:
    """Where a recording's label file is."""
    recording = Path(recording)
    return recording.with_name(recording.name.removesuffix(EPISODE_SUFFIX) + LABEL_SUFFIX)


def relabel(recording: Path, label: Label) -> None:
    """Give a finished recording another label; earlier ones stay in the label file's history.

    After a crash at any moment the recording has the old label or the new one.

    Raises:
        RecordingError: There is no such recording, its label file is damaged, or the disk is
            full (the old label stays).
        SystemSetupError: The file system has no locks; likewise.
    """
    recording = Path(recording)
    if not recording.is_file():
        raise RecordingError(
            f"There is no recording at {recording}.",
            "Only finished episodes can be labelled.",
            "Run `ptrctl data list` to see what there is.",
        )
    now = datetime.now(timezone.utc).isoformat(timespec="seconds")
    try:
        with _locked(recording.parent):
            given = [*label_history(recording), GivenLabel(label, now)]
            contents = {
                "label_file_version": LABEL_FILE_VERSION,
                "labels": [
                    {**label_to_json(entry.label), "given_at": entry.given_at} for entry in given
                ],
            }
            replace_file(label_path(recording), json.dumps(contents, indent=2).encode() + b"\n")
    except OSError as error:
        raise storage_error(
            error, f"The label of {recording.name} could not be changed", "It keeps its old label."
        ) from error


def read_label_file(recording: Path) -> Label | None:
    """The newest label given after the recording was finished; None if there is none.

    Raises:
        RecordingError: The label file is damaged.
    """
    history = label_history(recording)
    return history[-1].label if history else None


def label_history(recording: Path) -> list[GivenLabel]:
    """Labels given after the recording was finished, oldest first.

    Raises:
        RecordingError: The label file is damaged.
    """
    path = label_path(recording)
    try:
        contents = json.loads(path.read_bytes())
        return [_given(entry) for entry in _entries(contents)]
    except FileNotFoundError:
        return []
    except (ValueError, KeyError, TypeError) as error:
        raise RecordingError(
            f"{path} cannot be read: {error}.",
            f"It should be a label file of version {LABEL_FILE_VERSION}.",
            f"Move {path.name} away, then run `ptrctl data label` again.",
        ) from error


def _entries(contents: Any) -> list[dict[str, str]]:
    if contents["label_file_version"] != LABEL_FILE_VERSION:
        raise ValueError(f"its version is {contents['label_file_version']}")
    if not contents["labels"]:
        raise ValueError("it holds no label")
    return list(contents["labels"])


def _given(entry: dict[str, str]) -> GivenLabel:
    return GivenLabel(label_from_json(entry), entry["given_at"])


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Two programs that label in one folder do it one after the other."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        take_lock(descriptor, folder)
        yield
    finally:
        os.close(descriptor)
