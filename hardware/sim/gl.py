"""Chooses MuJoCo's OpenGL backend: a window system is not needed."""

from __future__ import annotations

import ctypes
import ctypes.util
import importlib
import importlib.util
import os
import sys
from contextlib import suppress
from pathlib import Path

from recordings.errors import SystemSetupError

PACKAGES = "libegl1 libgl1-mesa-dri"
"""Debian and Ubuntu packages that bring EGL with a software renderer."""


BACKENDS = (("egl", "EGL"), ("osmesa", "OSMesa"))
ON_A_SCREEN = ("glfw", "on", "enable", "enabled", "true", "1")
OFF = ("off", "disable", "disabled", "false", "0")


_broken: dict[str, Exception] = {}
"""The backend that the user wished for and that cannot be loaded, to why."""


def prepare() -> None:
    """Choose a backend if there is one; called before every import of mujoco, which reads it.

    Where the one that the user wished for is none, or cannot be loaded, mujoco is imported without
    any: an arm moves without pictures. Whoever draws is told (`choose_backend`).
    """
    wished = os.environ.get("MUJOCO_GL", "").strip().lower()
    names = tuple(name for name, _ in BACKENDS)
    if wished and wished not in (*names, *ON_A_SCREEN, *OFF):
        _broken[wished] = ValueError("MuJoCo does not know it")
        os.environ["MUJOCO_GL"] = "off"
    elif not wished:
        for backend, library in BACKENDS:
            if ctypes.util.find_library(library):
                os.environ["MUJOCO_GL"] = backend
                return
    elif wished in names and "mujoco" not in sys.modules:
        _try(wished)


def _try(backend: str) -> None:
    """Import mujoco with a backend, or else with none."""
    try:
        importlib.import_module("mujoco")
    except (ImportError, AttributeError, OSError) as problem:
        _broken[backend] = problem
        os.environ["MUJOCO_GL"] = "off"
        # Its compiled parts stay: they cannot be loaded twice.
        for name in [name for name in sys.modules if name.split(".")[0] == "mujoco"]:
            if name.count(".") == 0 or name.split(".")[1] in ("gl_context", *dict(BACKENDS)):
                del sys.modules[name]


def cannot_draw(reason: object) -> SystemSetupError:
    """What to say when OpenGL fails."""
    chosen = os.environ.get("MUJOCO_GL", "")
    return SystemSetupError(
        f"The simulator cannot draw with MUJOCO_GL={chosen}: {str(reason).rstrip('.')}.",
        "A working EGL or OSMesa is needed, without a display too.",
        f"Run `sudo apt-get install {PACKAGES}` and `unset MUJOCO_GL`, then `ptrctl doctor`.",
    )


def choose_backend() -> str:
    """The backend's name: `MUJOCO_GL` where the user set it, else EGL, else OSMesa.

    Raises:
        SystemSetupError: Neither EGL nor OSMesa is installed, or not the one that was wished for.
    """
    prepare()
    for backend, problem in _broken.items():
        raise SystemSetupError(
            f"The environment sets MUJOCO_GL to `{backend}`, which cannot be loaded: {problem}.",
            f"It should be unset, or {', '.join(dict(BACKENDS))} or glfw, if that is installed.",
            "Run `unset MUJOCO_GL`, then `ptrctl doctor`.",
        )
    chosen = os.environ.get("MUJOCO_GL")
    if chosen:
        return chosen
    raise SystemSetupError(
        "The simulator cannot draw: this machine has neither EGL nor OSMesa.",
        "One of them is needed, without a display too.",
        f"Run `sudo apt-get install {PACKAGES}`, then `ptrctl doctor`.",
    )


def load_other_compilers() -> None:
    """Load the compiler that comes with PyTorch's CUDA builds, where it is installed.

    To be called before the first OpenGL context. Mesa's renderer brings an LLVM and shows it to the
    whole process. A `triton` that is loaded afterwards, as by PyTorch's first optimiser, takes that
    one for its own and crashes; loaded before, each keeps its own.
    """
    # What is wrong with it is for PyTorch to say, if it is ever needed.
    with suppress(OSError, ValueError):
        triton = importlib.util.find_spec("triton")
        for folder in (triton and triton.submodule_search_locations) or ():
            for library in Path(folder).glob("_C/libtriton*.so"):
                ctypes.CDLL(str(library), mode=os.RTLD_NOW | os.RTLD_LOCAL)
