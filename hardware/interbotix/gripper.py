"""Brings a gripper that knows only PWM to an opening, and lets up when it has grasped something.

The vendor offers two commands, open and close with a constant PWM. Bridge closes a loop on the
finger's position instead; this is that loop, with a stop that Bridge lacks: a gripper that no
longer moves keeps a gentle squeeze instead of its full force, under which the servo would
overload within a minute.

Source: rail-berkeley/bridge_data_robot, custom_gripper_controller.py (gain and PWM).
"""

from __future__ import annotations

import numpy as np

from hardware import wx250s

FORCE_PER_M = 300.0
"""Full force 3.3 mm from the goal (Bridge)."""
STALLED_AFTER_S = 0.2
STALLED_WITHIN_M = 0.0003
"""A finger that pushes and moves less than this for so long has met something."""
SLIPPED_M = 0.001
"""A finger that moves farther than this has lost what it held, and pushes on."""


class GripperLoop:
    """Steps at any rate; 50 Hz is Bridge's. It only computes: somebody else publishes.

    Args:
        force_pwm: Largest PWM while moving, 885 is the servo's all.
        hold_pwm: PWM that keeps what was grasped; 0 lets it slip.
        effort_limit: As reported in joint_states, beyond which it lets up at once.
    """

    def __init__(self, force_pwm: int, hold_pwm: int, effort_limit: float) -> None:
        self._force_pwm = force_pwm
        self._hold_pwm = hold_pwm
        self._effort_limit = effort_limit
        self._goal_m: float | None = None
        self._held: tuple[float, float] | None = None
        self._last_move: tuple[float, float, float] | None = None

    def aim(self, opening: float | None) -> None:
        """Go for an opening 0..1; None stops pushing altogether."""
        self._goal_m = None if opening is None else wx250s.opening_to_finger(opening)
        if opening is None:
            self._held = self._last_move = None

    def step(self, finger_m: float, effort: float, now_s: float) -> int:
        """The PWM to send now, positive opens.

        Args:
            finger_m: One finger's distance from the centre line.
            effort: Of the gripper's motor, as in joint_states.
            now_s: When both were measured.
        """
        if self._goal_m is None:
            return 0
        wish = FORCE_PER_M * (self._goal_m - finger_m)
        push = round(self._force_pwm * float(np.clip(wish, -1.0, 1.0)))
        way = float(np.sign(push))
        if self._held is not None:
            held_at_m, held_way = self._held
            if way == held_way and abs(finger_m - held_at_m) < SLIPPED_M:
                return self._gentle(push, way)
            self._held = self._last_move = None
        if abs(push) <= self._hold_pwm:
            self._last_move = None
            return push
        if abs(effort) > self._effort_limit or self._stalled(finger_m, way, now_s):
            self._held = (finger_m, way)
            return self._gentle(push, way)
        return push

    def _gentle(self, push: int, way: float) -> int:
        return int(way * min(abs(push), self._hold_pwm))

    def _stalled(self, finger_m: float, way: float, now_s: float) -> bool:
        last = self._last_move
        if last is None or way != last[2] or abs(finger_m - last[0]) > STALLED_WITHIN_M:
            self._last_move = (finger_m, now_s, way)
            return False
        return now_s - last[1] >= STALLED_AFTER_S
