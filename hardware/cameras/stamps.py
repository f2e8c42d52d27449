"""Brings a camera's own time stamps onto our monotonic clock."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable

WINDOW = 300
"""Pictures that a foreign clock's offset is estimated from: 10 s at 30 a second. A crystal that
runs off by 100 parts in a million has moved by 1 ms in that time."""


class SystemStamps:
    """Stamps in the machine's system time (seconds since 1970).

    The picture's age is taken in system time at the moment it arrives, so that a system clock
    which is set while the camera runs spoils no later picture.

    Args:
        system_now_s: The machine's system time.
    """

    def __init__(self, system_now_s: Callable[[], float] = time.time) -> None:
        self._system_now_s = system_now_s

    def captured_s(self, stamp_s: float, arrived_s: float) -> float:
        """When the picture was taken, never after it arrived; to be called on arrival."""
        return arrived_s - max(0.0, self._system_now_s() - stamp_s)


class ForeignStamps:
    """Stamps of a clock that nobody knows: the camera's own, or that of a recording.

    The offset is the smallest difference between arrival and stamp among the last pictures: the
    one that was held up least. So the age that it gives counts from that picture's, and a delay
    common to all of them stays unseen.
    """

    def __init__(self) -> None:
        self._offsets: deque[float] = deque(maxlen=WINDOW)
        self._last_stamp_s = float("-inf")
        self._last_captured_s = float("-inf")

    def captured_s(self, stamp_s: float, arrived_s: float) -> float:
        """When the picture was taken: never after it arrived, nor before the picture before it."""
        if stamp_s < self._last_stamp_s:
            # The camera restarted; its frame number tells, and the old offsets mean nothing.
            self._offsets.clear()
            self._last_captured_s = float("-inf")
        self._last_stamp_s = stamp_s
        self._offsets.append(arrived_s - stamp_s)
        # A better offset must not turn time back.
        captured_s = max(stamp_s + min(self._offsets), self._last_captured_s)
        self._last_captured_s = min(captured_s, arrived_s)
        return self._last_captured_s
