"""Forward and inverse kinematics of the WidowX 250s, on MuJoCo's kinematics of our MJCF."""

from __future__ import annotations

from hardware.sim import gl

gl.prepare()

import mujoco  # noqa: E402  (reads the backend when it is imported)
import numpy as np  # noqa: E402

from hardware import wx250s  # noqa: E402
from hardware.sim import arm_model  # noqa: E402
from recordings.records import FloatArray  # noqa: E402

MAX_ITERATIONS = 20
DAMPING = 1e-4
POSITION_TOLERANCE_M = 5e-4
ROTATION_TOLERANCE_RAD = 5e-3
MAX_JOINT_JUMP_RAD = 0.8
"""A solution farther than this from the seed is another branch, not the next step."""


class Kinematics:
    """Maps joint positions (6,) to gripper poses (6,) and back; not thread-safe.

    A pose is x, y, z in metres and roll, pitch, yaw in radians relative to gripper-down, base
    frame, as in `recordings.records.STATE_NAMES`.
    """

    def __init__(self) -> None:
        self._model = mujoco.MjModel.from_xml_string(arm_model.arm_only_xml())
        self._data = mujoco.MjData(self._model)
        self._site = self._model.site("gripper").id
        self._jacobian = np.zeros((6, self._model.nv))
        self._low = np.array(wx250s.JOINT_LOW_RAD)
        self._high = np.array(wx250s.JOINT_HIGH_RAD)

    def _update(self, joints_rad: FloatArray) -> None:
        self._data.qpos[:6] = joints_rad
        mujoco.mj_kinematics(self._model, self._data)

    def pose(self, joints_rad: FloatArray) -> FloatArray:
        """Pose (6,) of the gripper at joint positions (6,)."""
        self._update(joints_rad)
        rotation = self._data.site_xmat[self._site].reshape(3, 3)
        return np.concatenate(
            [
                self._data.site_xpos[self._site],
                wx250s.rotation_to_euler(rotation @ wx250s.GRIPPER_DOWN.T),
            ]
        )

    def solve(self, pose: FloatArray, seed_rad: FloatArray) -> FloatArray | None:
        """Joint positions (6,) for a pose (6,), by damped least squares from a seed (6,).

        Returns:
            None if no solution within the joint limits lies near the seed.
        """
        joints = np.clip(np.asarray(seed_rad, dtype=np.float64), self._low, self._high)
        wanted = wx250s.euler_to_rotation(pose[3:6]) @ wx250s.GRIPPER_DOWN
        for _ in range(MAX_ITERATIONS):
            self._update(joints)
            error = np.empty(6)
            error[:3] = pose[:3] - self._data.site_xpos[self._site]
            turn = wanted @ self._data.site_xmat[self._site].reshape(3, 3).T
            error[3:] = 0.5 * np.array(
                [turn[2, 1] - turn[1, 2], turn[0, 2] - turn[2, 0], turn[1, 0] - turn[0, 1]]
            )
            if (
                np.linalg.norm(error[:3]) < POSITION_TOLERANCE_M
                and np.linalg.norm(error[3:]) < ROTATION_TOLERANCE_RAD
                and np.trace(turn) > 1.0
            ):
                near = np.abs(joints - seed_rad).max() < MAX_JOINT_JUMP_RAD
                return joints if near else None
            mujoco.mj_comPos(self._model, self._data)
            mujoco.mj_jacSite(
                self._model, self._data, self._jacobian[:3], self._jacobian[3:], self._site
            )
            jacobian = self._jacobian[:, :6]
            step = jacobian.T @ np.linalg.solve(jacobian @ jacobian.T + DAMPING * np.eye(6), error)
            joints = np.clip(joints + np.clip(step, -0.3, 0.3), self._low, self._high)
        return None
