"""`ptrctl doctor`."""

from __future__ import annotations

from pathlib import Path

import typer

from ptrctl import console
from ptrctl.options import JsonOption, WorkspaceOption
from recordings.errors import SystemSetupError


def doctor(workspace: WorkspaceOption = Path(), json: JsonOption = False) -> None:
    """Check this machine, the workspace and the devices, and say how to fix what is wrong.

    Exits with 6 if something is missing that ptrctl cannot do without.
    """
    from rich.table import Table
    from rich.text import Text

    from hardware.checks import Health
    from ptrctl.diagnosis import examine
    from ptrctl.workspace import open_workspace

    findings = examine(open_workspace(workspace))
    signs = {
        Health.OK: ("✓ ok", "green"),
        Health.ABSENT: ("– not there", "dim"),
        Health.WARN: ("! warning", "yellow"),
        Health.FAIL: ("✗ FAIL", "bold red"),
    }
    table = Table(box=None, padding=(0, 1), show_header=False)
    for style, no_wrap in (("bold", True), ("", True), ("", False)):
        table.add_column(style=style, no_wrap=no_wrap, overflow="fold")
    for finding in findings:
        sign, colour = signs[finding.health]
        words = Text(finding.found)
        if finding.fix:
            words.append(f"\n{finding.fix}", style="cyan")
        table.add_row(finding.name, Text(sign, style=colour), words)
    console.show(table)
    failed = [finding.name for finding in findings if finding.health is Health.FAIL]
    console.document(
        {
            "healthy": not failed,
            "checks": [
                {"name": f.name, "health": f.health.value, "found": f.found, "fix": f.fix}
                for f in findings
            ],
        }
    )
    if failed:
        raise typer.Exit(SystemSetupError.exit_code)
    console.note("Nothing that ptrctl needs is missing.")
