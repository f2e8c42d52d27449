"""What the simulator says where nothing can draw."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from hardware.sim import gl
from recordings.errors import SystemSetupError


def test_without_egl_and_osmesa_the_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MUJOCO_GL", raising=False)
    monkeypatch.setattr("ctypes.util.find_library", lambda name: None)
    with pytest.raises(SystemSetupError, match="neither EGL nor OSMesa") as caught:
        gl.choose_backend()
    assert gl.PACKAGES in caught.value.try_next


def test_osmesa_is_taken_where_there_is_no_egl(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MUJOCO_GL", "")
    monkeypatch.setattr(
        "ctypes.util.find_library", lambda name: "x.so" if name == "OSMesa" else None
    )
    assert gl.choose_backend() == os.environ["MUJOCO_GL"] == "osmesa"


def test_a_backend_that_mujoco_does_not_know_is_refused_in_words_by_who_draws(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("MUJOCO_GL", "nonsense")
    monkeypatch.setattr(gl, "_broken", {})
    gl.prepare()
    with pytest.raises(SystemSetupError, match="nonsense") as caught:
        gl.choose_backend()
    assert "unset MUJOCO_GL" in caught.value.try_next


@pytest.mark.parametrize("wished", ["osmesa", "nonsense"])
def test_an_arm_needs_no_opengl(wished: str) -> None:
    """In a process of its own, in which OSMesa cannot be loaded."""
    program = """
import ctypes.util
real = ctypes.util.find_library
ctypes.util.find_library = lambda name: None if name == "OSMesa" else real(name)
from hardware.kinematics import Kinematics
Kinematics()
from hardware.sim.world import SimWorld
try:
    SimWorld("put_carrot_on_plate", 0).render(32, 32)
except Exception as problem:
    print(type(problem).__name__, problem)
"""
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "MUJOCO_GL": wished},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.startswith("SystemSetupError")
    assert wished in done.stdout


@pytest.mark.parametrize("name", ["egl", "osmesa", "glfw", "EGL"])
def test_what_the_user_set_is_kept(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv("MUJOCO_GL", name)
    assert gl.choose_backend() == name


def test_a_failed_drawing_names_package_and_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MUJOCO_GL", "egl")
    problem = gl.cannot_draw("no device.")
    assert problem.found.endswith("no device.")
    assert "MUJOCO_GL=egl" in problem.found
    assert gl.PACKAGES in problem.try_next
