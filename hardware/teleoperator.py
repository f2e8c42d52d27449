"""What every device offers with which a person drives the arm: the `Teleoperator` protocol."""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

import numpy as np

from recordings.records import ACTION_HIGH, FloatArray


@dataclass(frozen=True)
class Speed:
    """A speed level: the largest displacement in one control period, per axis.

    Args:
        words: Its name.
        step_m, step_rad: Displacement.
    """

    words: str
    step_m: float
    step_rad: float


FINE = Speed("fine", 0.01, 0.05)
NORMAL = Speed("normal", 0.02, 0.10)
FAST = Speed("fast", float(ACTION_HIGH[0]), float(ACTION_HIGH[3]))
SPEEDS = (FINE, NORMAL, FAST)
"""The speed levels of every device, from slow to fast."""


class Button(enum.Enum):
    """What a button of a device can ask for. Those after FASTER decide over the episode."""

    GRIPPER = "gripper"
    SLOWER = "slower"
    FASTER = "faster"
    START = "start"
    STOP = "stop"
    PAUSE = "pause"
    SUCCESS = "success"
    FAILURE = "failure"
    DISCARD = "discard"
    REDO = "redo"


EPISODE_BUTTONS = tuple(Button)[3:]


@dataclass(frozen=True)
class Rate:
    """How hard a device is pushed; a full push moves one step of the speed level a period.

    Args:
        values: (6,) float64 in [-1, 1]: x (ahead), y (left), z (up) in the arm's base frame, then
            the angles roll, pitch and yaw of the state.
    """

    values: FloatArray = field(default_factory=lambda: np.zeros(6))


@dataclass(frozen=True)
class HandPose:
    """Where the hand of the person is.

    Args:
        position_m: (3,) float64, x (ahead), y (left), z (up).
        rotation: (3, 3) float64, in the same frame.
        absolute: The pose is meant for the gripper as it is, in the arm's base frame (a leader
            arm). Otherwise only displacements since the clutch was pressed matter, and the frame
            may have its origin anywhere.
    """

    position_m: FloatArray
    rotation: FloatArray
    absolute: bool = False


@dataclass(frozen=True)
class TeleopReading:
    """What a device says at one moment.

    Args:
        received_s: When it was last known to be so, `time.monotonic()`.
        engaged: The clutch is pressed; True for a device without one. A clutch that was released
            since the last reading shows as released in one reading, even if it is pressed again.
        motion: What the arm shall do.
        opening: Wanted gripper opening, 0 closed .. 1 open; None for a device that only toggles.
        pressed: Buttons pressed since the last reading, in order.
        words: What keeps it from being engaged ("hold button 5"), for the panel.
    """

    received_s: float
    engaged: bool
    motion: Rate | HandPose
    opening: float | None = None
    pressed: tuple[Button, ...] = ()
    words: str = ""


@runtime_checkable
class Teleoperator(Protocol):
    """A device with which a person drives an arm. It never prints, prompts or waits.

    Attributes:
        name: As in the profile and in recordings ("spacemouse").
        speed: The speed level, changed by whoever hears that another one is wanted.
    """

    name: str
    speed: Speed

    @property
    def hint(self) -> str:
        """What the person does first, once connected; "" if that is plain."""
        ...

    def connect(self) -> None:
        """Raises `RobotError` if the device is missing, `SystemSetupError` if a package is."""
        ...

    def disconnect(self) -> None:
        """Give the device back. Safe to call twice and after a fault; never raises."""
        ...

    def begin(self) -> None:
        """An episode begins: what was pushed or pressed before is forgotten.

        Raises:
            LostConnection: The device is gone.
        """
        ...

    def read(self) -> TeleopReading:
        """The newest state; returns at once.

        Raises:
            LostConnection: The device is gone.
        """
        ...
