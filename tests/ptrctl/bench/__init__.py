"""An arm and a camera that behave as real ones towards the commands, for tests of setup.

The arm is a simulated one that says it is real; the camera shows a picture from a file. They join
a `ptrctl` in a process of its own through `sitecustomize.py` here, see `ENVIRONMENT`.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
from PIL import Image

from hardware import wx250s
from hardware.camera import Camera, CameraFeatures
from hardware.checks import Finding, Health
from hardware.clock import Clock
from hardware.faults import CameraFault, LostConnection
from hardware.kinds import ArmKind, ArmRequest, CameraKind, Discovered
from hardware.robot import Robot
from hardware.settings import setting
from recordings.records import Frame

HERE = Path(__file__).parent
ENVIRONMENT = {"PYTHONPATH": f"{HERE}:{HERE.parents[2]}"}
"""With this a `ptrctl` knows the arm `bench` and the camera `picture`."""


@dataclass(frozen=True)
class BenchSettings:
    """Where the arm is."""

    port: str = setting("", "Device of the bus.")
    baud_rate: int = setting(1_000_000, "Of the bus.")


def _make(settings: BenchSettings, request: ArmRequest) -> tuple[Robot, Sequence[Camera]]:
    from hardware.joint_arm import JointArm
    from hardware.kinematics import Kinematics
    from hardware.robot import RobotFeatures
    from hardware.sim.robot import SimDrive
    from hardware.sim.world import SimWorld

    if settings.port == "/dev/dead":
        raise LostConnection("Nobody answers on /dev/dead.", "", "Choose another port.")
    features = RobotFeatures(
        name="bench",
        embodiment="wx250s",
        control_rate_hz=request.control_rate_hz,
        workspace=wx250s.WORKSPACE,
        joint_names=wx250s.JOINT_NAMES,
        joint_low_rad=wx250s.JOINT_LOW_RAD,
        joint_high_rad=wx250s.JOINT_HIGH_RAD,
    )
    world = SimWorld("put_carrot_on_plate", 0)
    world.reset(0)
    drive = SimDrive(world, request.clock)
    start_pose = request.start_pose or wx250s.START_POSE
    return JointArm(features, drive, Kinematics(), request.clock, start_pose), ()


def _discover() -> Sequence[Discovered]:
    return [
        Discovered("arm A on /dev/dead", {"port": "/dev/dead"}),
        Discovered("arm B on /dev/bench", {"port": "/dev/bench"}),
    ]


def _check(settings: BenchSettings) -> Sequence[Finding]:
    return [Finding("motors", Health.OK, f"nine on {settings.port}")]


ARM = ArmKind("bench", "an arm for tests", BenchSettings, _make, _discover, _check)


@dataclass(frozen=True)
class PictureSettings:
    """Which picture."""

    path: str = setting("", "File that the camera shows.")


class PictureCamera:
    """Shows a file; every read reads it again, so that a test can change what is seen."""

    def __init__(self, name: str, settings: PictureSettings, clock: Clock, size: int) -> None:
        self._features = CameraFeatures(name, size, size)
        self._path = settings.path
        self._clock = clock

    @property
    def features(self) -> CameraFeatures:
        return self._features

    @property
    def identity(self) -> Mapping[str, Any]:
        return {"kind": "picture"}

    def connect(self) -> None:
        if not Path(self._path).exists():
            raise CameraFault(f"The camera at {self._path} is missing.", "", "Plug it in.")

    def disconnect(self) -> None: ...

    def read(self) -> Frame:
        now_s = self._clock.now_s()
        size = (self._features.width, self._features.height)
        picture = Image.open(self._path).convert("RGB").resize(size)
        return Frame(np.asarray(picture), now_s, now_s)

    def __enter__(self) -> PictureCamera:
        self.connect()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.disconnect()


def _found_pictures() -> Sequence[Discovered]:
    return [Discovered("a picture in this folder", {"path": "seen.png"})]


CAMERA = CameraKind(
    "picture", "a file", PictureSettings, PictureCamera, _found_pictures, lambda settings: []
)
ONE_ARM = dataclasses.replace(ARM, name="bench-one", discover=lambda: _discover()[1:])
