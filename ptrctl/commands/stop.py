"""`ptrctl stop`."""

from __future__ import annotations

import enum
from pathlib import Path
from typing import Annotated

import typer

from ptrctl import console
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
    park: Annotated[bool, typer.Option("--park", help="Go to where it parks, torque off.")] = False,
    torque_off: Annotated[
        bool, typer.Option("--torque-off", help="Let go at once: the arm drops.")
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

    from ptrctl.stopping import stop_arm

    if kind is StopKind.TORQUE_OFF and not yes and not _confirmed():
        console.note("Nothing was done.")
        raise typer.Exit(1)
    stop_arm(workspace, robot, kind.value)


def _confirmed() -> bool:
    if not console.is_interactive():
        raise UsageError(
            "There is nobody to ask whether the arm is supported.",
            "An arm without torque drops.",
            "Support it and add `--yes`.",
        )
    import questionary

    question = "Without torque the arm drops. Is it supported by hand?"
    return bool(questionary.confirm(question, default=False).unsafe_ask())
