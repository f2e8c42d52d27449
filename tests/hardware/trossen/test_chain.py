"""The arm's kinematics against the vendor's, and the conventions of rotation."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from hardware import wx250s
from hardware.trossen import TrossenSettings, widowx_ai
from hardware.trossen.chain import cartesian_to_pose, turn_between
from hardware.trossen.drive import TrossenDrive
from tests.hardware.fakes import FastClock
from tests.hardware.peers.trossen import open_simulator, peer_of

ANGLE = st.floats(-1.5, 1.5)
NEAR = st.floats(-0.4, 0.4)


@given(st.tuples(ANGLE, ANGLE, ANGLE))
def test_a_rotation_vector_becomes_the_angles_that_it_was_made_of(rpy) -> None:
    turn = wx250s.euler_to_rotation(np.array(rpy)) @ wx250s.GRIPPER_DOWN
    cartesian = np.concatenate([[0.1, 0.2, 0.3], Rotation.from_matrix(turn).as_rotvec()])
    np.testing.assert_allclose(cartesian_to_pose(cartesian), [0.1, 0.2, 0.3, *rpy], atol=1e-7)


def test_the_gripper_points_down_at_no_angle_and_ahead_at_a_pitch_of_minus_90_degrees() -> None:
    down = cartesian_to_pose(np.array([0, 0, 0, 0, np.pi / 2, 0]))
    np.testing.assert_allclose(down[3:], 0.0, atol=1e-9)
    np.testing.assert_allclose(cartesian_to_pose(np.zeros(6))[3:], [0, -np.pi / 2, 0], atol=1e-9)


@given(st.tuples(NEAR, NEAR, NEAR), st.floats(0.01, 0.3), st.integers(0, 2))
def test_the_angle_between_two_poses_is_the_turn_about_any_axis(rpy, angle, axis) -> None:
    one = np.array([0.0, 0.0, 0.0, *rpy])
    turned = Rotation.from_rotvec(np.eye(3)[axis] * angle).as_matrix()
    other = wx250s.rotation_to_euler(turned @ wx250s.euler_to_rotation(one[3:]))
    assert turn_between(one, np.array([0, 0, 0, *other])) == pytest.approx(angle, abs=1e-6)


@pytest.fixture(scope="module")
def drive():
    """Connected: its kinematics are made of what the controller says."""
    with open_simulator() as simulator:
        opened = TrossenDrive(TrossenSettings(**peer_of(simulator).options), FastClock(1.0))
        opened.open()
        yield simulator, opened
        opened.close()


def test_the_gripper_is_where_the_vendors_own_kinematics_put_it(drive) -> None:
    simulator, opened = drive
    low, high = opened.limits.low, opened.limits.high
    rng = np.random.default_rng(3)
    for _ in range(20):
        simulator.place(rng.uniform(low * 0.9, high * 0.9))
        sample = opened._sample()
        # Two samples on, the driver's own copy is of the arm as it stands now.
        sample = opened._sample()
        theirs = cartesian_to_pose(sample.cartesian)
        ours = opened.pose(sample.positions[:6])
        np.testing.assert_allclose(ours[:3], theirs[:3], atol=5e-4)
        assert turn_between(ours, theirs) < 2e-3


@given(
    st.floats(0.2, 0.34),
    st.floats(-0.15, 0.15),
    st.floats(0.015, 0.12),
    st.floats(-0.8, 0.8),
)
def test_a_solution_reaches_the_pose_that_was_asked_for(drive, x, y, z, yaw) -> None:
    _, opened = drive
    pose = np.array([x, y, z, 0.0, 0.0, yaw])
    seed = widowx_ai.NEUTRAL_RAD
    start = opened.pose(seed)
    for share in np.linspace(0.05, 1.0, 20):
        joints = opened.solve(start + (pose - start) * share, seed)
        assert joints is not None
        seed = joints
    reached = opened.pose(seed)
    np.testing.assert_allclose(reached[:3], pose[:3], atol=1e-3)
    np.testing.assert_allclose(reached[3:], pose[3:], atol=1e-2)
    assert (seed >= opened.limits.low[:6] - 1e-9).all()
    assert (seed <= opened.limits.high[:6] + 1e-9).all()
