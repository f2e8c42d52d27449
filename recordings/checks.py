"""What a step must look like before it may enter a recording."""

from __future__ import annotations

import re

import numpy as np

from recordings.errors import RecordingError
from recordings.records import (
    ACTION_SIZE,
    STATE_SIZE,
    EpisodeInfo,
    FloatArray,
    Frame,
    Observation,
    Step,
)

_SAFE_NAME = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,127}")


def check_info(info: EpisodeInfo) -> None:
    """The episode's and the cameras' names become names of files and HDF5 groups.

    Raises:
        RecordingError: One cannot.
    """
    for name in (info.episode_id, *info.cameras):
        if not _SAFE_NAME.fullmatch(name):
            raise RecordingError(
                f"`{name}` cannot name an episode or a camera.",
                "Letters, digits, `_`, `-` and `.` are allowed, at most 128, `.` not first.",
                "Choose another name.",
            )


class ObservationChecks:
    """Checks the observations of one episode; every camera keeps the size it began with."""

    def __init__(self, info: EpisodeInfo) -> None:
        self._cameras = sorted(info.cameras)
        self._shapes: dict[str, tuple[int, ...]] = {}

    def check_step(self, step: Step, expected_index: int) -> None:
        """Raises `RecordingError` if the step does not fit."""
        name = f"Step {step.index}"
        if step.index != expected_index:
            raise RecordingError(
                f"{name} came after {expected_index} steps.",
                f"It should be step {expected_index}.",
                "Begin a new episode.",
            )
        self.check_observation(step.observation, name)
        _check_shape(step.action, ACTION_SIZE, f"{name}'s action")
        _check_shape(step.sent_action, ACTION_SIZE, f"{name}'s sent action")
        for extra in step.extras:
            if not _SAFE_NAME.fullmatch(extra):
                raise RecordingError(
                    f"{name} has an extra named `{extra}`.",
                    "Letters, digits, `_`, `-` and `.` are allowed, at most 128, `.` not first.",
                    "Rename the extra in the policy.",
                )

    def check_observation(self, observation: Observation, name: str) -> None:
        """Raises `RecordingError` if the observation, called `name`, does not fit."""
        _check_shape(observation.state, STATE_SIZE, f"{name}'s state")
        if sorted(observation.frames) != self._cameras:
            raise RecordingError(
                f"{name} has pictures of {sorted(observation.frames)}.",
                f"The episode's cameras are {self._cameras}.",
                "Check the cameras with `ptrctl doctor`.",
            )
        for camera, frame in observation.frames.items():
            self._check_frame(frame, camera, name)

    def _check_frame(self, frame: Frame, camera: str, name: str) -> None:
        image = frame.image
        if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
            raise RecordingError(
                f"{name}'s picture of `{camera}` is {image.dtype} {image.shape}.",
                "A picture is uint8 (height, width, 3).",
                "Check the camera with `ptrctl doctor`.",
            )
        expected = self._shapes.setdefault(camera, image.shape)
        if image.shape != expected:
            raise RecordingError(
                f"{name}'s picture of `{camera}` is {image.shape[:2]} pixels.",
                f"The episode began with {expected[:2]}.",
                "Keep the camera's size during an episode.",
            )


def _check_shape(values: FloatArray, size: int, name: str) -> None:
    if np.shape(values) != (size,):
        raise RecordingError(
            f"{name} has shape {np.shape(values)}.",
            f"It should be ({size},).",
            "Report this: the program that recorded it is at fault.",
        )
