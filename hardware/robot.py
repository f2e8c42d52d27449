"""What every arm offers: the `Robot` protocol."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Protocol, runtime_checkable

from recordings.records import FloatArray


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
        if not all(lo < hi for lo, hi in zip(self.low_m, self.high_m, strict=True)):
            raise ValueError(f"workspace box is empty: low {self.low_m}, high {self.high_m}")


@dataclass(frozen=True)
class RobotFeatures:
    """What is known about an arm before connecting.

    Args:
        name: The arm's kind, as in the profile ("sim-wx250s").
        control_rate_hz: Rate that its actions are meant for.
        workspace: Default workspace box.
        joint_names: In the order of `RobotState.joint_positions_rad`.
        joint_low_rad, joint_high_rad: Joint limits.
        simulated: Nothing real moves.
    """

    name: str
    control_rate_hz: float
    workspace: WorkspaceBox
    joint_names: tuple[str, ...]
    joint_low_rad: tuple[float, ...]
    joint_high_rad: tuple[float, ...]
    simulated: bool = False


@dataclass(frozen=True)
class RobotState:
    """The arm as measured.

    Args:
        state: (7,) float64, see `recordings.records.STATE_NAMES`.
        joint_positions_rad: (J,) float64.
        measured_s: When.
    """

    state: FloatArray
    joint_positions_rad: FloatArray
    measured_s: float


@runtime_checkable
class Robot(Protocol):
    """An arm that is driven by end-effector displacements.

    Drivers never print, prompt or sleep while a command is under way. Every method but
    `features` and `connect` raises `RobotError` when the arm is not connected.
    """

    @property
    def features(self) -> RobotFeatures:
        """Known before connecting."""
        ...

    @property
    def identity(self) -> Mapping[str, Any]:
        """Name, serial numbers and versions, for recordings."""
        ...

    def connect(self) -> None:
        """Raises `RobotError` if the arm is missing or faulty."""
        ...

    def disconnect(self) -> None:
        """Leave the arm holding or parked, never dropping; safe to call twice."""
        ...

    def move_to_start(self, *, seed: int | None = None) -> None:
        """Go to the start pose and open the gripper. Blocks until there.

        Args:
            seed: In simulation, also lays out the scene anew from this seed.
        """
        ...

    def read_state(self) -> RobotState:
        """The newest measured state."""
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

    def stop(self, kind: Stop = Stop.HOLD) -> None:
        """Stop, and read motor state back before returning."""
        ...

    def __enter__(self) -> Robot: ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None: ...
