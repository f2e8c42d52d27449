"""What every arm offers: the `Robot` protocol."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Protocol, runtime_checkable

import numpy as np

from recordings.records import FloatArray


class ShouldStop(Protocol):
    """Asked once a control period during motions between episodes; True makes the arm hold."""

    def __call__(self) -> bool: ...


def never_stop() -> bool:
    """Nobody is there to stop the motion."""
    return False


class Stop(enum.Enum):
    """The three kinds of stop.

    HOLD keeps the joints where they are, under torque. PARK moves to the sleep pose, then takes
    the torque off. TORQUE_OFF takes it off at once: the arm drops.
    """

    HOLD = "hold"
    PARK = "park"
    TORQUE_OFF = "torque_off"


@dataclass(frozen=True)
class WorkspaceBox:
    """Where the gripper's tip may be, metres in the arm's base frame, and how far it may turn.

    Args:
        low_m, high_m: (x, y, z) corners.
        max_roll_rad, max_pitch_rad, max_yaw_rad: Largest turn away from gripper-down.
    """

    low_m: tuple[float, float, float]
    high_m: tuple[float, float, float]
    max_roll_rad: float = 0.6
    max_pitch_rad: float = 0.6
    max_yaw_rad: float = 1.57

    def __post_init__(self) -> None:
        if not np.less(self.low_m, self.high_m).all():
            raise ValueError(f"workspace box is empty: low {self.low_m}, high {self.high_m}")


@dataclass(frozen=True)
class RobotFeatures:
    """What is known about an arm before connecting.

    Args:
        name: The arm's kind, as in the profile ("dynamixel").
        embodiment: The arm as a policy feels it, whatever drives it: a checkpoint only works on
            the embodiment it learned with ("wx250s" for every driver of a real WidowX 250s).
        control_rate_hz: Rate that its actions are meant for.
        workspace: Default workspace box.
        joint_names: In the order of `RobotState.joint_positions_rad`.
        joint_low_rad, joint_high_rad: Joint limits.
        simulated: Nothing real moves.
        releases_torque: TORQUE_OFF works and PARK ends with the torque off; a foreign server may
            not allow it, and then the arm parks under torque.
        brakes: Joints without torque are braked, and so they are when nobody is connected;
            otherwise they hold under torque until they are told to let go.
    """

    name: str
    embodiment: str
    control_rate_hz: float
    workspace: WorkspaceBox
    joint_names: tuple[str, ...]
    joint_low_rad: tuple[float, ...]
    joint_high_rad: tuple[float, ...]
    simulated: bool = False
    releases_torque: bool = True
    brakes: bool = False


@dataclass(frozen=True)
class RobotState:
    """The arm as measured.

    Args:
        state: (7,) float64, see `recordings.records.STATE_NAMES`.
        joint_positions_rad: (J,) float64. All NaN where an arm reports poses alone and no joint
            positions were found that belong to this one.
        measured_s: When.
    """

    state: FloatArray
    joint_positions_rad: FloatArray
    measured_s: float


@runtime_checkable
class Robot(Protocol):
    """An arm that is driven by end-effector displacements.

    Drivers never print or prompt, and wait only on their clock. Every method but `features`,
    `connect` and `disconnect` raises `RobotError` when the arm is not connected. Connecting moves
    nothing and leaves the torque as it is. Kinds of faults are in `hardware.faults`.
    """

    @property
    def features(self) -> RobotFeatures:
        """Known before connecting."""
        ...

    @property
    def identity(self) -> Mapping[str, Any]:
        """Name, embodiment, serial numbers and versions, for recordings."""
        ...

    def connect(self) -> None:
        """Raises `RobotError` if the arm is missing or faulty."""
        ...

    def disconnect(self) -> None:
        """Leave the arm holding or parked, never dropping; safe to call twice, and after a fault.

        Never raises: what is lost cannot be closed.
        """
        ...

    def move_to_start(
        self, *, seed: int | None = None, should_stop: ShouldStop = never_stop
    ) -> None:
        """Read the motors' errors, take up torque, open the gripper and go to the start pose.

        Blocks until there, slowly and by a way that was checked before the first motion.

        Args:
            seed: In simulation, also lays out the scene anew from this seed.
            should_stop: Asked every control period.

        Raises:
            MotionStopped: `should_stop` said so; the arm holds.
            RobotError: A fault, an obstacle, or no safe way; the arm holds.
        """
        ...

    def read_state(self) -> RobotState:
        """The newest measured state. Raises `RobotError` if a motor reports a fault."""
        ...

    @property
    def commanded_state(self) -> FloatArray:
        """(7,) float64: the pose last commanded, to which the next action is added."""
        ...

    def reachable(self, target_state: FloatArray) -> bool:
        """Whether a pose (7,) has joint positions within the limits, near the present ones."""
        ...

    def apply(self, action: FloatArray) -> FloatArray:
        """Move by one action over one control period; returns the (7,) action really sent.

        The caller has passed it through the safety envelope. Returns at once on hardware; the
        simulator returns when the period has been simulated.

        Raises:
            RobotError: The arm reports a fault, or the action is not finite.
        """
        ...

    def stop(self, kind: Stop = Stop.HOLD, *, should_stop: ShouldStop = never_stop) -> None:
        """Stop, and return when the motors' own state says so.

        Args:
            kind: HOLD is immediate; PARK moves.
            should_stop: Asked every control period while parking.

        Raises:
            MotionStopped: Parking was stopped; the arm holds.
            RobotError: The motors do not confirm it.
        """
        ...

    def __enter__(self) -> Robot: ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None: ...
