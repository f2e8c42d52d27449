"""Chooses MuJoCo's OpenGL backend: a window system is not needed."""

from __future__ import annotations

import ctypes.util
import os

from recordings.errors import SystemSetupError

PACKAGES = "libegl1 libgl1-mesa-dri"
"""Debian and Ubuntu packages that bring EGL with a software renderer."""


BACKENDS = (("egl", "EGL"), ("osmesa", "OSMesa"))


def prepare() -> None:
    """Choose a backend if there is one; called before every import of mujoco, which reads it."""
    if not os.environ.get("MUJOCO_GL"):
        for backend, library in BACKENDS:
            if ctypes.util.find_library(library):
                os.environ["MUJOCO_GL"] = backend
                return


def choose_backend() -> str:
    """The backend's name: `MUJOCO_GL` where the user set it, else EGL, else OSMesa.

    Raises:
        SystemSetupError: Neither EGL nor OSMesa is installed.
    """
    prepare()
    chosen = os.environ.get("MUJOCO_GL")
    if chosen:
        return chosen
    raise SystemSetupError(
        "The simulator cannot draw: this machine has neither EGL nor OSMesa.",
        "One of them is needed, without a display too.",
        f"Run `sudo apt-get install {PACKAGES}`, then `ptrctl doctor`.",
    )
