"""Opens a USB camera, or a video file in its place, as a stream of pictures."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from hardware.cameras.lock import Wanted, lock_picture
from hardware.cameras.newest import Picture
from hardware.cameras.uvc_settings import UvcSettings
from hardware.cameras.v4l2 import V4l2Controls, camera_links, card_name, holders
from hardware.cameras.video_source import VideoSource
from hardware.clock import Clock
from hardware.faults import CameraFault
from hardware.install import how_to_install
from recordings.errors import SystemSetupError
from recordings.records import ImageArray

SETTLE_FRAMES = 6
"""Pictures after which a changed exposure or white balance shows."""
PLAUSIBLE_AGE_S = 2.0
"""A driver's stamp that is older than this at the start is not on the monotonic clock."""
FIRST_PICTURE_S = 10.0
EMPTY_PAUSE_S = 0.01


def load_opencv() -> ModuleType:
    """The module cv2, silent, and waiting for a picture no longer than about a second.

    Raises:
        SystemSetupError: It is not installed.
    """
    # OpenCV reads these once, when it is loaded. It would wait 10 s for a silent camera.
    os.environ.setdefault("OPENCV_VIDEOIO_V4L_SELECT_TIMEOUT", "1")
    os.environ.setdefault("OPENCV_LOG_LEVEL", "SILENT")
    os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")
    try:
        import cv2
    except ModuleNotFoundError as error:
        raise SystemSetupError(
            "OpenCV is not installed.",
            "USB cameras and video files need it.",
            how_to_install("uvc", "opencv-python-headless"),
        ) from error
    except ImportError as error:
        raise SystemSetupError(
            f"OpenCV cannot be loaded: {error}.",
            "USB cameras and video files need it.",
            "Run `pip uninstall opencv-python` and `pip install --force-reinstall "
            "opencv-python-headless`.",
        ) from error
    module: ModuleType = cv2
    return module


def choose_device(camera: str, device: str) -> Path:
    """The video device of that path; "" takes the only one.

    Raises:
        CameraFault: It is not there, several are and none was chosen, or this user may not.
    """
    links = camera_links()
    there = ", ".join(str(link) for link in links) or "no camera"
    path = Path(device) if device else (links[0] if len(links) == 1 else None)
    if path is None and links:
        raise CameraFault(
            f"The camera {camera} could be any of: {there}.",
            "Its path decides.",
            f'Add `device = "..."` to `cameras.{camera}` in ptrctl.toml, or run `ptrctl setup`.',
        )
    if path is None or not path.exists():
        raise CameraFault(
            f"The camera {camera} is not there. Plugged in: {there}.",
            f"There should be {device or 'one USB camera'}.",
            "Plug it in, and run `ptrctl doctor`.",
        )
    if not os.access(path, os.R_OK | os.W_OK):
        raise CameraFault(
            f"This user may not use {path}, the camera {camera}.",
            "Members of the group video may.",
            "Run `sudo usermod -aG video $USER`, log out and in again.",
        )
    return path


class UvcSource:
    """A camera behind Video4Linux, in the mode that was set.

    Args:
        cv2: The module.
        camera: Name for messages.
        settings: See there.
        clock: Stamps the pictures.

    Raises:
        CameraFault: It is missing, taken, or cannot do what was set.
    """

    def __init__(self, cv2: ModuleType, camera: str, settings: UvcSettings, clock: Clock) -> None:
        self._cv2 = cv2
        self._camera = camera
        self._settings = settings
        self._clock = clock
        self._path = choose_device(camera, settings.device)
        self._number = 0
        self._stamped = False
        # OpenCV takes only /dev/videoN itself.
        self._capture = cv2.VideoCapture(str(self._path.resolve()), cv2.CAP_V4L2)
        try:
            if not self._capture.isOpened():
                raise self._not_opened()
            self._identity = {
                "serial": self._path.name,
                "device": str(self._path),
                **self._set_mode(),
            }
        except BaseException:
            self.close()
            raise

    def prepare(self) -> None:
        """Lock exposure, white balance and focus, and see whose stamps the pictures carry.

        Raises:
            CameraFault: No pictures come, or a control cannot be set.
        """
        fd = os.open(self._path, os.O_RDWR | os.O_NONBLOCK)
        try:
            fixed = self._lock(V4l2Controls(fd))
            model = card_name(fd)
        finally:
            os.close(fd)
        self._first_image()
        self._stamped = 0.0 <= self._age_s() < PLAUSIBLE_AGE_S
        stamps = "driver, monotonic" if self._stamped else "arrival"
        self._identity.update({"model": model, **fixed, "stamps": stamps})

    @property
    def identity(self) -> Mapping[str, Any]:
        return dict(self._identity)

    def next_picture(self) -> Picture | None:
        read, image = self._capture.read()
        arrived_s = self._clock.now_s()
        if not read:
            if not self._path.exists():
                raise CameraFault(
                    f"The camera {self._camera} was unplugged: {self._path} is gone.",
                    "It stays plugged in.",
                    "Plug it in again, fix its cable, and run `ptrctl doctor`.",
                )
            time.sleep(EMPTY_PAUSE_S)
            return None
        self._number += 1
        # The one place where OpenCV's blue-green-red order is turned.
        rgb = np.ascontiguousarray(image[..., ::-1])
        captured_s = arrived_s - (max(0.0, self._age_s()) if self._stamped else 0.0)
        return Picture(rgb, self._number, captured_s, arrived_s)

    def close(self) -> None:
        self._capture.release()

    def _set_mode(self) -> dict[str, Any]:
        """In this order: the format decides which sizes, the size which rates there are."""
        cv2, settings = self._cv2, self._settings
        fourcc = cv2.VideoWriter.fourcc(*settings.fourcc)
        self._capture.set(cv2.CAP_PROP_FOURCC, fourcc)
        self._capture.set(cv2.CAP_PROP_FRAME_WIDTH, settings.width)
        self._capture.set(cv2.CAP_PROP_FRAME_HEIGHT, settings.height)
        self._capture.set(cv2.CAP_PROP_FPS, settings.fps)
        self._capture.set(cv2.CAP_PROP_BUFFERSIZE, 1)
        found = (
            _letters(int(self._capture.get(cv2.CAP_PROP_FOURCC))),
            int(self._capture.get(cv2.CAP_PROP_FRAME_WIDTH)),
            int(self._capture.get(cv2.CAP_PROP_FRAME_HEIGHT)),
        )
        if found != (settings.fourcc, settings.width, settings.height):
            raise CameraFault(
                f"The camera {self._camera} switched to {found[0]} {found[1]} x {found[2]}.",
                f"It was set to {settings.fourcc} {settings.width} x {settings.height}.",
                f"Run `v4l2-ctl -d {self._path} --list-formats-ext` and correct `fourcc`, `width` "
                "and `height` in ptrctl.toml.",
            )
        fps = float(self._capture.get(cv2.CAP_PROP_FPS))
        return {"pixel_format": found[0], "fps": fps, "asked_fps": settings.fps}

    def _lock(self, controls: V4l2Controls) -> dict[str, Any]:
        settings = self._settings
        wanted = Wanted(settings.exposure, settings.gain, settings.white_balance, settings.focus)

        def warm_up() -> None:
            end_s = time.monotonic() + settings.warm_up_s
            self._first_image()
            while time.monotonic() < end_s:
                self._first_image()

        def look() -> ImageArray:
            for _ in range(SETTLE_FRAMES):
                image = self._first_image()
            return np.ascontiguousarray(image[..., ::-1])

        try:
            return lock_picture(self._camera, controls, wanted, warm_up, look, settings.fps)
        except OSError as error:
            raise CameraFault(
                f"The camera {self._camera} refused a setting: {os.strerror(error.errno or 0)}.",
                "Exposure and white balance can be fixed.",
                f"Run `v4l2-ctl -d {self._path} --list-ctrls`, and plug the camera in again.",
            ) from error

    def _first_image(self) -> ImageArray:
        end_s = time.monotonic() + FIRST_PICTURE_S
        while time.monotonic() < end_s:
            read, image = self._capture.read()
            if read:
                picture: ImageArray = image
                return picture
            time.sleep(EMPTY_PAUSE_S)
        raise CameraFault(
            f"The camera {self._camera} delivers no pictures.",
            'Several cameras on one USB controller need `fourcc = "MJPG"`, or there is no room.',
            "Give it another USB port, plug it in again, and run `ptrctl doctor`.",
        )

    def _age_s(self) -> float:
        """Age of the picture read last, if the driver stamps on the monotonic clock."""
        stamp_ms = float(self._capture.get(self._cv2.CAP_PROP_POS_MSEC))
        return time.monotonic() - stamp_ms / 1000.0

    def _not_opened(self) -> CameraFault:
        users = holders(self._path)
        return CameraFault(
            f"The camera {self._camera} ({self._path}) cannot be opened"
            + (f": {', '.join(users)} uses it." if users else "."),
            "No other program uses it, and it has pictures (not only metadata).",
            "Close the other program, or plug the camera in again; then run `ptrctl doctor`.",
        )


def open_uvc(camera: str, settings: UvcSettings, clock: Clock) -> UvcSource | VideoSource:
    """The source that `settings.device` names.

    Raises:
        CameraFault: See there.
        SystemSetupError: OpenCV is missing.
    """
    cv2 = load_opencv()
    if not settings.is_camera:
        return VideoSource(cv2, camera, settings, clock)
    source = UvcSource(cv2, camera, settings, clock)
    try:
        source.prepare()
    except BaseException:
        source.close()
        raise
    return source


def _letters(fourcc: int) -> str:
    return "".join(chr((fourcc >> shift) & 0xFF) for shift in (0, 8, 16, 24))
