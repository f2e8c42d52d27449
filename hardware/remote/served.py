"""What a client knows of the other side: who it is, its clock, what it measured and saw."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from hardware.remote import protocol
from hardware.remote.protocol import Fields
from hardware.robot import RobotFeatures
from recordings.records import FloatArray, ImageArray

NAME = "remote"


@dataclass(frozen=True)
class ServedCamera:
    """A camera behind the server, as it gives its pictures."""

    name: str
    height: int
    width: int
    identity: Mapping[str, Any]


@dataclass(frozen=True)
class Served:
    """What a server says of itself before anybody takes control.

    Args:
        features: Of the arm, under our own name "remote".
        identity: The served arm's own.
        cameras: In the server's order.
        task: What its judge judges, "" if nobody judges.
        client: Who is in control, "" if nobody.
        mood: What the arm is doing, in words.
    """

    features: RobotFeatures
    identity: Mapping[str, Any]
    cameras: tuple[ServedCamera, ...]
    task: str
    client: str
    mood: str

    @property
    def sizes(self) -> dict[str, tuple[int, int]]:
        """Camera name to height and width."""
        return {camera.name: (camera.height, camera.width) for camera in self.cameras}


@dataclass(frozen=True)
class ClockOffset:
    """The server's clock less ours, known to +-`uncertainty_s`; from the quickest round trip."""

    offset_s: float = 0.0
    uncertainty_s: float = 0.0
    round_trip_s: float = 0.0


@dataclass(frozen=True)
class Measured:
    """State and joints as the arm measured them; the moment is on our clock."""

    state: FloatArray
    joints_rad: FloatArray
    measured_s: float


@dataclass
class Picture:
    """A picture as received; moments are on our clock."""

    image: ImageArray
    captured_s: float
    arrived_s: float


def served_from(body: Fields) -> Served:
    """The answer to "look". Raises `BadMessage` if it is something else."""
    cameras = tuple(
        ServedCamera(
            item.text("name"),
            item.whole("height", 1, protocol.MAX_EDGE),
            item.whole("width", 1, protocol.MAX_EDGE),
            protocol.plain(item.fields("identity").values),
        )
        for item in body.list_of_fields("cameras", protocol.MAX_CAMERAS)
    )
    return Served(
        features=protocol.features_from(body.fields("features"), NAME),
        identity=protocol.plain(body.fields("identity").values),
        cameras=cameras,
        task=body.text("task"),
        client=body.text("client"),
        mood=body.text("mood"),
    )
