"""Draws a MuJoCo model into pictures, with one OpenGL context for all worlds of a thread.

`mujoco.Renderer` makes a context of its own each time, for which a software renderer compiles its
shaders anew: some 200 ms for every kitchen in place of 10
(`benchmarks/simulator_speed.py`).
"""

from __future__ import annotations

import threading
from contextlib import suppress
from typing import Any

from hardware.sim import gl

gl.prepare()

import mujoco  # noqa: E402  (the backend has to be chosen first)
import numpy as np  # noqa: E402

from recordings.records import ImageArray  # noqa: E402

LARGEST = (640, 480)
"""Width and height for backends that want them; pictures are drawn into buffers of their own."""
MOST_GEOMS = 1000
"""Of a scene; a kitchen has fewer than 200."""

_of_thread = threading.local()
_left_by_threads: list[Any] = []
"""What was to be freed while its OpenGL context belonged to another thread. It is kept: freeing it
would free what has the same number in another context."""


class Painter:
    """Pictures of one size of one model; without shadows and reflections.

    Belongs to the thread that makes it.

    Args:
        model: Of the world.
        height, width: Of the pictures, in pixels.

    Raises:
        SystemSetupError: OpenGL does not work; the message names the package.
    """

    def __init__(self, model: mujoco.MjModel, height: int, width: int) -> None:
        gl.choose_backend()
        self._thread = threading.get_ident()
        self._resources: mujoco.MjrContext | None = None
        try:
            self._gl = _context()
            # A buffer no larger than the picture: all of it is cleared each time.
            size = model.vis.global_.offwidth, model.vis.global_.offheight
            model.vis.global_.offwidth, model.vis.global_.offheight = width, height
            try:
                self._resources = mujoco.MjrContext(model, mujoco.mjtFontScale.mjFONTSCALE_50)
            finally:
                model.vis.global_.offwidth, model.vis.global_.offheight = size
        except Exception as error:
            raise gl.cannot_draw(error) from error
        self._model = model
        self._rect = mujoco.MjrRect(0, 0, width, height)
        self._scene = mujoco.MjvScene(model, MOST_GEOMS)
        self._scene.flags[mujoco.mjtRndFlag.mjRND_SHADOW] = False
        self._scene.flags[mujoco.mjtRndFlag.mjRND_REFLECTION] = False
        self._shown = mujoco.MjvOption()
        self._camera = mujoco.MjvCamera()
        self._camera.type = mujoco.mjtCamera.mjCAMERA_FIXED

    def paint(self, data: mujoco.MjData, camera: str) -> ImageArray:
        """What a camera of the model sees now, (height, width, 3) uint8."""
        self._camera.fixedcamid = self._model.camera(camera).id
        mujoco.mjv_updateScene(
            self._model,
            data,
            self._shown,
            None,
            self._camera,
            mujoco.mjtCatBit.mjCAT_ALL,
            self._scene,
        )
        self._gl.make_current()
        # Another painter of this thread may have drawn into its own buffer since.
        mujoco.mjr_setBuffer(mujoco.mjtFramebuffer.mjFB_OFFSCREEN, self._resources)
        mujoco.mjr_render(self._rect, self._scene, self._resources)
        upside_down = np.empty((self._rect.height, self._rect.width, 3), np.uint8)
        mujoco.mjr_readPixels(upside_down, None, self._rect, self._resources)
        return np.ascontiguousarray(upside_down[::-1])

    def close(self) -> None:
        """Free what the model occupies in the OpenGL context; safe to call twice."""
        resources, self._resources = self._resources, None
        if resources is None:
            return
        if self._thread != threading.get_ident():
            _left_by_threads.append((self._gl, resources))
            return
        self._gl.make_current()
        resources.free()

    def __del__(self) -> None:
        with suppress(Exception):  # At the end of the program OpenGL may be gone already.
            self.close()


def _context() -> Any:
    """The OpenGL context of this thread, current."""
    if not hasattr(_of_thread, "context"):
        gl.load_other_compilers()
        _of_thread.context = mujoco.GLContext(*LARGEST)
    _of_thread.context.make_current()
    return _of_thread.context
