"""The settings of the WidowX 250s behind Interbotix's ROS node."""

from __future__ import annotations

from dataclasses import dataclass

from hardware.settings import setting


@dataclass(frozen=True)
class InterbotixSettings:
    """Times and forces; the defaults are Bridge's but for the gripper's `gripper_hold_pwm`."""

    robot_model: str = setting("wx250s", "as in the launch command; only wx250s is known")
    robot_name: str = setting("", "the node's namespace; empty takes robot_model")
    moving_time_s: float = setting(0.25, "profile velocity register, as a time")
    accel_time_s: float = setting(0.1, "profile acceleration register, at most half of it")
    gripper_force_pwm: int = setting(350, "largest PWM of the gripper while it moves, of 885")
    gripper_hold_pwm: int = setting(120, "PWM with which it keeps what it has grasped")
    gripper_effort_limit: float = setting(1200.0, "effort beyond which the gripper lets up")
    effort_scale: float = setting(1.0, "effort limits of the joints, times Bridge's")
    effort_samples: int = setting(5, "joint_states above a limit, in a row, that stop the arm")
    temperature_limit_c: float = setting(
        68.0, "a hotter motor stops the arm; 72 is the XL430's end"
    )

    def __post_init__(self) -> None:
        if self.robot_model != "wx250s":
            raise ValueError(f'robot_model is {self.robot_model!r}; only "wx250s" is known')
        if not 0.1 <= self.moving_time_s <= 2.0:
            raise ValueError("moving_time_s must lie between 0.1 and 2 seconds")
        if not 0.0 <= self.accel_time_s <= self.moving_time_s / 2:
            raise ValueError("accel_time_s must lie between 0 and half of moving_time_s")
        if not 0 <= self.gripper_hold_pwm <= self.gripper_force_pwm <= 885:
            raise ValueError("0 <= gripper_hold_pwm <= gripper_force_pwm <= 885 must hold")
        if self.gripper_effort_limit <= 0:
            raise ValueError("gripper_effort_limit must be above 0")
        if not 0.1 <= self.effort_scale <= 2.0:
            raise ValueError("effort_scale must lie between 0.1 and 2")
        if self.effort_samples < 1:
            raise ValueError("effort_samples must be at least 1")
        if not 30.0 <= self.temperature_limit_c <= 80.0:
            raise ValueError("temperature_limit_c must lie between 30 and 80")

    @property
    def name(self) -> str:
        """The node's namespace."""
        return self.robot_name.strip("/") or self.robot_model
