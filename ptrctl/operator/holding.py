"""How an operator holds an arm that moves outside of any episode."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from ptrctl.operator.interrupts import Interrupts
from ptrctl.terminal.keymap import HOLD_KEYS


def _keys_are_read() -> bool:
    """Also where what we say goes into a file."""
    return sys.stdin.isatty()


def how_to_hold() -> str:
    """What holds the arm inside `watching`, as a sentence."""
    return "Space, Esc or Ctrl-C holds it." if _keys_are_read() else "Ctrl-C holds it."


@contextmanager
def watching() -> Iterator[Callable[[], bool]]:
    """Whether the operator has pressed a key that holds the arm, or sent a signal."""
    with Interrupts() as interrupts:
        if not _keys_are_read():
            yield lambda: interrupts.requested
            return
        from ptrctl.terminal.keys import TerminalKeys

        with TerminalKeys() as keys:
            yield lambda: interrupts.requested or any(k.name in HOLD_KEYS for k in keys.poll())
