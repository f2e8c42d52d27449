"""One live panel for long jobs: the stages, the time left, the figures and the camera's picture.

Training, evaluation, improvement and the demo all report to a `Display`; without a terminal the
same reports become plain lines.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Protocol

from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from hardware.loop import Subscriber
from ptrctl.terminal import console
from ptrctl.terminal.halfblocks import HalfBlocks
from ptrctl.terminal.panels import LivePanel, gauge
from ptrctl.terminal.screen import Screen
from ptrctl.terminal.sparkline import sparkline
from recordings.records import EpisodeInfo, ImageArray, Step

LINE_EVERY_S = 10.0
"""Without a terminal, a running stage says a line this often."""

CTRL_C = "^C"
"""A terminal echoes it beside the panel; without room there, a row of the panel stays behind."""

_PICTURE_ROWS = 16
_STRIP = 60


@dataclass
class Stage:
    """One part of a job.

    Args:
        name: Shown.
        expected_s: A guess of its duration until its own pace is known.
        several_parts: The pace of a part says nothing about the parts after it.
        began_s, used_s: On the monotonic clock; None before.
        done, total: How far it is; a job of several parts has one after the other.
        first_done, pace_began_s: Where the present part began, and when.
        reused: It was done before this call.
    """

    name: str
    expected_s: float = 60.0
    several_parts: bool = False
    began_s: float | None = None
    used_s: float | None = None
    done: float = 0.0
    total: float = 0.0
    first_done: float = 0.0
    pace_began_s: float | None = None
    reused: bool = False

    def left_s(self, now_s: float) -> float | None:
        """Seconds left by its own pace, by the guess before it has done anything, by the larger of
        both where it has several parts; None where nothing is known, as between two parts."""
        if self.used_s is not None:
            return 0.0
        if self.began_s is None:
            return self.expected_s
        guess_s = self.expected_s - (now_s - self.began_s)
        made = self.done - self.first_done
        if self.pace_began_s is None or made <= 0 or self.done >= self.total:
            # Beside progress whose pace is not known yet a guess would be taken for that pace.
            tells = guess_s > 0 and (self.done == 0 or self.several_parts)
            return guess_s if tells else None
        left_s = (now_s - self.pace_began_s) / made * (self.total - self.done)
        return max(left_s, guess_s) if self.several_parts else left_s

    def advance(self, now_s: float, done: float, total: float) -> None:
        """Say how far it is. Another total, or less done than before, begins another part."""
        if self.pace_began_s is None or total != self.total or done < self.done:
            # What is done already was done before this part began, or before this call.
            self.first_done, self.pace_began_s = done, now_s
        self.done, self.total = done, total


class Display(Protocol):
    """What long jobs report to."""

    def begin(self, stage: str) -> None:
        """A stage begins."""
        ...

    def advance(self, done: float, total: float, words: str = "") -> None:
        """How far the stage is, and a few words; a total of 0 where nothing is counted."""
        ...

    def figures(self, values: Mapping[str, float]) -> None:
        """Named numbers worth watching (losses)."""
        ...

    def trial(self, success: bool | None) -> None:
        """A trial is over: success, failure, or None for aborted."""
        ...

    def finish(self, stage: str, words: str, *, reused: bool = False) -> None:
        """A stage is over; `reused` if it had been done before."""
        ...

    @property
    def listener(self) -> Subscriber:
        """Shows what the camera sees."""
        ...


def _how_far(done: float, total: float, between: str, after: str) -> str:
    return f"{done:g}{between}{total:g}{after}" if total else ""


def _left_in_words(left_s: float | None) -> str:
    return "" if left_s is None else f", about {console.duration(left_s)} left"


@dataclass
class _Stages:
    """The bookkeeping that both displays share."""

    stages: list[Stage]
    current: Stage | None = None
    words: str = ""

    def begin(self, name: str) -> None:
        stage = next((s for s in self.stages if s.name == name), None)
        if stage is None:
            stage = Stage(name)
            self.stages.append(stage)
        stage.began_s, stage.used_s, stage.pace_began_s = time.monotonic(), None, None
        stage.done = stage.total = stage.first_done = 0.0
        self.current, self.words = stage, ""

    def advance(self, done: float, total: float, words: str) -> None:
        if self.current is None:
            return
        self.current.advance(time.monotonic(), done, total)
        self.words = words or self.words

    def finish(self, name: str, *, reused: bool) -> None:
        for stage in self.stages:
            if stage.name == name:
                began_s = time.monotonic() if stage.began_s is None else stage.began_s
                stage.used_s, stage.reused = time.monotonic() - began_s, reused
        self.current = None

    @property
    def used(self) -> dict[str, float]:
        return {s.name: s.used_s for s in self.stages if s.used_s is not None}

    def left(self) -> str:
        """The time left in words, "" if it is unknown."""
        now_s = time.monotonic()
        left_s = [stage.left_s(now_s) for stage in self.stages]
        known = [one for one in left_s if one is not None]
        return _left_in_words(sum(known) if len(known) == len(left_s) else None)


class PlainLines:
    """Without a terminal: a line when a stage begins, at times while it runs, and at its end."""

    def __init__(self, stages: Sequence[Stage]) -> None:
        self._stages = _Stages(list(stages))
        self._spoke_s = 0.0
        self._results: list[bool | None] = []

    def begin(self, stage: str) -> None:
        self._stages.begin(stage)
        self._results = []
        self._spoke_s = time.monotonic()
        console.note(f"{stage}: begun.")

    def advance(self, done: float, total: float, words: str = "") -> None:
        self._stages.advance(done, total, words)
        now_s = time.monotonic()
        if self._stages.current is not None and now_s - self._spoke_s >= LINE_EVERY_S:
            self._spoke_s = now_s
            name = self._stages.current.name
            left = _left_in_words(self._stages.current.left_s(now_s))
            console.note(f"{name}: {_how_far(done, total, ' of ', ', ')}{words}{left}")

    def figures(self, values: Mapping[str, float]) -> None:
        """Numbers belong to the panel; a log has the metrics file."""

    def trial(self, success: bool | None) -> None:
        self._results.append(success)

    def finish(self, stage: str, words: str, *, reused: bool = False) -> None:
        self._stages.finish(stage, reused=reused)
        before = " (done before)" if reused else ""
        used = console.duration(self._stages.used.get(stage, 0.0))
        console.note(f"{stage}: {words}{before or f', {used}'}.")

    @property
    def listener(self) -> Subscriber:
        return Subscriber()


@dataclass
class _Picture(Subscriber):
    """Keeps what the camera sees and what the value meter says, and asks for a redraw."""

    dashboard: Dashboard
    image: ImageArray | None = None
    meter: tuple[str, Text] | None = None

    def on_begin(self, info: EpisodeInfo) -> None:
        self.image = self.meter = None

    def on_step(self, step: Step) -> None:
        frames = step.observation.frames
        if frames:
            self.image = frames[min(frames)].image
        self.meter = gauge(step.extras)
        self.dashboard.screen.changed()


@dataclass
class Dashboard:
    """The live panel.

    Args:
        title: What the whole job is.
        screen: Opened by `ptrctl.terminal.console.live`.
        stages: In order, with guesses of their durations.
    """

    title: str
    screen: Screen
    stages: list[Stage]
    _stages: _Stages = field(init=False)
    _figures: dict[str, list[float]] = field(default_factory=dict)
    _results: list[bool | None] = field(default_factory=list)
    _outcomes: dict[str, str] = field(default_factory=dict)
    _began_s: float = field(default_factory=time.monotonic)

    def __post_init__(self) -> None:
        self._stages = _Stages(self.stages)
        self._picture = _Picture(self)
        self.screen.show(self.draw)

    def begin(self, stage: str) -> None:
        self._stages.begin(stage)
        self._figures, self._results = {}, []
        self._picture.image = None
        self.screen.changed()

    def advance(self, done: float, total: float, words: str = "") -> None:
        self._stages.advance(done, total, words)
        self.screen.changed()

    def figures(self, values: Mapping[str, float]) -> None:
        for name, value in values.items():
            self._figures.setdefault(name, []).append(value)
        self.screen.changed()

    def trial(self, success: bool | None) -> None:
        self._results.append(success)
        self.screen.changed()

    def finish(self, stage: str, words: str, *, reused: bool = False) -> None:
        self._stages.finish(stage, reused=reused)
        self._outcomes[stage] = words
        self.screen.changed()

    @property
    def listener(self) -> Subscriber:
        return self._picture

    def draw(self, columns: int, rows: int) -> RenderableType:
        """The whole panel."""
        width = min(columns - len(CTRL_C), 100)
        parts: list[RenderableType] = [self._list(width - 4)]
        current = self._stages.current
        rows -= len(self._stages.stages) + 7
        image = self._picture.image
        if image is not None and rows >= 6:
            parts += [Text(), self._scene(image, min(rows, _PICTURE_ROWS))]
        elif self._figures and rows >= 3:
            parts += [Text(), self._numbers(rows - 1)]
        spent = console.duration(time.monotonic() - self._began_s)
        foot = f"{spent} used{self._stages.left() if current else ''}"
        return Panel(
            Group(*parts),
            title=Text(self.title, style="bold"),
            title_align="left",
            subtitle=Text(foot),
            subtitle_align="right",
            border_style="cyan",
            width=width,
            padding=(0, 1),
        )

    def _list(self, width: int) -> Table:
        grid = Table.grid(padding=(0, 1))
        grid.add_column(width=1)
        grid.add_column(no_wrap=True)
        grid.add_column(width=max(10, min(36, width - 56)), no_wrap=True, overflow="ellipsis")
        grid.add_column(no_wrap=True, overflow="ellipsis")
        for stage in list(self._stages.stages):
            if stage.used_s is not None:
                time_used = "done before" if stage.reused else console.duration(stage.used_s)
                words = Text(self._outcomes.get(stage.name, ""))
                grid.add_row(
                    Text("✓", style="green"), stage.name, words, Text(time_used, style="dim")
                )
            elif stage is self._stages.current:
                bar = ProgressBar(total=stage.total or 1.0, completed=stage.done, width=None)
                pair = Text(_how_far(stage.done, stage.total, "/", " ") + self._stages.words)
                grid.add_row(Text("▶", style="cyan"), Text(stage.name, style="bold"), bar, pair)
            else:
                grid.add_row("·", Text(stage.name, style="dim"), "", "")
        return grid

    def _scene(self, image: ImageArray, rows: int) -> Table:
        side = Table.grid()
        strip = Text()
        for result in self._results[-_STRIP:]:
            sign, style = {True: ("✓", "green"), False: ("×", "red"), None: ("!", "yellow")}[result]
            strip.append(sign, style=style)
        side.add_row(strip)
        if self._picture.meter is not None:
            name, words = self._picture.meter
            side.add_row(Text.assemble("\n", (name, "dim"), "  ", words))
        pair = Table.grid(padding=(0, 2))
        pair.add_row(HalfBlocks(image, rows * 2, rows), side)
        return pair

    def _numbers(self, rows: int) -> Table:
        grid = Table.grid(padding=(0, 2))
        for name, values in list(self._figures.items())[:rows]:
            grid.add_row(Text(name, style="dim"), f"{values[-1]:.3f}", sparkline(values, 40))
        return grid


class OnPanel:
    """Reports of a long job as rows of the panel that an operator beside the arm looks at.

    Args:
        panel: Shared with the control loop.
        stages: In order.
    """

    def __init__(self, panel: LivePanel, stages: Sequence[Stage]) -> None:
        self._panel = panel
        self._stages = _Stages(list(stages))
        # Trials of several kinds, and those of earlier calls: the words of `advance` know them all.
        panel.view.counts = None

    def begin(self, stage: str) -> None:
        self._stages.begin(stage)
        self._say(stage, "")

    def advance(self, done: float, total: float, words: str = "") -> None:
        self._stages.advance(done, total, words)
        if self._stages.current is not None:
            far = _how_far(done, total, " of ", "  ")
            self._say(self._stages.current.name, far + self._stages.words)

    def figures(self, values: Mapping[str, float]) -> None:
        """The panel is about the arm; a log has the metrics file."""

    def trial(self, success: bool | None) -> None:
        """The words of `advance` say how many there have been."""

    def finish(self, stage: str, words: str, *, reused: bool = False) -> None:
        self._stages.finish(stage, reused=reused)
        self._say(stage, words)

    @property
    def listener(self) -> Subscriber:
        return self._panel

    def _say(self, stage: str, words: str) -> None:
        self._panel.view.rows[stage] = words
        self._panel.refresh()


@contextmanager
def display(title: str, stages: Sequence[Stage]) -> Iterator[Display]:
    """A dashboard where one can be drawn, plain lines elsewhere; everything on stderr."""
    if not console.can_draw():
        yield PlainLines(stages)
        return
    with console.live() as screen:
        yield Dashboard(title, screen, list(stages))
