"""A thread that reads a camera and keeps only the newest picture."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from hardware.cameras.watch import PictureWatch
from hardware.clock import Clock
from hardware.faults import CameraFault
from recordings.errors import PtrctlError
from recordings.records import ImageArray

DepthArray = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Picture:
    """What a camera delivered, before resizing.

    Args:
        image: (H, W, 3) uint8 RGB; a copy of its own.
        number: Counts up.
        captured_s, arrived_s: As in `recordings.records.Frame`.
        depth_m: (H, W) float32, metres along the optical axis, aligned to `image`, 0 where
            unknown; None if the camera has none or it is off.
    """

    image: ImageArray
    number: int
    captured_s: float
    arrived_s: float
    depth_m: DepthArray | None = None


class Source(Protocol):
    """An open stream of pictures. All calls come from one thread at a time."""

    @property
    def identity(self) -> Mapping[str, Any]:
        """Serial number, mode and locked settings, for recordings."""
        ...

    def next_picture(self) -> Picture | None:
        """Wait for the next picture, about a second at most; None if there was none.

        Raises:
            CameraFault: There will be no more.
        """
        ...

    def close(self) -> None:
        """Let go of the device. Never raises."""
        ...


class NewestPicture:
    """Reads a source in the background, as fast as it delivers, and keeps the newest picture.

    However slowly `newest` is called, nothing queues up in the driver. The thread hands every
    picture to the watch, ends at the first fault, and closes the source: a device is only ever
    touched by the thread that reads it.

    Args:
        name: The camera's.
        source: Open; belongs to this object from now on.
        watch: Told of every picture.
        clock: Gives the age of pictures.
    """

    def __init__(self, name: str, source: Source, watch: PictureWatch, clock: Clock) -> None:
        self._name = name
        self._source = source
        self._watch = watch
        self._clock = clock
        self._changed = threading.Condition()
        self._picture: Picture | None = None
        self._fault: PtrctlError | None = None
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"camera {name}", daemon=True)
        self._thread.start()

    def wait_for_first(self, timeout_s: float) -> None:
        """Block until there is a picture.

        Raises:
            CameraFault: The first fault, or none came within `timeout_s` of real time.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._picture or self._fault, timeout_s)
        if self._picture is None and self._fault is None:
            raise CameraFault(
                f"The camera {self._name} delivered no picture within {timeout_s:g} s.",
                "It should begin at once.",
                "Unplug it, plug it in again, and run `ptrctl doctor`.",
            )
        self._raise_fault()

    @property
    def delivers(self) -> bool:
        """There is a picture, and it is no older than it may be."""
        try:
            self.newest()
        except PtrctlError:
            return False
        return True

    def newest(self) -> Picture:
        """The newest picture.

        Raises:
            CameraFault: It is too old, or the thread met a fault; that fault stays until the
                camera is connected anew.
        """
        self._raise_fault()
        with self._changed:
            picture = self._picture
        assert picture is not None, "newest comes after wait_for_first"
        self._watch.check_age(picture.captured_s, picture.arrived_s, self._clock.now_s())
        return picture

    def stop(self, timeout_s: float = 5.0) -> bool:
        """End the thread; returns whether it ended in time.

        One that hangs in a driver ends, and closes the device, as soon as the driver lets it.
        """
        self._stopping.set()
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def _raise_fault(self) -> None:
        with self._changed:
            fault = self._fault
        if fault is not None:
            # A fresh one each time: a traceback grows with every raise of the same object.
            raise type(fault)(fault.found, fault.expected, fault.try_next) from fault

    def _run(self) -> None:
        fault: PtrctlError | None = None
        try:
            while not self._stopping.is_set():
                picture = self._source.next_picture()
                if picture is not None:
                    self._watch.see(
                        picture.image, picture.captured_s, picture.arrived_s, picture.number
                    )
                    with self._changed:
                        self._picture = picture
                        self._changed.notify_all()
        except PtrctlError as error:
            fault = error
        except Exception as error:
            fault = CameraFault(
                f"The driver of camera {self._name} failed: {type(error).__name__}: {error}.",
                "It should deliver pictures.",
                "Unplug it, plug it in again, and run `ptrctl doctor`.",
            )
            fault.__cause__ = error
        finally:
            self._source.close()
            with self._changed:
                self._fault = fault
                self._changed.notify_all()
