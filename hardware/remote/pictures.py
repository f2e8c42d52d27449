"""The served cameras, read in a thread of their own: a stalled one must not hold up the dead-man.

Runs on Python 3.8: it is part of `hardware.remote.serve`.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from concurrent.futures import Future, wait
from concurrent.futures import TimeoutError as TooLate
from contextlib import ExitStack, suppress
from queue import SimpleQueue
from typing import Any

from hardware.camera import Camera
from hardware.faults import CameraFault
from hardware.robot import ShouldStop
from recordings.records import Frame

CLOSE_WAIT_S = 10.0
LOOK_EVERY_S = 0.1
"""How often it is asked whether to go on waiting for a camera that is opened anew."""


class Worker:
    """Does one thing after the other in a thread of its own, which outlives nobody: at the end of
    a program Python waits for the threads of an executor, however long a camera hangs."""

    def __init__(self, name: str) -> None:
        self._work: SimpleQueue[tuple[Future[Any], Callable[[], Any]]] = SimpleQueue()
        threading.Thread(target=self._run, name=name, daemon=True).start()

    def submit(self, work: Callable[[], Any]) -> Future[Any]:
        """What will come of it; what it raises is raised by the future's `result`."""
        future: Future[Any] = Future()
        self._work.put((future, work))
        return future

    def _run(self) -> None:
        while True:
            future, work = self._work.get()
            try:
                result = work()
            except BaseException as problem:
                future.set_exception(problem)
            else:
                future.set_result(result)


class Pictures:
    """All cameras together; every call to them is made by one thread, as OpenGL wants it.

    Args:
        cameras: Name to camera, not yet connected.
    """

    def __init__(self, cameras: Mapping[str, Camera]) -> None:
        self._cameras = cameras
        self._open = ExitStack()
        self._worker = Worker("ptrctl cameras")
        self._late: Future[dict[str, Frame]] | None = None

    def connect(self) -> None:
        """Raises `RobotError` if a camera is missing; none stays open then."""
        self._worker.submit(self._connect).result()

    def _connect(self) -> None:
        with ExitStack() as stack:
            for camera in self._cameras.values():
                stack.enter_context(camera)
            self._open = stack.pop_all()

    def reopen(self, should_stop: ShouldStop) -> bool:
        """Open anew the cameras that have failed; False if it was told to stop meanwhile.

        Raises:
            RobotError: A camera does not come back.
        """
        if self._late is not None and not self._late.done():
            raise self._stalled("still no picture")
        reopening = self._worker.submit(self._reopen)
        while not wait([reopening], LOOK_EVERY_S).done:
            if should_stop():
                return False
        reopening.result()
        return True

    def _reopen(self) -> None:
        for camera in self._cameras.values():
            camera.connect()

    def disconnect(self) -> None:
        """Safe to call twice. A camera that does not close is given up: the arm has to be."""
        with suppress(TooLate):
            self._worker.submit(self._open.close).result(CLOSE_WAIT_S)

    def read(self, wait_s: float | None) -> dict[str, Frame]:
        """The newest picture of every camera.

        Args:
            wait_s: Longest wait; None waits for ever, which only suits a simulator: there the arm
                must not move while its picture is drawn.

        Raises:
            CameraFault: They do not come in time, now or still.
            RobotError: A camera is faulty.
        """
        if self._late is not None and not self._late.done():
            raise self._stalled("still no picture")
        reading: Future[dict[str, Frame]] = self._worker.submit(self._read)
        try:
            return reading.result(wait_s)
        except TooLate:
            self._late = reading
            raise self._stalled(f"no picture within {wait_s:.2g} s") from None

    def _read(self) -> dict[str, Frame]:
        return {name: camera.read() for name, camera in self._cameras.items()}

    def _stalled(self, words: str) -> CameraFault:
        return CameraFault(
            f"The cameras gave {words}: {', '.join(self._cameras)}.",
            "Each gives its newest picture at once.",
            "Unplug the camera and plug it in again, then run `ptrctl doctor` beside the arm.",
        )
