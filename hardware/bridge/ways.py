"""Joint positions that the server does not report, and ways between episodes that they allow."""

from __future__ import annotations

import numpy as np

from hardware import wx250s
from hardware.bridge.geometry import straight_way
from hardware.faults import Unreachable
from hardware.joint_arm import CLEAR_HEIGHT_M, Solver
from recordings.records import FloatArray

GLIDE_PERIOD_S = 0.3
GLIDE_STEP_M = 0.03
GLIDE_STEP_RAD = 0.15
"""Motions between episodes: 0.1 m/s, 0.5 rad/s. The server needs over 0.2 s for each `move`."""

KNOWN_POSITIONS = (wx250s.NEUTRAL_RAD, wx250s.SLEEP_RAD)
"""Where a search for unknown joint positions begins."""
SEARCH_STEP_M, SEARCH_STEP_RAD = 0.05, 0.3


class JointEstimate:
    """Joint positions (6,) found from poses by inverse kinematics; an estimate, never measured.

    Args:
        solver: Kinematics of the arm.

    `joints_rad` are the last that were adopted, None while none are known.
    """

    def __init__(self, solver: Solver) -> None:
        self.solver = solver
        self.joints_rad: FloatArray | None = None

    def near(self, pose: FloatArray) -> FloatArray | None:
        """For a pose one step away from the adopted one; None if there are none."""
        if not np.isfinite(pose).all():
            return None
        if self.joints_rad is None:
            return self.anywhere(pose)
        return self.solver.solve(pose[:6], self.joints_rad)

    def anywhere(self, pose: FloatArray) -> FloatArray | None:
        """For a measured pose, near the adopted one or by way of a known one; None if not found."""
        if self.joints_rad is not None:
            joints = self.solver.solve(pose[:6], self.joints_rad)
            if joints is not None:
                return joints
        for known in KNOWN_POSITIONS:
            way = straight_way(self.solver.pose(known), pose[:6], SEARCH_STEP_M, SEARCH_STEP_RAD)
            joints = self.follow(way, known)
            if joints is not None:
                return joints
        return None

    def follow(self, way: list[FloatArray], joints_rad: FloatArray) -> FloatArray | None:
        """At the end of a way, None if it leads out of reach."""
        for pose in way:
            solved = self.solver.solve(pose[:6], joints_rad)
            if solved is None:
                return None
            joints_rad = solved
        return joints_rad

    def way(self, here: FloatArray, goal: FloatArray) -> list[FloatArray]:
        """Poses a glide step apart: straight up, over, and down to the goal.

        Raises:
            Unreachable: Every such way leads out of the arm's reach.
        """
        clear_m = max(CLEAR_HEIGHT_M, goal[2])
        raised, over = here[:6].copy(), goal[:6].copy()
        raised[2], over[2] = max(here[2], clear_m), clear_m
        joints = self.anywhere(here)
        for corners in ([raised, over, goal], [over, goal]):
            way: list[FloatArray] = []
            corner = here[:6]
            for following in corners:
                way += straight_way(corner, following[:6], GLIDE_STEP_M, GLIDE_STEP_RAD)
                corner = following
            if joints is not None and self.follow(way, joints) is not None:
                return way
        raise Unreachable(
            f"No way leads from {np.round(here[:6], 3).tolist()} to "
            f"{np.round(goal[:6], 3).tolist()} (x ahead, y left, z up in m; roll, pitch, yaw in "
            "rad).",
            "The arm goes up, over and down in straight lines.",
            "Bring the arm in front of its base with the server's own `reset`, or choose another "
            "start pose with `ptrctl setup`.",
        )
