"""Episodes into which a fault is put while the arm moves; measured from the peer's side.

The tests and `benchmarks/fault_table.py` share this.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import numpy as np

from hardware.clock import Clock
from hardware.faults import CameraFault, LostConnection
from hardware.loop import ControlLoop, Signal, Subscriber
from hardware.registry import CellRequest, make_cell
from hardware.station import Station
from recordings.records import Decision, EpisodeEnd, EpisodeInfo, Frame, Observation, Step
from tests.hardware.fakes import episode_info
from tests.hardware.peers import Peer, open_peer

OUR_FAULTS = ("camera stalls", "operator stops", "deadline missed", "NaN asked for")
"""Faults outside of the arm, which every arm must survive."""
STEPS_BEFORE = 6
MAX_STEPS = 40
POLL_PERIODS = 0.05


@dataclass(frozen=True)
class FaultRun:
    """What happened.

    Args:
        end: What the loop told.
        still_when_told: The arm stood still when the first listener heard of the end.
        periods: Control periods from the fault until the arm stood still for good.
    """

    end: EpisodeEnd
    still_when_told: bool
    periods: float


class Swings:
    """A decider that moves the gripper to and fro, so that a fault always meets a moving arm."""

    name = "swings"

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.asked = 0
        self.spoil: Callable[[Decision], Decision] = lambda decision: decision

    def begin(self, info: EpisodeInfo) -> None: ...

    def act(self, observation: Observation) -> Decision:
        sign = 1.0 if (self.asked // 4) % 2 == 0 else -1.0
        self.asked += 1
        return self.spoil(Decision(np.array([0, sign * 0.02, 0, 0, 0, 0, 1.0])))


class Saboteur(Subscriber):
    """Puts the fault in after some steps, and asks the peer whether the arm stands when told."""

    def __init__(self, peer: Peer, put_in: Callable[[], None]) -> None:
        self.peer, self.put_in = peer, put_in
        self.put_in_s: float | None = None
        self.still_when_told = False

    def on_step(self, step: Step) -> None:
        if step.index == STEPS_BEFORE:
            self.put_in_s = self.peer.clock.now_s()
            self.put_in()

    def on_end(self, end: EpisodeEnd) -> None:
        self.still_when_told = self.peer.is_still()


class StillnessWatch:
    """Notes, in a thread of its own, when the arm was last seen moving."""

    def __init__(self, peer: Peer, period_s: float) -> None:
        self._peer = peer
        self._wait_s = POLL_PERIODS * period_s
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self.moved_s = peer.clock.now_s()

    def _run(self) -> None:
        clock = self._peer.clock
        while not self._done.is_set():
            asked_s = clock.now_s()
            if not self._peer.is_still():
                self.moved_s = asked_s
            clock.wait_until_s(asked_s + self._wait_s)

    def __enter__(self) -> StillnessWatch:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join()


SLOWER: dict[str, dict[str, float]] = {"dynamixel": {"speed": 4.0}}
"""At ten times real time nine servos of one process leave a loop too little of a busy processor."""


def run_with_fault(name: str, fault: str) -> FaultRun:
    """Drive the arm behind a peer, put a fault in, and see what becomes of it.

    A busy machine can lose a peer whose time is sped up before the fault is put in; then another
    is driven in real time.

    Args:
        name: Of the peer.
        fault: One of the peer's own, or of `OUR_FAULTS`.
    """
    run = None
    with suppress(LostConnection):
        run, end = _run(name, fault, **SLOWER.get(name, {}))
    if run is None:
        run, end = _run(name, fault, realtime=True)
    assert run is not None, f"the fault was never put in: {end}"
    return run


def _run(name: str, fault: str, **how: Any) -> tuple[FaultRun | None, EpisodeEnd]:
    """What `run_with_fault` does; without a run if the episode ended before the fault."""
    with open_peer(name, **how) as peer:
        wanted = CellRequest(
            "put_carrot_on_plate",
            image_size=32,
            robot_options=peer.options,
            cameras=peer.cameras,
            clock=peer.clock,
        )
        cell = make_cell(peer.robot, wanted)
        station, clock = cell.station, peer.clock
        period_s = 1.0 / station.robot.features.control_rate_hz
        decider = Swings(clock)
        signal = Signal.RUN

        def stop() -> None:
            nonlocal signal
            signal = Signal.STOP

        ours = {
            "camera stalls": lambda: _stall(station),
            "operator stops": stop,
            "deadline missed": lambda: _slow_down(decider, 8 * period_s),
            "NaN asked for": lambda: _spoil(decider),
        }
        saboteur = Saboteur(peer, {**peer.faults, **ours}[fault])
        with station:
            cell.start(None)
            loop = ControlLoop(station, 1.0 / period_s, [saboteur], lambda: signal)
            with StillnessWatch(peer, period_s) as watch:
                end = loop.run_episode(episode_info(), decider, max_steps=MAX_STEPS)
                clock.wait_until_s(clock.now_s() + 3 * period_s)
        if saboteur.put_in_s is None:
            return None, end
        periods = max(0.0, watch.moved_s - saboteur.put_in_s) / period_s
        return FaultRun(end, saboteur.still_when_told, periods), end


def _stall(station: Station) -> None:
    for camera in station.cameras.values():

        def read() -> Frame:
            raise CameraFault("The camera has sent no picture for 0.5 s.")

        camera.read = read  # type: ignore[method-assign]


def _slow_down(decider: Swings, by_s: float) -> None:
    def late(decision: Decision) -> Decision:
        decider.clock.wait_until_s(decider.clock.now_s() + by_s)
        return decision

    decider.spoil = late


def _spoil(decider: Swings) -> None:
    decider.spoil = lambda decision: Decision(decision.action * np.nan)
