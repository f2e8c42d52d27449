"""The light kinematics are those of mink on our MJCF."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from hardware import wx250s
from hardware.interbotix.kinematics import LightKinematics
from hardware.kinematics import Kinematics

LIGHT, FULL = LightKinematics(), Kinematics()
JOINTS = st.tuples(
    *(
        st.floats(*limits)
        for limits in zip(wx250s.JOINT_LOW_RAD, wx250s.JOINT_HIGH_RAD, strict=True)
    )
)
INSIDE = st.tuples(
    st.floats(0.16, 0.44),
    st.floats(-0.22, 0.22),
    st.floats(0.02, 0.25),
    st.floats(-0.3, 0.3),
    st.floats(-0.3, 0.3),
    st.floats(-1.2, 1.2),
)
STEP = st.tuples(*[st.floats(-0.05, 0.05)] * 3, *[st.floats(-0.25, 0.25)] * 3)


def walked_to(pose: np.ndarray) -> np.ndarray | None:
    """Joint positions at a pose, reached in small steps from the neutral ones; None if beyond."""
    joints = wx250s.NEUTRAL_RAD
    start = LIGHT.pose(joints)
    for share in np.linspace(0.1, 1.0, 10):
        found = LIGHT.solve(start + (pose - start) * share, joints)
        if found is None:
            return None
        joints = found
    return joints


@given(JOINTS)
def test_both_put_the_gripper_at_the_same_place(joints) -> None:
    light, full = LIGHT.pose(np.array(joints)), FULL.pose(np.array(joints))
    np.testing.assert_allclose(light[:3], full[:3], atol=1e-6)
    np.testing.assert_allclose(
        wx250s.euler_to_rotation(light[3:]), wx250s.euler_to_rotation(full[3:]), atol=2e-3
    )


@settings(max_examples=20)
@given(INSIDE, STEP)
def test_both_take_a_step_with_the_same_joints(pose, step) -> None:
    seed = walked_to(np.array(pose))
    assume(seed is not None)
    target = LIGHT.pose(seed) + step
    light, full = LIGHT.solve(target, seed), FULL.solve(target, seed)
    if light is not None and full is not None:
        np.testing.assert_allclose(light, full, atol=0.02)
        np.testing.assert_allclose(LIGHT.pose(light)[:3], target[:3], atol=1e-3)
        assert (light >= wx250s.JOINT_LOW_RAD).all()
        assert (light <= wx250s.JOINT_HIGH_RAD).all()


def test_both_find_the_same_steps_reachable_in_the_workspace() -> None:
    rng = np.random.default_rng(0)
    agreed, tried = 0, 0
    while tried < 25:
        pose = rng.uniform([0.16, -0.22, 0.02, -0.3, -0.3, -1.2], [0.44, 0.22, 0.25, 0.3, 0.3, 1.2])
        seed = walked_to(pose)
        if seed is None:
            continue
        tried += 1
        target = pose + rng.uniform(-1, 1, 6) * [0.05, 0.05, 0.05, 0.25, 0.25, 0.25]
        agreed += (LIGHT.solve(target, seed) is None) == (FULL.solve(target, seed) is None)
    assert agreed == 25


@pytest.mark.parametrize("pose", [[0.9, 0, 0.2, 0, 0, 0], [np.nan, 0, 0.1, 0, 0, 0]])
def test_what_is_out_of_reach_or_no_pose_has_no_solution(pose) -> None:
    assert LIGHT.solve(np.array(pose), wx250s.NEUTRAL_RAD) is None


def test_a_joint_jump_beyond_what_the_vendor_allows_is_no_solution() -> None:
    seed = walked_to(np.array([0.3, 0.0, 0.15, 0.0, 0.0, 0.0]))
    target = LIGHT.pose(seed) + np.array([0.0, 0.0, 0.0, 0.0, 0.0, 0.25])
    assert LightKinematics(0.3).solve(target, seed) is not None
    assert LightKinematics(0.2).solve(target, seed) is None
