"""The WidowX 250s as published: joints, limits, poses, and the Bridge conventions.

Sources: Interbotix/interbotix_ros_manipulators, wx250s.urdf.xacro (chain, limits, masses);
Interbotix docs, specifications/wx250s (motors); google-deepmind/mujoco_menagerie,
trossen_wx250s/wx250s.xml (centres of mass, principal inertias); ROBOTIS e-manual (stall
torques); rail-berkeley/bridge_data_robot, widowx_controller (neutral pose, rotation reference,
finger range).
"""

from __future__ import annotations

import numpy as np

from hardware.robot import RobotFeatures, WorkspaceBox
from recordings.records import FloatArray

JOINT_NAMES = ("waist", "shoulder", "elbow", "forearm_roll", "wrist_angle", "wrist_rotate")
JOINT_LOW_RAD = (-3.14158, -1.88496, -2.14675, -3.14158, -1.74533, -3.14158)
JOINT_HIGH_RAD = (3.14158, 1.98968, 1.60570, 3.14158, 2.14675, 3.14158)

JOINT_TORQUE_NM = (4.1, 8.2, 8.2, 4.1, 4.1, 1.4)
"""Stall torques: XM430-W350 4.1 N m at 12 V, two on shoulder and elbow; XL430-W250 1.4 N m."""

SLEEP_RAD: FloatArray = np.array([0.0, -1.80, 1.55, 0.0, 0.8, 0.0])
NEUTRAL_RAD: FloatArray = np.array(
    [-0.13192235, -0.76238847, 0.44485444, -0.01994175, 1.7564081, -0.15953401]
)
"""Bridge's neutral pose."""

START_POSE = (0.3, 0.0, 0.15, 0.0, 0.0, 0.0)
"""Where Bridge's episodes begin: x, y, z in m, roll, pitch, yaw in rad from gripper-down."""

FINGER_CLOSED_M, FINGER_OPEN_M = 0.010, 0.035
"""Travel of one finger from the centre line, mapped to a gripper opening of 0..1 (Bridge)."""

GRIPPER_DOWN: FloatArray = np.array([[0.0, 0.0, 1.0], [0.0, 1.0, 0.0], [-1.0, 0.0, 0.0]])
"""Rotation of the gripper pointing down; state angles are relative to it (Bridge)."""

WORKSPACE = WorkspaceBox(
    low_m=(0.14, -0.25, 0.010),
    high_m=(0.46, 0.25, 0.26),
    max_roll_rad=0.4,
    max_pitch_rad=0.4,
    max_yaw_rad=1.57,
)

GIMBAL_LOCK = 1e-3
"""So near to a pitch of +-pi/2 (its cosine), roll and yaw would be noise."""


def features(name: str, control_rate_hz: float) -> RobotFeatures:
    """Of a real WidowX 250s.

    Args:
        name: Of the driver, as in the profile.
        control_rate_hz: Rate that its actions are meant for.
    """
    return RobotFeatures(
        name=name,
        embodiment="wx250s",
        control_rate_hz=control_rate_hz,
        workspace=WORKSPACE,
        joint_names=JOINT_NAMES,
        joint_low_rad=JOINT_LOW_RAD,
        joint_high_rad=JOINT_HIGH_RAD,
    )


def finger_to_opening(finger_m: float) -> float:
    """Finger travel in metres to gripper opening, clipped to 0..1."""
    opening = (finger_m - FINGER_CLOSED_M) / (FINGER_OPEN_M - FINGER_CLOSED_M)
    return float(np.clip(opening, 0.0, 1.0))


def opening_to_finger(opening: float) -> float:
    """Gripper opening 0..1 to finger travel in metres."""
    return FINGER_CLOSED_M + opening * (FINGER_OPEN_M - FINGER_CLOSED_M)


def euler_to_rotation(rpy_rad: FloatArray) -> FloatArray:
    """Static xyz Euler angles (3,) to a rotation matrix (3, 3): Rz(yaw) Ry(pitch) Rx(roll)."""
    (cr, cp, cy), (sr, sp, sy) = np.cos(rpy_rad), np.sin(rpy_rad)
    return np.array(
        [
            [cy * cp, cy * sp * sr - sy * cr, cy * sp * cr + sy * sr],
            [sy * cp, sy * sp * sr + cy * cr, sy * sp * cr - cy * sr],
            [-sp, cp * sr, cp * cr],
        ]
    )


def rotation_to_euler(rotation: FloatArray) -> FloatArray:
    """Rotation matrix (3, 3) to static xyz Euler angles (3,), pitch within +-pi/2.

    At a pitch of +-pi/2 only roll and yaw together mean something: roll is then said to be 0.
    """
    pitch = np.arcsin(np.clip(-rotation[2, 0], -1.0, 1.0))
    if np.cos(pitch) < GIMBAL_LOCK:
        return np.array([0.0, pitch, np.arctan2(-rotation[0, 1], rotation[1, 1])])
    return np.array(
        [
            np.arctan2(rotation[2, 1], rotation[2, 2]),
            pitch,
            np.arctan2(rotation[1, 0], rotation[0, 0]),
        ]
    )
