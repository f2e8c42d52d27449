"""The simulated arm behind the real server, in another process on loopback."""

from __future__ import annotations

import atexit
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from hardware.clock import MonotonicClock
from hardware.remote.tokens import VARIABLE
from tests.hardware.fakes import FastClock
from tests.hardware.peers import Peer
from tests.hardware.peers.remote_server import HELD_S, MOVED_S, MOVES, OVERLOADED

ROOT = Path(__file__).parents[3]
TOKEN = "a token that only the tests know"
SPEED = 4.0
PAUSE_S = 4.0
PATIENT = {
    "silent_periods": 40.0,
    "stale_periods": 40.0,
    "gone_after_s": 120.0,
}
"""For a loaded machine: the rules about time have tests of their own."""


class Server:
    """A server process.

    Args:
        speed: Of its clock.
        options: Of `ServeOptions`.
    """

    def __init__(self, speed: float = SPEED, image_size: int = 48, **options: float) -> None:
        self.folder = tempfile.TemporaryDirectory()
        path = Path(self.folder.name) / "motion.log"
        self.log = np.memmap(path, dtype=np.float64, mode="w+", shape=(4,))
        wanted = {
            "log": str(path),
            "speed": speed,
            "image_size": image_size,
            "options": options,
        }
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.hardware.peers.remote_server", json.dumps(wanted)],
            cwd=ROOT,
            env={**os.environ, VARIABLE: TOKEN},
            stdout=subprocess.PIPE,
            text=True,
        )
        line = self.process.stdout.readline()
        assert line, "the server did not start"
        self.port = int(line)

    @property
    def alive(self) -> bool:
        return self.process.poll() is None

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()

    def overload(self) -> None:
        """A motor pushes too hard until the arm is held."""
        self.log[OVERLOADED] = 1

    def pause(self) -> None:
        """Nothing is heard of it for longer than a client waits; then it goes on."""
        os.kill(self.process.pid, signal.SIGSTOP)
        again = threading.Timer(PAUSE_S, os.kill, (self.process.pid, signal.SIGCONT))
        again.daemon = True
        again.start()

    def is_held(self) -> bool:
        """The last thing that the motors were told is to hold."""
        return bool(self.log[HELD_S] > self.log[MOVED_S])

    def is_still(self) -> bool:
        moves = self.log[MOVES]
        time.sleep(0.1)
        return bool(self.log[MOVES] == moves)


_shared: list[Server] = []


@atexit.register
def _stop() -> None:
    for server in _shared:
        if server.alive:
            server.kill()


def settings(server: Server, **changes: object) -> dict[str, object]:
    """The client's settings that lead to a server."""
    return {"port": server.port, "token": TOKEN, **changes}


@contextmanager
def open_peer(*, realtime: bool = False) -> Iterator[Peer]:
    """One process serves one test after the other, until a test kills it; one in real time serves
    one alone, and bears a busy machine a little longer than an arm would."""
    if realtime:
        server = Server(speed=1.0, image_size=128, silent_periods=5.0, stale_periods=3.0)
    else:
        if not _shared or not _shared[-1].alive:
            _shared.append(Server(**PATIENT))
        server = _shared[-1]
    try:
        yield Peer(
            robot="remote",
            options=settings(server),
            is_still=server.is_still,
            faults={
                "lost": server.kill,
                "overload": server.overload,
                "network stops for a while": server.pause,
            },
            cameras={},
            clock=MonotonicClock() if realtime else FastClock(SPEED),
            simulated=True,
        )
    finally:
        if realtime and server.alive:
            server.kill()
