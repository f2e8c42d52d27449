"""How a server stands, for whoever watches it. Runs on Python 3.8."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from hardware.remote.guard import Mood

ANNOUNCED_S = 30.0
"""So long before the arm parks by itself it is announced."""


@dataclass
class Client:
    """Who is in control.

    Args:
        session: Chosen by the server, 16 random bytes; every command carries it.
        name: As it calls itself.
        image_size: Edge of the square pictures it wants, 0 as they are.
        since_s, heard_s: When it took control and when it was last heard.
        last_id: Of its newest request; older ones are refused.
        round_trip_s: As it measured it.
    """

    session: bytes
    name: str
    image_size: int
    since_s: float
    heard_s: float
    last_id: int
    round_trip_s: float = 0.0


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
        parks_soon: It parks by itself within `ANNOUNCED_S`.
        left_stopped: Nobody has been in control for as long as it takes until an arm is parked,
            but this one was stopped, and is left as it is.
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
    parks_soon: bool
    left_stopped: bool


def what_is_ahead(status: ServerStatus, key: str) -> str:
    """What becomes of an arm that nobody is in control of, in words; "" for nothing soon.

    Args:
        key: What holds the arm here.
    """
    if status.parks_soon:
        return f"parks by itself within {ANNOUNCED_S:g} s; {key} holds it"
    if status.left_stopped:
        return (
            "was stopped, so it stays where it is and does not park by itself, though it may be "
            "under torque; `ptrctl stop --park` on the client's machine parks it"
        )
    return ""


class Changes:
    """What is new since the last look, in words: who is in control, motions, holds, faults.

    Args:
        key: What holds the arm here.
    """

    def __init__(self, key: str) -> None:
        self._key = key
        self._client = ""
        self._motion = ""
        self._ahead = ""
        self._silences = 0
        self._faults: Sequence[str] = ()

    def since(self, status: ServerStatus) -> list[str]:
        """One line for each thing."""
        lines = []
        if status.client != self._client:
            lines.append(f"In control: {status.client or 'nobody'}.")
        if status.silences != self._silences:
            lines.append("The client fell silent: the arm was held.")
        lines += [fault for fault in status.faults if fault not in self._faults]
        ahead = what_is_ahead(status, self._key)
        if ahead != self._ahead:
            lines += [f"The arm {ahead}."] if ahead else []
        if status.motion != self._motion:
            lines += [f"The arm is {status.motion}."] if status.motion else []
        self._client, self._silences = status.client, status.silences
        self._faults, self._ahead, self._motion = status.faults, ahead, status.motion
        return lines
