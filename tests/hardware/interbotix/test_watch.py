"""What the watch makes of joint_states: staleness, failed reads, efforts."""

from __future__ import annotations

import threading
from types import SimpleNamespace

import numpy as np
import pytest

from hardware.clock import SimulatedClock
from hardware.faults import LostConnection, MotorFault
from hardware.interbotix.watch import BRIDGE_EFFORT, FINGER, MOTORS, JointWatch

JOINTS = np.array([0.1, -0.5, 0.4, 0.0, 1.2, 0.2])


class Topic:
    """A core with a topic that the test feeds."""

    def __init__(self) -> None:
        self.core = SimpleNamespace(js_mutex=threading.Lock(), joint_states=None)
        self.clock = SimulatedClock()
        self.watch = JointWatch(self.core, self.clock, BRIDGE_EFFORT, 5)

    def say(self, joints=JOINTS, efforts=None, finger_m=0.02, after_s=0.01) -> None:
        self.clock.wait_until_s(self.clock.now_s() + after_s)
        efforts = np.full(6, 50.0) if efforts is None else efforts
        self.core.joint_states = SimpleNamespace(
            name=[*MOTORS, FINGER, "right_finger"],
            position=[*joints, 0.3 if np.isfinite(joints[0]) else joints[0], finger_m, -finger_m],
            effort=[*efforts, 7.0, 0.0, 0.0],
        )
        self.watch.poll()


@pytest.fixture
def topic() -> Topic:
    return Topic()


def test_nothing_heard_yet_is_a_lost_connection(topic) -> None:
    with pytest.raises(LostConnection, match="No joint positions"):
        topic.watch.newest()


def test_a_message_becomes_a_sample_by_its_names(topic) -> None:
    topic.say()
    sample = topic.watch.newest()
    np.testing.assert_array_equal(sample.joints_rad, JOINTS)
    assert (sample.finger_m, sample.gripper_effort) == (0.02, 7.0)
    assert sample.taken_s == topic.clock.now_s()


def test_a_topic_that_repeats_itself_is_lost_after_a_fifth_of_a_second(topic) -> None:
    topic.say()
    topic.clock.wait_until_s(0.2)
    topic.watch.newest()
    topic.clock.wait_until_s(0.25)
    with pytest.raises(LostConnection, match=r"0\.2 s"):
        topic.watch.newest()
    topic.say()
    topic.watch.newest()


@pytest.mark.parametrize("value", [-np.pi, -3.1415927410125732, np.nan, np.inf])
def test_a_failed_read_is_never_a_position_and_soon_a_fault(topic, value) -> None:
    topic.say()
    for _ in range(10):
        topic.core.joint_states = SimpleNamespace(
            name=[*MOTORS, FINGER], position=[value] * 8, effort=[0.0] * 8
        )
        topic.watch.poll()
        np.testing.assert_array_equal(topic.watch.newest().joints_rad, JOINTS)
        topic.clock.wait_until_s(topic.clock.now_s() + 0.01)
    topic.clock.wait_until_s(topic.clock.now_s() + 0.15)
    with pytest.raises(LostConnection, match="reads fail"):
        topic.watch.newest()


def test_one_failed_read_among_good_ones_is_skipped(topic) -> None:
    for _ in range(100):
        topic.say()
        topic.core.joint_states = SimpleNamespace(
            name=[*MOTORS, FINGER], position=[-np.pi] * 8, effort=[0.0] * 8
        )
        topic.watch.poll()
        np.testing.assert_array_equal(topic.watch.newest().joints_rad, JOINTS)


@pytest.mark.parametrize("joint", range(6))
def test_five_efforts_in_a_row_above_bridges_limit_are_a_fault(topic, joint) -> None:
    much = np.zeros(6)
    much[joint] = -(BRIDGE_EFFORT[joint] + 1)
    for _ in range(4):
        topic.say(efforts=much)
    topic.say()
    for _ in range(4):
        topic.say(efforts=much)
    topic.watch.newest()
    topic.say(efforts=much)
    with pytest.raises(MotorFault, match=MOTORS[joint]):
        topic.watch.newest()


def test_an_effort_that_is_no_number_counts_as_too_great(topic) -> None:
    for _ in range(5):
        topic.say(efforts=np.array([0, 0, np.nan, 0, 0, 0]))
    with pytest.raises(MotorFault, match="elbow"):
        topic.watch.newest()


def test_a_fault_is_kept_until_the_arm_has_been_held(topic) -> None:
    for _ in range(5):
        topic.say(efforts=np.full(6, 5000.0))
    for _ in range(3):
        topic.say()
        with pytest.raises(MotorFault):
            topic.watch.newest()
    topic.watch.forgive()
    topic.watch.newest(to_move=True)


def test_a_held_arm_can_be_read_but_not_moved_while_a_fault_lasts(topic) -> None:
    topic.watch.forgive()
    for _ in range(8):
        topic.say(efforts=np.full(6, 5000.0))
        topic.watch.newest()
    with pytest.raises(MotorFault):
        topic.watch.newest(to_move=True)
    topic.watch.sent()
    with pytest.raises(MotorFault):
        topic.watch.newest()
