"""Finds the devices by name with which a person drives the arm.

A lab adds its own from its own package with an entry point in the group `ptrctl.teleoperators`:
a `TeleoperatorKind`.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from importlib.metadata import entry_points
from typing import Any

from hardware.kinds import TeleoperatorKind
from hardware.modules import TELEOPERATOR_MODULES
from hardware.settings import build_settings
from hardware.teleoperator import Teleoperator
from recordings.errors import RobotError, nearest

ENTRY_POINT_GROUP = "ptrctl.teleoperators"
PROFILE_TABLE = "teleoperator.options"


def teleoperator_names() -> list[str]:
    """Devices that can be asked for by name, ours first; the keyboard is not among them."""
    others = {point.name for point in entry_points(group=ENTRY_POINT_GROUP)}
    return [*TELEOPERATOR_MODULES, *sorted(others - set(TELEOPERATOR_MODULES))]


def teleoperator_kind(name: str) -> TeleoperatorKind:
    """The description of a kind of device.

    Raises:
        RobotError: There is none of that name.
    """
    if name in TELEOPERATOR_MODULES:
        kind: TeleoperatorKind = import_module(TELEOPERATOR_MODULES[name]).KIND
        return kind
    for point in entry_points(group=ENTRY_POINT_GROUP):
        if point.name == name:
            foreign: TeleoperatorKind = point.load()
            return foreign
    names = ["keyboard", *teleoperator_names()]
    near = nearest(name, names)
    raise RobotError(
        f"There is no teleoperator named `{name}`.",
        f"Known: {', '.join(names)}.",
        f"Choose one with `--demonstrator` or as `teleoperator.kind` in ptrctl.toml, for example "
        f"`{near[0] if near else names[0]}`.",
    )


def make_teleoperator(name: str, options: Mapping[str, Any]) -> Teleoperator:
    """A device, not yet connected.

    Args:
        name: One of `teleoperator_names()`.
        options: Its settings, key to value.

    Raises:
        RobotError: There is none of that name.
        UsageError: The settings do not fit.
    """
    kind = teleoperator_kind(name)
    return kind.make(build_settings(kind.settings, options, PROFILE_TABLE))
