"""Forward and inverse kinematics of a six-joint arm, by mink on its MJCF."""

from __future__ import annotations

from hardware.sim import gl

gl.prepare()

import mink  # noqa: E402  (imports mujoco, which reads the backend when it is imported)
import mujoco  # noqa: E402
import numpy as np  # noqa: E402

from hardware import wx250s  # noqa: E402
from hardware.joint_arm import (  # noqa: E402
    MAX_ITERATIONS,
    MAX_JOINT_JUMP_RAD,
    MAX_STEP_RAD,
    POSITION_TOLERANCE_M,
    ROTATION_TOLERANCE_RAD,
)
from hardware.sim import arm_model  # noqa: E402
from recordings.records import FloatArray  # noqa: E402


class Kinematics:
    """Maps joint positions (6,) to gripper poses (6,) and back; not thread-safe.

    A pose is x, y, z in metres and roll, pitch, yaw in radians relative to gripper-down, base
    frame, as in `recordings.records.STATE_NAMES`.

    Args:
        xml: MJCF whose first six joints are limited hinges from base to gripper, and that has a
            site "gripper" at the tool's tip, x along the fingers, z up at level; our WidowX 250s
            by default.
    """

    def __init__(self, xml: str | None = None) -> None:
        model = mujoco.MjModel.from_xml_string(xml or arm_model.arm_only_xml())
        names = [model.joint(index).name for index in range(6)]
        self._low_rad, self._high_rad = model.jnt_range[:6].T
        self._configuration = mink.Configuration(model)
        self._task = mink.FrameTask(
            "gripper", "site", position_cost=1.0, orientation_cost=0.3, lm_damping=1e-4
        )
        self._limits = [
            mink.ConfigurationLimit(model),
            mink.VelocityLimit(model, dict.fromkeys(names, MAX_STEP_RAD)),
        ]
        self._fingers = self._configuration.q[6:].copy()

    def _update(self, joints_rad: FloatArray) -> None:
        self._configuration.update(np.concatenate([joints_rad, self._fingers]))

    def pose(self, joints_rad: FloatArray) -> FloatArray:
        """Pose (6,) of the gripper at joint positions (6,)."""
        self._update(joints_rad)
        gripper = self._configuration.get_transform_frame_to_world("gripper", "site").as_matrix()
        rotation = gripper[:3, :3] @ wx250s.GRIPPER_DOWN.T
        return np.concatenate([gripper[:3, 3], wx250s.rotation_to_euler(rotation)])

    def solve(self, pose: FloatArray, seed_rad: FloatArray) -> FloatArray | None:
        """Joint positions (6,) for a pose (6,), by differential kinematics from a seed (6,).

        Returns:
            None if no solution within the joint limits lies near the seed.
        """
        seed = np.clip(seed_rad, self._low_rad, self._high_rad)
        target = np.eye(4)
        target[:3, :3] = wx250s.euler_to_rotation(np.asarray(pose[3:6])) @ wx250s.GRIPPER_DOWN
        target[:3, 3] = pose[:3]
        self._task.set_target(mink.SE3.from_matrix(target))
        self._update(seed)
        for _ in range(MAX_ITERATIONS):
            error = self._task.compute_error(self._configuration)
            if (
                np.linalg.norm(error[:3]) < POSITION_TOLERANCE_M
                and np.linalg.norm(error[3:]) < ROTATION_TOLERANCE_RAD
            ):
                joints = self._configuration.q[:6].copy()
                return joints if np.abs(joints - seed_rad).max() < MAX_JOINT_JUMP_RAD else None
            try:
                velocity = mink.solve_ik(
                    self._configuration, [self._task], 1.0, "daqp", limits=self._limits
                )
            except mink.NoSolutionFound:
                return None
            self._configuration.integrate_inplace(velocity, 1.0)
        return None
