"""Time for the control loop: the machine's, or the simulator's."""

from __future__ import annotations

import time
from typing import Protocol


class Clock(Protocol):
    """A monotonic clock that can wait."""

    def now_s(self) -> float:
        """Seconds since some fixed moment."""
        ...

    def wait_until_s(self, moment_s: float) -> None:
        """Return at `moment_s`, or at once if it has passed."""
        ...


class MonotonicClock:
    """The machine's monotonic clock."""

    def now_s(self) -> float:
        return time.monotonic()

    def wait_until_s(self, moment_s: float) -> None:
        left_s = moment_s - time.monotonic()
        if left_s > 0:
            time.sleep(left_s)


class SimulatedClock:
    """A clock that jumps to whatever moment is waited for: as fast as the simulator can go."""

    def __init__(self) -> None:
        self._now_s = 0.0

    def now_s(self) -> float:
        return self._now_s

    def wait_until_s(self, moment_s: float) -> None:
        self._now_s = max(self._now_s, moment_s)
