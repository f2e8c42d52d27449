"""What each arm is driven against in tests: the most real peer that a plain machine can run.

A peer is a module with a context manager `open_peer(**how)` that yields a `Peer`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any

from hardware.clock import Clock, MonotonicClock


@dataclass
class Peer:
    """The other side of an arm's driver.

    Args:
        robot: The arm's name in the registry.
        options: The arm's settings that lead to this peer, as in a profile.
        is_still: Whether the arm stands still, from the peer's side, not the driver's.
        faults: Name of a fault to the function that makes it happen. Every peer has "lost" (the
            bus or server dies) and as many of "overload", "overheated", "torque_lost", "stuck" as
            its arm can have.
        cameras: Cameras for the profile; empty where the arm brings its own.
        clock: For drivers in this process; a faster one where the peer can keep up.
        simulated: Nothing real would move there either, and the arm says so.
        env: What a `ptrctl` in another process needs in its environment to meet the peer.
        reports_joints: False where the arm reports poses alone; joint positions are then unknown
            halfway between two poses that its kinematics reach.
    """

    robot: str
    options: Mapping[str, Any]
    is_still: Callable[[], bool]
    faults: Mapping[str, Callable[[], None]]
    cameras: Mapping[str, Mapping[str, Any]] = field(
        default_factory=lambda: {"over_shoulder": {"kind": "test-pattern"}}
    )
    clock: Clock = field(default_factory=MonotonicClock)
    env: Mapping[str, str] = field(default_factory=dict)
    simulated: bool = False
    reports_joints: bool = True


PEERS: dict[str, str] = {
    "interbotix-ros1": "tests.hardware.peers.interbotix_ros1",
    "interbotix-ros2": "tests.hardware.peers.interbotix_ros2",
    "dynamixel": "tests.hardware.peers.dynamixel",
    "remote": "tests.hardware.peers.remote",
    "bridge": "tests.hardware.peers.bridge",
    "trossen": "tests.hardware.peers.trossen",
}
"""Name of the case to the module of its peer."""


def open_peer(name: str, **how: Any) -> AbstractContextManager[Peer]:
    """The peer behind a name in `PEERS`, running.

    Args:
        how: `realtime=True` for commands in another process, whose time nobody can speed up.
    """
    peer: AbstractContextManager[Peer] = import_module(PEERS[name]).open_peer(**how)
    return peer
