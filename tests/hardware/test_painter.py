"""Worlds share the OpenGL context of their thread, and nothing else."""

from __future__ import annotations

import ctypes
import importlib.util
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from hardware.sim.world import SimWorld

pytestmark = pytest.mark.sim

SIZE = 48, 64


def world(kitchen: int) -> SimWorld:
    made = SimWorld("put_carrot_on_plate", kitchen)
    made.reset(0)
    return made


def in_another_thread(work: Callable[[], object]) -> None:
    problems: list[BaseException] = []

    def run() -> None:
        try:
            work()
        except BaseException as problem:
            problems.append(problem)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    assert not problems, problems


def test_worlds_of_a_thread_draw_in_turns_and_in_one_context(monkeypatch) -> None:
    import mujoco

    made: list[object] = []
    real = mujoco.GLContext

    def counted(*size: int) -> object:
        made.append(real(*size))
        return made[-1]

    monkeypatch.setattr(mujoco, "GLContext", counted)

    def draw() -> None:
        one, other = world(1), world(2)
        of_one, of_other = one.render(*SIZE), other.render(*SIZE)
        assert of_one.shape == (*SIZE, 3)
        assert np.any(of_one != of_other)
        assert np.array_equal(one.render(*SIZE), of_one)
        large = one.render(480, 640, "view")
        other.close()
        assert np.array_equal(one.render(*SIZE), of_one)
        assert np.array_equal(one.render(480, 640, "view"), large)
        assert np.array_equal(other.render(*SIZE), of_other)

    in_another_thread(draw)
    assert len(made) == 1


def test_threads_draw_the_same_world_and_free_only_their_own() -> None:
    shared, own = world(1), world(2)
    expected, of_own = shared.render(*SIZE), own.render(*SIZE)

    def draw_and_close() -> None:
        theirs = world(3)
        of_theirs = theirs.render(*SIZE)
        assert np.array_equal(shared.render(*SIZE), expected)
        shared.close()
        assert np.array_equal(theirs.render(*SIZE), of_theirs)

    in_another_thread(draw_and_close)
    assert np.array_equal(own.render(*SIZE), of_own)
    assert np.array_equal(shared.render(*SIZE), expected)
    shared.close()
    shared.close()


def test_a_compiler_of_pytorch_is_loaded_before_opengl(monkeypatch, tmp_path: Path) -> None:
    import mujoco

    library = tmp_path / "triton" / "_C" / "libtriton.so"
    library.parent.mkdir(parents=True)
    library.touch()
    (tmp_path / "triton" / "__init__.py").touch()
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "triton", raising=False)
    order: list[str] = []
    real = mujoco.GLContext
    monkeypatch.setattr(ctypes, "CDLL", lambda name, mode: order.append(name))

    def context(*size: int) -> object:
        order.append("OpenGL")
        monkeypatch.undo()
        return real(*size)

    monkeypatch.setattr(mujoco, "GLContext", context)
    in_another_thread(lambda: world(3).render(*SIZE))
    assert order == [str(library), "OpenGL"]


@pytest.mark.skipif(importlib.util.find_spec("triton") is None, reason="a PyTorch without triton")
def test_a_program_that_has_drawn_can_learn() -> None:
    """In a process of its own: it used to crash."""
    program = """
import torch
from hardware.sim.world import SimWorld
world = SimWorld("put_carrot_on_plate", 0)
world.reset(0)
world.render(32, 32)
torch.optim.Adam([torch.nn.Parameter(torch.zeros(3))])
"""
    done = subprocess.run([sys.executable, "-c", program], check=False)
    assert done.returncode == 0
