"""The live panel of recording and trials: what the arm sees and does, and the keys that work now.

It listens to the control loop; `ptrctl.terminal.screen` draws it in a thread of its own, so that no
terminal can hold the loop back.
"""

from __future__ import annotations

import shutil
import textwrap
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from hardware.loop import Subscriber
from ptrctl.terminal.console import duration
from ptrctl.terminal.halfblocks import HalfBlocks, fit
from ptrctl.terminal.keymap import Moment
from ptrctl.terminal.screen import Screen
from recordings.records import (
    EpisodeEnd,
    EpisodeInfo,
    FloatArray,
    ImageArray,
    Observation,
    Outcome,
    Score,
    Step,
)

MESSAGE_ROWS = 7
"""A fault is told in full where there is room: what happened, what was expected, what to do, and
whether the arm has confirmed that it holds."""

NARROW_COLUMNS = 78
"""Below this the picture goes above the figures instead of beside them."""

NAME_COLUMNS = 12
"""Of the names of the figures: long values are cut, not their names."""


@dataclass
class View:
    """Everything the panel shows; changed by whoever knows better, drawn by `draw`.

    Args:
        title: "record put_carrot_on_plate".
        wanted: Outcome to the number asked for.
        counts: Outcome to the number there is; None where a row of its own says how it stands.
        keys: (letter, words) that work now.
        arm_keys: The same for keys that move the arm; empty unless they do.
        rows: Further rows, name to words.
        meter: What the value meter says, see `gauge`.
        key_rows: Most lines that the keys have needed so far; kept free, so that the picture
            does not jump when other keys work.
    """

    title: str
    control_rate_hz: float
    max_steps: int = 0
    wanted: Mapping[Outcome, int] = field(default_factory=dict)
    counts: Counter[Outcome] | None = field(default_factory=Counter)
    moment: Moment = Moment.BUSY
    message: str = ""
    keys: Sequence[tuple[str, str]] = ()
    arm_keys: Sequence[tuple[str, str]] = ()
    rows: dict[str, str] = field(default_factory=dict)
    step: int = 0
    rate_hz: float = 0.0
    overruns: int = 0
    worst_overrun_s: float = 0.0
    interventions: Counter[str] = field(default_factory=Counter)
    state: FloatArray | None = None
    score: Score | None = None
    meter: tuple[str, Text] | None = None
    picture: ImageArray | None = None
    disk_free_bytes: int = 0
    key_rows: int = 0


def gigabytes(size: float) -> str:
    """Bytes in words: "41.2 GB"."""
    return f"{size / 1e9:.1f} GB" if size >= 1e9 else f"{size / 1e6:.0f} MB"


def draw(view: View, columns: int, rows: int) -> RenderableType:
    """The panel for a terminal of that size; parts that do not fit are left out, keys last."""
    inner = columns - 4
    key_lines = sum(len(_key_lines(pairs, inner)) for pairs in (view.arm_keys, view.keys))
    beside = columns >= NARROW_COLUMNS
    # Beside the border and a line for the message.
    figures = _figures(view, rows - 3 - key_lines, _figure_columns(columns) if beside else inner)
    free = rows - 2 - figures.row_count
    keys = _keys(view, inner, free)
    view.key_rows = max(len(keys), min(view.key_rows, free))
    keys += [Text()] * (view.key_rows - len(keys))
    room = rows - 2 - view.key_rows
    top: RenderableType = figures
    picture_rows = room - 1 if beside else room - figures.row_count - 1
    if view.picture is not None and picture_rows >= 6:
        width = inner - _figure_columns(columns) if beside else inner
        picture = HalfBlocks(view.picture, width, picture_rows)
        if beside:
            pair = Table.grid(padding=(0, 2))
            pair.add_column(no_wrap=True)
            pair.add_column()
            pair.add_row(picture, figures)
            top = pair
        else:
            top = Group(picture, figures)
    return Panel(
        Group(top, *keys),
        title=Text(view.title, style="bold"),
        title_align="left",
        border_style="cyan",
        padding=(0, 1),
        width=columns if not beside else min(columns, _natural_width(view, inner, picture_rows)),
    )


def _natural_width(view: View, inner: int, picture_rows: int) -> int:
    """Wide terminals get a panel no wider than its content."""
    if view.picture is None or picture_rows < 6:
        return max(NARROW_COLUMNS, min(inner, 96))
    beside = _figure_columns(inner + 4)
    picture_columns, _ = fit(view.picture, inner - beside, picture_rows)
    return max(NARROW_COLUMNS, picture_columns + beside + 8)


def _figure_columns(columns: int) -> int:
    """What the figures get of a terminal of that width, the gap beside the picture included."""
    return 42 if columns < 100 else 54


def _figures(view: View, most: int, columns: int) -> Table:
    """At most so many rows, the one that says what happens now always. Words that are too long for
    one go on in the next."""
    figures = dict(_figure_rows(view))
    width = columns - max(NAME_COLUMNS, *map(len, figures)) - 3
    lines = {name: _wrapped(figure, width) for name, figure in figures.items()}
    for name in _LESS_WANTED:
        if sum(map(len, lines.values())) > most:
            lines.pop(name, None)
    rows = [
        ("" if row else name, line)
        for name, of_it in lines.items()
        for row, line in enumerate(of_it)
    ]
    grid = Table.grid(padding=(0, 1))
    grid.add_column(style="dim", no_wrap=True, min_width=NAME_COLUMNS)
    grid.add_column(no_wrap=True)
    for name, line in rows[: max(1, most)]:
        grid.add_row(name, line)
    return grid


def _wrapped(figure: RenderableType, width: int) -> Sequence[RenderableType]:
    return textwrap.wrap(figure, width) or [""] if isinstance(figure, str) else [figure]


def _figure_rows(view: View) -> Iterator[tuple[str, RenderableType]]:
    yield "now", Text(view.moment.value, style="bold " + _COLOURS[view.moment])
    for outcome, count in () if view.counts is None else ((o, view.counts[o]) for o in Outcome):
        wanted = view.wanted.get(outcome)
        if wanted:
            bar = _bar(count, wanted, 12)
            yield outcome.value, Text.assemble(f"{count} of {wanted}  ", bar)
        elif count or outcome is not Outcome.UNLABELLED:
            yield outcome.value, str(count)
    yield from list(view.rows.items())
    yield "step", f"{view.step} of at most {view.max_steps}"
    rate = f"{view.rate_hz:.1f} Hz" if view.rate_hz else "-"
    yield "rate", f"{rate} (wanted {view.control_rate_hz:g} Hz)"
    late = f", worst {view.worst_overrun_s * 1000:.0f} ms" if view.overruns else ""
    yield "late periods", f"{view.overruns}{late}"
    rules = ", ".join(f"{rule} {count}" for rule, count in view.interventions.most_common(2))
    yield "safety", rules or "no intervention"
    if view.state is not None:
        x, y, z, roll, pitch, yaw, gripper = view.state
        yield "x y z, m", f"{x:+.3f} {y:+.3f} {z:+.3f}"
        yield "r p y, rad", f"{roll:+.2f} {pitch:+.2f} {yaw:+.2f}"
        yield "gripper", Text.assemble(_bar(gripper, 1.0, 8), f" {_opening(gripper)}")
    if view.score is not None:
        yield "progress", f"{view.score.progress:.2f} {view.score.stage}"
    if view.meter is not None:
        yield view.meter
    yield "disk left", gigabytes(view.disk_free_bytes)


def _opening(gripper: float) -> str:
    """What a gripper's state says, 0 closed to 1 open: nobody shall read "0.00 open" as open."""
    return {0.0: "closed", 1.0: "open"}.get(round(gripper, 1), f"{gripper:.2f} open")


_LESS_WANTED = (
    "r p y, rad",
    "disk left",
    "rate",
    "late periods",
    "x y z, m",
    "gripper",
    "safety",
    "progress",
    "step",
)
"""Figures that a low terminal goes without, the first first."""


def gauge(extras: Mapping[str, float]) -> tuple[str, Text] | None:
    """What the value meter says of a step: a name and words.

    Args:
        extras: The step's. With "chance" the chance of success; with "q" alone the plain value,
            which nobody can take for a chance; with neither nothing.
    """
    if "chance" in extras:
        chance = extras["chance"]
        return "success chance", Text.assemble(f"{chance:.2f} ", _bar(chance, 1.0, 12))
    if "q" in extras:
        return "value", Text(f"Q {extras['q']:.1f} (uncalibrated)")
    return None


_COLOURS = {
    Moment.MOVE: "green",
    Moment.MOVING: "red",
    Moment.PARKING: "red",
    Moment.READY: "green",
    Moment.RUNNING: "red",
    Moment.PAUSED: "yellow",
    Moment.LABEL: "magenta",
    Moment.VERDICT: "magenta",
    Moment.REASON: "magenta",
    Moment.TEXT: "magenta",
    Moment.BUSY: "white",
}


def _bar(value: float, full: float, cells: int) -> Text:
    filled = max(0, min(cells, round(cells * value / full)))
    return Text("━" * filled, style="green").append("╌" * (cells - filled), style="dim")


def _keys(view: View, columns: int, rows: int) -> list[Text]:
    """The key lines, each cut to fit, and the message over as many lines as there is room for."""
    lines = [line for pairs in (view.arm_keys, view.keys) for line in _key_lines(pairs, columns)]
    # No panel is narrower than this, if the terminal is not.
    width = min(columns, NARROW_COLUMNS - 4)
    most = max(1, min(MESSAGE_ROWS, rows - len(lines)))
    words = textwrap.wrap(view.message, width, max_lines=most, placeholder=" …") or [""]
    return [*lines, *(Text(line, style="yellow", no_wrap=True) for line in words)]


def _key_lines(pairs: Sequence[tuple[str, str]], columns: int) -> list[Text]:
    lines: list[Text] = []
    line = Text(no_wrap=True)
    for letter, words in pairs:
        entry = Text.assemble((f" {letter} ", "bold reverse"), f" {words}  ")
        if line.plain and line.cell_len + entry.cell_len > columns:
            lines.append(line)
            line = Text(no_wrap=True)
        line.append_text(entry)
    return [*lines, line] if line.plain else lines


class LivePanel(Subscriber):
    """Keeps a `View` up to date from the control loop and has it drawn.

    Args:
        view: Shared with the operator's side, which sets the moment, keys and counts.
        screen: Opened by `ptrctl.terminal.console.live`.
        folder: Its disk's free space is shown.
        camera: Whose picture is shown; the first one if there is none of that name.
    """

    def __init__(self, view: View, screen: Screen, folder: Path, camera: str = "") -> None:
        self.view = view
        self._screen = screen
        self._folder = folder
        self._camera = camera
        self._last_step_s: float | None = None
        screen.show(lambda columns, rows: draw(self.view, columns, rows))

    def refresh(self) -> None:
        """The view has changed; returns at once."""
        self._screen.changed()

    def on_begin(self, info: EpisodeInfo) -> None:
        view = self.view
        view.step, view.overruns, view.worst_overrun_s = 0, 0, 0.0
        view.interventions = Counter()
        view.score = None
        if view.meter is not None:
            # The row stays, so that the picture does not jump.
            view.meter = (view.meter[0], Text("-"))
        self._last_step_s = None
        view.disk_free_bytes = free_bytes(self._folder)
        self.refresh()

    def on_step(self, step: Step) -> None:
        view = self.view
        now_s = time.monotonic()
        if self._last_step_s is not None:
            # Periods are averaged, not rates: one short period must not look like a fast loop.
            period_s = max(now_s - self._last_step_s, 1e-6)
            if view.step > 1 and view.rate_hz:
                period_s = 0.7 / view.rate_hz + 0.3 * period_s
            view.rate_hz = 1.0 / period_s
        self._last_step_s = now_s
        view.step = step.index + 1
        view.overruns += step.overrun_s > 0
        view.worst_overrun_s = max(view.worst_overrun_s, step.overrun_s)
        view.interventions.update(step.interventions)
        view.score = step.score
        view.meter = gauge(step.extras)
        self.see(step.observation)
        self.refresh()

    def on_pause(self, observation: Observation) -> None:
        self._last_step_s = None
        self.see(observation)
        self.refresh()

    def on_end(self, end: EpisodeEnd) -> None:
        if end.final_observation is not None:
            self.see(end.final_observation)
        self.refresh()

    def see(self, observation: Observation) -> None:
        """Take the picture and the state to show."""
        frames = observation.frames
        name = self._camera if self._camera in frames else next(iter(frames), "")
        if name:
            self.view.picture = frames[name].image
        self.view.state = observation.state


def free_bytes(folder: Path) -> int:
    """Free space of the disk on which `folder` is or will be."""
    while not folder.exists():
        folder = folder.parent
    return shutil.disk_usage(folder).free


def episode_line(outcome: str, end: EpisodeEnd) -> str:
    """One plain line about a kept episode, for output that is no terminal."""
    late = f", {end.overruns} late periods" if end.overruns else ""
    acted = sum(end.interventions.values())
    plural = "" if acted == 1 else "s"
    safety = f", {acted} safety intervention{plural}" if acted else ""
    return f"Kept: {outcome}; {end.steps} steps in {duration(end.duration_s)}{late}{safety}."
