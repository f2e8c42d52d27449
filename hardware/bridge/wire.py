"""Messages of the Bridge robot server: LZ4 frames of Python pickles, read without trusting them.

A pickle can run any program on the machine that reads it. Here nothing that a pickle names is
ever called: the four numpy names that an array needs stand for inert records of this module, any
other name is refused, and only after a reply has been read do the records become arrays.

Source: youliangtan/edgeml, edgeml/internal/utils.py and zmq_wrapper/req_rep.py.
"""

from __future__ import annotations

import io
import math
import pickle
import pickletools
from typing import Any

import lz4.frame
import numpy as np
import numpy.typing as npt

from recordings.errors import RobotError

MAX_PACKED_BYTES = 16_000_000
MAX_UNPACKED_BYTES = 64_000_000
"""A reply with a 640x480 picture and a resized float one takes about 1 MB."""
MAX_DEPTH = 6
MAX_VALUES = 100_000
"""A reply holds a few dozen."""

PROTOCOL = 4
"""The newest pickle protocol that the server's Python 3.8 reads by default."""


class ProtocolError(RobotError):
    """The server sent something that no Bridge robot server sends."""


def _refusal(what: str) -> ProtocolError:
    return ProtocolError(
        f"The server's reply cannot be read: {what}.",
        "A Bridge robot server sends plain values and numpy arrays.",
        "Check host and port in ptrctl.toml, then run `ptrctl doctor`.",
    )


def pack(message: Any) -> bytes:
    """A message as the server reads it.

    Arrays are written as `numpy.array(values, dtype)`, names that every numpy has: the default
    names `numpy._core`, which a server with numpy 1 cannot import, and which ends its loop.
    """
    buffer = io.BytesIO()
    pickler = pickle.Pickler(buffer, protocol=PROTOCOL)
    pickler.dispatch_table = {np.ndarray: lambda a: (np.array, (a.tolist(), a.dtype.str))}
    pickler.dump(message)
    packed: bytes = lz4.frame.compress(buffer.getvalue())
    return packed


def unpack(packed: bytes) -> Any:
    """The plain values and arrays in a message.

    Returns:
        Nothing but dict, list, tuple, set, str, bytes, bool, int, float, None, and arrays of
        booleans, integers or floats.

    Raises:
        ProtocolError: It is too large, damaged, or names anything else.
    """
    if len(packed) > MAX_PACKED_BYTES:
        raise _refusal(f"{len(packed)} bytes")
    try:
        plain = lz4.frame.LZ4FrameDecompressor().decompress(packed, MAX_UNPACKED_BYTES + 1)
    except (RuntimeError, EOFError) as problem:
        raise _refusal("it is not LZ4") from problem
    if len(plain) > MAX_UNPACKED_BYTES:
        raise _refusal(f"it unpacks to more than {MAX_UNPACKED_BYTES} bytes")
    try:
        _check_program(plain)
        return _Copier().copy(_Reader(io.BytesIO(plain)).load(), MAX_DEPTH)
    except ProtocolError:
        raise
    except Exception as problem:  # A damaged pickle can raise anything.
        raise _refusal(f"{type(problem).__name__}: {problem}") from problem


def _check_program(plain: bytes) -> None:
    """Refuse what would make the reader reserve memory without end: it has a place for every
    number up to the highest one under which a value is remembered."""
    for index, (opcode, argument, _) in enumerate(pickletools.genops(plain)):
        if index > MAX_VALUES or (opcode.name.endswith("PUT") and (argument or 0) > MAX_VALUES):
            raise _refusal(f"it holds more than {MAX_VALUES} values")


class _Type:
    """Stands for `numpy.dtype`."""

    def __init__(self, name: str, *_: Any) -> None:
        self.name = str(name)
        self.order = ""

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        self.order = state[1] if state[1] in ("<", ">") else ""

    def resolve(self) -> np.dtype[Any]:
        kind = np.dtype(self.order + self.name.lstrip("<>=|"))
        if kind.kind not in "biuf":
            raise _refusal(f"an array of {kind}")
        return kind


class _Array:
    """Stands for an array.

    Its constructors are bound methods: a pickle can set attributes of plain functions.
    """

    shape: tuple[int, ...] = ()
    kind: _Type | None = None
    columns_first = False
    data: bytes = b""

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        _, self.shape, self.kind, self.columns_first, self.data = state

    @classmethod
    def begin(cls, *_: Any) -> _Array:
        """Stands for `_reconstruct(numpy.ndarray, (0,), b"b")`: a state follows."""
        return cls()

    @classmethod
    def from_buffer(cls, data: Any, kind: Any, shape: Any, order: Any) -> _Array:
        """Stands for `numpy.core.numeric._frombuffer`, of pickle protocol 5."""
        array = cls()
        array.__setstate__((1, shape, kind, order == "F", data))
        return array

    @classmethod
    def scalar(cls, kind: Any, data: Any) -> _Array:
        """Stands for `numpy.core.multiarray.scalar`: an array without dimensions."""
        return cls.from_buffer(data, kind, (), "C")

    def resolve(self) -> npt.NDArray[Any]:
        if not (isinstance(self.kind, _Type) and isinstance(self.data, (bytes, bytearray))):
            raise _refusal("an array without data")
        flat = np.frombuffer(self.data, self.kind.resolve())
        if math.prod(self.shape) != flat.size:
            raise _refusal(f"an array of shape {self.shape} with {flat.size} values")
        return flat.reshape(self.shape, order="F" if self.columns_first else "C").copy()


_NDARRAY = object()
"""Stands for the class `numpy.ndarray`, which arrays name as their own type."""

_STAND_INS: dict[tuple[str, str], Any] = {
    ("numpy", "ndarray"): _NDARRAY,
    ("numpy", "dtype"): _Type,
    **{
        (f"numpy.{core}.{module}", name): stand_in
        for core in ("core", "_core")  # numpy 1 and numpy 2
        for module, name, stand_in in (
            ("multiarray", "_reconstruct", _Array.begin),
            ("multiarray", "scalar", _Array.scalar),
            ("numeric", "_frombuffer", _Array.from_buffer),
        )
    },
}


class _Reader(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in _STAND_INS:
            raise _refusal(f"it names {module}.{name}")
        return _STAND_INS[module, name]

    def persistent_load(self, pid: Any) -> Any:
        raise _refusal("it refers to something outside itself")


class _Copier:
    """Makes plain values of one message.

    A few bytes of it may name the same value again and again, and each is copied: how much comes
    of it is limited as a whole.
    """

    def __init__(self) -> None:
        self._values_left = MAX_VALUES
        self._bytes_left = MAX_UNPACKED_BYTES

    def copy(self, value: Any, depth: int) -> Any:
        self._values_left -= 1
        if self._values_left < 0:
            raise _refusal(f"it holds more than {MAX_VALUES} values")
        if depth == 0:
            raise _refusal("it is nested too deeply")
        if value is None or isinstance(value, (str, bytes, bool, int, float)):
            return value
        if isinstance(value, dict):
            return {
                self.copy(key, depth - 1): self.copy(item, depth - 1) for key, item in value.items()
            }
        if isinstance(value, (list, tuple, set)):
            return type(value)(self.copy(item, depth - 1) for item in value)
        if isinstance(value, _Array):
            self._bytes_left -= len(value.data)
            if self._bytes_left < 0:
                raise _refusal(f"its arrays hold more than {MAX_UNPACKED_BYTES} bytes")
            return value.resolve()
        raise _refusal(f"it holds a {type(value).__name__}")
