"""A thread that does something again and again while the arm is in use."""

from __future__ import annotations

import threading
from collections.abc import Callable

from hardware.clock import Clock
from hardware.faults import LostConnection
from recordings.errors import RobotError

JOIN_WITHIN_S = 5.0


class Ticker:
    """Calls a function at a steady rate until it is stopped; what it raises is reported.

    Args:
        name: The thread's.
        tick: What to do.
        period_s: On the clock.
        clock: The arm's.
        report: Told of every error; the next tick comes all the same.
    """

    def __init__(
        self,
        name: str,
        tick: Callable[[], None],
        period_s: float,
        clock: Clock,
        report: Callable[[RobotError], None],
    ) -> None:
        self._tick = tick
        self._period_s = period_s
        self._clock = clock
        self._report = report
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Return when the last tick is over, or hangs."""
        self._over.set()
        self._thread.join(JOIN_WITHIN_S)

    def _run(self) -> None:
        while not self._over.is_set():
            try:
                self._tick()
            except RobotError as fault:
                self._report(fault)
            except Exception as problem:
                self._report(
                    LostConnection(
                        f"{self._thread.name} failed: {type(problem).__name__}: {problem}.",
                        "ROS runs.",
                        "Start the arm's ROS node again, then the command.",
                    )
                )
            self._clock.wait_until_s(self._clock.now_s() + self._period_s)
