"""A leader arm: its joints to a pose that the arm follows."""

from __future__ import annotations

import numpy as np
import pytest

from hardware import wx250s
from hardware.faults import LostConnection
from hardware.kinematics import Kinematics
from hardware.teleoperation import TeleoperatedDecider
from hardware.teleoperator import HandPose
from hardware.teleoperators.leader import KIND, Leader, LeaderJoints, LeaderSettings
from hardware.teleoperators.registry import make_teleoperator
from recordings.errors import RobotError
from recordings.records import FloatArray, Observation
from tests.hardware.fakes import episode_info

SEEN = Observation({}, np.zeros(7), 0.0)


class FakeReader:
    """A leader whose joints a test sets."""

    def __init__(self, joints_rad: FloatArray) -> None:
        self.joints_rad = joints_rad
        self.opening = 1.0
        self.torque_on = False
        self.lost = False
        self.log: list[str] = []

    def open(self) -> None:
        self.log.append("open")

    def close(self) -> None:
        self.log.append("close")

    def read(self) -> LeaderJoints:
        if self.lost:
            raise LostConnection("The leader does not answer.")
        return LeaderJoints(self.joints_rad.copy(), self.opening, self.torque_on)


@pytest.fixture(scope="module")
def kinematics() -> Kinematics:
    return Kinematics()


@pytest.fixture
def reader(kinematics: Kinematics) -> FakeReader:
    joints = kinematics.solve(np.array(wx250s.START_POSE), wx250s.NEUTRAL_RAD)
    assert joints is not None
    return FakeReader(joints)


def test_the_pose_is_that_of_the_gripper(reader: FakeReader, kinematics: Kinematics) -> None:
    leader = Leader(reader, kinematics)
    leader.connect()
    reading = leader.read()
    assert isinstance(reading.motion, HandPose)
    assert reading.engaged
    assert reading.motion.absolute
    assert reading.motion.position_m == pytest.approx(wx250s.START_POSE[:3], abs=1e-3)
    assert reading.motion.rotation == pytest.approx(np.eye(3), abs=0.02)


def test_the_arm_copies_the_leader_and_its_gripper(
    reader: FakeReader, kinematics: Kinematics
) -> None:
    now_s = 0.0
    arm = np.array([*wx250s.START_POSE, 1.0])
    leader = Leader(reader, kinematics, lambda: now_s)
    decider = TeleoperatedDecider(leader, lambda: arm, lambda: now_s)
    with decider:
        decider.begin(episode_info())
        for step in range(30):
            reader.joints_rad = reader.joints_rad + np.array([0.01, 0.005, -0.005, 0, 0.01, 0.02])
            reader.opening = max(0.0, 1.0 - 0.1 * step)
            action = decider.act(SEEN).action
            arm[:6] += action[:6]
            arm[6] = action[6]
            now_s += 0.2
    assert arm[:6] == pytest.approx(kinematics.pose(reader.joints_rad), abs=1e-6)
    assert arm[6] == 0.0
    assert reader.log == ["open", "close"]


def test_a_leader_under_torque_is_refused_and_does_not_drive(
    reader: FakeReader, kinematics: Kinematics
) -> None:
    leader = Leader(reader, kinematics)
    leader.connect()
    reader.torque_on = True
    assert not leader.read().engaged
    leader.disconnect()
    with pytest.raises(RobotError, match="under torque"):
        leader.connect()
    assert reader.log[-1] == "close"


def test_a_leader_that_does_not_answer_at_once_is_closed_again(
    reader: FakeReader, kinematics: Kinematics
) -> None:
    reader.lost = True
    with pytest.raises(LostConnection):
        Leader(reader, kinematics).connect()
    assert reader.log == ["open", "close"]


def test_a_leader_that_no_longer_answers_is_an_error(
    reader: FakeReader, kinematics: Kinematics
) -> None:
    leader = Leader(reader, kinematics)
    leader.connect()
    reader.lost = True
    with pytest.raises(LostConnection):
        leader.read()


def test_the_port_is_never_guessed() -> None:
    with pytest.raises(RobotError, match="port"):
        make_teleoperator("leader", {})
    (finding,) = KIND.check(LeaderSettings())
    assert "port is not set" in finding.found
