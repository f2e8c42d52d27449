"""Who drives the arm in a demonstration: a flag and the profile to a device and its settings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from hardware.settings import parse_settings
from hardware.teleoperators.registry import teleoperator_kind, teleoperator_names
from ptrctl.profile import Profile
from recordings.errors import UsageError, nearest

KEYBOARD, SCRIPTED = "keyboard", "scripted"
FLAG = "--demonstrator-option"


@dataclass(frozen=True)
class Demonstrator:
    """Who drives the arm.

    Args:
        name: "keyboard", "scripted" or the name of a device.
        options: Settings of the device, key to value.
    """

    name: str
    options: Mapping[str, Any]

    @property
    def scripted(self) -> bool:
        """Nobody; a program that knows the simulator's scene."""
        return self.name == SCRIPTED

    @property
    def words(self) -> str:
        """For the panel."""
        return "scripted demonstrator" if self.scripted else self.name


def chosen_demonstrator(profile: Profile, name: str | None, options: Sequence[str]) -> Demonstrator:
    """Whom the command line names, or else the profile.

    Args:
        profile: Its settings count for the device that it names.
        name: Of the flag; None takes the profile's.
        options: "key=value" of the flag; they win over the profile's.

    Raises:
        UsageError: There is none of that name, or the settings cannot be read.
    """
    chosen = profile.teleoperator if name is None else name
    names = [KEYBOARD, SCRIPTED, *teleoperator_names()]
    if chosen not in names:
        near = nearest(chosen, names)
        raise UsageError(
            f"There is no demonstrator named `{chosen}`.",
            f"Known: {', '.join(names)}.",
            f"Choose one, for example `--demonstrator {near[0] if near else KEYBOARD}`.",
        )
    own = profile.teleoperator_options if chosen == profile.teleoperator else {}
    if options and chosen in (KEYBOARD, SCRIPTED):
        raise UsageError(
            f"`{FLAG}` was given for the demonstrator `{chosen}`.",
            "It sets up a device.",
            f"Leave it out, or name one of: {', '.join(teleoperator_names())}.",
        )
    given = parse_settings(teleoperator_kind(chosen).settings, options, FLAG) if options else {}
    return Demonstrator(chosen, {**own, **given})
