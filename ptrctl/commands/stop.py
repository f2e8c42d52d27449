"""`ptrctl stop`."""

from __future__ import annotations

import enum
from pathlib import Path
from typing import Annotated

import typer

from ptrctl.options import JsonOption, RobotOption, WorkspaceOption, YesOption
from recordings.errors import UsageError


class StopKind(str, enum.Enum):
    """What shall become of the arm."""

    HOLD = "hold"
    PARK = "park"
    TORQUE_OFF = "torque-off"


def stop(
    *,
    hold: Annotated[bool, typer.Option("--hold", help="Hold where it is, under torque.")] = False,
    park: Annotated[
        bool, typer.Option("--park", help="Go to where it parks, and let go if it can.")
    ] = False,
    torque_off: Annotated[
        bool,
        typer.Option("--torque-off", help="Let go at once: the arm drops, unless it has brakes."),
    ] = False,
    robot: RobotOption = None,
    yes: YesOption = False,
    workspace: WorkspaceOption = Path(),
    json: JsonOption = False,
) -> None:
    """Hold, park or release a real arm that no other command is using, and confirm it.

    While a command drives the arm, press Space or Esc there instead.
    """
    wanted = {StopKind.HOLD: hold, StopKind.PARK: park, StopKind.TORQUE_OFF: torque_off}
    chosen = [kind for kind, given in wanted.items() if given]
    if len(chosen) > 1:
        raise UsageError(
            f"Several stops were asked for: {', '.join(f'--{kind.value}' for kind in chosen)}.",
            "An arm can only be stopped in one way.",
            "Give one of them; `ptrctl stop` alone holds.",
        )
    kind = chosen[0] if chosen else StopKind.HOLD

    from ptrctl.sessions.stopping import stop_arm

    if not stop_arm(workspace, robot, kind.value, yes=yes):
        raise typer.Exit(1)
