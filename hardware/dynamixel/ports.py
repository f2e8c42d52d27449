"""Finds the U2D2 that joins the servo bus to USB."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from hardware.faults import LostConnection

U2D2 = ("0403", "6014")
"""USB vendor and product: FTDI FT232H."""

SYSFS = Path("/sys")
BY_ID = Path("/dev/serial/by-id")


@dataclass(frozen=True)
class Adapter:
    """A U2D2 that is plugged in.

    Args:
        port: Its name that stays the same, by-id if there is one.
        device: The kernel's name for it ("/dev/ttyUSB0").
        serial: Its serial number, "" if it has none.
    """

    port: str
    device: str
    serial: str


def adapters(sysfs: Path = SYSFS, by_id: Path = BY_ID) -> Sequence[Adapter]:
    """Every U2D2 that is plugged in."""
    found = []
    for tty in sorted(sysfs.glob("class/tty/*")):
        usb = _usb_device(tty)
        if usb is not None and (_text(usb / "idVendor"), _text(usb / "idProduct")) == U2D2:
            device = f"/dev/{tty.name}"
            found.append(Adapter(_stable_name(device, by_id), device, _text(usb / "serial")))
    return found


def _usb_device(tty: Path) -> Path | None:
    """The USB device that a tty hangs on: the first folder upwards with an idVendor."""
    folder = (tty / "device").resolve()
    return next((path for path in (folder, *folder.parents) if (path / "idVendor").exists()), None)


def _stable_name(device: str, by_id: Path) -> str:
    for link in sorted(by_id.glob("*")):
        if link.resolve().name == Path(device).name:
            return str(link)
    return device


def _text(path: Path) -> str:
    try:
        return path.read_text("ascii", "replace").strip()
    except OSError:
        return ""


def choose_port(wanted: str) -> str:
    """The port to open.

    Args:
        wanted: From the settings; "" takes the only U2D2.

    Raises:
        LostConnection: There is none, or more than one to choose from.
    """
    if wanted:
        if not os.path.exists(wanted):
            raise LostConnection(
                f"There is no port {wanted}.",
                "The U2D2 is plugged in and the port is its name.",
                "Plug it in, then run `ptrctl doctor`; it lists the ports that there are.",
            )
        return wanted
    found = adapters()
    if not found:
        raise LostConnection(
            "No U2D2 is plugged in.",
            "The arm's U2D2 hangs on USB and shows as 0403:6014 in `lsusb`.",
            "Plug it in, then run `ptrctl doctor`.",
        )
    if len(found) > 1:
        names = ", ".join(adapter.port for adapter in found)
        raise LostConnection(
            f"{len(found)} U2D2 adapters are plugged in: {names}.",
            "One, or a setting that says which.",
            "Run `ptrctl setup` and choose one, or set `port` under [robot.options] in "
            "ptrctl.toml.",
        )
    return found[0].port


def latency_timer(device: str, sysfs: Path = SYSFS) -> Path:
    """The file with the adapter's latency timer in ms; not every serial port has one."""
    return sysfs / "bus/usb-serial/devices" / Path(os.path.realpath(device)).name / "latency_timer"


def users_of(device: str, proc: Path = Path("/proc")) -> list[tuple[int, str]]:
    """Other processes that have the device open, as (pid, name); those that we may look at."""
    wanted = os.path.realpath(device)
    users = []
    for folder in proc.glob("[0-9]*"):
        if int(folder.name) == os.getpid():
            continue
        try:
            if any(os.path.realpath(link) == wanted for link in (folder / "fd").iterdir()):
                users.append((int(folder.name), _text(folder / "comm")))
        except OSError:
            continue  # It has ended, or belongs to another user.
    return users
