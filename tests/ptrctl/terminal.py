"""A real pseudo-terminal with a shell in it, for tests of what an operator sees and types."""

from __future__ import annotations

import os
import re
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import pexpect
import pyte

PTRCTL = Path(sys.executable).parent / "ptrctl"
TIMEOUT_S = 30.0
COLUMNS, ROWS = 110, 34
SECOND_SCREEN = 1049
LOOKS = {
    "TERM": "xterm-256color",
    "COLORTERM": "truecolor",
    # Nobody here answers where the cursor is, and each prompt would wait a second for it.
    "PROMPT_TOOLKIT_NO_CPR": "1",
}


class OneScreen(pyte.Screen):
    """pyte knows no second screen: when a program leaves it, only the cursor goes back."""

    def reset_mode(self, *modes: int, **how: bool) -> None:
        super().reset_mode(*modes, **how)
        if SECOND_SCREEN in modes:
            self.cursor.x = 0


class Terminal:
    """Runs one command between two looks at the terminal's settings.

    Args:
        words: Arguments of `ptrctl`.
        folder: Where it runs.
        env: Added to the environment.
    """

    def __init__(self, words: str, folder: Path, env: Mapping[str, str] | None = None) -> None:
        self.screen = OneScreen(COLUMNS, ROWS)
        self._stream = pyte.ByteStream(self.screen)
        self.output = b""
        script = f"stty -g; {PTRCTL} {words}; echo code=$?; stty -g"
        self.shell = pexpect.spawn(
            "/bin/bash",
            ["--norc", "-c", script],
            cwd=str(folder),
            env={**os.environ, **LOOKS, **(env or {})},
            dimensions=(ROWS, COLUMNS),
            timeout=TIMEOUT_S,
        )

    def press(self, keys: str) -> None:
        self.shell.send(keys)

    def read_until(self, holds: Callable[[], bool], what: str) -> None:
        """Read what is drawn until something holds.

        Raises:
            AssertionError: It did not within `TIMEOUT_S`; shows the screen.
        """
        deadline_s = time.monotonic() + TIMEOUT_S
        while not holds():
            assert time.monotonic() < deadline_s, f"no {what}:\n" + "\n".join(self.screen.display)
            try:
                chunk = self.shell.read_nonblocking(65536, timeout=0.2)
            except pexpect.TIMEOUT:
                continue
            except pexpect.EOF:
                assert holds(), f"ended before {what}:\n" + "\n".join(self.screen.display)
                return
            self.output += chunk
            self._stream.feed(chunk)

    def see(self, words: str) -> None:
        """Wait until the screen shows some words."""
        self.read_until(lambda: words in "\n".join(self.screen.display), f"`{words}`")

    def child_pid(self) -> int:
        """The process of ptrctl."""
        children = Path(f"/proc/{self.shell.pid}/task/{self.shell.pid}/children").read_text()
        return int(children.split()[0])

    def end(self) -> tuple[int, bool]:
        """Wait for the end: exit code, and whether the terminal's settings are as before."""
        self.read_until(lambda: len(self._settings()) == 2 and b"code=" in self.output, "end")
        before, after = self._settings()
        code = re.search(rb"code=(\d+)", self.output)
        assert code is not None
        self.shell.close()
        return int(code[1]), before == after

    def _settings(self) -> list[bytes]:
        return re.findall(rb"^[0-9a-f]+(?::[0-9a-f]+){20,}(?=\r\n)", self.output, re.MULTILINE)
