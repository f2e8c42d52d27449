"""How hard the gripper pushes: its motor measures no current, so its power is limited."""

from __future__ import annotations

from hardware.dynamixel import registers as reg
from hardware.dynamixel.motors import GRIPPER_ID
from hardware.dynamixel.registers import Reading
from hardware.dynamixel.settings import DynamixelSettings
from hardware.dynamixel.watch import Watch

GRASP_SAMPLES = 3
GRASP_FRACTION = 0.7
"""The gripper has grasped something after so many readings, standing still, at this part of its
force."""


class Grip:
    """The limit on the gripper's power, lower once it has grasped something, so that the motor
    does not switch itself off."""

    def __init__(self, settings: DynamixelSettings) -> None:
        self._moving = settings.gripper_force
        self._holding = min(settings.gripper_force, settings.gripper_holding_force)
        self._samples = 0

    def let_go(self) -> None:
        """The gripper is about to move."""
        self._samples = 0

    @property
    def _grasped(self) -> bool:
        return self._samples >= GRASP_SAMPLES

    @property
    def goal_pwm(self) -> int:
        """The value of Goal_PWM, which limits the power in position mode."""
        return round((self._holding if self._grasped else self._moving) * reg.PWM_FULL)

    def squeezes(self, reading: Reading, watch: Watch) -> bool:
        """Whether the gripper has grasped something, or begins to, by its motor's reading."""
        return reading.stands_still and (self._grasped or self._pushes(reading, watch))

    def _pushes(self, reading: Reading, watch: Watch) -> bool:
        return watch.pushing(GRIPPER_ID, reading, GRASP_FRACTION * self._moving)

    def feel(self, reading: Reading, watch: Watch) -> None:
        """Notice that something is grasped, by the gripper motor's reading."""
        if not self._grasped:
            self._samples = self._samples + 1 if self.squeezes(reading, watch) else 0
