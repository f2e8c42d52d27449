"""A camera that streams: what RealSense and UVC cameras have in common."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from hardware.camera import CameraFeatures
from hardware.cameras.newest import NewestPicture, Picture, Source
from hardware.cameras.stream_settings import StreamSettings
from hardware.cameras.watch import PictureWatch
from hardware.clock import Clock
from hardware.connected import Connected
from hardware.faults import CameraFault
from recordings.images import RESIZE_ROUTINE, resize_image
from recordings.records import Frame

FIRST_PICTURE_S = 10.0
"""How long an opened camera may take for its first picture."""


class LiveCamera(Connected):
    """Opens a source, reads it in the background, and resizes the newest picture when asked.

    Args:
        name: As in recordings.
        kind: As in the profile.
        clock: Stamps the pictures.
        size: Edge of the square pictures delivered, in pixels.
        settings: What to expect of the source.
        open_source: Opens the device; may take seconds. Raises `PtrctlError`.
    """

    def __init__(
        self,
        name: str,
        kind: str,
        clock: Clock,
        size: int,
        settings: StreamSettings,
        open_source: Callable[[], Source],
    ) -> None:
        self._features = CameraFeatures(name, size, size)
        self._clock = clock
        self._settings = settings
        self._open_source = open_source
        self._identity: dict[str, Any] = {
            "kind": kind,
            "native_width": settings.width,
            "native_height": settings.height,
            "fps": settings.fps,
            "resize": RESIZE_ROUTINE,
        }
        self._reader: NewestPicture | None = None

    @property
    def features(self) -> CameraFeatures:
        return self._features

    @property
    def identity(self) -> Mapping[str, Any]:
        """Once connected, with serial number, mode and locked settings."""
        return dict(self._identity)

    def connect(self) -> None:
        """Open the device and wait for the first picture; see `Camera.connect`.

        Raises:
            CameraFault: It is missing, taken, or delivers something else than was set.
            SystemSetupError: A library is missing.
        """
        if self._reader is not None:
            if self._reader.delivers:
                return
            self.disconnect()
        source = self._open_source()
        self._identity.update(source.identity)
        settings = self._settings
        watch = PictureWatch(
            self._features.name,
            settings.height,
            settings.width,
            max_age_s=settings.max_age_s,
            frozen_after_s=settings.frozen_after_s,
            fps=settings.fps,
        )
        reader = NewestPicture(self._features.name, source, watch, self._clock)
        try:
            reader.wait_for_first(FIRST_PICTURE_S)
        except BaseException:
            reader.stop()
            raise
        self._reader = reader

    def disconnect(self) -> None:
        reader, self._reader = self._reader, None
        if reader is not None:
            reader.stop()

    def newest(self) -> Picture:
        """The newest picture as it came, not resized.

        Raises:
            CameraFault: It is stale, or the camera is faulty or not connected.
        """
        if self._reader is None:
            raise CameraFault(
                f"The camera {self._features.name} is not connected.",
                "It is connected before it is read.",
                "Run `ptrctl doctor`.",
            )
        return self._reader.newest()

    def read(self) -> Frame:
        picture = self.newest()
        image = resize_image(picture.image, self._features.height)
        return Frame(image, picture.captured_s, picture.arrived_s)
