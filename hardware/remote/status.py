"""How a server stands, for whoever watches it. Runs on Python 3.8."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from hardware.remote.guard import Mood


@dataclass(frozen=True)
class ServerStatus:
    """How the server stands, for panels.

    Args:
        client: Its name, "" if nobody is in control.
        connected_s: Since when.
        rate_hz: Commands a second of late.
        round_trip_s: As the client measured it, 0 if unknown.
        command_age_s: Since the last command; None before the first.
        mood: What the arm is doing.
        motion: The same in words while it moves by itself.
        commands: Taken in all.
        silences: How often the dead-man rule held the arm.
        refused: Reason to the number of refused messages.
        clipped: Safety rule to the number of actions it changed.
        faults: The last ones, in words.
    """

    client: str
    connected_s: float
    rate_hz: float
    round_trip_s: float
    command_age_s: float | None
    mood: Mood
    motion: str
    commands: int
    silences: int
    refused: Mapping[str, int]
    clipped: Mapping[str, int]
    faults: Sequence[str]
