"""Looking for defects in recordings."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from recordings.episode_file import content_hash
from recordings.errors import RecordingError
from recordings.labels import label_history, label_path
from recordings.reader import Episode, open_recording, read_episode
from recordings.records import ACTION_HIGH, ACTION_LOW, ACTION_SIZE, STATE_SIZE
from recordings.schema import CONTENT_HASH

_ACTION_TOLERANCE = 1e-6

DAMAGED_LABEL = "damaged_label"
"""The kind of a problem of the label file alone: the recording beside it is whole."""

GAP_PERIODS = 2.0
"""Observations further apart than this many control periods are a gap. The control loop lets a
late period shift the schedule, so a little more than one period is normal."""

MOVED = 2e-3
"""A picture that stays the same while any of x, y, z (m), roll, pitch, yaw (rad) or gripper
changes by more than this is frozen; a robot at rest may well look the same twice."""


@dataclass(frozen=True)
class Problem:
    """One defect.

    Args:
        path: The recording.
        kind: "unreadable", "changed", "damaged_label", "wrong_shape", "not_finite",
            "action_out_of_range", "time_gap", "frozen_picture" or "missing_final_observation".
        serious: The episode should not be trained on; otherwise good to know.
        message: A sentence.
        step: Where, None if it concerns the whole episode.
    """

    path: Path
    kind: str
    serious: bool
    message: str
    step: int | None = None


def verify_episode(path: Path) -> list[Problem]:
    """Every defect of one recording; none found is an empty list."""
    try:
        with open_recording(path) as file:
            unchanged = content_hash(file) == file.attrs[CONTENT_HASH]
        if not unchanged:
            return [Problem(path, "changed", True, "The contents do not match their checksum.")]
        if label := _damaged_label(path):
            return label
        episode = read_episode(path)
    except RecordingError as error:
        return [Problem(path, "unreadable", True, error.found)]
    wrong = list(_wrong_shapes(episode))
    # The other checks compare arrays with each other, which needs matching shapes.
    return wrong or [
        *_not_finite(episode),
        *_out_of_range(episode),
        *_time_gaps(episode),
        *_damaged_pictures(episode),
        *_frozen_pictures(episode),
        *_missing_final_observation(episode),
    ]


def _damaged_label(path: Path) -> list[Problem]:
    try:
        label_history(path)
    except (RecordingError, OSError):
        name = label_path(path).name
        words = "cannot be read. Move it away, then run `ptrctl data label` again."
        return [Problem(path, DAMAGED_LABEL, True, f"Its label file {name} {words}")]
    return []


def _wrong_shapes(episode: Episode) -> Iterator[Problem]:
    steps, frames = episode.summary.steps, episode.summary.frames
    expected: dict[str, tuple[npt.NDArray[np.generic], tuple[int, ...]]] = {
        "state": (episode.states, (frames, STATE_SIZE)),
        "action": (episode.actions, (steps, ACTION_SIZE)),
        "sent_action": (episode.sent_actions, (steps, ACTION_SIZE)),
        "observed_s": (episode.observed_s, (frames,)),
        "paused_periods": (episode.paused_periods, (frames,)),
        "decided_s": (episode.decided_s, (steps,)),
        "applied_s": (episode.applied_s, (steps,)),
        "overrun_s": (episode.overrun_s, (steps,)),
    }
    for name, track in episode.cameras.items():
        expected[f"images/{name}/offsets"] = (track.offsets, (frames + 1,))
        expected[f"images/{name}/captured_s"] = (track.captured_s, (frames,))
    for name, (array, shape) in expected.items():
        if array.shape != shape:
            message = f"{name} has shape {array.shape}, not {shape}."
            yield Problem(episode.path, "wrong_shape", True, message)


def _not_finite(episode: Episode) -> Iterator[Problem]:
    for name, array in (
        ("state", episode.states),
        ("action", episode.actions),
        ("sent_action", episode.sent_actions),
        ("observed_s", episode.observed_s),
    ):
        bad = np.flatnonzero(~np.isfinite(array.reshape(len(array), -1)).all(axis=1))
        for step in bad:
            message = f"{name} is not finite at step {step}."
            yield Problem(episode.path, "not_finite", True, message, int(step))


def _out_of_range(episode: Episode) -> Iterator[Problem]:
    low, high = ACTION_LOW - _ACTION_TOLERANCE, ACTION_HIGH + _ACTION_TOLERANCE
    sent = episode.sent_actions
    for step in np.flatnonzero(((sent < low) | (sent > high)).any(axis=1)):
        message = f"The action sent at step {step} is beyond the limits of an action."
        yield Problem(episode.path, "action_out_of_range", True, message, int(step))


def _time_gaps(episode: Episode) -> Iterator[Problem]:
    period_s = 1.0 / episode.info.control_rate_hz
    # A pause is recorded, so the time that it took is no gap.
    taken_s = np.diff(episode.observed_s) - period_s * episode.paused_periods[1:]
    for step in np.flatnonzero((taken_s > GAP_PERIODS * period_s) | (taken_s < 0)):
        message = (
            f"{taken_s[step]:.2f} s passed between observations {step} and {step + 1}; "
            f"the control period is {period_s:.2f} s."
        )
        yield Problem(episode.path, "time_gap", False, message, int(step))


def _damaged_pictures(episode: Episode) -> Iterator[Problem]:
    for camera, track in episode.cameras.items():
        for index in range(len(track)):
            try:
                shape = episode.image(camera, index).shape
            except RecordingError as error:
                yield Problem(episode.path, "unreadable", True, error.found, index)
                continue
            if shape != (track.height, track.width, 3):
                message = f"Picture {index} of `{camera}` has shape {shape}."
                yield Problem(episode.path, "wrong_shape", True, message, index)


def _frozen_pictures(episode: Episode) -> Iterator[Problem]:
    moved = np.abs(np.diff(episode.states, axis=0)).max(axis=1, initial=0.0) > MOVED
    for camera, track in episode.cameras.items():
        for index in map(int, np.flatnonzero(moved)):
            # Equal pictures are encoded to equal bytes, so nothing need be decoded.
            if track.encoded_image(index) == track.encoded_image(index + 1):
                message = f"`{camera}` shows the same at {index} and {index + 1}; the arm moved."
                yield Problem(episode.path, "frozen_picture", False, message, index)


def _missing_final_observation(episode: Episode) -> Iterator[Problem]:
    if not episode.summary.has_final_observation:
        fault = episode.summary.end.fault or episode.summary.end.reason.value
        message = f"There is no observation after the last step ({fault}); training skips it."
        yield Problem(episode.path, "missing_final_observation", False, message)
