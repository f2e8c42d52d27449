"""The command to type next: complete, and quoted for a shell."""

from __future__ import annotations

import dataclasses
import shlex
from typing import Any

from ptrctl.profile import Profile
from ptrctl.workspace import Workspace


def next_command(name: str, workspace: Workspace, **flags: object) -> str:
    """`ptrctl <name>` with the flags that have a value.

    Args:
        name: Of the command, with its arguments if it takes some.
        workspace: Named by a flag unless it is the current folder.
        flags: Name (with underscores) to value; None, False and "" leave the flag out, True gives
            it alone, and a tuple or a list repeats it.
    """
    words = []
    for flag, value in flags.items():
        for item in value if isinstance(value, (tuple, list)) else (value,):
            if item is None or item is False or item == "":
                continue
            words.append(f"--{flag.replace('_', '-')}")
            if item is not True:
                words.append(str(item).removesuffix(".0") if isinstance(item, float) else str(item))
    return " ".join([f"ptrctl {name}", shlex.join(words)]).rstrip() + workspace.flag()


def changed(options: Any, **names: str) -> dict[str, Any]:
    """The fields of an options dataclass that are not at their defaults, by flag.

    Args:
        options: Every field has a default.
        names: Field to flag, where their names differ.
    """
    return {
        names.get(field.name, field.name): getattr(options, field.name)
        for field in dataclasses.fields(options)
        if getattr(options, field.name) != field.default
    }


def parking_command(workspace: Workspace, profile: Profile) -> str:
    """The `ptrctl stop` that parks the arm of a command with this profile."""
    robot = scene_flags(profile).get("robot")
    return next_command("stop", workspace, park=True, robot=robot)


def scene_flags(profile: Profile) -> dict[str, Any]:
    """`--robot` and `--kitchen` where they were flags: the profile does not know them."""
    fields = {"robot": "robot", "kitchen": "kitchen_seed"}
    return {
        flag: getattr(profile, field)
        for flag, field in fields.items()
        if profile.source(field) == f"--{flag}"
    }
