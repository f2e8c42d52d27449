"""What the registry knows of a kind of arm or camera before it touches one."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from hardware.camera import Camera
from hardware.checks import Finding
from hardware.clock import Clock
from hardware.robot import Robot
from hardware.teleoperator import Teleoperator


@dataclass(frozen=True)
class Discovered:
    """A device that was found.

    Args:
        words: For a list to choose from ("U2D2 FT6Z5Q on /dev/ttyUSB0").
        options: The settings that select it.
    """

    words: str
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class ArmRequest:
    """What a command wants of an arm, whatever its kind.

    Args:
        clock: Paces motions and stamps measurements.
        control_rate_hz: Steps a second.
        start_pose: x, y, z in m, roll, pitch, yaw in rad relative to gripper-down, where episodes
            begin; None takes the arm's own.
        image_size: Edge in pixels of the pictures from cameras that the arm itself brings.
        task: What is to be done; only an arm that judges by itself asks.
    """

    clock: Clock
    control_rate_hz: float
    start_pose: tuple[float, float, float, float, float, float] | None = None
    image_size: int = 128
    task: str = ""


@dataclass(frozen=True)
class ArmKind:
    """A kind of arm.

    Args:
        name: As in the profile.
        summary: One line for people who choose.
        settings: Its settings, see `hardware.settings`.
        make: The arm and the cameras that come with it (none for most); connects to nothing.
        discover: What seems to be there; looks, never moves, quick.
        check: What `ptrctl doctor` finds, given settings; moves nothing.
    """

    name: str
    summary: str
    settings: type[Any]
    make: Callable[[Any, ArmRequest], tuple[Robot, Sequence[Camera]]]
    discover: Callable[[], Sequence[Discovered]]
    check: Callable[[Any], Sequence[Finding]]


@dataclass(frozen=True)
class CameraKind:
    """A kind of camera.

    Args:
        name: As in the profile.
        summary: One line for people who choose.
        settings: Its settings, see `hardware.settings`.
        make: (name in recordings, settings, clock, edge of the square picture in pixels) to a
            camera, not yet connected.
        discover: What seems to be plugged in.
        check: What `ptrctl doctor` finds, given settings.
    """

    name: str
    summary: str
    settings: type[Any]
    make: Callable[[str, Any, Clock, int], Camera]
    discover: Callable[[], Sequence[Discovered]]
    check: Callable[[Any], Sequence[Finding]]


@dataclass(frozen=True)
class TeleoperatorKind:
    """A kind of device with which a person drives the arm.

    Args:
        name: As in the profile and in recordings.
        summary: One line for people who choose.
        settings: Its settings, see `hardware.settings`.
        make: The device, not yet connected.
        discover: What seems to be plugged in.
        check: What `ptrctl doctor` finds, given settings.
    """

    name: str
    summary: str
    settings: type[Any]
    make: Callable[[Any], Teleoperator]
    discover: Callable[[], Sequence[Discovered]]
    check: Callable[[Any], Sequence[Finding]]
