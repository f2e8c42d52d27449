"""The figures of `ptrctl data stats` and the defects of `data verify`, as tables and for JSON."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from recordings.quality import TaskQuality
from recordings.records import Outcome
from recordings.verification import Problem

_COLUMNS = {
    "success": 7,
    "failure": 7,
    "unlab.": 6,
    "steps": 6,
    "length": 7,
    "late": 5,
    "safety": 6,
    "satur.": 6,
}
"""Names, and the width that they need."""
_WIDE_COLUMNS, _FEW_COLUMNS = 100, 60
"""Below the first a folder has a line of its own, below the second each number: none is cut."""


def quality_table(rows: Sequence[tuple[str, TaskQuality]], columns: int) -> RenderableType:
    """One row for each folder and task.

    Args:
        rows: (folder, figures).
        columns: Of the terminal.
    """
    if columns >= _WIDE_COLUMNS:
        table = _table("folder")
        for folder, row in rows:
            table.add_row(_where(folder, row), *_numbers(row))
        return table
    lines: list[RenderableType] = []
    for folder, row in rows:
        if columns < _FEW_COLUMNS:
            grid = Table.grid(padding=(0, 2))
            for name, number in zip(_COLUMNS, _numbers(row), strict=True):
                grid.add_row(name, number)
            lines += [Text(_where(folder, row), style="bold", overflow="fold"), grid]
            continue
        table = _table(header=not lines)
        table.add_row(*_numbers(row))
        lines += [table, Text(f"  {_where(folder, row)}", style="dim", overflow="fold")]
    return Group(*lines)


def _table(*first: str, header: bool = True) -> Table:
    table = Table(
        box=None, padding=(0, 1, 0, 0), pad_edge=False, header_style="bold", show_header=header
    )
    for name in first:
        table.add_column(name, overflow="fold")
    for name, width in _COLUMNS.items():
        table.add_column(name, justify="right", no_wrap=True, min_width=width)
    return table


def _where(folder: str, row: TaskQuality) -> str:
    return folder if Path(folder).name == row.task else f"{folder}: {row.task}"


def _numbers(row: TaskQuality) -> list[str]:
    return [
        *(str(row.outcomes[outcome]) for outcome in Outcome),
        str(row.steps),
        f"{row.shortest}-{row.longest}",
        str(row.overruns),
        str(sum(row.interventions.values())),
        f"{row.saturation:.2f}",
    ]


def quality_data(folder: str, row: TaskQuality) -> dict[str, object]:
    """The same for JSON."""
    return {
        "folder": folder,
        "task": row.task,
        "outcomes": {outcome.value: row.outcomes[outcome] for outcome in Outcome},
        "recovered": row.recovered,
        "steps": row.steps,
        "mean_steps": row.mean_steps,
        "shortest": row.shortest,
        "longest": row.longest,
        "overruns": row.overruns,
        "interventions": dict(row.interventions),
        "saturation": row.saturation,
    }


def problems_table(problems: Sequence[Problem]) -> Table:
    """One row for each: how serious, where, what."""
    table = Table(box=None, padding=(0, 1), show_header=False)
    for problem in problems:
        sign, style = ("✗ defect", "bold red") if problem.serious else ("! note", "yellow")
        table.add_row(Text(sign, style=style), problem.path.stem, Text(problem.message))
    return table


def problem_data(problem: Problem) -> dict[str, object]:
    """The same for JSON."""
    return {
        "path": str(problem.path),
        "kind": problem.kind,
        "serious": problem.serious,
        "step": problem.step,
        "message": problem.message,
    }
