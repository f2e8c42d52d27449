"""A fake Bridge robot server that speaks the real wire format on a port of its own."""

from __future__ import annotations

import json
import pickle
import random
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import lz4.frame
import zmq

from tests.hardware.fakes import FastClock
from tests.hardware.peers import Peer
from tests.hardware.peers.bridge_arm import FakeArm

CONFIG = {
    "port_number": 5556,
    "action_keys": ["init", "move", "gripper", "reset", "step_action", "reboot_motor"],
    "observation_keys": ["image", "state", "full_image"],
    "broadcast_port": 5557,
    "version": "0.0.1",
}


class FakeServer:
    """Serves a `FakeArm` from one thread, as `widowx_env_service.py --server` does.

    An exception in an action closes the socket, sets up the arm anew and listens again, without
    an answer to whoever asked.

    Args:
        arm: Behind it.
        port: 0 chooses a free one; a server that is restarted takes the port of the last.
    """

    def __init__(self, arm: FakeArm, port: int = 0) -> None:
        self.arm = arm
        self.config: dict[str, Any] = dict(CONFIG)
        self.latency_s = (0.0, 0.0)
        self.swallow_next = False
        self.answer_next: bytes | None = None
        self.requests: list[Any] = []
        self._random = random.Random(0)
        self._context = zmq.Context()
        self._ending = threading.Event()
        self._socket = self._listen(port)
        self.config.update(port_number=self.port, broadcast_port=self.port + 1)
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _listen(self, port: int) -> Any:
        socket = self._context.socket(zmq.REP)
        socket.setsockopt(zmq.LINGER, 0)
        socket.setsockopt(zmq.RCVTIMEO, 20)
        if port:
            give_up_s = time.monotonic() + 10.0
            while True:
                try:
                    socket.bind(f"tcp://127.0.0.1:{port}")
                    break
                except zmq.ZMQError:  # The last server's socket is still closing.
                    if time.monotonic() > give_up_s:
                        raise
                    time.sleep(0.01)
            self.port = port
        else:
            self.port = int(socket.bind_to_random_port("tcp://127.0.0.1"))
        return socket

    def stop(self) -> None:
        self._ending.set()
        self._thread.join(30.0)
        self._context.term()

    def _serve(self) -> None:
        while not self._ending.is_set():
            try:
                request = self._socket.recv()
            except zmq.Again:
                continue
            try:
                self._answer(pickle.loads(lz4.frame.decompress(request)))
            except Exception:  # Whatever it is, the real server goes on like this.
                self._socket.close()
                if self.arm.initialised:
                    self.arm.set_up()
                self._socket = self._listen(self.port)
        self._socket.close()

    def _answer(self, request: dict[str, Any]) -> None:
        self.requests.append(request)
        if self.swallow_next:
            self.swallow_next = False
            self._socket.close()
            self._socket = self._listen(self.port)
            return
        self.arm.sleep(self._random.uniform(*self.latency_s))
        answer = self._reply(request)
        raw, self.answer_next = self.answer_next, None
        self._socket.send(raw or lz4.frame.compress(pickle.dumps(answer)))

    def _reply(self, request: dict[str, Any]) -> Any:
        if request["type"] == "hash":
            payload = json.dumps(self.config, separators=(",", ":"))
            return {"success": True, "payload": payload}
        if request["type"] == "obs":
            return self.arm.observe(request["keys"])
        if request["type"] == "act":
            return self.arm.act(request["key"], request["payload"])
        return {"success": False, "message": "Invalid payload"}


@contextmanager
def open_server(factor: float = 1.0, port: int = 0, **arm: Any) -> Iterator[FakeServer]:
    server = FakeServer(FakeArm(factor, **arm), port)
    try:
        yield server
    finally:
        server.stop()


@contextmanager
def open_peer(*, realtime: bool = False) -> Iterator[Peer]:
    """A server whose arm was initialised by others.

    Args:
        realtime: Otherwise its time and the driver's clock run eight times as fast.
    """
    factor = 1.0 if realtime else 8.0
    with open_server(factor) as server:
        arm = server.arm

        def set_arm(**values: bool) -> None:
            for name, value in values.items():
                setattr(arm, name, value)

        yield Peer(
            robot="bridge",
            # A second and more of the machine's time, however fast the clock.
            options={
                "host": "127.0.0.1",
                "port": server.port,
                "timeout_s": max(2.0, 1.5 * factor),
                "restart_s": 2.0 * factor,
            },
            is_still=arm.is_still,
            reports_joints=False,
            faults={
                "lost": server.stop,
                "stuck": lambda: set_arm(stuck=True),
                "frozen_picture": lambda: set_arm(frozen=True),
            },
            cameras={},
            clock=FastClock(factor),
        )
