"""The messages between the machine of the arm and the machine of the policy.

Two ZeroMQ frames: a message authentication code (HMAC-SHA256 over direction and payload, with the
token as key, so that the token itself never travels) and a msgpack map. Nothing is unpacked before
its code is right, and nothing that was unpacked is used before it was checked.

Runs on Python 3.8: it is half of `hardware.remote.serve`.
"""

from __future__ import annotations

import hashlib
import hmac
import io
import math
from collections.abc import Mapping, Sequence
from typing import Any

import msgpack
import numpy as np
from PIL import Image

from hardware import faults
from hardware.robot import RobotFeatures, WorkspaceBox
from recordings.errors import PtrctlError, RobotError, SystemSetupError, UsageError
from recordings.images import resize_image
from recordings.records import FloatArray, Frame, ImageArray

VERSION = 1
REQUEST, REPLY = b"ptrctl request ", b"ptrctl reply "
"""Directions; part of the code, so that nobody can play a message back to its sender."""

MAX_REQUEST_BYTES = 16_384
MAX_REPLY_BYTES = 16_000_000
MAX_TEXT = 2_000
MAX_JOINTS = 32
MAX_CAMERAS = 8
MAX_EDGE = 2_048
"""Largest width or height of a picture in pixels."""
JPEG_QUALITY = 95

_KINDS = {
    kind.__name__: kind
    for kind in (
        RobotError,
        faults.LostConnection,
        faults.MotorFault,
        faults.TorqueOff,
        faults.CameraFault,
        faults.Unreachable,
        faults.MissedDeadline,
        faults.MotionStopped,
        UsageError,
        SystemSetupError,
    )
}
"""Errors that travel; any other arrives as its nearest base class here."""


class BadMessage(ValueError):
    """What was received is not what this protocol says."""


class NotAuthentic(BadMessage):
    """The message was not made with our token."""


def seal(token: str, direction: bytes, message: Mapping[str, Any]) -> list[bytes]:
    """The two frames of a message."""
    payload: bytes = msgpack.packb(message, use_bin_type=True)
    return [_code(token, direction, payload), payload]


def unseal(token: str, direction: bytes, frames: Sequence[bytes]) -> Fields:
    """The message in two frames.

    Raises:
        NotAuthentic: The code is not the token's; compared in constant time.
        BadMessage: It is no message, or too large.
    """
    largest = MAX_REQUEST_BYTES if direction == REQUEST else MAX_REPLY_BYTES
    if len(frames) != 2 or len(frames[1]) > largest:
        raise BadMessage(f"{len(frames)} frames of {sum(map(len, frames))} bytes")
    if not hmac.compare_digest(frames[0], _code(token, direction, frames[1])):
        raise NotAuthentic("the token differs")
    try:
        values = msgpack.unpackb(
            frames[1], raw=False, strict_map_key=True, max_ext_len=0, max_bin_len=largest
        )
    except (ValueError, RecursionError) as problem:  # msgpack's own errors are ValueErrors.
        raise BadMessage(f"not msgpack: {type(problem).__name__}") from problem
    return Fields(values)


def _code(token: str, direction: bytes, payload: bytes) -> bytes:
    return hmac.new(token.encode(), direction + payload, hashlib.sha256).digest()


class Fields:
    """A received map. Values are taken out by name and checked on the way.

    Every method raises `BadMessage` if the value is missing or something else.
    """

    def __init__(self, values: Any) -> None:
        if not isinstance(values, dict):
            raise BadMessage(f"a map was expected, not {type(values).__name__}")
        self.values: dict[str, Any] = values

    def __contains__(self, name: str) -> bool:
        return self.values.get(name) is not None

    def _get(self, name: str, kind: type[Any]) -> Any:
        value = self.values.get(name)
        if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
            raise BadMessage(f"`{name}` is {type(value).__name__}, not {kind.__name__}")
        return value

    def text(self, name: str) -> str:
        """At most `MAX_TEXT` characters."""
        value: str = self._get(name, str)
        if len(value) > MAX_TEXT:
            raise BadMessage(f"`{name}` has {len(value)} characters")
        return value

    def flag(self, name: str) -> bool:
        return bool(self._get(name, bool))

    def whole(self, name: str, low: int, high: int) -> int:
        """A whole number within bounds, both included."""
        value: int = self._get(name, int)
        if not low <= value <= high:
            raise BadMessage(f"`{name}` is {value}")
        return value

    def number(self, name: str) -> float:
        """A finite number."""
        value: float = self._get(name, float)
        if not math.isfinite(value):
            raise BadMessage(f"`{name}` is {value}")
        return value

    def data(self, name: str, size: int | None = None) -> bytes:
        """Bytes, as many as `size` if that is given."""
        value: bytes = self._get(name, bytes)
        if size is not None and len(value) != size:
            raise BadMessage(f"`{name}` has {len(value)} bytes, not {size}")
        return value

    def array(self, name: str, size: int, *, unknown: bool = False) -> FloatArray:
        """(size,) float64, finite, a copy of one's own; `unknown` numbers may be NaN."""
        value = self.fields(name)
        if value.text("dtype") != "<f8" or value.values.get("shape") != [size]:
            raise BadMessage(f"`{name}` is not {size} float64")
        array = np.frombuffer(value.data("data", 8 * size), dtype="<f8").astype(np.float64)
        if not (np.isfinite(array) | (np.isnan(array) & unknown)).all():
            raise BadMessage(f"`{name}` is not finite")
        return array

    def fields(self, name: str) -> Fields:
        return Fields(self.values.get(name))

    def list_of_fields(self, name: str, longest: int) -> list[Fields]:
        return [Fields(value) for value in self._list(name, longest)]

    def texts(self, name: str, longest: int) -> tuple[str, ...]:
        return tuple(Fields({"text": value}).text("text") for value in self._list(name, longest))

    def numbers(self, name: str, size: int) -> tuple[float, ...]:
        """As many finite numbers as `size`."""
        values = self._list(name, size)
        if len(values) != size:
            raise BadMessage(f"`{name}` has {len(values)} numbers, not {size}")
        return tuple(Fields({"number": value}).number("number") for value in values)

    def _list(self, name: str, longest: int) -> list[Any]:
        values: list[Any] = self._get(name, list)
        if len(values) > longest:
            raise BadMessage(f"`{name}` has {len(values)} items")
        return values


def array_fields(array: FloatArray) -> dict[str, Any]:
    """A float array as a map; `Fields.array` reads it."""
    data = np.ascontiguousarray(array, dtype="<f8")
    return {"dtype": "<f8", "shape": list(data.shape), "data": data.tobytes()}


def error_fields(error: PtrctlError) -> dict[str, Any]:
    """An error as a map; `error_from` reads it."""
    kind = next((base for base in type(error).__mro__ if base.__name__ in _KINDS), RobotError)
    texts = {"found": error.found, "expected": error.expected, "try_next": error.try_next}
    return {"kind": kind.__name__, **{name: text[:MAX_TEXT] for name, text in texts.items()}}


def error_from(fields: Fields) -> PtrctlError:
    """The same error, of the same kind, on this side."""
    kind = _KINDS.get(fields.text("kind"), RobotError)
    return kind(fields.text("found"), fields.text("expected"), fields.text("try_next"))


def features_fields(features: RobotFeatures) -> dict[str, Any]:
    """Features as a map; `features_from` reads it."""
    box = features.workspace
    return {
        "name": features.name,
        "embodiment": features.embodiment,
        "control_rate_hz": float(features.control_rate_hz),
        "joint_names": list(features.joint_names),
        "joint_low_rad": [float(value) for value in features.joint_low_rad],
        "joint_high_rad": [float(value) for value in features.joint_high_rad],
        "simulated": features.simulated,
        "releases_torque": features.releases_torque,
        "brakes": features.brakes,
        "low_m": [float(value) for value in box.low_m],
        "high_m": [float(value) for value in box.high_m],
        "turn_rad": [float(box.max_roll_rad), float(box.max_pitch_rad), float(box.max_yaw_rad)],
    }


def features_from(fields: Fields, name: str) -> RobotFeatures:
    """Features of the served arm under the name `name`."""
    joints = fields.texts("joint_names", MAX_JOINTS)
    low, high = fields.numbers("low_m", 3), fields.numbers("high_m", 3)
    roll, pitch, yaw = fields.numbers("turn_rad", 3)
    rate_hz = fields.number("control_rate_hz")
    if not 0.1 <= rate_hz <= 1000.0:
        raise BadMessage(f"`control_rate_hz` is {rate_hz}")
    try:
        box = WorkspaceBox((low[0], low[1], low[2]), (high[0], high[1], high[2]), roll, pitch, yaw)
    except ValueError as problem:
        raise BadMessage(str(problem)) from problem
    return RobotFeatures(
        name=name,
        embodiment=fields.text("embodiment"),
        control_rate_hz=rate_hz,
        workspace=box,
        joint_names=joints,
        joint_low_rad=fields.numbers("joint_low_rad", len(joints)),
        joint_high_rad=fields.numbers("joint_high_rad", len(joints)),
        simulated=fields.flag("simulated"),
        releases_torque=fields.flag("releases_torque"),
        brakes=fields.flag("brakes"),
    )


def plain(value: Any, depth: int = 4) -> Any:
    """An identity as text, numbers, lists and maps; what is anything else becomes its words."""
    if value is None or isinstance(value, (bool, str)):
        return value[:MAX_TEXT] if isinstance(value, str) else value
    if isinstance(value, int):
        return value if abs(value) < 2**53 else str(value)
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    if depth and isinstance(value, Mapping):
        return {str(key)[:MAX_TEXT]: plain(item, depth - 1) for key, item in value.items()}
    if depth and isinstance(value, (list, tuple)):
        return [plain(item, depth - 1) for item in value]
    return str(value)[:MAX_TEXT]


def picture_fields(name: str, frame: Frame, size: int) -> dict[str, Any]:
    """A camera's picture as a map, squashed to (size, size) unless that is 0."""
    image = resize_image(frame.image, size) if size else frame.image
    return {"name": name, "jpeg": encode_picture(image), "captured_s": float(frame.captured_s)}


def encode_picture(image: ImageArray) -> bytes:
    """(H, W, 3) uint8 RGB to JPEG, colours at full resolution."""
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, "JPEG", quality=JPEG_QUALITY, subsampling=0)
    return buffer.getvalue()


def decode_picture(data: bytes, height: int, width: int) -> ImageArray:
    """JPEG to (height, width, 3) uint8 RGB.

    Raises:
        BadMessage: It is no JPEG, or of another size; large ones are refused before decoding.
    """
    try:
        with Image.open(io.BytesIO(data), formats=("JPEG",)) as picture:
            if picture.size != (width, height) or picture.mode != "RGB":
                raise BadMessage(f"a {picture.mode} picture of {picture.size}")
            return np.asarray(picture).copy()
    except (OSError, SyntaxError, Image.DecompressionBombError) as problem:
        raise BadMessage(f"not a picture: {problem}") from problem
