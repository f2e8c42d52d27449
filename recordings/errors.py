"""The one family of errors that ptrctl raises on purpose.

Every error says what was found, what was expected and what to type next. The four rooms raise
subclasses; `ptrctl.main` is the only place that prints one and turns it into an exit code.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable

INTERRUPTED = 130
"""Exit code after Ctrl-C, SIGTERM or SIGHUP; those of errors stand in their classes."""


class PtrctlError(Exception):
    """A problem that the operator can act on.

    Args:
        found: What is the case, with the value ("Joint `elbow` is at 2.31 rad").
        expected: What should be the case ("the limit is 1.61 rad").
        try_next: What to do or type ("Move the arm inside its limits, then run `ptrctl setup`").

    `exit_code` is documented in the README's table; subclasses set their own.
    """

    exit_code = 1

    def __init__(self, found: str, expected: str = "", try_next: str = "") -> None:
        self.found = found
        self.expected = expected
        self.try_next = try_next
        super().__init__(found, expected, try_next)

    def __str__(self) -> str:
        expected = f"Expected: {self.expected}" if self.expected else ""
        return " ".join(part for part in (self.found, expected, self.try_next) if part)


class UsageError(PtrctlError):
    """A command was called with words or values that do not fit."""

    exit_code = 2


class RobotError(PtrctlError):
    """The robot, a camera or a teleoperator is missing, faulty or did something unsafe."""

    exit_code = 3


class RecordingError(PtrctlError):
    """A recording, dataset or label cannot be read or written."""

    exit_code = 4


class CheckpointError(PtrctlError):
    """A checkpoint cannot be read, or does not fit the robot, the data or the request."""

    exit_code = 5


class SystemSetupError(PtrctlError):
    """The machine lacks something: a package, a driver, a permission, room on the disk."""

    exit_code = 6


def nearest(name: str, known: Iterable[str], count: int = 1, alike: float = 0.6) -> list[str]:
    """The known names that a mistyped one may have meant, the likeliest first.

    Args:
        name: What was typed.
        known: What there is.
        count: So many at most.
        alike: How much two names have in common at least, 0 to 1; names that begin with `name`
            come before all others.
    """
    names = list(known)
    begun = [one for one in names if name and one.startswith(name)]
    return begun[:count] or difflib.get_close_matches(name, names, count, alike)
