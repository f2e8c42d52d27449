"""The interbotix arm with the vendor's modules for ROS 1, faked; see `.interbotix`."""

from __future__ import annotations

from contextlib import AbstractContextManager

from tests.hardware.peers.interbotix import InterbotixPeer, open_interbotix


def open_peer(realtime: bool = False) -> AbstractContextManager[InterbotixPeer]:
    return open_interbotix(1, realtime)
