"""The leader on a servo bus of bytes: it is read, and never written to."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from hardware import wx250s
from hardware.faults import LostConnection
from hardware.kinematics import Kinematics
from hardware.teleoperator import HandPose, Teleoperator
from hardware.teleoperators.registry import make_teleoperator
from recordings.errors import RobotError
from tests.hardware.peers.dynamixel import PING, SYNC_READ, ServoBus, open_bus
from tests.hardware.peers.servo import SLEEP_RAD

DRIVE_MODE = 10


@pytest.fixture
def bus() -> Iterator[ServoBus]:
    """A WidowX that was set up before, in its sleep pose and without torque."""
    with open_bus() as servos:
        for number in (3, 5, 7):
            servos.servos[number].table[DRIVE_MODE] = 5
        yield servos


@pytest.fixture
def leader(bus: ServoBus) -> Iterator[Teleoperator]:
    device = make_teleoperator("leader", {"port": bus.port})
    yield device
    device.disconnect()
    device.disconnect()


def test_the_leaders_joints_lead_and_nothing_is_ever_written(
    bus: ServoBus, leader: Teleoperator
) -> None:
    leader.connect()
    reading = leader.read()
    assert isinstance(reading.motion, HandPose)
    pose = Kinematics().pose(np.array(SLEEP_RAD))
    assert reading.motion.position_m == pytest.approx(pose[:3], abs=2e-3)
    assert reading.motion.rotation == pytest.approx(wx250s.euler_to_rotation(pose[3:]), abs=5e-3)
    assert reading.opening is not None
    assert 0.0 <= reading.opening <= 1.0
    assert {body[0] for _, body in bus.received} == {PING, SYNC_READ}


def test_a_leader_under_torque_is_refused(bus: ServoBus, leader: Teleoperator) -> None:
    with bus.lock:
        bus.servos[4].set_torque(True)
    with pytest.raises(RobotError, match="under torque"):
        leader.connect()


def test_a_motor_that_counts_the_other_way_round_is_refused(
    bus: ServoBus, leader: Teleoperator
) -> None:
    bus.servos[7].table[DRIVE_MODE] = 0
    with pytest.raises(RobotError, match=r"`wrist_angle` \(ID 7\) counts in the wrong direction"):
        leader.connect()


def test_a_cable_that_is_pulled_is_a_lost_connection(bus: ServoBus, leader: Teleoperator) -> None:
    leader.connect()
    leader.read()
    bus.close()
    with pytest.raises(LostConnection):
        leader.read()


def test_an_arm_leads_or_follows_but_not_both(bus: ServoBus, leader: Teleoperator) -> None:
    leader.connect()
    with pytest.raises(RobotError, match=bus.port):
        make_teleoperator("leader", {"port": bus.port}).connect()
