"""The only module that prints.

Results go to stdout, everything said on the way (progress, hints, warnings, errors) to stderr.
With `--json` a command prints exactly one JSON document on stdout. Colour never carries meaning
alone: every state also has a word or a sign.
"""

from __future__ import annotations

import io
import json
import math
import os
import sys
import time
import traceback
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from recordings.errors import INTERRUPTED, PtrctlError, UsageError

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

    from ptrctl.terminal.screen import Screen

QUIET_PROGRESS_EVERY_S = 10.0
"""Where no bar can be drawn, progress is a plain line this often."""


@dataclass
class Mode:
    """How this run of the program speaks; set by the shared options.

    Args:
        json: One JSON document on stdout instead of panels and tables.
        was_json: How the last command spoke, for what nobody foresaw.
        debug: Errors come with their trace.
    """

    json: bool = False
    was_json: bool = False
    debug: bool = False


mode = Mode()


@cache
def results() -> Console:
    """The Rich console behind stdout."""
    from rich.console import Console

    return Console(highlight=False)


@cache
def messages() -> Console:
    """The Rich console behind stderr; progress bars and live panels are drawn on it."""
    from rich.console import Console

    return Console(stderr=True, highlight=False)


def is_interactive() -> bool:
    """Whether somebody can read what we say and answer."""
    return sys.stdin.isatty() and sys.stderr.isatty()


def can_draw() -> bool:
    """Whether live panels can be drawn: stderr is a terminal, and not a dumb one."""
    return messages().is_interactive


def can_steer() -> bool:
    """Whether somebody can see a panel and press the keys that it names."""
    return is_interactive() and can_draw()


def require_panel(who: str, why: str, instead: str = "") -> None:
    """Raise `UsageError` unless somebody can see a panel and press the keys that it names.

    Args:
        who: Needs it.
        why: As a sentence.
        instead: What else to try; goes on in the sentence.
    """
    if can_steer():
        return
    lack, fix = "there is none", "Run the command in a terminal"
    if is_interactive():
        lack = f"this one draws no panels (TERM={os.environ.get('TERM', '')})"
        fix = "Type `export TERM=xterm-256color` if it can draw"
    raise UsageError(f"{who} needs a terminal, and {lack}.", why, f"{fix}{instead}.")


@contextmanager
def starting() -> Iterator[None]:
    """Say that ptrctl starts while libraries for learning are loaded inside, which takes seconds;
    the word goes when they are."""
    if not can_draw():
        yield
        return
    sys.stderr.write("starting ...")
    sys.stderr.flush()
    try:
        yield
    finally:
        sys.stderr.write("\r\x1b[2K")
        sys.stderr.flush()


@contextmanager
def asking() -> Iterator[None]:
    """Questions that are asked inside go to stderr where stdout does not lead to the operator."""
    if sys.stdout.isatty() or not sys.stderr.isatty():
        yield
        return
    from prompt_toolkit.application import create_app_session
    from prompt_toolkit.output import create_output

    with create_app_session(output=create_output(stdout=sys.stderr)):
        yield


def write_what_can_be_written() -> None:
    """A sign that a stream's encoding lacks becomes a question mark there, and no error."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")


def show(renderable: RenderableType, *, wrap: bool = True) -> None:
    """Print a result (text, table, panel) to stdout; nothing in JSON mode.

    Args:
        wrap: False leaves long lines as they are, for what a file shall hold.
    """
    if not mode.json:
        results().print(renderable, soft_wrap=not wrap)


def document(data: Mapping[str, Any]) -> None:
    """Print the one JSON document of a command to stdout; nothing outside JSON mode."""
    if mode.json:
        sys.stdout.write(json.dumps(_plain(data), indent=2, allow_nan=False) + "\n")
        sys.stdout.flush()


def note(text: str, *, wrap: bool = True) -> None:
    """Say something on the way, on stderr; without wrapping, what shall be copied."""
    from rich.text import Text

    messages().print(Text(text, style="dim"), soft_wrap=not wrap)


def warn(text: str) -> None:
    """Say something that the operator should not miss, on stderr."""
    from rich.text import Text

    messages().print(Text.assemble(("Warning: ", "bold yellow"), text))


def outcome_panel(
    title: str,
    rows: Mapping[str, object] | Sequence[tuple[str, object]] = (),
    *,
    wrote: Sequence[Path | str] = (),
    next_command: str | None = None,
    good: bool = True,
    data: Mapping[str, Any] | None = None,
) -> None:
    """The end of a command: what happened, which paths were written, what to type next.

    Args:
        title: What happened, as a short sentence.
        rows: Name and value, shown as two columns; a value may be a Rich renderable.
        wrote: Paths written.
        next_command: What to type next.
        good: False marks an end that is not the hoped-for one.
        data: In JSON mode printed instead of the rows (with "wrote" and "next" added).
    """
    pairs = list(rows.items()) if isinstance(rows, Mapping) else list(rows)
    if mode.json:
        body = dict(data) if data is not None else {"title": title, **dict(pairs)}
        document({**body, "wrote": [str(path) for path in wrote], "next": next_command})
        return
    from rich.panel import Panel
    from rich.table import Table
    from rich.text import Text

    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="bold", no_wrap=True)
    grid.add_column(overflow="fold")
    for name, value in pairs:
        grid.add_row(name, value if hasattr(value, "__rich_console__") else Text(str(value)))
    for index, path in enumerate(wrote):
        grid.add_row("wrote" if index == 0 else "", Text(str(path), style="cyan"))
    before = activation() if next_command else ""
    if before:
        grid.add_row("first", Text(before, style="green"))
    # A command that is folded inside the border cannot be copied.
    fits = next_command is not None and 12 + len(next_command) < results().width - max(
        (len(name) for name, _ in pairs), default=0
    )
    if next_command and fits:
        grid.add_row("next", Text(next_command, style="bold green"))
    sign, colour = ("✓", "green") if good else ("!", "yellow")
    results().print(
        Panel(
            grid,
            title=Text(f"{sign} {title}", style=f"bold {colour}"),
            title_align="left",
            border_style=colour,
            expand=False,
            padding=(0, 1),
        )
    )
    if next_command and not fits:
        line = Text.assemble(("  next  ", "bold"), (next_command, "bold green"))
        results().print(line, soft_wrap=True)


def activation() -> str:
    """What to type once in a shell that does not find `ptrctl`, because it was started by its path
    in an environment that is not active, as `make demo` does; "" where it is found."""
    import shlex
    import shutil

    program = Path(sys.argv[0])
    script = program.with_name("activate")
    if program.name != "ptrctl" or shutil.which("ptrctl") or not script.exists():
        return ""
    near = os.path.relpath(script)
    return f". {shlex.quote(str(script) if near.startswith('..') else near)}"


def error(problem: PtrctlError) -> None:
    """Show an error: what was found, what was expected, what to try."""

    if mode.debug:
        traceback.print_exception(problem)
    document(
        {
            "error": {
                "kind": type(problem).__name__,
                "found": problem.found,
                "expected": problem.expected,
                "try_next": problem.try_next,
                "exit_code": problem.exit_code,
            }
        }
    )
    _tell("Error:", "bold red", problem.found, problem.expected, problem.try_next)


def interrupted(
    found: str = "What was finished before is kept.",
    try_next: str = "Type the same command to go on.",
) -> None:
    """Say that the operator's interrupt has ended the command."""
    problem = {"kind": "Interrupted", "found": found, "expected": "", "try_next": try_next}
    document({"error": {**problem, "exit_code": INTERRUPTED}})
    _tell("Interrupted.", "bold yellow", found, "", try_next)


def _tell(word: str, style: str, found: str, expected: str, try_next: str) -> None:
    from rich.table import Table
    from rich.text import Text

    grid = Table.grid(padding=(0, 1))
    grid.add_column(justify="right", no_wrap=True)
    grid.add_column(overflow="fold")
    grid.add_row(Text(word, style=style), Text(found))
    if expected:
        grid.add_row(Text("Expected:", style="dim"), Text(expected))
    if try_next:
        grid.add_row(Text("Try:", style="bold green"), Text(try_next))
        before = activation() if "ptrctl" in try_next else ""
        if before:
            grid.add_row(Text("First:", style="green"), Text(before))
    messages().print(grid)


def unexpected(problem: BaseException) -> None:
    """Show a fault of ptrctl itself, in the way of the command that it ended."""
    mode.json = mode.was_json
    if mode.debug:
        traceback.print_exception(problem)
    document({"error": {"kind": type(problem).__name__, "found": str(problem), "exit_code": 1}})
    _tell(
        "Error:",
        "bold red",
        f"ptrctl itself failed with {type(problem).__name__}: {problem}",
        "",
        "Run the command again with --debug right after `ptrctl`, and report the trace.",
    )


class Progress:
    """How far a long job has come: a bar where one can be drawn, else a plain line now and then."""

    def __init__(self, description: str, total: int) -> None:
        self.description = description
        self.total = total
        self._started_s = self._spoke_s = time.monotonic()
        self._bar: Any = None
        self._task: Any = None

    def update(self, completed: int, words: str = "", *, total: int | None = None) -> None:
        """Say how many of `total` are done, and a few words (a loss, a count)."""
        self.total = self.total if total is None else total
        if self._bar is not None:
            self._bar.update(self._task, completed=completed, total=self.total, words=words)
            return
        now_s = time.monotonic()
        if completed >= self.total or now_s - self._spoke_s >= QUIET_PROGRESS_EVERY_S:
            self._spoke_s = now_s
            left = time_left(now_s - self._started_s, completed, self.total)
            note(f"{self.description}: {completed}/{self.total} {words} {left}".rstrip())

    def _open(self) -> None:
        from rich import progress as rich_progress

        self._bar = rich_progress.Progress(
            rich_progress.TextColumn("{task.description}", markup=False),
            rich_progress.BarColumn(),
            rich_progress.MofNCompleteColumn(),
            rich_progress.TimeRemainingColumn(),
            rich_progress.TextColumn("left"),
            rich_progress.TextColumn("{task.fields[words]}", markup=False),
            console=messages(),
            transient=True,
        )
        self._task = self._bar.add_task(self.description, total=self.total, words="")
        self._bar.start()

    def _close(self) -> None:
        if self._bar is not None:
            self._bar.stop()


@contextmanager
def progress(description: str, total: int) -> Iterator[Progress]:
    """A progress display with the time left, on stderr."""
    display = Progress(description, total)
    if can_draw():
        display._open()
    try:
        yield display
    finally:
        display._close()


@contextmanager
def live(*, whole_screen: bool = False) -> Iterator[Screen]:
    """A panel on stderr that is redrawn in place, in a thread of its own.

    Args:
        whole_screen: Use the terminal's second screen, and give the first back at the end.
    """
    from rich.live import Live

    from ptrctl.terminal.screen import screen

    display = Live(
        console=messages(),
        auto_refresh=False,
        screen=whole_screen,
        transient=True,
        redirect_stdout=False,
        redirect_stderr=False,
        vertical_overflow="crop",
    )
    with screen(display) as shown:
        yield shown


def time_left(spent_s: float, done: int, total: int) -> str:
    """A guess in words from the pace so far ("about 3 min left"), empty while unknown."""
    if done <= 0 or done >= total:
        return ""
    return f"about {duration(spent_s / done * (total - done))} left"


def duration(seconds: float) -> str:
    """Seconds in words: "42 s", "3 min 05 s", "2 h 10 min"."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


def _plain(value: Any) -> Any:
    """`value` with paths, enums, numpy scalars and non-finite floats made fit for JSON."""
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [_plain(item) for item in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if value is None or isinstance(value, (str, int)):
        return value
    if hasattr(value, "tolist"):
        return _plain(value.tolist())
    return str(value)
