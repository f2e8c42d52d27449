"""The WidowX AI as published: joints, limits, poses. What the connected arm says counts more.

Sources: docs.trossenrobotics.com, trossen_arm, specifications (limits, reach, address) and
troubleshooting; trossen-arm 1.11 (joint order, ports). Workspace and poses are ours, found by
kinematics: with the gripper straight down the arm reaches no higher than 0.17 m.
"""

from __future__ import annotations

import numpy as np

from hardware.robot import WorkspaceBox
from recordings.records import FloatArray

EMBODIMENT = "widowx-ai"
DEFAULT_ADDRESS = "192.168.1.2"
TCP_PORT, UDP_PORT = 50001, 50000
DRIVER = "1.11"
"""The first two numbers of the driver's version; the controller's firmware must have the same."""
END_EFFECTORS = ("wxai_v0_follower", "wxai_v0_leader", "wxai_v0_base")

JOINT_NAMES = ("joint_0", "joint_1", "joint_2", "joint_3", "joint_4", "joint_5")
"""From base to wrist, as the vendor names them; joint 6 is the gripper, in metres of travel."""
JOINT_LOW_RAD = (-3.05433, 0.0, 0.0, -1.5708, -1.5708, -3.14159)
JOINT_HIGH_RAD = (3.05433, 3.14159, 4.71239, 1.5708, 1.5708, 3.14159)

SLEEP_RAD: FloatArray = np.zeros(6)
"""Folded, the gripper level over the base: the arm's own zero."""
NEUTRAL_RAD: FloatArray = np.array([0.0, 1.49, 1.27, -1.35, 0.0, 0.0])
"""Gripper down, ahead of the base, bent well away from every limit."""
START_POSE = (0.25, 0.0, 0.12, 0.0, 0.0, 0.0)
"""x, y, z in m, roll, pitch, yaw in rad from gripper-down."""

WORKSPACE = WorkspaceBox(
    low_m=(0.16, -0.22, 0.010),
    high_m=(0.40, 0.22, 0.18),
    max_roll_rad=0.4,
    max_pitch_rad=0.4,
    max_yaw_rad=1.4,
)
