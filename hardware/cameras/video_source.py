"""A video file in the place of a camera."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from hardware.cameras.newest import Picture
from hardware.cameras.uvc_settings import UvcSettings
from hardware.clock import Clock
from hardware.faults import CameraFault


class VideoSource:
    """A video file, or numbered pictures, in the place of a camera, at the file's own pace.

    Args:
        cv2: The module.
        camera: Name for messages.
        settings: `device` is the file, or a pattern ("scene_%03d.png").
        clock: Paces and stamps the pictures.

    Raises:
        CameraFault: It is missing or no video.
    """

    def __init__(self, cv2: ModuleType, camera: str, settings: UvcSettings, clock: Clock) -> None:
        self._cv2 = cv2
        self._camera = camera
        self._settings = settings
        self._clock = clock
        self._is_pattern = "%" in settings.device
        if not self._is_pattern and not Path(settings.device).is_file():
            raise CameraFault(
                f"There is no video file {settings.device} for the camera {camera}.",
                "`device` is a path that begins with /dev/, a video file, or a pattern of "
                "pictures.",
                "Correct `device` in ptrctl.toml.",
            )
        self._capture = self._open()
        fps = float(self._capture.get(cv2.CAP_PROP_FPS))
        # A pattern of pictures has no rate of its own; OpenCV then says 25, or nothing.
        self._fps = settings.fps if self._is_pattern or not 0 < fps <= 240 else fps
        self._due_s = clock.now_s()
        self._number = 0

    @property
    def identity(self) -> Mapping[str, Any]:
        """File name and mode."""
        return {
            "model": "video file",
            "serial": Path(self._settings.device).name,
            "fps": self._fps,
            "stamps": "arrival",
        }

    def next_picture(self) -> Picture | None:
        read, image = self._capture.read()
        if not read:
            self._capture.release()
            if not self._settings.loop:
                raise CameraFault(
                    f"The video {Path(self._settings.device).name} of camera {self._camera} has "
                    "ended.",
                    "A camera delivers pictures until it is disconnected.",
                    "Set `loop = true` in its table in ptrctl.toml, or choose a longer video.",
                )
            self._capture = self._open()
            read, image = self._capture.read()
            if not read:
                raise self._unreadable()
        self._wait()
        self._number += 1
        now_s = self._clock.now_s()
        return Picture(np.ascontiguousarray(image[..., ::-1]), self._number, now_s, now_s)

    def close(self) -> None:
        self._capture.release()

    def _wait(self) -> None:
        """Until the next picture is due; a machine that is too slow shows all, but later."""
        # Not by `wait_until_s`: that would move on the simulator's clock.
        while (left_s := self._due_s - self._clock.now_s()) > 0:
            time.sleep(min(left_s, 0.005))
        self._due_s = max(self._due_s, self._clock.now_s() - 1 / self._fps) + 1 / self._fps

    def _open(self) -> Any:
        backend = self._cv2.CAP_IMAGES if self._is_pattern else self._cv2.CAP_ANY
        capture = self._cv2.VideoCapture(self._settings.device, backend)
        if not capture.isOpened():
            raise self._unreadable()
        return capture

    def _unreadable(self) -> CameraFault:
        return CameraFault(
            f"{self._settings.device}, the video of camera {self._camera}, cannot be read.",
            "It is a whole video file, or a pattern that matches numbered pictures.",
            "Play it with another program to see whether it is damaged, or choose another one.",
        )
