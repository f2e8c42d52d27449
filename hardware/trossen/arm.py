"""The WidowX AI as a `Robot`."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from hardware.faults import LostConnection, TorqueOff
from hardware.joint_arm import JointArm
from hardware.kinds import ArmRequest
from hardware.robot import RobotFeatures, ShouldStop, Stop, never_stop
from hardware.standstill import wait_until_still
from hardware.trossen import TrossenSettings, widowx_ai
from hardware.trossen.drive import TrossenDrive

NAME = "trossen"
FOLDED_RAD = 0.05
"""So near to its sleep pose the arm is parked."""


class TrossenArm(JointArm):
    """A WidowX AI.

    Connecting and disconnecting brake its joints, since the vendor's driver does so; it holds
    under torque from `move_to_start` on.
    TORQUE_OFF takes the torque off and leaves the joints braked, so the arm does not drop; nor
    can it be moved by hand.

    Args:
        settings: Where the controller is, and when to stop.
        request: What the command wants.
    """

    def __init__(self, settings: TrossenSettings, request: ArmRequest) -> None:
        self._trossen = TrossenDrive(settings, request.clock)
        self._published = RobotFeatures(
            name=NAME,
            embodiment=widowx_ai.EMBODIMENT,
            control_rate_hz=request.control_rate_hz,
            workspace=widowx_ai.WORKSPACE,
            joint_names=widowx_ai.JOINT_NAMES,
            joint_low_rad=widowx_ai.JOINT_LOW_RAD,
            joint_high_rad=widowx_ai.JOINT_HIGH_RAD,
            brakes=True,
        )
        super().__init__(
            self._published,
            self._trossen,
            self._trossen,
            request.clock,
            request.start_pose or widowx_ai.START_POSE,
            widowx_ai.NEUTRAL_RAD,
            widowx_ai.SLEEP_RAD,
        )

    def connect(self) -> None:
        """From now on, `features` tells the limits of the connected arm."""
        super().connect()
        limits = self._trossen.limits
        self._features = replace(
            self._published,
            joint_low_rad=tuple(limits.low[:6].tolist()),
            joint_high_rad=tuple(limits.high[:6].tolist()),
        )

    def move_to_start(
        self, *, seed: int | None = None, should_stop: ShouldStop = never_stop
    ) -> None:
        self._require_connection()
        if self._trossen.fault is not None:
            self._reconnect()
        super().move_to_start(seed=seed, should_stop=should_stop)

    def stop(self, kind: Stop = Stop.HOLD, *, should_stop: ShouldStop = never_stop) -> None:
        """See `Robot.stop`. PARK also folds an arm that is braked; others lie where they fell."""
        self._require_connection()
        self._face_fault()
        if kind is Stop.PARK and not self._torque:
            here = self._drive.read()
            if np.abs(here.joints_rad - self._sleep_rad).max() > FOLDED_RAD:
                self._trossen.check_to_park()
                self._drive.set_torque(True)
                self._torque = True
                self._adopt(here.joints_rad, here.opening)
        super().stop(kind, should_stop=should_stop)

    def _hold(self) -> None:
        self._face_fault()
        if not self._torque:
            wait_until_still(self._drive, self._clock)
            raise TorqueOff(
                "The arm's joints are braked and stand still; its torque is off, so it does not "
                "hold.",
                "Only an arm under torque holds.",
                "Start an episode, fold the arm with `ptrctl stop --park`, or leave it as it is.",
            )
        super()._hold()

    def _face_fault(self) -> None:
        """See how the arm stands after a fault. A lost controller is not waited for."""
        fault = self._trossen.fault
        if isinstance(fault, LostConnection):
            raise fault
        if fault is not None:
            self._reconnect()

    def _reconnect(self) -> None:
        self._torque = False
        self._trossen.reconnect()
        reading = self._drive.read()
        self._adopt(reading.joints_rad, reading.opening)
