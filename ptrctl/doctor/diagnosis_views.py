"""What `ptrctl doctor` found, as tables and for JSON."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Group
from rich.table import Table
from rich.text import Text

from hardware.checks import Health
from ptrctl.doctor.diagnosis import Area

LONGEST_NAME = 21
"""Longer names of findings are folded."""

_SIGNS = {
    Health.OK: ("✓ ok", "green"),
    Health.ABSENT: ("– not there", "dim"),
    Health.WARN: ("! warning", "yellow"),
    Health.FAIL: ("✗ FAIL", "bold red"),
}


def findings_tables(areas: Sequence[Area]) -> Group:
    """A heading and a table for each area, their columns below each other."""
    longest = max(len(finding.name) for area in areas for finding in area.findings)
    parts: list[Text | Table] = []
    for area in areas:
        table = Table.grid(padding=(0, 2, 0, 0))
        table.add_column(width=min(longest, LONGEST_NAME), overflow="fold")
        table.add_column(width=max(len(sign) for sign, _ in _SIGNS.values()))
        table.add_column(overflow="fold")
        for finding in area.findings:
            sign, colour = _SIGNS[finding.health]
            words = Text(finding.found, style="dim" if finding.health is Health.ABSENT else "")
            if finding.fix:
                words.append(f"\n{finding.fix}", style="cyan")
            table.add_row(Text(finding.name), Text(sign, style=colour), words)
        parts += [Text(area.name, style="bold underline"), table]
    return Group(*parts)


def findings_data(areas: Sequence[Area]) -> list[dict[str, str]]:
    """The same for JSON."""
    return [
        {
            "area": area.name,
            "name": finding.name,
            "health": finding.health.value,
            "found": finding.found,
            "fix": finding.fix,
        }
        for area in areas
        for finding in area.findings
    ]
