"""Where keys come from: the terminal, byte by byte; what they mean is in `ptrctl.terminal.keymap`.

Read from the terminal itself, so that it works over SSH, in tmux and under Wayland.
"""

from __future__ import annotations

import os
import select
import sys
import termios
import time
from contextlib import ExitStack
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Protocol

from prompt_toolkit.input import Input, create_input
from prompt_toolkit.key_binding import KeyPress
from prompt_toolkit.keys import Keys

from recordings.errors import UsageError

_NAMES: dict[str, str] = {
    " ": "space",
    Keys.ControlM: "enter",
    Keys.ControlJ: "enter",
    Keys.ControlH: "backspace",
    Keys.ControlC: "ctrl-c",
    Keys.PageUp: "page-up",
    Keys.PageDown: "page-down",
}


@dataclass(frozen=True)
class Key:
    """One key press.

    Args:
        name: A single character as typed, or one of "space", "enter", "backspace", "up", ...
        read_s: `time.monotonic()` when it was read.
    """

    name: str
    read_s: float


class KeySource(Protocol):
    """Anything that key presses can be read from."""

    def poll(self) -> list[Key]:
        """The keys pressed since the last call; never waits."""
        ...

    def wait(self, timeout_s: float) -> list[Key]:
        """The keys pressed since the last call, waiting up to `timeout_s` for the first.

        Raises:
            EOFError: The terminal is gone.
        """
        ...


class TerminalKeys:
    """Keys from the controlling terminal, in raw mode while the context is open.

    The terminal is put back on every exit: normal, exception or signal. Ctrl-C stays a signal, so
    that it also stops a program that is not reading keys.

    Raises:
        UsageError: On entering, when standard input is no terminal.
    """

    def __init__(self) -> None:
        self._input: Input | None = None
        self._open = ExitStack()

    def __enter__(self) -> TerminalKeys:
        if not sys.stdin.isatty():
            raise UsageError(
                "Standard input is no terminal, so no keys can be read.",
                "The keyboard needs a terminal.",
                "Run the command in a terminal; on the simulated arm "
                "`--demonstrator scripted` needs none.",
            )
        with ExitStack() as stack:
            self._input = create_input(sys.stdin)
            fd = self._input.fileno()
            before = termios.tcgetattr(fd)
            stack.callback(_restore, fd, before)
            stack.enter_context(self._input.raw_mode())
            _keep_interrupt_key(fd)
            self._open = stack.pop_all()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._open.close()
        self._input = None

    def poll(self) -> list[Key]:
        assert self._input is not None, "TerminalKeys is read outside its context"
        # The parser keeps back an ESC at the end of a read, since arrows start with it. But Escape
        # holds the arm and never waits: an arrow of which only a part has arrived holds it too.
        presses = [*self._input.read_keys(), *self._input.flush_keys()]
        now_s = time.monotonic()
        return [Key(_name(press), now_s) for press in presses]

    def wait(self, timeout_s: float) -> list[Key]:
        assert self._input is not None, "TerminalKeys is read outside its context"
        fd = self._input.fileno()
        ready, _, _ = select.select([fd], [], [], timeout_s)
        keys = self.poll()
        if ready and not keys and (self._input.closed or not _is_terminal(fd)):
            raise EOFError("the terminal was closed")
        return keys


def _is_terminal(fd: int) -> bool:
    """False also for a terminal that was hung up."""
    try:
        termios.tcgetattr(fd)
    except termios.error:
        return False
    return True


def _restore(fd: int, attributes: list[Any]) -> None:
    if _is_terminal(fd):
        # Keys typed ahead must not reach the shell as commands.
        termios.tcflush(fd, termios.TCIFLUSH)
        termios.tcsetattr(fd, termios.TCSANOW, attributes)


def _keep_interrupt_key(fd: int) -> None:
    """Let Ctrl-C send its signal in raw mode, but not Ctrl-Z or Ctrl-\\: they would leave the
    arm alone and the terminal raw."""
    attributes = termios.tcgetattr(fd)
    # Without NOFLSH, Ctrl-C throws away what is being written, and a thread that waits for room
    # to write is never woken.
    attributes[3] |= termios.ISIG | termios.NOFLSH
    disabled = os.fpathconf(fd, "PC_VDISABLE")
    for control in (termios.VSUSP, termios.VQUIT):
        attributes[6][control] = bytes([disabled & 0xFF])
    termios.tcsetattr(fd, termios.TCSANOW, attributes)


def _name(press: KeyPress) -> str:
    key = press.key.value if isinstance(press.key, Keys) else press.key
    return _NAMES.get(key, key)
