"""Watches an arm until it stands still."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from hardware.clock import Clock
from hardware.faults import MotorFault

if TYPE_CHECKING:
    from hardware.joint_arm import JointDrive

STILL_RAD = 0.0035
STILL_CHECK_S = 0.1
"""The arm stands still when no joint moves more than this between two readings so far apart: two
ticks of a servo. At the fine speed of teleoperation its fastest joint turns by 0.02."""
STILL_WITHIN_S = 1.0


def wait_until_still(drive: JointDrive, clock: Clock) -> None:
    """Return when the joints stand still.

    Raises:
        MotorFault: They go on moving.
        RobotError: They cannot be read.
    """
    before = drive.read()
    give_up_s = before.measured_s + STILL_WITHIN_S
    while True:
        clock.wait_until_s(clock.now_s() + STILL_CHECK_S)
        now = drive.read()
        # Where readings come by themselves, two may be the same one, or nearly.
        apart = now.measured_s - before.measured_s >= STILL_CHECK_S / 2
        if apart and np.abs(now.joints_rad - before.joints_rad).max() < STILL_RAD:
            return
        # Both late: a single slow reading says nothing about the end of the motion.
        if before.measured_s > give_up_s or (not apart and clock.now_s() > give_up_s):
            raise MotorFault(
                "The arm was told to hold and still moves.",
                f"It stands still within {STILL_WITHIN_S:g} s.",
                "Support the arm, switch its power off, then run `ptrctl doctor`.",
            )
        if apart:
            before = now
