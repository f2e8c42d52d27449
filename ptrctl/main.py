"""The application: registers the commands and is the one boundary where errors become words and
exit codes.

Command modules import only typer, `ptrctl.options`, `ptrctl.terminal.console` and plain values at
their top; everything heavy is imported inside the command, so that `ptrctl --help` answers at once.
"""

from __future__ import annotations

import errno
import importlib
import os
import signal
import sys
from contextlib import suppress
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from ptrctl.terminal import console
from ptrctl.terminal.help_page import ReadableCommand
from recordings.errors import INTERRUPTED, PtrctlError, SystemSetupError

TEACH, LEARN, LOOK = "Teach", "Learn and test", "Look after things"
COMMANDS = (
    ("setup", TEACH),
    ("record", TEACH),
    ("finetune", LEARN),
    ("evaluate", LEARN),
    ("improve", LEARN),
    ("pretrain", LEARN),
    ("demo", LEARN),
    ("data", LOOK),
    ("doctor", LOOK),
    ("stop", LOOK),
    ("serve-robot", LOOK),
)
"""Name and help panel. `ptrctl.commands.<name>` holds a function, or a typer app, of that name
(with underscores)."""


class ErrorBoundary(TyperGroup):
    """Turns errors into words and exit codes, and the signals that end us into an interrupt."""

    def invoke(self, ctx: Any) -> Any:
        handled = _signals_interrupt()
        try:
            return super().invoke(ctx)
        except PtrctlError as problem:
            console.error(problem)
            raise typer.Exit(problem.exit_code) from problem
        except OSError as problem:
            if problem.errno == errno.EPIPE:
                raise
            translated = _in_our_words(problem)
            with suppress(OSError):  # It may be the terminal itself that is gone.
                console.error(translated)
            raise typer.Exit(translated.exit_code) from problem
        except KeyboardInterrupt as problem:
            console.interrupted(*problem.args)
            raise typer.Exit(INTERRUPTED) from problem
        finally:
            for number, handler in handled.items():
                signal.signal(number, handler)
            console.mode.json, console.mode.was_json = False, console.mode.json


def _signals_interrupt() -> dict[int, Any]:
    """SIGTERM and SIGHUP unwind the program as Ctrl-C does, so that every `finally` runs."""
    try:
        return {
            number: signal.signal(number, signal.default_int_handler)
            for number in (signal.SIGTERM, signal.SIGHUP)
            if signal.getsignal(number) is not signal.SIG_IGN  # As under `nohup`.
        }
    except ValueError:  # Not in the main thread: whoever runs us there handles signals.
        return {}


def _in_our_words(problem: OSError) -> PtrctlError:
    where = f" ({problem.filename})" if problem.filename else ""
    if problem.errno == errno.ENOSPC:
        return SystemSetupError(
            f"The disk is full{where}.",
            "Every finished episode and checkpoint is intact.",
            "Free some space, run `ptrctl doctor` to see how much is left, "
            "then type the same command again: it goes on where it stopped.",
        )
    return SystemSetupError(
        f"The system refused: {problem.strerror or problem}{where}.",
        "ptrctl must be able to read and write its workspace.",
        "Check the path and its permissions, or name another folder with `--workspace`.",
    )


app = typer.Typer(
    name="ptrctl",
    cls=ErrorBoundary,
    no_args_is_help=True,
    epilog="Exit codes: 0 done, 1 error, 2 usage, 3 robot, 4 recording, 5 checkpoint, 6 system, "
    "130 interrupted.",
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(f"ptrctl {version('ptrctl')}")
        raise typer.Exit


@app.callback()
def ptrctl(
    debug: Annotated[
        bool, typer.Option("--debug", envvar="PTRCTL_DEBUG", help="Show the trace of errors.")
    ] = False,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """Teach a robot arm a new task from ten demonstrations, then let it get better by itself.

    Without an arm everything runs on a simulated WidowX 250s.
    """
    console.mode.debug = debug


def _register() -> None:
    for name, panel in COMMANDS:
        python_name = name.replace("-", "_")
        command = getattr(importlib.import_module(f"ptrctl.commands.{python_name}"), python_name)
        if isinstance(command, typer.Typer):
            app.add_typer(command, name=name, rich_help_panel=panel)
        else:
            app.command(name, cls=ReadableCommand, rich_help_panel=panel)(command)


_register()


def _open_standard_streams() -> None:
    """Open what was closed, as by a shell's `2>&-`: the next file that is opened would get its
    number, and whatever a library prints would go into that."""
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        try:
            os.fstat(number)
        except OSError:
            # The lowest number that is free is the one looked at.
            os.open(os.devnull, os.O_RDWR)
        if getattr(sys, name) is None:
            mode = "w" if number else "r"
            setattr(sys, name, open(number, mode, closefd=False))  # noqa: SIM115


def main() -> None:
    """The `ptrctl` command."""
    _open_standard_streams()
    console.write_what_can_be_written()
    try:
        app(prog_name="ptrctl")
    except Exception as problem:  # The last resort: a fault of ours, said in words.
        console.unexpected(problem)
        sys.exit(1)
