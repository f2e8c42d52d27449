"""Video4Linux: which cameras are there, and their controls, by ioctl.

OpenCV passes some controls through scales of its own, lacks others, and does not say when one was
refused; the kernel's interface has neither problem and needs no other program.

Source: Linux kernel, include/uapi/linux/videodev2.h and v4l2-controls.h.
"""

from __future__ import annotations

import errno
import os
import struct
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from hardware.cameras.lock import (
    AUTO_EXPOSURE,
    AUTO_FOCUS,
    AUTO_WHITE_BALANCE,
    EXPOSURE,
    FOCUS,
    FRAME_RATE_MAY_DROP,
    GAIN,
    WHITE_BALANCE,
)

# name: (control id, value for 0, value for 1); other controls are taken as they are.
_CONTROLS: dict[str, tuple[int, int | None, int | None]] = {
    AUTO_EXPOSURE: (0x009A0901, 1, 3),  # Menu: 1 manual, 3 aperture priority.
    EXPOSURE: (0x009A0902, None, None),  # Units of 0.1 ms.
    FRAME_RATE_MAY_DROP: (0x009A0903, None, None),
    FOCUS: (0x009A090A, None, None),
    AUTO_FOCUS: (0x009A090C, None, None),
    GAIN: (0x00980913, None, None),
    AUTO_WHITE_BALANCE: (0x0098090C, None, None),
    WHITE_BALANCE: (0x0098091A, None, None),
}
_CAPABILITY = struct.Struct("=16s32s32sIII12x")
_CONTROL = struct.Struct("=Ii")
_QUERY = struct.Struct("=II32siiiiI8x")
_DISABLED = 0x0001
_VIDEO_CAPTURE = 0x00000001


def _request(direction: int, number: int, size: int) -> int:
    """As the kernel's macros _IOR (2) and _IOWR (3) for the letter V."""
    return (direction << 30) | (size << 16) | (ord("V") << 8) | number


QUERY_CAPABILITY = _request(2, 0, _CAPABILITY.size)
GET_CONTROL = _request(3, 27, _CONTROL.size)
SET_CONTROL = _request(3, 28, _CONTROL.size)
QUERY_CONTROL = _request(3, 36, _QUERY.size)


def system_ioctl(fd: int, request: int, data: bytearray) -> Any:
    """The kernel's."""
    import fcntl

    return fcntl.ioctl(fd, request, data)


class V4l2Controls:
    """The controls of an open video device, as `Knobs`.

    Args:
        fd: The device; other handles on it may stream meanwhile.
        ioctl: The kernel's, but for tests.
    """

    def __init__(self, fd: int, ioctl: Callable[[int, int, bytearray], Any] = system_ioctl) -> None:
        self._fd = fd
        self._ioctl = ioctl

    def has(self, name: str) -> bool:
        try:
            flags = self._query(name)[7]
        except OSError as error:
            if error.errno in (errno.EINVAL, errno.ENOTTY):
                return False
            raise
        return not flags & _DISABLED

    def get(self, name: str) -> float:
        control, _, on = _CONTROLS[name]
        data = bytearray(_CONTROL.pack(control, 0))
        self._ioctl(self._fd, GET_CONTROL, data)
        value = int(_CONTROL.unpack(data)[1])
        return float(value) if on is None else float(value == on)

    def set(self, name: str, value: float) -> None:
        control, off, on = _CONTROLS[name]
        raw = round(value) if on is None or off is None else (on if value else off)
        self._ioctl(self._fd, SET_CONTROL, bytearray(_CONTROL.pack(control, raw)))

    def limits(self, name: str) -> tuple[float, float]:
        if _CONTROLS[name][2] is not None:
            return 0.0, 1.0
        low, high = self._query(name)[3:5]
        return float(low), float(high)

    def _query(self, name: str) -> tuple[Any, ...]:
        data = bytearray(_QUERY.pack(_CONTROLS[name][0], 0, b"", 0, 0, 0, 0, 0))
        self._ioctl(self._fd, QUERY_CONTROL, data)
        return _QUERY.unpack(data)


def card_name(fd: int, ioctl: Callable[[int, int, bytearray], Any] = system_ioctl) -> str:
    """The model of an open video device; "" if it delivers no pictures (a metadata node)."""
    data = bytearray(_CAPABILITY.size)
    ioctl(fd, QUERY_CAPABILITY, data)
    _, card, _, _, _, capabilities = _CAPABILITY.unpack(data)
    if not capabilities & _VIDEO_CAPTURE:
        return ""
    return str(card.split(b"\0", 1)[0].decode(errors="replace"))


def camera_links(folder: Path = Path("/dev/v4l")) -> list[Path]:
    """One lasting path for each camera: by serial number if that is unique, else by port.

    /dev/videoN changes between starts of the machine. Each camera has a second node for metadata;
    only the first, `index0`, delivers pictures.
    """
    chosen: dict[Path, Path] = {}
    for kind in ("by-id", "by-path"):
        for link in sorted((folder / kind).glob("*-index0")):
            # Two identical cameras without serial numbers share one by-id name: only one of them
            # is found by it, the other one by its port.
            chosen.setdefault(link.resolve(), link)
    return sorted(chosen.values())


def holders(device: Path, processes: Path = Path("/proc")) -> Sequence[str]:
    """Processes of this user, or all of them for root, that have a device open, in words."""
    target = device.resolve()
    found = []
    for folder in sorted(processes.glob("[0-9]*")):
        if folder.name == str(os.getpid()):
            continue
        try:
            if any(link.resolve() == target for link in (folder / "fd").iterdir()):
                found.append(f"{(folder / 'comm').read_text().strip()} (process {folder.name})")
        except OSError:
            # Ended meanwhile, or another user's.
            continue
    return found
