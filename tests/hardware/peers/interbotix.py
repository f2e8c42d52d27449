"""The peer of the interbotix arm: a simulated node, and stubs of ROS on this side of it.

The arm is `XsNode` in this process, on a Unix socket. What the driver imports comes from
`interbotix_stub/`: `ros1` and `ros2` stand for the middleware, `ros1_fake` and `ros2_fake` for the
vendor's modules of that generation; with a checkout of the vendor's own code its folders take
the place of the latter.

A command in another process gets the same arm through `Peer.env`: PYTHONPATH with the stubs, and
PTRCTL_XS_SOCKET. Faults and `is_still` stay in this process, with the arm.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from hardware.clock import MonotonicClock
from tests.hardware.fakes import FastClock
from tests.hardware.peers import Peer
from tests.hardware.peers.xs_node import XsNode, XsServer

STUBS = Path(__file__).parent / "interbotix_stub"
REPOSITORY = Path(__file__).parents[3]
SPEED = 8.0
MODULES = (
    "interbotix_common_modules",
    "interbotix_xs_modules",
    "interbotix_xs_msgs",
    "geometry_msgs",
    "rclpy",
    "rosgraph",
    "rospy",
    "sensor_msgs",
    "tf",
    "tf_transformations",
    "trajectory_msgs",
    "xs_link",
)


class InterbotixPeer(Peer):
    """A `Peer` whose arm can be looked into."""

    node: XsNode
    server: XsServer


def stub_folders(generation: int, vendor: Sequence[Path] = ()) -> list[Path]:
    """What has to be on Python's path; the vendor's own folders instead of the fake."""
    ros = f"ros{generation}"
    return [STUBS / "link", STUBS / ros, *(vendor or [STUBS / f"{ros}_fake"])]


def stub_environment(
    server: XsServer, generation: int, vendor: Sequence[Path] = ()
) -> Mapping[str, str]:
    """Environment variables with which another process finds the arm of `server`."""
    folders = [*stub_folders(generation, vendor), REPOSITORY]
    return {
        "PYTHONPATH": os.pathsep.join(map(str, folders)),
        "PTRCTL_XS_SOCKET": server.path,
        "PTRCTL_XS_SPEED": str(server.node.speed),
        "PTRCTL_XS_NAME": server.robot_name,
        "ROS_DISTRO": "noetic" if generation == 1 else "humble",
    }


@contextmanager
def open_interbotix(generation: int, realtime: bool = False) -> Iterator[InterbotixPeer]:
    """An arm behind the vendor's modules of a generation, faked."""
    node = XsNode(1.0 if realtime else SPEED)
    with XsServer(node) as server, _importable(server, generation):
        peer = InterbotixPeer(
            robot="interbotix",
            options={},
            is_still=node.is_still,
            faults={
                "lost": server.die,
                "overload": node.overload,
                "overheated": node.heat,
                "torque_lost": node.lose_torque,
                "stuck": node.hold_fast,
            },
            clock=MonotonicClock() if realtime else FastClock(SPEED),
            env=stub_environment(server, generation),
        )
        peer.node, peer.server = node, server
        yield peer


@contextmanager
def _importable(server: XsServer, generation: int) -> Iterator[None]:
    """Let this process import the stubs, and forget them afterwards."""
    before = dict(os.environ), list(sys.path)
    _forget()
    os.environ.update(stub_environment(server, generation), PYTHONPATH="")
    sys.path[:0] = map(str, stub_folders(generation))
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before[0])
        sys.path[:] = before[1]
        _forget()


def _forget() -> None:
    if "xs_link" in sys.modules:
        sys.modules["xs_link"].end()
    for name in list(sys.modules):
        if name.split(".")[0] in MODULES:
            del sys.modules[name]
