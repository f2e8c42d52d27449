"""A panel on the terminal that is drawn in a thread of its own.

Whoever drives an arm must never wait for a terminal: a slow line, or a person who has stopped
the output, holds back the drawing and nothing else.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import RenderableType
from rich.live import Live
from rich.text import Text

REDRAW_EVERY_S = 0.1
"""At most so often, where there are many changes."""
TICK_EVERY_S = 1.0
"""At least so often: the time that something takes goes on."""
DRAWING_SHARE = 1 / 6
"""Largest share of the time that drawing may take."""


class Screen:
    """Draws what it was told to show, some moments after it is told of a change, and every second.

    Args:
        live: Open; nobody else writes to it.
    """

    def __init__(self, live: Live) -> None:
        self._live = live
        self._draw: Callable[[int, int], RenderableType] = lambda columns, rows: Text()
        self._changed = threading.Event()
        self._closed = threading.Event()
        self._problem: Exception | None = None
        self._thread = threading.Thread(target=self._run, name="screen", daemon=True)
        self._thread.start()

    def show(self, draw: Callable[[int, int], RenderableType]) -> None:
        """Show what `draw(columns, rows)` returns; it is called in the drawing thread."""
        self._draw = draw
        self.changed()

    def changed(self) -> None:
        """Draw again soon; returns at once."""
        self._changed.set()

    def close(self) -> None:
        """Draw no more.

        Raises:
            Exception: What went wrong while drawing: a fault of ptrctl itself.
        """
        self._closed.set()
        self._changed.set()
        self._thread.join()
        if self._problem is not None:
            raise self._problem

    def _run(self) -> None:
        while not self._closed.is_set():
            self._changed.wait(TICK_EVERY_S)
            self._changed.clear()
            begin_s = time.monotonic()
            try:
                size = self._live.console.size
                self._live.update(self._draw(size.width, size.height), refresh=True)
            except Exception as problem:  # told by `close`; the arm goes on meanwhile
                self._problem = problem
                return
            spent_s = time.monotonic() - begin_s
            self._closed.wait(max(REDRAW_EVERY_S, spent_s / DRAWING_SHARE) - spent_s)


@contextmanager
def screen(live: Live) -> Iterator[Screen]:
    """A `Screen` on a Rich live display, which is opened and closed with it."""
    with live:
        shown = Screen(live)
        try:
            yield shown
        finally:
            shown.close()
