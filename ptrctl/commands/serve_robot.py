"""`ptrctl serve-robot`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from hardware.tcp_ports import REMOTE_PORT
from ptrctl.options import JsonOption, KitchenOption, RobotOption, TaskOption, WorkspaceOption


def serve_robot(
    *,
    host: Annotated[
        str, typer.Option("--host", help="Address to listen on; 127.0.0.1 is this machine alone.")
    ] = "127.0.0.1",
    port: Annotated[
        int, typer.Option("--port", min=0, max=65535, help="Port; 0 takes any free one.")
    ] = REMOTE_PORT,
    token_file: Annotated[
        Path | None,
        typer.Option(
            "--token-file",
            help="File with the secret that clients need.",
            show_default="ptrctl-token in the workspace, made if missing",
        ),
    ] = None,
    park_after: Annotated[
        float,
        typer.Option(
            "--park-after",
            min=0.0,
            help="Park when nobody was in control so long, s, unless it was stopped; 0 never.",
        ),
    ] = 300.0,
    park_at_end: Annotated[
        bool, typer.Option("--park-at-end", help="After Ctrl-C also park the arm.")
    ] = False,
    robot: RobotOption = None,
    task: TaskOption = None,
    kitchen: KitchenOption = None,
    workspace: WorkspaceOption = Path(),
    json: JsonOption = False,
) -> None:
    """Let another machine drive the profile's arm, and hold the arm whenever that falls silent.

    Ctrl-C holds the arm first, then ends. Space or Esc holds it at any moment.
    """
    from ptrctl.sessions.serving import ServingOptions, run_serving

    run_serving(
        workspace,
        {"robot": robot, "task": task, "kitchen_seed": kitchen},
        ServingOptions(host, port, token_file, park_after, park_at_end),
    )
