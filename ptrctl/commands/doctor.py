"""`ptrctl doctor`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ptrctl.options import JsonOption, RobotOption, WorkspaceOption
from ptrctl.terminal import console
from recordings.errors import SystemSetupError


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
    from ptrctl.doctor.diagnosis import examine
    from ptrctl.doctor.diagnosis_views import findings_data, findings_tables
    from ptrctl.workspace import open_workspace

    areas = examine(open_workspace(workspace), robot)
    console.show(findings_tables(areas))
    findings = [finding for area in areas for finding in area.findings]
    failed = [finding.name for finding in findings if finding.health is Health.FAIL]
    warned = [finding.name for finding in findings if finding.health is Health.WARN]
    console.document({"healthy": not failed, "checks": findings_data(areas)})
    if warned:
        console.note(f"Warnings: {', '.join(warned)}.")
    if failed:
        console.note(f"FAIL: {', '.join(failed)}. Each says above what to do.")
        raise typer.Exit(SystemSetupError.exit_code)
    console.note("Nothing that ptrctl needs is missing.")


def _print_udev_rules() -> None:
    from rich.text import Text

    from hardware.checks import UDEV_RULES_PATH
    from ptrctl.doctor.udev import HOW_TO, RULES

    console.show(Text(RULES.rstrip()), wrap=False)
    console.document({"path": str(UDEV_RULES_PATH), "rules": RULES, "how_to": HOW_TO})
    console.note(HOW_TO, wrap=False)
