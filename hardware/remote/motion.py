"""A long motion of the served arm, run beside the server's loop so that it can be cancelled.

Runs on Python 3.8: it is part of `hardware.remote.serve`.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

from hardware.clock import Clock
from hardware.faults import MissedDeadline, MotionStopped
from hardware.robot import ShouldStop
from recordings.errors import PtrctlError, RobotError


class Motion:
    """One `move_to_start` or parking, in a thread of its own.

    While it runs nobody else may use the robot. It stops, and the arm holds, when it is cancelled
    or when nobody has been heard for too long.

    Args:
        words: What it is, for people ("moving to the start").
        move: The robot's method, given its `should_stop`.
        clock: The arm's.
        silence_s: Longest time between two calls of `heard`; None for a motion of the server's
            own, which nobody has to watch.
    """

    def __init__(
        self,
        words: str,
        move: Callable[[ShouldStop], None],
        clock: Clock,
        silence_s: float | None,
    ) -> None:
        self.words = words
        self.error: PtrctlError | None = None
        self.noted = False
        """What its end says of the arm has been taken note of."""
        self._move = move
        self._clock = clock
        self._silence_s = silence_s
        self._cancelled = threading.Event()
        self.deserted = False
        """It was stopped because nobody was heard for too long."""
        self._alone = False
        self._heard_s = clock.now_s()
        self._thread = threading.Thread(target=self._run, name="ptrctl motion", daemon=True)
        self._thread.start()

    @property
    def running(self) -> bool:
        return self._thread.is_alive()

    @property
    def cancelled(self) -> bool:
        return self._cancelled.is_set()

    @property
    def by_itself(self) -> bool:
        """Nobody has to watch it."""
        return self._silence_s is None

    def heard(self) -> None:
        """Whoever asked for it is still there."""
        self._heard_s = self._clock.now_s()

    def cancel(self) -> None:
        """Ask it to stop; the robot asks once a control period."""
        self._cancelled.set()

    def join(self, timeout_s: float) -> bool:
        """Wait for its end, in seconds of the machine; whether it has ended."""
        self._thread.join(timeout_s)
        return not self.running

    def _should_stop(self) -> bool:
        silent_s = self._clock.now_s() - self._heard_s
        self._alone = self._silence_s is not None and silent_s > self._silence_s
        return self._alone or self.cancelled

    def _run(self) -> None:
        try:
            self._move(self._should_stop)
        except MotionStopped as error:
            self.deserted = self._alone
            self.error = self._silent() if self.deserted else error
        except PtrctlError as error:
            self.error = error
        except Exception as error:  # A fault of the driver itself: told as one, never swallowed.
            self.error = unexpected(error)

    def _silent(self) -> MissedDeadline:
        return MissedDeadline(
            f"The client fell silent for {self._silence_s} s while the arm was {self.words}.",
            "It asks several times a second; without that the arm holds.",
            "Run `ptrctl doctor` for the round trip, then start again.",
        )


def unexpected(error: BaseException) -> RobotError:
    """What the client is told when the driver fails in a way that nobody foresaw."""
    return RobotError(
        f"The arm's driver failed on the server with {type(error).__name__}: {error}.",
        "",
        "Look at the arm, then at the server's terminal, and start the server again.",
    )
