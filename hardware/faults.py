"""What can go wrong with an arm, a camera or the control loop: kinds of `RobotError`."""

from __future__ import annotations

from recordings.errors import RobotError


class LostConnection(RobotError):
    """The arm, its bus or its server no longer answers."""


class MotorFault(RobotError):
    """A motor reports an error, is too hot, pushes too hard, or does not follow."""


class TorqueOff(RobotError):
    """The arm was to hold, and its torque is off: nothing drives it."""


class CameraFault(RobotError):
    """A camera is missing, stalled, frozen, or delivers something else than was agreed."""


class Unreachable(RobotError):
    """No joint positions within the limits reach the pose."""


class MissedDeadline(RobotError):
    """The control loop fell so far behind that its commands are out of date."""


class MotionStopped(RobotError):
    """The operator stopped a motion between episodes; the arm holds still."""
