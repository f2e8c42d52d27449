"""Drawing happens in a thread of its own, and holds nobody back."""

from __future__ import annotations

import io
import threading

import pytest
from rich.console import Console
from rich.live import Live
from rich.text import Text

from ptrctl.terminal.screen import Screen, screen


class Stalled(io.StringIO):
    """A terminal that takes no more output until it is told to."""

    def __init__(self) -> None:
        super().__init__()
        self.stalled = threading.Event()
        self.go_on = threading.Event()
        self.go_on.set()

    def write(self, text: str) -> int:
        if not self.go_on.is_set():
            self.stalled.set()
            self.go_on.wait(30)
        return super().write(text)


def live_on(file: io.StringIO) -> Live:
    console = Console(file=file, force_terminal=True, width=80, height=24, color_system=None)
    return Live(console=console, auto_refresh=False, transient=True)


def shows(shown: Screen, words: str) -> threading.Event:
    drawn = threading.Event()

    def draw(columns: int, rows: int) -> Text:
        drawn.set()
        return Text(f"{words} {columns}x{rows}")

    shown.show(draw)
    return drawn


def test_what_is_shown_is_drawn_for_the_terminals_size() -> None:
    file = io.StringIO()
    with screen(live_on(file)) as shown:
        assert shows(shown, "hello").wait(10)
    assert "hello 80x24" in file.getvalue()


def test_many_changes_are_few_drawings() -> None:
    drawings = 0

    def draw(columns: int, rows: int) -> Text:
        nonlocal drawings
        drawings += 1
        return Text("x")

    with screen(live_on(io.StringIO())) as shown:
        shown.show(draw)
        for _ in range(100_000):
            shown.changed()
    assert 1 <= drawings < 1000


def test_time_goes_on_though_nothing_changes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ptrctl.terminal.screen.TICK_EVERY_S", 0.01)
    with screen(live_on(io.StringIO())) as shown:
        drawn = shows(shown, "first")
        for _ in range(2):
            assert drawn.wait(10)
            drawn.clear()


def test_a_stalled_terminal_holds_nobody_back() -> None:
    file = Stalled()
    with screen(live_on(file)) as shown:
        assert shows(shown, "first").wait(10)
        file.go_on.clear()
        shown.changed()
        assert file.stalled.wait(10)
        for _ in range(1000):
            shown.changed()  # returns, although the terminal takes nothing
        file.go_on.set()


def test_a_fault_of_the_drawing_comes_out_at_the_end_and_not_in_between() -> None:
    failed = threading.Event()

    def broken(columns: int, rows: int) -> Text:
        failed.set()
        raise ZeroDivisionError("drawing")

    def use() -> None:
        with screen(live_on(io.StringIO())) as shown:
            shown.show(broken)
            assert failed.wait(10)
            shown.changed()

    with pytest.raises(ZeroDivisionError, match="drawing"):
        use()
