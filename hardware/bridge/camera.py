"""The camera of a Bridge robot server."""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from hardware.bridge.client import BridgeClient
from hardware.camera import CameraFeatures
from hardware.connected import Connected
from hardware.faults import CameraFault
from recordings.images import resize_image
from recordings.records import Frame, ImageArray

MAX_EDGE = 4096


class BridgeCamera(Connected):
    """The server's first camera.

    The server's pictures carry neither time nor number. A frame is stamped with the moment of
    the request, for the server takes its newest picture after that; how old that picture was by
    then, nobody tells. A real picture is never equal to the last one to the bit, so one that
    stays equal is reported as frozen.

    Args:
        name: As in recordings.
        client: Shared with the arm.
        topic: The camera's ROS topic, for recordings.
        size: Edge of the picture in pixels.
        max_age_s: A report of the arm that was asked for this recently will do.
        frozen_after_s: How long a picture may stay equal; 0 never objects.
        full_image: Take the camera's whole picture and resize it here, as everywhere; otherwise
            the small one that the server has resized by another routine.
    """

    def __init__(
        self,
        name: str,
        client: BridgeClient,
        topic: str,
        size: int,
        *,
        max_age_s: float,
        frozen_after_s: float,
        full_image: bool,
    ) -> None:
        self._features = CameraFeatures(name, size, size)
        self._client = client
        self._topic = topic
        self._max_age_s = max_age_s
        self._frozen_after_s = frozen_after_s
        self._full_image = full_image
        self._connected = False
        self._last_bytes = b""
        self._changed_s = 0.0

    @property
    def features(self) -> CameraFeatures:
        return self._features

    @property
    def identity(self) -> Mapping[str, Any]:
        return {
            "kind": "bridge",
            "server": self._client.address,
            "topic": self._topic,
            "source": "full_image" if self._full_image else "image",
        }

    def connect(self) -> None:
        if not self._connected:
            self._client.open()
            self._connected = True
            self._last_bytes = b""

    def disconnect(self) -> None:
        if self._connected:
            self._connected = False
            self._client.close()

    def read(self) -> Frame:
        if not self._connected:
            raise CameraFault(f"The camera {self._features.name} is not connected.")
        report = self._client.observe(self._max_age_s)
        raw = report.full_image if self._full_image else report.small_image.tobytes()
        self._require_change(raw, report.asked_s)
        image = decode_full(raw) if self._full_image else decode_small(report.small_image)
        return Frame(resize_image(image, self._features.height), report.asked_s, report.arrived_s)

    def _require_change(self, raw: bytes, asked_s: float) -> None:
        if raw != self._last_bytes:
            self._last_bytes, self._changed_s = raw, asked_s
            return
        same_s = asked_s - self._changed_s
        if self._frozen_after_s and same_s > self._frozen_after_s:
            raise CameraFault(
                f"The picture of {self._features.name} has not changed for {same_s:.1f} s.",
                "Two pictures of a camera are never equal.",
                f"On the robot's machine, see whether {self._topic} still publishes; plug the "
                "camera in again.",
            )


def decode_full(jpeg: bytes) -> ImageArray:
    """The server's JPEG to (H, W, 3) uint8, RGB.

    The server hands an RGB picture to an encoder that expects BGR, so that red and blue are
    swapped in the file.
    """
    try:
        with Image.open(io.BytesIO(jpeg), formats=("JPEG",)) as picture:
            if max(picture.size) > MAX_EDGE:
                raise _unreadable(f"it is {picture.size[0]} pixels wide")
            swapped = np.asarray(picture.convert("RGB"))
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as problem:
        raise _unreadable(str(problem)) from problem
    return np.ascontiguousarray(swapped[:, :, ::-1])


def decode_small(images: npt.NDArray[Any]) -> ImageArray:
    """The first of (cameras, 3 * S * S) floats 0..1, channels first, to (S, S, 3) uint8."""
    if images.ndim != 2 or images.dtype.kind != "f":
        raise _unreadable(f"an array of {images.dtype}, shape {images.shape}")
    edge = int(np.sqrt(images.shape[1] / 3))
    if images.shape[0] < 1 or edge < 1 or 3 * edge * edge != images.shape[1]:
        raise _unreadable(f"{images.shape[1]} values make no square picture")
    chw = images[0].reshape(3, edge, edge)
    if not np.isfinite(chw).all():
        raise _unreadable("not every value is a number")
    image: ImageArray = np.rint(np.clip(chw.transpose(1, 2, 0), 0.0, 1.0) * 255.0).astype(np.uint8)
    return image


def _unreadable(what: str) -> CameraFault:
    return CameraFault(
        f"The Bridge server's picture cannot be read: {what}.",
        "A JPEG, and a square of floats between 0 and 1.",
        "Run `ptrctl doctor`; if only one of the two is damaged, change `full_image` in "
        "ptrctl.toml.",
    )
