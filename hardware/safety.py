"""The safety envelope: what every action passes on its way to every arm."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

import numpy as np

from hardware.robot import Robot, WorkspaceBox
from recordings.records import (
    ACTION_HIGH,
    ACTION_LOW,
    ACTION_SIZE,
    CONTROL_RATE_HZ,
    GRIPPER,
    FloatArray,
    hold_action,
)

NOT_FINITE = "not_finite"
STEP_CLAMP = "step_clamp"
GRIPPER_RANGE = "gripper_range"
WORKSPACE_BOX = "workspace_box"
ROTATION_LIMIT = "rotation_limit"
JOINT_LIMIT = "joint_limit"
LEAD_LIMIT = "lead_limit"

MAX_LEAD_M = 0.075
MAX_LEAD_RAD = 0.4
"""How far the target may be from the measured pose: a step and what the arm lags behind at full
speed. An arm that is blocked is not wound up beyond this."""

_TOLERANCE = 1e-9
"""Rounding is no intervention."""


@dataclass(frozen=True)
class SafeAction:
    """An action that may be sent, (7,), and the rules that changed it."""

    action: FloatArray
    interventions: tuple[str, ...] = ()


@dataclass
class SafetyEnvelope:
    """Checks and clamps actions for one arm.

    Rules in order: finite, step clamp, gripper range, lead over the measured pose, workspace box,
    rotation limit, joint limits. A non-finite action becomes a hold. A target outside the box is
    moved to its nearest point inside; an arm that starts outside may only come back. An
    unreachable target is approached by half, a quarter, an eighth of the way, or not at all.

    Args:
        workspace: Where the gripper may be.
        max_step_m, max_step_rad: Largest displacement a control period, per axis. At a higher
            rate than `CONTROL_RATE_HZ` it is less, so that the arm is no faster.
    """

    workspace: WorkspaceBox
    max_step_m: float = float(ACTION_HIGH[0])
    max_step_rad: float = float(ACTION_HIGH[3])
    counts: Counter[str] = field(default_factory=Counter)

    def check(self, action: FloatArray, robot: Robot) -> SafeAction:
        """What may be sent to `robot` when `action` is wanted; counts every intervention.

        Args:
            action: (7,), any values.
            robot: Asked for its commanded and measured pose and for reachability.
        """
        commanded = robot.commanded_state
        action = np.asarray(action, dtype=np.float64)
        if action.shape != (ACTION_SIZE,) or not np.isfinite(action).all():
            self.counts[NOT_FINITE] += 1
            return SafeAction(hold_action(float(commanded[GRIPPER])), (NOT_FINITE,))

        interventions: list[str] = []

        def limited(values: FloatArray, low: FloatArray, high: FloatArray, rule: str) -> FloatArray:
            clipped = np.clip(values, low, high)
            if np.abs(clipped - values).max() > _TOLERANCE:
                interventions.append(rule)
            return clipped

        slowed = min(1.0, CONTROL_RATE_HZ / robot.features.control_rate_hz)
        step = np.array([self.max_step_m] * 3 + [self.max_step_rad] * 3) * slowed
        motion = limited(action[:6], -step, step, STEP_CLAMP)
        gripper = limited(action[6:], ACTION_LOW[6:], ACTION_HIGH[6:], GRIPPER_RANGE)

        here = commanded[:6]
        lead = np.array([MAX_LEAD_M] * 3 + [MAX_LEAD_RAD] * 3)
        measured = robot.read_state().state[:6]
        motion = (
            limited(
                here + motion,
                np.minimum(measured - lead, here),
                np.maximum(measured + lead, here),
                LEAD_LIMIT,
            )
            - here
        )
        turn = np.array(
            [
                self.workspace.max_roll_rad,
                self.workspace.max_pitch_rad,
                self.workspace.max_yaw_rad,
            ]
        )
        low = np.concatenate([self.workspace.low_m, -turn])
        high = np.concatenate([self.workspace.high_m, turn])
        # From outside the box, motion towards it is allowed and motion away is not.
        low, high = np.minimum(low, here), np.maximum(high, here)
        target = here + motion
        target[:3] = limited(target[:3], low[:3], high[:3], WORKSPACE_BOX)
        target[3:] = limited(target[3:], low[3:], high[3:], ROTATION_LIMIT)

        for fraction in (1.0, 0.5, 0.25, 0.125, 0.0):
            safe = np.concatenate([(target - here) * fraction, gripper])
            if fraction == 0.0 or robot.reachable(np.concatenate([here + safe[:6], gripper])):
                if fraction < 1.0 and np.abs(target - here).max() > _TOLERANCE:
                    interventions.append(JOINT_LIMIT)
                break
        self.counts.update(interventions)
        return SafeAction(safe, tuple(interventions))
