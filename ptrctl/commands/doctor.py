"""`ptrctl doctor`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ptrctl import console
from ptrctl.options import JsonOption, RobotOption, WorkspaceOption
from recordings.errors import SystemSetupError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Group

    from ptrctl.diagnosis import Area


LONGEST_NAME = 21
"""Longer names of findings are folded."""


def doctor(
    robot: RobotOption = None,
    workspace: WorkspaceOption = Path(),
    print_udev_rules: Annotated[
        bool,
        typer.Option(
            "--print-udev-rules",
            help="Only print the rules that give you access to U2D2, RealSense and SpaceMouse.",
        ),
    ] = False,
    json: JsonOption = False,
) -> None:
    """Check this machine, the workspace, the arm and the cameras, and say how to fix what is wrong.

    Nothing moves. Exits with 6 if something is missing that ptrctl cannot do without.
    """
    if print_udev_rules:
        _print_udev_rules()
        return

    from hardware.checks import Health
    from ptrctl.diagnosis import examine
    from ptrctl.workspace import open_workspace

    areas = examine(open_workspace(workspace), robot)
    console.show(_tables(areas))
    findings = [(area.name, finding) for area in areas for finding in area.findings]
    failed = [finding.name for _, finding in findings if finding.health is Health.FAIL]
    warned = [finding.name for _, finding in findings if finding.health is Health.WARN]
    console.document(
        {
            "healthy": not failed,
            "checks": [
                {
                    "area": area,
                    "name": f.name,
                    "health": f.health.value,
                    "found": f.found,
                    "fix": f.fix,
                }
                for area, f in findings
            ],
        }
    )
    if warned:
        console.note(f"Warnings: {', '.join(warned)}.")
    if failed:
        console.note(f"FAIL: {', '.join(failed)}. Each says above what to do.")
        raise typer.Exit(SystemSetupError.exit_code)
    console.note("Nothing that ptrctl needs is missing.")


def _tables(areas: Sequence[Area]) -> Group:
    """A heading and a table for each area, their columns below each other."""
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    from hardware.checks import Health

    signs = {
        Health.OK: ("✓ ok", "green"),
        Health.ABSENT: ("– not there", "dim"),
        Health.WARN: ("! warning", "yellow"),
        Health.FAIL: ("✗ FAIL", "bold red"),
    }
    longest = max(len(finding.name) for area in areas for finding in area.findings)
    parts: list[Text | Table] = []
    for area in areas:
        table = Table.grid(padding=(0, 2, 0, 0))
        table.add_column(width=min(longest, LONGEST_NAME), overflow="fold")
        table.add_column(width=max(len(sign) for sign, _ in signs.values()))
        table.add_column(overflow="fold")
        for finding in area.findings:
            sign, colour = signs[finding.health]
            words = Text(finding.found, style="dim" if finding.health is Health.ABSENT else "")
            if finding.fix:
                words.append(f"\n{finding.fix}", style="cyan")
            table.add_row(Text(finding.name), Text(sign, style=colour), words)
        parts += [Text(area.name, style="bold underline"), table]
    return Group(*parts)


def _print_udev_rules() -> None:
    from rich.text import Text

    from ptrctl.udev import HOW_TO, RULES, RULES_PATH

    console.show(Text(RULES.rstrip()), wrap=False)
    console.document({"path": str(RULES_PATH), "rules": RULES, "how_to": HOW_TO})
    console.note(HOW_TO, wrap=False)
