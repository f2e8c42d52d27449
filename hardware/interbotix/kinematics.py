"""Kinematics of the WidowX 250s on modern_robotics, the vendor's own library.

Light enough for a ROS distribution's own Python, where mujoco and mink are not installed. Same
poses, limits and tolerances as `hardware.kinematics.Kinematics`; tests hold the two together.

Source: Interbotix/interbotix_ros_toolboxes, mr_descriptions.py, class wx250s (screw axes, home
transform); Lynch and Park, Modern Robotics, chapter 6.2 (Newton-Raphson on the body twist).
"""

from __future__ import annotations

import modern_robotics as mr
import numpy as np

from hardware import wx250s
from hardware.joint_arm import (
    MAX_ITERATIONS,
    MAX_JOINT_JUMP_RAD,
    MAX_STEP_RAD,
    POSITION_TOLERANCE_M,
    ROTATION_TOLERANCE_RAD,
)
from recordings.records import FloatArray

HOME: FloatArray = np.array(
    [
        [1.0, 0.0, 0.0, 0.458325],
        [0.0, 1.0, 0.0, 0.0],
        [0.0, 0.0, 1.0, 0.36065],
        [0.0, 0.0, 0.0, 1.0],
    ]
)
"""Pose of ee_gripper_link with all joints at zero."""
SCREWS: FloatArray = np.array(
    [
        [0.0, 0.0, 1.0, 0.0, 0.0, 0.0],
        [0.0, 1.0, 0.0, -0.11065, 0.0, 0.0],
        [0.0, 1.0, 0.0, -0.36065, 0.0, 0.04975],
        [1.0, 0.0, 0.0, 0.0, 0.36065, 0.0],
        [0.0, 1.0, 0.0, -0.36065, 0.0, 0.29975],
        [1.0, 0.0, 0.0, 0.0, 0.36065, 0.0],
    ]
).T
"""(6, 6), a joint's screw axis (w, v) in the base frame a column."""
BODY_SCREWS: FloatArray = mr.Adjoint(mr.TransInv(HOME)) @ SCREWS

DAMPING = 1e-5
"""Keeps steps finite near singular poses."""


class LightKinematics:
    """Maps joint positions (6,) to gripper poses (6,) and back.

    Args:
        max_jump_rad: A solution in which a joint is farther than this from the seed is refused.
    """

    def __init__(self, max_jump_rad: float = MAX_JOINT_JUMP_RAD) -> None:
        self._max_jump_rad = max_jump_rad

    def pose(self, joints_rad: FloatArray) -> FloatArray:
        """Pose (6,) of the gripper at joint positions (6,)."""
        gripper = mr.FKinBody(HOME, BODY_SCREWS, joints_rad)
        rotation = gripper[:3, :3] @ wx250s.GRIPPER_DOWN.T
        return np.concatenate([gripper[:3, 3], wx250s.rotation_to_euler(rotation)])

    def solve(self, pose: FloatArray, seed_rad: FloatArray) -> FloatArray | None:
        """Joint positions (6,) for a pose (6,), by damped Newton steps from a seed (6,).

        Returns:
            None if no solution within the joint limits lies near the seed.
        """
        target = np.eye(4)
        target[:3, :3] = wx250s.euler_to_rotation(np.asarray(pose[3:6])) @ wx250s.GRIPPER_DOWN
        target[:3, 3] = pose[:3]
        if not np.isfinite(target).all():
            return None
        joints = np.clip(seed_rad, wx250s.JOINT_LOW_RAD, wx250s.JOINT_HIGH_RAD)
        for _ in range(MAX_ITERATIONS):
            here = mr.FKinBody(HOME, BODY_SCREWS, joints)
            twist = mr.se3ToVec(mr.MatrixLog6(mr.TransInv(here) @ target))
            if (
                np.linalg.norm(target[:3, 3] - here[:3, 3]) < POSITION_TOLERANCE_M
                and np.linalg.norm(twist[:3]) < ROTATION_TOLERANCE_RAD
            ):
                near = np.abs(joints - seed_rad).max() < self._max_jump_rad
                return np.array(joints) if near else None
            jacobian = mr.JacobianBody(BODY_SCREWS, joints)
            step = jacobian.T @ np.linalg.solve(jacobian @ jacobian.T + DAMPING * np.eye(6), twist)
            step *= min(1.0, MAX_STEP_RAD / max(np.abs(step).max(), 1e-12))
            joints = np.clip(joints + step, wx250s.JOINT_LOW_RAD, wx250s.JOINT_HIGH_RAD)
        return None
