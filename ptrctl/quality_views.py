"""The figures of `ptrctl data stats`, as a table and for JSON."""

from __future__ import annotations

from collections.abc import Sequence

from rich.table import Table

from recordings.quality import TaskQuality
from recordings.records import Outcome


def quality_table(rows: Sequence[tuple[str, TaskQuality]]) -> Table:
    """One row for each folder and task.

    Args:
        rows: (folder, figures).
    """
    table = Table(box=None, padding=(0, 1), header_style="bold")
    table.add_column("folder", overflow="fold")
    for name in ("success", "failure", "unlab.", "steps", "length", "late", "safety", "saturated"):
        table.add_column(name, justify="right")
    for folder, row in rows:
        table.add_row(
            folder,
            *(str(row.outcomes[outcome]) for outcome in Outcome),
            str(row.steps),
            f"{row.shortest}-{row.longest}",
            str(row.overruns),
            str(sum(row.interventions.values())),
            f"{row.saturation:.2f}",
        )
    return table


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
