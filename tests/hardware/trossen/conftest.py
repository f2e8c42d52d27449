"""An arm on the vendor's simulator."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from hardware.clock import MonotonicClock
from hardware.kinds import ArmRequest
from hardware.trossen import TrossenSettings
from hardware.trossen.arm import TrossenArm
from tests.hardware.peers.trossen import SimulatorProcess, open_simulator, peer_of


@pytest.fixture
def simulator() -> Iterator[SimulatorProcess]:
    with open_simulator() as process:
        yield process


RATE_HZ = 10.0


def make_arm(
    simulator: SimulatorProcess, rate_hz: float = RATE_HZ, **changes: object
) -> TrossenArm:
    """An arm, not connected."""
    options = {**peer_of(simulator).options, **changes}
    return TrossenArm(TrossenSettings(**options), ArmRequest(MonotonicClock(), rate_hz))


def is_folded(simulator: SimulatorProcess) -> bool:
    """Whether the arm lies in its sleep pose."""
    return bool(np.abs(simulator.ask("positions")[:6]).max() < 0.02)


@pytest.fixture
def arm(simulator) -> Iterator[TrossenArm]:
    with make_arm(simulator) as connected:
        connected.move_to_start()
        yield connected
