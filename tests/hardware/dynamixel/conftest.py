"""An arm on a simulated servo bus, for the tests of its driver."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from hardware.dynamixel.drive import DynamixelDrive
from hardware.dynamixel.settings import DynamixelSettings
from tests.hardware.peers.dynamixel import ServoBus, open_bus


@pytest.fixture
def bus() -> Iterator[ServoBus]:
    """Nine servos, asleep and factory-new."""
    with open_bus() as servos:
        yield servos


@pytest.fixture
def settings(bus: ServoBus, request: pytest.FixtureRequest) -> DynamixelSettings:
    """Those that lead to the bus, and what a test asks for besides (`indirect`)."""
    values = {"watchdog_s": 2.5, "guardian": False, **getattr(request, "param", {})}
    return DynamixelSettings(port=bus.port, **values)


@pytest.fixture
def drive(bus: ServoBus, settings: DynamixelSettings) -> Iterator[DynamixelDrive]:
    """The arm's drive, open, torque off."""
    made = DynamixelDrive(settings, bus.clock)
    made.open()
    yield made
    made.close()


@pytest.fixture
def powered(drive: DynamixelDrive) -> DynamixelDrive:
    """The arm's drive, under torque."""
    drive.set_torque(True)
    return drive
