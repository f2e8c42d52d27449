"""Reading keys from a real pseudo-terminal."""

from __future__ import annotations

import os
import pty
import sys
import termios
from collections.abc import Iterator

import pytest

from ptrctl.terminal.keymap import Command, Moment, command_for, moves_the_arm
from ptrctl.terminal.keys import TerminalKeys
from recordings.errors import UsageError


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """The far end of a pseudo-terminal whose near end is standard input."""
    far, near = pty.openpty()
    with os.fdopen(near, "r") as stdin:
        monkeypatch.setattr(sys, "stdin", stdin)
        yield far
    os.close(far)


def names(keys: TerminalKeys, enough: int) -> list[str]:
    found: list[str] = []
    for _ in range(20):
        found += [key.name for key in keys.wait(0.1)]
        if len(found) >= enough:
            break
    return found


def test_letters_arrive_without_enter(terminal: int) -> None:
    with TerminalKeys() as keys:
        os.write(terminal, b"iy")
        assert names(keys, 2) == ["i", "y"]


def test_special_keys_have_names(terminal: int) -> None:
    with TerminalKeys() as keys:
        os.write(terminal, b"\x1b[A\x1b[D\x1b[5~ \r\x7f")
        expected = ["up", "left", "page-up", "space", "enter", "backspace"]
        assert names(keys, len(expected)) == expected


@pytest.mark.parametrize("before", [[], ["i", "i"], ["up"]])
def test_escape_is_heard_as_soon_as_space_whatever_was_pressed_before(
    terminal: int, before: list[str]
) -> None:
    sent = {"i": b"i", "up": b"\x1b[A"}
    with TerminalKeys() as keys:
        for last, name in ((b" ", "space"), (b"\x1b", "escape")):
            os.write(terminal, b"".join(sent[key] for key in before) + last)
            assert [key.name for key in keys.wait(5.0)] == [*before, name]


def test_an_arrow_of_which_a_part_has_arrived_does_no_more_than_hold(terminal: int) -> None:
    found: list[str] = []
    with TerminalKeys() as keys:
        for part in (b"i\x1b", b"[A", b"i\x1b[", b"A"):
            os.write(terminal, part)
            found += [key.name for key in keys.wait(5.0)]
    moving = [name for name in found if moves_the_arm(name)]
    commands = [command_for(name, Moment.RUNNING) for name in found]
    assert moving == ["i", "i"]
    assert [command for command in commands if command] == [Command.HOLD] * 2


def test_polling_never_waits(terminal: int) -> None:
    with TerminalKeys() as keys:
        assert keys.poll() == []


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_the_terminal_is_put_back_after_an_error(terminal: int, error: type[BaseException]) -> None:
    before = termios.tcgetattr(sys.stdin)

    def read_keys_and_fail() -> None:
        with TerminalKeys():
            assert termios.tcgetattr(sys.stdin) != before
            raise error

    with pytest.raises(error):
        read_keys_and_fail()
    assert termios.tcgetattr(sys.stdin) == before


def test_keys_typed_ahead_do_not_reach_the_shell(terminal: int) -> None:
    with TerminalKeys():
        os.write(terminal, b"rm -rf\n")
    os.set_blocking(sys.stdin.fileno(), False)
    with pytest.raises(BlockingIOError):
        os.read(sys.stdin.fileno(), 10)


def test_suspending_with_ctrl_z_is_off_and_ctrl_c_is_still_a_signal(terminal: int) -> None:
    with TerminalKeys():
        attributes = termios.tcgetattr(sys.stdin)
    assert attributes[3] & termios.ISIG
    assert attributes[6][termios.VINTR] == b"\x03"
    assert attributes[6][termios.VSUSP] == b"\x00"


def test_a_closed_terminal_is_an_end_not_an_endless_wait(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    far, near = pty.openpty()
    with os.fdopen(near, "r") as stdin:
        monkeypatch.setattr(sys, "stdin", stdin)
        with TerminalKeys() as keys:
            os.close(far)
            with pytest.raises(EOFError):
                names(keys, 1)


def test_without_a_terminal_the_error_names_the_scripted_demonstrator(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with open(os.devnull, encoding="utf-8") as nothing:
        monkeypatch.setattr(sys, "stdin", nothing)
        with pytest.raises(UsageError, match="--demonstrator scripted"), TerminalKeys():
            pass
