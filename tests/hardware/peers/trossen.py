"""The vendor's simulator of a WidowX AI, on a loopback address of its own."""

from __future__ import annotations

import atexit
import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from hardware.trossen.widowx_ai import NEUTRAL_RAD, TCP_PORT, UDP_PORT
from tests.hardware.peers import Peer

AT_NEUTRAL = (*NEUTRAL_RAD.tolist(), 0.02)
"""Where the arm stands when a test begins: near its start pose, to save time."""
FOLDED = (0.0,) * 7
SIMULATOR_MODULE = "tests.hardware.peers.trossen_simulator"
REPOSITORY = Path(__file__).parents[3]


class SimulatorProcess:
    """`tests.hardware.peers.trossen_simulator` in its own process.

    Args:
        firmware: The version that it claims, major.minor; the driver's own by default.
    """

    def __init__(self, *firmware: str) -> None:
        self.address = _free_address()
        self._asking = threading.Lock()
        self.process = subprocess.Popen(
            [sys.executable, "-m", SIMULATOR_MODULE, self.address, *firmware],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            cwd=REPOSITORY,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
        )
        self.unplugged = False
        atexit.register(self.kill)
        assert self._answer() == "ready"

    def ask(self, command: str) -> Any:
        """The answer to a command; from any thread."""
        assert self.process.stdin is not None
        with self._asking:
            self.process.stdin.write(command + "\n")
            self.process.stdin.flush()
            return self._answer()

    def place(self, positions: Sequence[float]) -> None:
        """Put the arm there, at rest, with nothing wrong."""
        self.ask("place " + " ".join(str(position) for position in positions))

    def unplug(self) -> None:
        """The network goes; the arm itself lives on."""
        self.unplugged = True
        self.ask("unplug")

    def is_whole(self) -> bool:
        """Whether it can be used again."""
        return self.process.poll() is None and not self.unplugged

    def kill(self) -> None:
        """The power goes: no farewell, and nobody listens any more."""
        atexit.unregister(self.kill)
        self.process.kill()
        self.process.wait()

    def _answer(self) -> Any:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError(f"the simulator at {self.address} has ended")
        return json.loads(line)


_idle: list[SimulatorProcess] = []
"""Started, in nobody's hands: starting takes a second, placing the arm anew nothing."""


@contextmanager
def open_simulator(*, positions: Sequence[float] = AT_NEUTRAL) -> Iterator[SimulatorProcess]:
    """A simulator with the arm at the given joint positions (7,)."""
    simulator = _idle.pop() if _idle else SimulatorProcess()
    simulator.process.send_signal(signal.SIGCONT)
    try:
        simulator.place(positions)
        yield simulator
    finally:
        if simulator.is_whole():
            # Its physics takes a fifth of a core, whether anybody looks or not.
            simulator.process.send_signal(signal.SIGSTOP)
            _idle.append(simulator)
        else:
            simulator.kill()


@contextmanager
def open_peer(*, realtime: bool = True, **how: Any) -> Iterator[Peer]:
    """See `open_simulator`; the vendor's simulator knows no other time than the real one."""
    with ExitStack() as stack:
        simulator = stack.enter_context(open_simulator(**how))
        yield peer_of(simulator)


def peer_of(simulator: SimulatorProcess) -> Peer:
    """What the contract suite and whole-command tests need of it."""
    return Peer(
        robot="trossen",
        # Patient where a loaded machine may take its time.
        options={"address": simulator.address, "timeout_s": 5.0, "max_silence_s": 1.0},
        is_still=lambda: bool(simulator.ask("is_still")),
        faults={
            "lost": simulator.unplug,
            "overload": lambda: simulator.ask("effort 30"),
            "overheated": lambda: simulator.ask("fault JOINT_OVERHEATED"),
            "torque_lost": lambda: simulator.ask("torque_lost"),
            "stuck": lambda: simulator.ask("stuck"),
        },
    )


def _free_address() -> str:
    """A loopback address whose controller ports are free; its ports are fixed."""
    for step in range(60_000):
        # Each process begins its search elsewhere, away from 127.0.0.x, where other things listen.
        number = (os.getpid() * 7 + step) % 60_000
        address = f"127.77.{number // 250}.{1 + number % 250}"
        try:
            with socket.socket() as tcp, socket.socket(type=socket.SOCK_DGRAM) as udp:
                tcp.bind((address, TCP_PORT))
                udp.bind((address, UDP_PORT))
        except OSError:
            continue
        return address
    raise RuntimeError("no loopback address is free")
