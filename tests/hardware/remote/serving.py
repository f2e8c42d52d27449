"""A server in a thread of the test, and a client for it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from hardware.clock import Clock, MonotonicClock
from hardware.kinds import ArmRequest
from hardware.registry import Cell, CellRequest, make_cell
from hardware.remote import KIND, RemoteSettings
from hardware.remote.client import RemoteRobot
from hardware.remote.options import ServeOptions
from hardware.remote.server import ArmServer
from hardware.station import Station

TOKEN = "sixteen letters and more"
EDGE = 8


@contextmanager
def serving(station: Station, **options: Any) -> Iterator[ArmServer]:
    """A server on a free port of loopback, until the end of the context."""
    server = ArmServer(station, TOKEN, ServeOptions(port=0, **options))
    ready, end = threading.Event(), threading.Event()
    thread = threading.Thread(target=server.run, args=(end.is_set,), kwargs={"ready": ready.set})
    thread.start()
    try:
        assert ready.wait(10)
        yield server
    finally:
        end.set()
        thread.join(10)
        assert not thread.is_alive()


def port_of(server: ArmServer) -> int:
    return int(server.address.rpartition(":")[2])


def options_for(server: ArmServer, **changes: Any) -> dict[str, Any]:
    return {"port": port_of(server), "token": TOKEN, **changes}


def remote_robot(server: ArmServer, clock: Clock | None = None, **changes: Any) -> RemoteRobot:
    """The client's arm, not connected."""
    request = ArmRequest(clock or MonotonicClock(), 5.0, image_size=EDGE)
    robot, _ = KIND.make(RemoteSettings(**options_for(server, **changes)), request)
    return robot


def remote_cell(server: ArmServer, clock: Clock | None = None, **changes: Any) -> Cell:
    """The whole cell as commands make it."""
    request = CellRequest(
        "put_carrot_on_plate",
        image_size=EDGE,
        robot_options=options_for(server, **changes),
        clock=clock or MonotonicClock(),
    )
    return make_cell("remote", request)
