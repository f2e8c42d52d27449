"""How the Bridge server composes poses, and ways between them.

Poses are (6,) or more: x, y, z in metres, roll, pitch, yaw in radians relative to gripper-down.

Source: rail-berkeley/bridge_data_robot, widowx_envs/base/robot_base_env.py (`_next_qpos`) and
utils/transformation_utils.py (`action2transform_local`).
"""

from __future__ import annotations

import numpy as np
from scipy.spatial.transform import Rotation, Slerp

from hardware import wx250s
from recordings.records import FloatArray


def step_to_target(target: FloatArray, previous: FloatArray, measured_m: FloatArray) -> FloatArray:
    """The displacement (6,) that leads the server from its previous target to `target`.

    The server turns its previous target about the *measured* gripper position, so that turning
    also shifts the target by what the arm lags behind; this undoes the shift.

    Args:
        target, previous: (6,) poses.
        measured_m: (3,) position of the gripper now.
    """
    before = wx250s.euler_to_rotation(previous[3:6])
    turn = wx250s.euler_to_rotation(target[3:6]) @ before.T
    swing = (turn - np.eye(3)) @ (previous[:3] - measured_m)
    return np.concatenate([target[:3] - previous[:3] - swing, wx250s.rotation_to_euler(turn)])


def target_after_step(
    step: FloatArray,
    previous: FloatArray,
    measured_m: FloatArray,
    low_m: FloatArray,
    high_m: FloatArray,
) -> FloatArray:
    """The server's next target (6,) when it is sent a displacement (6,).

    Args:
        step: Within the server's action space.
        previous: (6,) its previous target.
        measured_m: (3,) position of the gripper now.
        low_m, high_m: (3,) corners of the box to which it clips its targets.
    """
    turn = wx250s.euler_to_rotation(step[3:6])
    position = measured_m + step[:3] + turn @ (previous[:3] - measured_m)
    rotation = turn @ wx250s.euler_to_rotation(previous[3:6])
    return np.concatenate([np.clip(position, low_m, high_m), wx250s.rotation_to_euler(rotation)])


def transform(pose: FloatArray) -> FloatArray:
    """Pose (6,) to the (4, 4) matrix that the server's `move` takes.

    Its six-number form is a trap: there, roll, pitch and yaw are not relative to gripper-down,
    and gripper-down is where they are singular.
    """
    matrix = np.eye(4)
    matrix[:3, :3] = wx250s.euler_to_rotation(pose[3:6]) @ wx250s.GRIPPER_DOWN
    matrix[:3, 3] = pose[:3]
    return matrix


def distance(one: FloatArray, other: FloatArray) -> tuple[float, float]:
    """Metres and radians between two poses (6,)."""
    turn = Rotation.from_euler("xyz", one[3:6]) * Rotation.from_euler("xyz", other[3:6]).inv()
    return float(np.linalg.norm(one[:3] - other[:3])), float(turn.magnitude())


def straight_way(
    start: FloatArray, goal: FloatArray, step_m: float, step_rad: float
) -> list[FloatArray]:
    """Poses (6,) on the straight line from `start`, left out, to `goal`, turning evenly.

    Args:
        step_m, step_rad: Largest distance between neighbours.
    """
    metres, radians = distance(start, goal)
    steps = int(np.ceil(max(metres / step_m, radians / step_rad) - 1e-9))
    if steps <= 0:
        return []
    fractions = np.arange(1, steps + 1) / steps
    ends = Rotation.from_euler("xyz", np.stack([start[3:6], goal[3:6]]))
    turns = Slerp([0.0, 1.0], ends)(fractions).as_euler("xyz")
    return [
        np.concatenate([start[:3] + (goal[:3] - start[:3]) * fraction, turn])
        for fraction, turn in zip(fractions, turns, strict=True)
    ]
