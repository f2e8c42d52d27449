"""Stands for `ptrctl.terminal.keys.TerminalKeys` where nobody types."""

from __future__ import annotations

import time
from collections.abc import Iterable

from ptrctl.terminal.keys import Key


class ScriptedKeys:
    """Keys from a list: each call takes what is due.

    Args:
        names: Key names; None stands for a call in which nothing is pressed.
    """

    def __init__(self, names: Iterable[str | None]) -> None:
        self._names = list(names)

    def poll(self) -> list[Key]:
        if not self._names:
            return []
        name = self._names.pop(0)
        return [] if name is None else [Key(name, time.monotonic())]

    def wait(self, timeout_s: float) -> list[Key]:
        if not self._names:
            raise EOFError("the scripted keys are used up")
        return self.poll()
