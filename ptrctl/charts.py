"""Charts for reports, as SVG text that takes the page's font and colour."""

from __future__ import annotations

import atexit
import html
import io
import os
import re
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ptrctl.statistics import wilson_interval

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_INK = "#123456"
"""Stands for the page's text colour until the SVG is finished."""

_SUCCESS, _FAILURE, _LINE = "#2a9d76", "#d9713c", "#4f7fd6"
"""Told apart by colour-blind people, and readable on white and on black."""

_WINDOW = 10
"""Trials behind each point of a learning curve."""


def _give_matplotlib_a_folder() -> None:
    """Where there is no home to write into, as for a service, matplotlib gets a folder for now."""
    try:
        writable = os.access(Path.home(), os.W_OK)
    except RuntimeError:
        writable = False
    if not writable and "MPLCONFIGDIR" not in os.environ:
        folder = os.environ["MPLCONFIGDIR"] = tempfile.mkdtemp(prefix="ptrctl-matplotlib-")
        atexit.register(shutil.rmtree, folder, ignore_errors=True)


def learning_curve(outcomes: Sequence[bool], title: str) -> str:
    """Successes over autonomous trials: one mark a trial, and the rate over the last ten.

    Args:
        outcomes: In the order of the trials; at least one.
        title: Describes the chart to those who cannot see it.
    """
    _give_matplotlib_a_folder()
    from matplotlib.ticker import MaxNLocator

    figure, (axes,) = _figure(1, height=2.6)
    numbers = range(1, len(outcomes) + 1)
    windows = [outcomes[max(0, n - _WINDOW) : n] for n in numbers]
    intervals = [wilson_interval(sum(window), len(window)) for window in windows]
    axes.fill_between(
        numbers, [i[0] for i in intervals], [i[1] for i in intervals], color=_LINE, alpha=0.18, lw=0
    )
    axes.plot(numbers, [sum(w) / len(w) for w in windows], color=_LINE, lw=2)
    for succeeded, marker, colour in ((True, "o", _SUCCESS), (False, "x", _FAILURE)):
        trials = [n for n in numbers if outcomes[n - 1] is succeeded]
        axes.plot(trials, [float(succeeded)] * len(trials), marker, color=colour, ms=5, ls="")
    axes.set_ylim(-0.08, 1.08)
    axes.set_yticks([0, 0.5, 1])
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_xlabel("autonomous trial")
    axes.set_ylabel(f"success, last {_WINDOW}")
    return _svg(figure, title)


def training_curves(curves: Mapping[str, Sequence[tuple[int, float]]], title: str) -> str:
    """One small chart a quantity, over training steps.

    Args:
        curves: Name to (step, value) pairs; at least one name.
        title: Describes the chart to those who cannot see it.
    """
    figure, all_axes = _figure(len(curves), height=2.1)
    for axes, (name, points) in zip(all_axes, curves.items(), strict=True):
        axes.plot([step for step, _ in points], [value for _, value in points], color=_LINE, lw=1.5)
        axes.set_title(name, fontsize=10, loc="left", color=_INK)
        axes.set_xlabel("step")
    return _svg(figure, title)


ValueCurve = tuple[bool, Sequence[float], Sequence[float] | None]
"""(succeeded, Q of every step, chance of success that was shown at every step or None)"""


def value_curves(curves: Sequence[ValueCurve], title: str) -> str:
    """The critic's value along trials, and beside it the chances that a meter made of it.

    Successes and failures are told apart by colour and dashes.

    Args:
        curves: One a trial; at least one.
        title: Describes the chart to those who cannot see it.
    """
    parts = [("Q of the chosen action", [(succeeded, q) for succeeded, q, _ in curves])]
    foretold = [(succeeded, chance) for succeeded, _, chance in curves if chance is not None]
    if foretold:
        parts.append(("success chance", foretold))
    figure, all_axes = _figure(len(parts), height=2.8)
    strength = max(0.3, min(0.8, 12.0 / len(curves)))
    for axes, (words, lines) in zip(all_axes, parts, strict=True):
        named = set()
        for succeeded, values in lines:
            name = "success" if succeeded else "failure"
            axes.plot(
                range(len(values)),
                values,
                color=_SUCCESS if succeeded else _FAILURE,
                ls="-" if succeeded else (0, (4, 2)),
                lw=1.2,
                alpha=strength,
                label=None if name in named else name,
            )
            named.add(name)
        axes.set_xlabel("step")
        axes.set_ylabel(words)
    if foretold:
        all_axes[1].set_ylim(-0.02, 1.02)
    marks, names = all_axes[0].get_legend_handles_labels()
    legend = figure.legend(
        marks, names, loc="outside upper right", ncols=2, frameon=False, labelcolor=_INK, fontsize=9
    )
    for line in legend.get_lines():
        line.set_alpha(1.0)
    return _svg(figure, title)


def _figure(columns: int, *, height: float) -> tuple[Figure, Sequence[Axes]]:
    _give_matplotlib_a_folder()
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7.4, height), layout="constrained")
    figure.patch.set_alpha(0.0)
    all_axes: list[Axes] = [figure.add_subplot(1, columns, n + 1) for n in range(columns)]
    for axes in all_axes:
        axes.patch.set_alpha(0.0)
        axes.tick_params(colors=_INK, labelsize=9)
        for part in (axes.xaxis.label, axes.yaxis.label, axes.title):
            part.set_color(_INK)
            part.set_fontsize(9)
        for side, spine in axes.spines.items():
            spine.set_color(_INK)
            spine.set_alpha(0.4)
            spine.set_visible(side in ("left", "bottom"))
        axes.grid(axis="y", color=_INK, alpha=0.12, lw=0.8)
    return figure, all_axes


def _svg(figure: Figure, title: str) -> str:
    """Inline SVG: scales to the page's width, and its identifiers are its own."""
    import matplotlib

    out = io.StringIO()
    with matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": title}):
        figure.savefig(out, format="svg", metadata={"Date": None, "Creator": None})
    svg = out.getvalue()
    svg = svg[svg.index("<svg") :].replace(_INK, "currentColor")
    svg = re.sub(r"font: ([0-9.]+px)[^;\"]*", r"font: \1 var(--font)", svg)
    prefix = re.sub(r"\W+", "-", title.lower())
    svg = re.sub(r'\bid="', f'id="{prefix}-', svg)
    svg = re.sub(r'(href="#|url\(#)', rf"\1{prefix}-", svg)
    svg = re.sub(r'(<svg[^>]*?) width="[^"]*"', r"\1", svg, count=1)
    svg = re.sub(r'(<svg[^>]*?) height="[^"]*"', r"\1", svg, count=1)
    return svg.replace("<svg", f'<svg role="img" aria-label="{html.escape(title)}"', 1)
