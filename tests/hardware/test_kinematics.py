"""Forward and inverse kinematics, and the rotation conventions."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hardware import wx250s
from hardware.kinematics import Kinematics

KINEMATICS = Kinematics()
ANGLE = st.floats(-1.5, 1.5)


@given(st.tuples(ANGLE, ANGLE, ANGLE))
def test_angles_survive_the_way_to_a_rotation_and_back(rpy) -> None:
    rotation = wx250s.euler_to_rotation(np.array(rpy))
    np.testing.assert_allclose(rotation @ rotation.T, np.eye(3), atol=1e-12)
    np.testing.assert_allclose(wx250s.rotation_to_euler(rotation), rpy, atol=1e-9)


@given(st.sampled_from([-np.pi / 2, np.pi / 2]), ANGLE, st.tuples(*[st.floats(-1e-6, 1e-6)] * 3))
def test_a_gripper_held_level_has_steady_angles(pitch, yaw, noise) -> None:
    exact = wx250s.euler_to_rotation(np.array([0.0, pitch, yaw]))
    noisy = wx250s.euler_to_rotation(np.array(noise)) @ exact
    np.testing.assert_allclose(wx250s.rotation_to_euler(noisy), [0.0, pitch, yaw], atol=1e-3)


@given(st.floats(0, 1))
def test_openings_survive_the_way_to_finger_travel_and_back(opening) -> None:
    finger = wx250s.opening_to_finger(opening)
    assert wx250s.finger_to_opening(finger) == pytest.approx(opening, abs=1e-12)


@given(
    st.floats(0.18, 0.38),
    st.floats(-0.16, 0.16),
    st.floats(0.012, 0.2),
    st.floats(-0.8, 0.8),
)
def test_a_solution_reaches_the_pose_that_was_asked_for(x, y, z, yaw) -> None:
    turn = np.arctan2(y, x)
    seed = np.array([turn, -0.3, 0.4, 0.0, 1.5, turn])
    pose = np.array([x, y, z, 0.0, 0.0, yaw])
    joints = None
    for share in np.linspace(0.1, 1.0, 10):
        # Follow the way there in small steps, as control does.
        start = KINEMATICS.pose(seed)
        joints = KINEMATICS.solve(start + (pose - start) * share, seed)
        if joints is None:
            break
        seed = joints
    assert joints is not None
    reached = KINEMATICS.pose(joints)
    np.testing.assert_allclose(reached[:3], pose[:3], atol=1e-3)
    np.testing.assert_allclose(reached[3:], pose[3:], atol=1e-2)
    assert (joints >= np.array(wx250s.JOINT_LOW_RAD)).all()
    assert (joints <= np.array(wx250s.JOINT_HIGH_RAD)).all()


def test_out_of_reach_has_no_solution() -> None:
    far = np.array([0.8, 0.0, 0.1, 0.0, 0.0, 0.0])
    assert KINEMATICS.solve(far, wx250s.NEUTRAL_RAD) is None


def test_published_poses_come_out_of_the_kinematics() -> None:
    np.testing.assert_allclose(
        KINEMATICS.pose(np.zeros(6))[:3], [0.458325, 0.0, 0.36065], atol=1e-6
    )
    np.testing.assert_allclose(
        KINEMATICS.pose(wx250s.SLEEP_RAD)[:3], [0.1227, 0.0, 0.0813], atol=1e-4
    )
    np.testing.assert_allclose(
        KINEMATICS.pose(wx250s.NEUTRAL_RAD),
        [0.1202, -0.0191, 0.2467, -0.040, -0.127, 0.025],
        atol=5e-4,
    )
