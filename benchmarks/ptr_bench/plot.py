"""Pooled success by method, both regimes side by side."""

from __future__ import annotations

from pathlib import Path

from benchmarks.ptr_bench.methods import METHODS, Method
from benchmarks.ptr_bench.results import Results

_COLOURS = {"clean": "#2b6cb0", "mixed": "#c05621"}
_OTHER_COLOUR = "#444444"
_OFFSET = 0.17
_ROW_INCH = 0.42


def draw(results: Results, path: Path) -> None:
    """Draw the pooled rate of each method with its interval by cells, and each seed as a dot.

    Args:
        path: PNG or SVG; its folder is made if missing.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    regimes = list(results.rows)
    methods = _methods(results)
    figure = Figure(figsize=(8.0, 1.3 + _ROW_INCH * len(methods)), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    for number, regime in enumerate(regimes):
        offset = _OFFSET * (2 * number - (len(regimes) - 1))
        colour = _COLOURS.get(regime, _OTHER_COLOUR)
        named = False
        for row in results.rows[regime]:
            height = methods.index(row.method) + offset
            rate = 100.0 * row.pooled.successes / row.pooled.trials
            low, high = (100.0 * end for end in row.clustered_95)
            axes.plot([low, high], [height, height], color=colour, linewidth=2, zorder=2)
            axes.plot(
                rate,
                height,
                "o",
                color=colour,
                markersize=7,
                zorder=3,
                label=None if named else f"prior data: {regime}",
            )
            named = True
            seeds = [row.of_seed(seed) for seed in results.seeds]
            dots = [100.0 * one.successes / one.trials for one in seeds if one.trials]
            axes.plot(
                dots, [height] * len(dots), "|", color=colour, alpha=0.7, markersize=9, zorder=1
            )
    axes.set_yticks(range(len(methods)), [_label(method, results) for method in methods])
    axes.invert_yaxis()
    axes.set_xlim(-1.5, 101.5)
    axes.set_xlabel("success, % of all trials")
    # Below the whole figure: long names of methods leave the axes little room.
    figure.supxlabel(
        "dot: all seeds; line: 95 % bootstrap over (target, seed) cells; ticks: each seed",
        fontsize="medium",
    )
    axes.grid(axis="x", alpha=0.3)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    figure.legend(loc="outside upper right", frameon=False, ncols=max(1, len(regimes)))
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=150)


def _methods(results: Results) -> list[Method]:
    found = {row.method.name for rows in results.rows.values() for row in rows}
    return [method for method in METHODS if method.name in found]


def _label(method: Method, results: Results) -> str:
    marked = any(
        row.marks
        for rows in results.rows.values()
        for row in rows
        if row.method.name == method.name
    )
    return f"{method.title} †" if marked else method.title
