"""Loads pyrealsense2, which needs a system library that its package does not bring."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from importlib import import_module
from types import ModuleType

from hardware.install import how_to_install
from recordings.errors import SystemSetupError


def preload_libusb() -> bool:
    """Load the libusb that the package libusb-package brings; whether there is one."""
    try:
        path = import_module("libusb_package").get_library_path()
    except ImportError:
        return False
    if path is None:
        return False
    ctypes.CDLL(str(path), mode=ctypes.RTLD_GLOBAL)
    return True


def load_realsense(
    load: Callable[[str], ModuleType] = import_module,
    preload: Callable[[], bool] = preload_libusb,
) -> ModuleType:
    """The module pyrealsense2, with its console logging off.

    Raises:
        SystemSetupError: It is not installed, or lacks libusb.
    """
    try:
        library = load("pyrealsense2")
    except ModuleNotFoundError as error:
        raise SystemSetupError(
            "pyrealsense2 is not installed.",
            "RealSense cameras need it.",
            how_to_install("realsense", "pyrealsense2"),
        ) from error
    except ImportError as error:
        if "libusb" not in str(error):
            raise _unusable(error) from error
        library = _with_our_libusb(load, preload)
    library.log_to_console(library.log_severity.fatal)
    return library


def _with_our_libusb(load: Callable[[str], ModuleType], preload: Callable[[], bool]) -> ModuleType:
    try:
        if preload():
            return load("pyrealsense2")
    except (ImportError, OSError) as error:
        raise _unusable(error) from error
    raise SystemSetupError(
        "pyrealsense2 lacks the library libusb-1.0.so.0.",
        "RealSense cameras need it.",
        "Run `sudo apt install libusb-1.0-0`, or `pip install libusb-package`.",
    )


def _unusable(error: Exception) -> SystemSetupError:
    return SystemSetupError(
        f"pyrealsense2 cannot be loaded: {error}.",
        "RealSense cameras need it.",
        "Run `sudo apt install libusb-1.0-0`, then `pip install --force-reinstall pyrealsense2`.",
    )
