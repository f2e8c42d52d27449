"""An arm on another machine: any arm, served by `ptrctl serve-robot` beside it."""

from __future__ import annotations

import socket
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hardware.checks import Finding, Health
from hardware.install import cannot_import
from hardware.kinds import ArmKind, ArmRequest, Discovered
from hardware.settings import setting
from hardware.tcp_ports import REMOTE_PORT

if TYPE_CHECKING:
    from hardware.camera import Camera
    from hardware.clock import Clock
    from hardware.remote.link import Link
    from hardware.robot import Robot

LOOPBACK = "127.0.0.1"
QUICK_S = 0.2
GOOD_ROUND_TRIP_S = 0.02
"""A control step takes four round trips; at 5 Hz these are less than half of it."""


@dataclass(frozen=True)
class RemoteSettings:
    """Where the server is and how it knows us."""

    host: str = setting(LOOPBACK, "Address of the arm's machine; 127.0.0.1 through an SSH tunnel.")
    port: int = setting(REMOTE_PORT, "Port of `ptrctl serve-robot` there.")
    token_file: str = setting("", "File with the server's token; else PTRCTL_TOKEN is read.")
    token: str = setting("", "The token itself; a file keeps it out of the profile.")
    timeout_s: float = setting(2.0, "Longest wait for an answer, in seconds.")

    def __post_init__(self) -> None:
        if not 1 <= self.port <= 65535:
            raise ValueError(f"port {self.port} is not within 1..65535")
        if not 0.1 <= self.timeout_s <= 60.0:
            raise ValueError(f"timeout_s {self.timeout_s} is not within 0.1..60")


def _link(settings: RemoteSettings, image_size: int, clock: Clock) -> Link:
    try:
        from hardware.remote.link import Link
    except ImportError as missing:
        raise cannot_import(missing, "The arm `remote`", "remote", "msgpack", "pyzmq") from missing
    from hardware.remote.tokens import find_token

    token = find_token(settings.token, settings.token_file)
    host, port = settings.host, settings.port
    return Link(host, port, token, settings.timeout_s, image_size, clock)


def _make(settings: RemoteSettings, request: ArmRequest) -> tuple[Robot, Sequence[Camera]]:
    """Asks the server what it serves, and hangs up again."""
    if request.start_pose is not None:
        from recordings.errors import UsageError

        raise UsageError(
            "A start pose is set for the arm `remote`.",
            "Its episodes begin where its own machine says.",
            "Remove `robot.start_pose` from ptrctl.toml here, and set it where the arm is served.",
        )
    link = _link(settings, request.image_size, request.clock)
    served = link.look()

    from hardware.remote.client import JudgedRemoteRobot, RemoteCamera, RemoteRobot

    judged = served.task and served.task == request.task
    robot = JudgedRemoteRobot(link, served) if judged else RemoteRobot(link, served)
    cameras = [RemoteCamera(link, served, camera, request.image_size) for camera in served.cameras]
    return robot, cameras


def _discover() -> Sequence[Discovered]:
    """Looks on this machine only: a server, or the end of a tunnel to one."""
    try:
        socket.create_connection((LOOPBACK, REMOTE_PORT), QUICK_S).close()
    except OSError:
        return []
    return [Discovered(f"a server, or a tunnel to one, on port {REMOTE_PORT} of this machine")]


def _check(settings: RemoteSettings) -> Sequence[Finding]:
    from hardware.clock import MonotonicClock
    from recordings.errors import PtrctlError

    where = f"{settings.host}:{settings.port}"
    try:
        link = _link(settings, 0, MonotonicClock())
        served = link.look()
    except PtrctlError as problem:
        found = f"{problem.found} {problem.expected}".rstrip()
        return [Finding("remote arm", Health.FAIL, found, problem.try_next)]
    name = served.identity.get("name", "an arm")
    cameras = ", ".join(camera.name for camera in served.cameras) or "none"
    words = f"{where} serves {name}, cameras: {cameras}; it is {served.mood}"
    by = f", in the hands of {served.client}" if served.client else ""
    offset = link.offset
    slow = offset.round_trip_s > GOOD_ROUND_TRIP_S
    return [
        Finding("remote arm", Health.OK, words + by),
        Finding(
            "remote link",
            Health.WARN if slow else Health.OK,
            f"round trip {offset.round_trip_s * 1000:.1f} ms, clock known to "
            f"+-{offset.uncertainty_s * 1000:.1f} ms",
            "Use a cable instead of a radio link, or put the policy nearer." if slow else "",
        ),
    ]


KIND = ArmKind(
    name="remote",
    summary="any arm on another machine, through `ptrctl serve-robot` there",
    settings=RemoteSettings,
    make=_make,
    discover=_discover,
    check=_check,
)
