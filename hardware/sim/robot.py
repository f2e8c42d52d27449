"""The simulated WidowX 250s and its camera, behind the same interfaces as the real ones."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from hardware import wx250s
from hardware.camera import CameraFeatures
from hardware.clock import Clock
from hardware.connected import Connected
from hardware.joint_arm import JointArm, JointReading
from hardware.kinematics import Kinematics
from hardware.modules import SIMULATED, USUAL_CAMERA
from hardware.robot import ShouldStop, never_stop
from hardware.sim.world import SimWorld
from recordings.errors import RobotError
from recordings.records import CONTROL_RATE_HZ, FloatArray, Frame


class SimDrive:
    """The servos of the arm in a `SimWorld`: each `send` simulates one control period.

    Args:
        world: Shared with the cameras.
        clock: Stamps the measurements.
    """

    def __init__(self, world: SimWorld, clock: Clock) -> None:
        self._world = world
        self._clock = clock
        self._torque = True

    @property
    def identity(self) -> Mapping[str, Any]:
        return {"serial": f"kitchen-{self._world.kitchen.seed}"}

    def open(self) -> None: ...

    def close(self) -> None:
        self._world.close()

    def check(self) -> None: ...

    def read(self) -> JointReading:
        opening = wx250s.finger_to_opening(self._world.finger_m)
        return JointReading(self._world.joints_rad, opening, self._clock.now_s())

    def send(self, joints_rad: FloatArray, opening: float, duration_s: float) -> None:
        self._world.drive(joints_rad, wx250s.opening_to_finger(opening))

    def hold(self) -> FloatArray:
        joints = self._world.joints_rad
        self._world.hold(joints)
        return joints

    def kept_opening(self) -> float | None:
        return None

    def torque_is_on(self) -> bool:
        return self._torque

    def set_torque(self, on: bool) -> None:
        if self._torque and not on:
            self._world.release()
        elif on:
            self.hold()
        self._torque = on


class SimRobot(JointArm):
    """A WidowX 250s in a `SimWorld`, driven through its joints and never teleported mid-episode.

    Args:
        world: Shared with the cameras.
        clock: Stamps the measurements.
    """

    def __init__(self, world: SimWorld, clock: Clock) -> None:
        self.world = world
        own = wx250s.features(SIMULATED, CONTROL_RATE_HZ)
        features = replace(own, embodiment=SIMULATED, simulated=True)
        start = world.start_state[:6].tolist()
        super().__init__(features, SimDrive(world, clock), Kinematics(), clock, start)

    def connect(self) -> None:
        super().connect()
        self.move_to_start(seed=0)

    def move_to_start(
        self, *, seed: int | None = None, should_stop: ShouldStop = never_stop
    ) -> None:
        """With a seed, lay out the scene anew and place the arm; without, drive there."""
        self._require_connection()
        if seed is not None:
            self.world.reset(seed)
            joints = self._solver.solve(self.world.start_state[:6], wx250s.NEUTRAL_RAD)
            if joints is None:
                raise RobotError("The start pose cannot be reached.", "", "Choose another seed.")
            self._drive.set_torque(True)
            self._torque = True
            self.world.place_arm(joints)
            self._adopt(joints, 1.0)
        else:
            self._start_pose = self.world.start_state[:6]
            super().move_to_start(should_stop=should_stop)
            self.world.begin_episode()


class SimCamera(Connected):
    """A camera in a `SimWorld`.

    Args:
        world: Shared with the arm.
        clock: Stamps the pictures.
        name: As in recordings.
        height, width: Picture size in pixels.
    """

    def __init__(
        self, world: SimWorld, clock: Clock, name: str, height: int = 128, width: int = 128
    ) -> None:
        self._world = world
        self._clock = clock
        self._features = CameraFeatures(name, height, width)

    @property
    def features(self) -> CameraFeatures:
        return self._features

    @property
    def identity(self) -> Mapping[str, Any]:
        return {"kind": "sim", "serial": f"kitchen-{self._world.kitchen.seed}"}

    def connect(self) -> None:
        """Draws once, so that a missing renderer is heard of now."""
        self.read()

    def disconnect(self) -> None:
        self._world.close()

    def read(self) -> Frame:
        captured_s = self._clock.now_s()
        picture = self._world.render(self._features.height, self._features.width, USUAL_CAMERA)
        return Frame(picture, captured_s, self._clock.now_s())
