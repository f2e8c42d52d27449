"""The arm's kinematics, from what its controller says about its joints."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.spatial.transform import Rotation

from hardware import wx250s
from hardware.trossen.controller import Limits, Link
from hardware.trossen.widowx_ai import JOINT_NAMES
from recordings.records import FloatArray


def mjcf(links: Sequence[Link], tool: FloatArray, limits: Limits) -> str:
    """The chain alone, for `hardware.kinematics.Kinematics`.

    Args:
        links: Joints 0 to 5.
        tool: (6,) flange to tool, see `Controller.tool`.
        limits: Of the joints.
    """
    site = _frame(tool[:3], Rotation.from_rotvec(tool[3:]))
    body = f'<site name="gripper" {site}/>'
    for index in reversed(range(6)):
        link = links[index]
        span = _numbers(np.array([limits.low[index], limits.high[index]]))
        frame = _frame(link.origin_m, Rotation.from_euler("xyz", link.turn_rad))
        body = (
            f"<body {frame}>"
            f'<inertial pos="0 0 0" mass="1" diaginertia="1 1 1"/>'
            f'<joint name="{JOINT_NAMES[index]}" type="hinge" axis="{_numbers(link.axis)}" '
            f'limited="true" range="{span}"/>'
            f"{body}</body>"
        )
    return (
        '<mujoco model="widowx-ai"><compiler angle="radian"/>'
        f"<worldbody>{body}</worldbody></mujoco>"
    )


def cartesian_to_pose(cartesian: FloatArray) -> FloatArray:
    """The vendor's pose (6,), its rotation a vector, to ours (6,), angles from gripper-down.

    The vendor's tool has x along the fingers and z up at level, as ours has.
    """
    turn = Rotation.from_rotvec(cartesian[3:]).as_matrix() @ wx250s.GRIPPER_DOWN.T
    return np.concatenate([cartesian[:3], wx250s.rotation_to_euler(turn)])


def turn_between(one: FloatArray, other: FloatArray) -> float:
    """Angle in rad between the rotations of two poses (6,)."""
    turn = wx250s.euler_to_rotation(one[3:]).T @ wx250s.euler_to_rotation(other[3:])
    return float(Rotation.from_matrix(turn).magnitude())


def _frame(position: FloatArray, turn: Rotation) -> str:
    x, y, z, w = turn.as_quat()
    return f'pos="{_numbers(position)}" quat="{_numbers(np.array([w, x, y, z]))}"'


def _numbers(values: FloatArray) -> str:
    return " ".join(f"{value:.9f}" for value in values)
