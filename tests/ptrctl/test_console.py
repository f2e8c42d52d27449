"""What commands print at their end can be read and copied."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from rich.console import Console

from ptrctl.terminal import console
from recordings.errors import UsageError

LONG = "ptrctl evaluate --task put_carrot_on_plate --workspace " + "/a-folder" * 9


@pytest.fixture
def screen(monkeypatch: pytest.MonkeyPatch) -> io.StringIO:
    """80 columns in place of both streams."""
    written = io.StringIO()
    narrow = Console(file=written, width=80, highlight=False)
    monkeypatch.setattr(console, "results", lambda: narrow)
    monkeypatch.setattr(console, "messages", lambda: narrow)
    return written


def test_a_short_next_command_stands_in_the_panel(screen: io.StringIO) -> None:
    console.outcome_panel("Done", {"task": "t"}, next_command="ptrctl data list")
    assert "│ next  ptrctl data list" in screen.getvalue()


@pytest.mark.parametrize("length", range(60, 80))
def test_the_next_command_is_never_folded(screen: io.StringIO, length: int) -> None:
    command = "ptrctl " + "x" * (length - 7)
    console.outcome_panel("Done", {"task": "t"}, next_command=command)
    assert command in screen.getvalue()


def test_a_long_next_command_stands_below_in_one_line(screen: io.StringIO) -> None:
    console.outcome_panel("Done", {"task": "t"}, next_command=LONG)
    assert f"  next  {LONG}\n" in screen.getvalue()


def test_a_shell_that_does_not_find_ptrctl_is_told_what_to_type_first(
    screen: io.StringIO, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    programs = tmp_path / ".venv" / "bin"
    programs.mkdir(parents=True)
    for name in ("ptrctl", "activate"):
        (programs / name).touch(0o755)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.argv", [str(programs / "ptrctl"), "demo"])
    monkeypatch.setenv("PATH", "/nowhere")
    console.outcome_panel("The demo is complete", next_command="ptrctl setup")
    console.error(UsageError("Nothing is there.", "Something.", "Run `ptrctl setup`."))
    assert screen.getvalue().count(". .venv/bin/activate") == 2
    monkeypatch.setenv("PATH", str(programs))
    console.outcome_panel("The demo is complete", next_command="ptrctl setup")
    assert screen.getvalue().count(". .venv/bin/activate") == 2


def test_long_errors_keep_their_columns(screen: io.StringIO) -> None:
    console.error(UsageError("found " * 20, "expected " * 20, "try " * 20))
    lines = screen.getvalue().splitlines()
    columns = ("   Error: ", "Expected: ", "     Try: ", " " * 10)
    assert all(line.startswith(columns) for line in lines)


def test_an_interrupt_says_how_to_go_on(screen: io.StringIO) -> None:
    console.interrupted()
    assert "is kept" in screen.getvalue()
    assert "Try: Type the same command" in screen.getvalue()


@pytest.mark.parametrize("can_draw", [True, False])
def test_a_slow_start_is_told_where_the_word_can_go_again(
    can_draw: bool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(console, "can_draw", lambda: can_draw)
    with console.starting():
        assert capsys.readouterr().err == ("starting ..." if can_draw else "")
    assert capsys.readouterr().err == ("\r\x1b[2K" if can_draw else "")
