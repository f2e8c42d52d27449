"""What `ptrctl doctor` looks at between this machine and its devices: permissions, USB, ROS, ports.

Everything is read from files of the kernel; nothing is opened that could move an arm.
"""

from __future__ import annotations

import ctypes.util
import grp
import os
import socket
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from hardware.checks import UDEV_RULES_PATH, Finding, Health
from hardware.interbotix.ros import ROS_PYTHON
from hardware.tcp_ports import BRIDGE_PORT, REMOTE_PORT
from ptrctl.doctor.machine_checks import is_installed
from ptrctl.doctor.udev import RULES

DEVICE_PATTERNS = ("ttyUSB*", "ttyACM*", "video*")
SPACEMOUSE_IDS = ("0000256F", "0000046D:0000C62", "0000046D:0000C63")
"""Beginnings of vendor and product in the kernel's HID_ID."""
REALSENSE_VENDOR = "8086"
REALSENSE_PRODUCTS = ("0a", "0b")
USB3_MBIT_S = 5000
KNOWN_DEVICES = {"0403:6014": "U2D2", "256f": "SpaceMouse"}

PORTS = {
    BRIDGE_PORT: "Bridge server",
    BRIDGE_PORT + 1: "Bridge server's pictures",
    REMOTE_PORT: "ptrctl serve-robot",
}


def check_permissions(
    dev: Path = Path("/dev"), hidraw: Path = Path("/sys/class/hidraw")
) -> Finding:
    """Whether the serial ports, cameras and SpaceMice that there are may be opened."""
    devices = [path for pattern in DEVICE_PATTERNS for path in sorted(dev.glob(pattern))]
    mice = [dev / entry.name for entry in sorted(hidraw.glob("*")) if _is_spacemouse(entry)]
    # A container sees every device of its host in /sys, in /dev only those that it was given.
    missing = [path for path in mice if not path.exists()]
    devices += [path for path in mice if path not in missing]
    if not devices and not missing:
        return Finding(
            "permissions", Health.ABSENT, "No serial port, camera or SpaceMouse is here."
        )
    closed = [path for path in devices if not os.access(path, os.R_OK | os.W_OK)]
    words, fixes = [], []
    if closed:
        groups = sorted({_group(path) for path in closed})
        words.append(f"May not open {_named(closed)}.")
        fixes.append(
            f"Run `sudo usermod -aG {','.join(groups)} $USER` and log in again."
            if "root" not in groups
            else "Install the udev rules: `ptrctl doctor --print-udev-rules`."
        )
    if missing:
        words.append(f"A SpaceMouse is plugged in, but there is no {_named(missing)}.")
        fixes.append(f"In a container, pass `{dev}/hidraw*` in.")
    if words:
        return Finding("permissions", Health.WARN, " ".join(words), " ".join(fixes))
    return Finding("permissions", Health.OK, f"May open {_named(devices)}.")


def _is_spacemouse(entry: Path) -> bool:
    try:
        text = (entry / "device" / "uevent").read_text(encoding="utf-8")
    except OSError:
        return False
    ids = [line.split(":", 1)[1] for line in text.splitlines() if line.startswith("HID_ID=")]
    return any(i.upper().startswith(known) for i in ids for known in SPACEMOUSE_IDS)


def _named(paths: Sequence[Path]) -> str:
    return ", ".join(str(path) for path in paths)


def _group(path: Path) -> str:
    number = path.stat().st_gid
    try:
        return grp.getgrgid(number).gr_name
    except KeyError:
        return str(number)


def check_udev_rules(rules: Path = UDEV_RULES_PATH) -> Finding:
    advice = "See `ptrctl doctor --print-udev-rules`."
    try:
        present = rules.read_text(encoding="utf-8")
    except FileNotFoundError:
        words = f"No {rules.name}; U2D2, RealSense and SpaceMouse want it."
        return Finding("udev rules", Health.ABSENT, words, advice)
    except OSError as problem:
        words = f"`{rules}` cannot be read: {problem.strerror}."
        return Finding("udev rules", Health.WARN, words, f"Run `sudo chmod 644 {rules}`.")
    if present.strip() != RULES.strip():
        words = f"{rules} differs from what this version prints."
        return Finding("udev rules", Health.WARN, words, advice)
    return Finding("udev rules", Health.OK, str(rules))


def check_libusb() -> Finding:
    if ctypes.util.find_library("usb-1.0") is not None:
        return Finding("libusb", Health.OK, "libusb-1.0 is installed.")
    if is_installed("libusb_package"):
        return Finding("libusb", Health.OK, "libusb-1.0 comes with the package libusb-package.")
    return Finding(
        "libusb",
        Health.ABSENT,
        "libusb-1.0 is missing; only RealSense needs it.",
        "Run `sudo apt-get install libusb-1.0-0`, or `pip install 'ptrctl[realsense]'`.",
    )


def check_usb(devices: Path = Path("/sys/bus/usb/devices")) -> Finding:
    """Whether a RealSense has fallen back to USB 2, as it does when it is plugged in slowly."""
    known, slow = [], []
    for folder in sorted(devices.glob("*")):
        vendor, product = _read(folder / "idVendor"), _read(folder / "idProduct")
        name = KNOWN_DEVICES.get(f"{vendor}:{product}") or KNOWN_DEVICES.get(vendor)
        if vendor == REALSENSE_VENDOR and product.startswith(REALSENSE_PRODUCTS):
            name = _read(folder / "product") or "RealSense"
            speed = _read(folder / "speed")
            if speed.isdecimal() and int(speed) < USB3_MBIT_S:
                slow.append(f"{name} at {speed} Mbit/s")
        if name:
            known.append(name)
    if slow:
        return Finding(
            "USB",
            Health.WARN,
            f"Slow: {', '.join(slow)}; that is USB 2.",
            "Unplug it, plug it in again quickly, with a USB 3 cable into a USB 3 port.",
        )
    if not known:
        return Finding("USB", Health.ABSENT, "No U2D2, RealSense or SpaceMouse is plugged in.")
    return Finding("USB", Health.OK, ", ".join(known))


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8").strip()
    except OSError:
        return ""


def check_ros(environment: Mapping[str, str] = os.environ) -> Finding:
    """Whether a sourced ROS distribution and this Python fit each other."""
    distribution = environment.get("ROS_DISTRO", "")
    here = ".".join(str(number) for number in sys.version_info[:2])
    if not distribution:
        words = "No ROS is sourced; only the arm `interbotix` needs one."
        return Finding("ROS", Health.ABSENT, words)
    wanted = ROS_PYTHON.get(distribution)
    if wanted is None:
        return Finding("ROS", Health.OK, f"ROS {distribution}; its Python is not known here.")
    if wanted == sys.version_info[:2]:
        return Finding("ROS", Health.OK, f"ROS {distribution}, and this is its Python {here}.")
    return Finding(
        "ROS",
        Health.WARN,
        f"ROS {distribution} is built for Python {wanted[0]}.{wanted[1]}; this is {here}, which "
        "cannot import its packages.",
        "Serve the arm from ROS's own Python and use the arm `remote` here "
        "(docs/arms/interbotix.md); or run ptrctl in a terminal without ROS.",
    )


def check_ports(ports: Mapping[int, str] = PORTS) -> Finding:
    """Whether the ports of robot servers are free on this machine."""
    taken = [f"{port} ({words})" for port, words in ports.items() if not _is_free(port)]
    if taken:
        return Finding(
            "ports",
            Health.WARN,
            f"In use: {', '.join(taken)}.",
            "Fine if that is your robot's server; otherwise `ss -ltnp` shows who it is.",
        )
    return Finding("ports", Health.OK, f"{', '.join(str(port) for port in ports)} are free.")


def _is_free(port: int) -> bool:
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
