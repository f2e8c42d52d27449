"""Watches the joint_states topic: is it alive, is it true, does a joint push too hard?"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from hardware import wx250s
from hardware.clock import Clock
from hardware.faults import LostConnection, MotorFault
from recordings.errors import RobotError
from recordings.records import FloatArray

GRIPPER, FINGER = "gripper", "left_finger"
MOTORS = (*wx250s.JOINT_NAMES, GRIPPER)

STALE_S = 0.2
"""The topic comes at 100 Hz; 20 messages missing, or unusable, is a fault."""
FAILED_READ_RAD = 1e-3
"""The node publishes -pi for every motor when it cannot read them; so near is that near."""
BRIDGE_EFFORT: FloatArray = 1.7 * np.array([800.0, 1000.0, 600.0, 600.0, 600.0, 700.0]) + 10.0
"""Largest efforts by joint in the topic's own units: mA, and for the XL430 in wrist_rotate its
load in 0.1 % times 2.69. Source: rail-berkeley/bridge_data_robot, widowx_controller.py."""


class TooHot(MotorFault):
    """A motor is hotter than the limit. This passes, and the arm can be parked meanwhile."""


@dataclass(frozen=True)
class Sample:
    """One joint_states message.

    Args:
        joints_rad: (6,).
        efforts: (6,), see `BRIDGE_EFFORT`.
        finger_m: The left finger's distance from the centre line.
        gripper_effort: Of the gripper's motor.
        taken_s: When it was first seen, on the arm's clock.
    """

    joints_rad: FloatArray
    efforts: FloatArray
    finger_m: float
    gripper_effort: float
    taken_s: float


class JointWatch:
    """Looks at the vendor's newest joint_states message whenever it is polled; thread-safe.

    A message that cannot be true (not finite, or -pi for every motor, which is what the node
    publishes after a failed read) is never a position. One such message is skipped; when nothing
    better follows for `STALE_S`, that is a fault.

    Args:
        core: The vendor's core object.
        clock: Stamps the samples.
        effort_limits: (6,), in the topic's units.
        effort_samples: Consecutive messages above a limit that make a fault.
    """

    def __init__(
        self, core: Any, clock: Clock, effort_limits: FloatArray, effort_samples: int
    ) -> None:
        self._core = core
        self._clock = clock
        self._effort_limits = effort_limits
        self._effort_samples = effort_samples
        self._lock = threading.Lock()
        self._message: Any = None
        self._sample: Sample | None = None
        self._unusable = ""
        self._above = np.zeros(6, dtype=int)
        self._fault: RobotError | None = None
        self._held = False
        self.heat_is_known = False
        """The operator knows that a motor is too hot: the arm may move, so as to park."""

    def poll(self) -> None:
        """Take in the newest message, if there is a new one."""
        with self._lock:
            with self._core.js_mutex:
                message = self._core.joint_states
            if message is self._message or message is None:
                return
            self._message = message
            sample = self._read(message)
            if sample is None:
                return
            self._sample = sample
            self._check_effort(sample)

    def newest(self, *, to_move: bool = False) -> Sample:
        """The newest true sample.

        Args:
            to_move: The arm is about to be sent somewhere: tell of faults even while it is held.

        Raises:
            MotorFault: A joint pushes too hard, or `report` said so.
            LostConnection: There is none, or it is older than `STALE_S`.
        """
        return self._newest(lambda: to_move or not self._held)

    def fresh(self) -> Sample:
        """The newest true sample, whatever else is wrong with the arm.

        Raises:
            LostConnection: There is none, or it is older than `STALE_S`.
        """
        return self._newest(lambda: False)

    def _newest(self, tell_faults: Callable[[], bool]) -> Sample:
        # A thread that sleeps after it has looked is late itself; the topic is not.
        asked_s = self._clock.now_s()
        self.poll()
        with self._lock:
            if self._fault is not None and tell_faults():
                self.heat_is_known = self.heat_is_known or isinstance(self._fault, TooHot)
                raise self._fault
            sample = self._sample
            if sample is None or asked_s - sample.taken_s > STALE_S:
                raise LostConnection(
                    self._unusable or f"No joint positions have come for {STALE_S:g} s.",
                    "The node xs_sdk publishes joint_states at 100 Hz.",
                    "Look at its terminal and the arm's cable and power, start the node again, "
                    "then run `ptrctl doctor`.",
                )
            return sample

    def report(self, fault: RobotError) -> None:
        """Make `newest` raise a fault that somebody else has noticed, heat if it is not known."""
        with self._lock:
            if not (self.heat_is_known and isinstance(fault, TooHot)):
                self._fault = self._fault or fault

    def forgive(self) -> None:
        """The arm is held: look afresh. What is still wrong is told when it is to move again.

        Until then its positions can be read, since a stop is confirmed by reading them.
        """
        with self._lock:
            self._fault, self._held = None, True
            self._above[:] = 0

    def sent(self) -> None:
        """The arm is on its way somewhere, no longer held."""
        with self._lock:
            self._held = False

    def _read(self, message: Any) -> Sample | None:
        index = {name: place for place, name in enumerate(message.name)}
        position = np.asarray(message.position, dtype=np.float64)
        effort = np.asarray(message.effort, dtype=np.float64)
        try:
            places = [index[name] for name in MOTORS]
            motors, efforts = position[places], effort[places]
            finger_m = float(position[index[FINGER]])
        except (KeyError, IndexError) as problem:
            # The vendor's simulation (use_sim) publishes positions only.
            self._unusable = f"joint_states lacks names or efforts of a real arm ({problem})."
            return None
        if not (np.isfinite(motors).all() and np.isfinite(finger_m)):
            self._unusable = "The node reports positions that are not numbers: its reads fail."
            return None
        if (np.abs(motors + np.pi) < FAILED_READ_RAD).all():
            self._unusable = "The node reports -3.14 rad for every motor: its reads fail."
            return None
        self._unusable = ""
        return Sample(motors[:6], efforts[:6], finger_m, float(efforts[6]), self._clock.now_s())

    def _check_effort(self, sample: Sample) -> None:
        above = ~(np.abs(sample.efforts) <= self._effort_limits)
        self._above = np.where(above, self._above + 1, 0)
        if self._fault is None and self._above.max() >= self._effort_samples:
            worst = int(self._above.argmax())
            self._fault = MotorFault(
                f"The joint {wx250s.JOINT_NAMES[worst]} pushes with an effort of "
                f"{abs(sample.efforts[worst]):.0f}.",
                f"The limit is {self._effort_limits[worst]:.0f} (in the units of joint_states).",
                "Look at what the arm has met, clear it, then start again.",
            )
