"""Chooses an OpenGL backend before MuJoCo is imported: a window system is not needed."""

from __future__ import annotations

import ctypes.util
import os

from recordings.errors import SystemSetupError

PACKAGES = "libegl1 libgl1-mesa-dri"
"""Debian and Ubuntu packages that bring EGL with a software renderer."""


def choose_backend() -> str:
    """Set `MUJOCO_GL` unless the user did; returns the backend's name.

    Raises:
        SystemSetupError: Neither EGL nor OSMesa is installed.
    """
    chosen = os.environ.get("MUJOCO_GL")
    if chosen:
        return chosen
    for backend, library in (("egl", "EGL"), ("osmesa", "OSMesa")):
        if ctypes.util.find_library(library):
            os.environ["MUJOCO_GL"] = backend
            return backend
    raise SystemSetupError(
        "The simulator cannot draw: this machine has neither EGL nor OSMesa.",
        "One of them is needed, without a display too.",
        f"Run `sudo apt-get install {PACKAGES}`, then `ptrctl doctor`.",
    )
