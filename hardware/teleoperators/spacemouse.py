"""A 3Dconnexion SpaceMouse: one cap for all six axes, read from its HID reports.

Axes: the device measures x to the right, y towards the person and z down, right-handed, and
rotations about the same axes. Here x is ahead, y left and z up (ROS), so a push ahead moves the
gripper ahead if the device's cable points to where the arm looks.

Sources: JakubAndrysek/PySpaceMouse, devices.toml (products, report layouts, full scale) and
config_helpers.py (the device's axes and ROS's).
"""

from __future__ import annotations

import struct
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any, Protocol

import numpy as np

from hardware.checks import Finding, Health
from hardware.faults import LostConnection
from hardware.install import cannot_import
from hardware.kinds import Discovered, TeleoperatorKind
from hardware.settings import setting
from hardware.teleoperator import NORMAL, Rate, Speed, TeleopReading
from hardware.teleoperators.buttons import ButtonMap, ButtonPanel
from hardware.teleoperators.dead_zone import without_dead_zone
from recordings.errors import RobotError, SystemSetupError
from recordings.records import FloatArray

PRODUCTS: dict[tuple[int, int], str] = {
    (0x046D, 0xC625): "SpacePilot",
    (0x046D, 0xC626): "SpaceNavigator",
    (0x046D, 0xC627): "SpaceExplorer",
    (0x046D, 0xC62B): "SpaceMouse Pro",
    (0x256F, 0xC62E): "SpaceMouse Wireless (cable)",
    (0x256F, 0xC632): "SpaceMouse Pro Wireless",
    (0x256F, 0xC633): "SpaceMouse Enterprise",
    (0x256F, 0xC635): "SpaceMouse Compact",
    (0x256F, 0xC638): "SpaceMouse Pro Wireless (Bluetooth)",
    (0x256F, 0xC63A): "SpaceMouse Wireless",
    (0x256F, 0xC641): "SpaceMouse USB",
    (0x256F, 0xC652): "SpaceMouse Universal Receiver",
}
"""(vendor, product) to name."""
FULL_SCALE = 350.0
REPORT_BYTES = 64
MULTI_AXIS = (0x01, 0x08)
"""HID usage page and usage of the interface that reports the cap."""
_TO_ROS = ((1, -1.0), (0, -1.0), (2, -1.0))
"""For ahead, left and up: which of the device's axes, and its sign."""


@dataclass(frozen=True)
class SpaceMouseSettings:
    """How a SpaceMouse drives the arm."""

    serial: str = setting("", "Serial number of the device; empty takes the first one found.")
    dead_zone: float = setting(0.12, "Pushes below this share of the full scale are ignored.")
    rotate: bool = setting(True, "Turning the cap turns the gripper.")
    buttons: str = setting(
        "0=gripper 1=start,stop",
        "What each button does: gripper, clutch, slower, faster, start, stop, pause, success, "
        "failure, discard, redo.",
    )

    def __post_init__(self) -> None:
        if not 0.0 <= self.dead_zone < 1.0:
            raise ValueError(f"dead_zone is {self.dead_zone:g}, but must lie in [0, 1)")
        ButtonMap.parse(self.buttons)


class Cap:
    """The state of the cap and the buttons, kept up to date from HID reports."""

    def __init__(self, buttons: ButtonPanel) -> None:
        self._buttons = buttons
        self._raw = np.zeros(6)

    def feed(self, report: bytes) -> None:
        """Take one report; unknown and short ones are ignored.

        Report 1 holds the translation (three int16, little endian) and in newer models the
        rotation as well; report 2 the rotation; report 3 one bit a button.
        """
        if not report:
            return
        kind, body = report[0], report[1:]
        if kind == 1 and len(body) >= 12:
            self._raw[:] = struct.unpack_from("<6h", body)
        elif kind == 1 and len(body) >= 6:
            self._raw[:3] = struct.unpack_from("<3h", body)
        elif kind == 2 and len(body) >= 6:
            self._raw[3:] = struct.unpack_from("<3h", body)
        elif kind == 3:
            bits = int.from_bytes(body[:4], "little")
            for number in range(8 * min(len(body), 4)):
                self._buttons.change(number, bool(bits >> number & 1))

    def release(self) -> None:
        """Nobody touches the cap."""
        self._raw[:] = 0.0

    @property
    def moved(self) -> bool:
        return bool(self._raw.any())

    def rate(self, dead_zone: float) -> FloatArray:
        """Push (6,) in [-1, 1] in ROS axes, 0 inside the dead zone and continuous at its edge."""
        native = np.clip(self._raw / FULL_SCALE, -1.0, 1.0)
        pushed = [native[first + axis] * sign for first in (0, 3) for axis, sign in _TO_ROS]
        return without_dead_zone(np.array(pushed), dead_zone)


class HidDevice(Protocol):
    """The part of an open device of hidapi that is used."""

    def read(self, size: int) -> list[int]: ...

    def close(self) -> None: ...


class SpaceMouse:
    """A `Teleoperator`.

    Args:
        settings: See there.
        open_device: Opens the device; for tests.
        now_s: Stamps reports.
    """

    name = "spacemouse"
    hint = ""

    def __init__(
        self,
        settings: SpaceMouseSettings,
        open_device: Callable[[str], HidDevice] | None = None,
        now_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self.speed: Speed = NORMAL
        self._settings = settings
        self._open_device = open_device or open_by_serial
        self._now_s = now_s
        self._buttons = ButtonPanel(ButtonMap.parse(settings.buttons))
        self._cap = Cap(self._buttons)
        self._heard_s = 0.0
        self._device: HidDevice | None = None

    def connect(self) -> None:
        self._device = self._open_device(self._settings.serial)
        self._heard_s = self._now_s()

    def disconnect(self) -> None:
        device, self._device = self._device, None
        if device is not None:
            device.close()
        self._cap.release()
        self._buttons.release_all()

    def begin(self) -> None:
        self._drain()
        self._buttons.take()

    def read(self) -> TeleopReading:
        self._drain()
        engaged, pressed = self._buttons.take()
        values = self._cap.rate(self._settings.dead_zone)
        if not self._settings.rotate:
            values[3:] = 0.0
        # A cap at rest sends nothing; one that is pushed repeats itself many times a second.
        heard_s = self._heard_s if self._cap.moved else self._now_s()
        return TeleopReading(
            heard_s, engaged, Rate(values), pressed=pressed, words=self._buttons.words
        )

    def _drain(self) -> None:
        """Take all reports that have come."""
        if self._device is None:
            raise LostConnection("The SpaceMouse is not connected.")
        try:
            while report := self._device.read(REPORT_BYTES):
                self._cap.feed(bytes(report))
                self._heard_s = self._now_s()
        except (OSError, ValueError) as problem:
            self.disconnect()
            raise LostConnection(
                f"The SpaceMouse is gone: {problem}.",
                "It answers as long as it is plugged in and switched on.",
                "Plug it in again, then type the same command to go on.",
            ) from problem


def _hid() -> Any:
    """hidapi's module for hidraw; elsewhere than on Linux there is only `hid`."""
    for name in ("hidraw", "hid"):
        try:
            return import_module(name)
        except ImportError as error:
            problem = error
    raise cannot_import(problem, "A SpaceMouse", "spacemouse", "hidapi")


def _plugged_in() -> list[dict[str, Any]]:
    """What hidapi says about every interface of a SpaceMouse that reports a cap."""
    found = [
        info for info in _hid().enumerate() if (info["vendor_id"], info["product_id"]) in PRODUCTS
    ]
    caps = [info for info in found if (info["usage_page"], info["usage"]) == MULTI_AXIS]
    # Old libraries do not know the usage.
    return caps or [info for info in found if info["usage_page"] == 0]


def open_by_serial(serial: str) -> HidDevice:
    """Open a SpaceMouse.

    Args:
        serial: Its serial number, "" for the first one.

    Raises:
        SystemSetupError: hidapi is missing, or the device may not be opened.
        RobotError: There is no such device.
    """
    there = [info for info in _plugged_in() if serial in ("", info["serial_number"])]
    if not there:
        which = f"SpaceMouse with serial number {serial}" if serial else "SpaceMouse"
        raise RobotError(
            f"No {which} is plugged in.",
            "One is needed for `--demonstrator spacemouse`.",
            "Plug it in and type the same command again; `ptrctl doctor` lists what is found.",
        )
    device = _hid().device()
    try:
        device.open_path(there[0]["path"])
    except OSError as problem:
        raise SystemSetupError(
            f"{_words(there[0])} cannot be opened: {problem}.",
            "The user needs access to its hidraw device.",
            "Run `ptrctl doctor --print-udev-rules`, put what it prints in place, and plug it in "
            "again.",
        ) from problem
    device.set_nonblocking(True)
    opened: HidDevice = device
    return opened


def _words(info: dict[str, Any]) -> str:
    name = PRODUCTS[info["vendor_id"], info["product_id"]]
    return f"{name} {info['serial_number']}".rstrip()


def _discover() -> Sequence[Discovered]:
    return [Discovered(_words(info), {"serial": info["serial_number"]}) for info in _plugged_in()]


def _check(settings: SpaceMouseSettings) -> Sequence[Finding]:
    try:
        device = open_by_serial(settings.serial)
    except (RobotError, SystemSetupError) as problem:
        return [Finding("SpaceMouse", Health.FAIL, problem.found, problem.try_next)]
    device.close()
    return [Finding("SpaceMouse", Health.OK, "It is there and may be opened.")]


KIND = TeleoperatorKind(
    name="spacemouse",
    summary="3Dconnexion SpaceMouse: six axes under one hand",
    settings=SpaceMouseSettings,
    make=SpaceMouse,
    discover=_discover,
    check=_check,
)
