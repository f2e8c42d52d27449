"""The simulated WidowX 250s and its camera, behind the same interfaces as the real ones."""

from __future__ import annotations

from collections.abc import Mapping
from types import TracebackType
from typing import Any

import numpy as np

from hardware import wx250s
from hardware.camera import CameraFeatures
from hardware.clock import Clock
from hardware.kinematics import Kinematics
from hardware.robot import RobotFeatures, RobotState, Stop
from hardware.sim import kitchen as kitchens
from hardware.sim.world import SimWorld
from recordings.errors import RobotError
from recordings.records import CONTROL_RATE_HZ, GRIPPER, FloatArray, Frame

NAME = "sim-wx250s"
PARK_PERIODS = 20


class SimRobot:
    """A WidowX 250s in a `SimWorld`, driven through its joints and never teleported mid-episode.

    Args:
        world: Shared with the cameras.
        clock: Stamps the measurements.
    """

    def __init__(self, world: SimWorld, clock: Clock) -> None:
        self.world = world
        self._clock = clock
        self._kinematics = Kinematics()
        self._connected = False
        self._torque = True
        self._commanded = np.zeros(7)
        self._joint_goal_rad: FloatArray = wx250s.NEUTRAL_RAD.copy()

    @property
    def features(self) -> RobotFeatures:
        return RobotFeatures(
            name=NAME,
            control_rate_hz=CONTROL_RATE_HZ,
            workspace=wx250s.WORKSPACE,
            joint_names=wx250s.JOINT_NAMES,
            joint_low_rad=wx250s.JOINT_LOW_RAD,
            joint_high_rad=wx250s.JOINT_HIGH_RAD,
            simulated=True,
        )

    @property
    def identity(self) -> Mapping[str, Any]:
        return {"name": NAME, "serial": f"kitchen-{self.world.kitchen.seed}"}

    def connect(self) -> None:
        self._connected = True
        self.move_to_start(seed=0)

    def disconnect(self) -> None:
        if self._connected:
            self.world.close()
        self._connected = False

    def move_to_start(self, *, seed: int | None = None) -> None:
        """With a seed, lay out the scene anew and place the arm; without, drive there."""
        self._require_connection()
        self._torque = True
        if seed is not None:
            self.world.reset(seed)
            joints = self._solve(self.world.start_state, wx250s.NEUTRAL_RAD)
            if joints is None:
                raise RobotError("The start pose cannot be reached.", "", "Choose another seed.")
            self.world.place_arm(joints)
            self._joint_goal_rad = joints
        else:
            up = self._pose()
            for goal in (
                np.concatenate([up[:2], [max(up[2], 0.15)], np.zeros(2), up[5:6], [1.0]]),
                self.world.start_state,
            ):
                self._glide_to(goal)
            self.world.begin_episode()
        self._commanded = np.concatenate([self._pose(), [1.0]])
        self._commanded[:6] = self._kinematics.pose(self._joint_goal_rad)

    def _glide_to(self, goal: FloatArray) -> None:
        here = np.concatenate([self._kinematics.pose(self._joint_goal_rad), goal[6:]])
        periods = max(1, int(np.ceil(np.abs(goal - here)[:3].max() / 0.04)))
        for index in range(1, periods + 1):
            joints = self._solve(here + (goal - here) * index / periods, self._joint_goal_rad)
            if joints is None:
                raise RobotError("The way to the start pose leaves the arm's reach.")
            self._drive(joints, float(goal[GRIPPER]))

    def read_state(self) -> RobotState:
        self._require_connection()
        opening = wx250s.finger_to_opening(self.world.finger_m)
        joints = self.world.joints_rad
        state = np.concatenate([self._kinematics.pose(joints), [opening]])
        return RobotState(state, joints, self._clock.now_s())

    @property
    def commanded_state(self) -> FloatArray:
        return self._commanded.copy()

    def reachable(self, target_state: FloatArray) -> bool:
        return self._solve(target_state, self._joint_goal_rad) is not None

    def apply(self, action: FloatArray) -> FloatArray:
        """Simulate one control period; the target is the previous target plus the action.

        Raises:
            RobotError: Not finite, not reachable, not connected, or torque is off.
        """
        self._require_connection()
        if not self._torque:
            raise RobotError(
                "The arm's torque is off.", "It has to be on to move.", "Start a new episode."
            )
        sent = np.array(action, dtype=np.float64)
        if sent.shape != (7,) or not np.isfinite(sent).all():
            raise RobotError(f"An action of {sent} reached the arm.", "Seven finite numbers.")
        target = np.concatenate([self._commanded[:6] + sent[:6], sent[6:]])
        joints = self._solve(target, self._joint_goal_rad)
        if joints is None:
            raise RobotError(
                f"No joint positions reach {np.round(target[:6], 3)}.",
                "The safety envelope should have stopped this.",
            )
        self._commanded = target
        self._drive(joints, float(sent[GRIPPER]))
        return sent

    def stop(self, kind: Stop = Stop.HOLD) -> None:
        """Hold at the measured joints, park in the sleep pose, or let go."""
        self._require_connection()
        if kind is Stop.TORQUE_OFF:
            self._torque = False
            self.world.release()
            return
        self._joint_goal_rad = self.world.joints_rad
        self.world.hold(self._joint_goal_rad)
        self._commanded[:6] = self._kinematics.pose(self._joint_goal_rad)
        if kind is Stop.PARK:
            start = self._joint_goal_rad
            for index in range(1, PARK_PERIODS + 1):
                share = index / PARK_PERIODS
                self._drive(start + (wx250s.SLEEP_RAD - start) * share, 1.0)
            self._torque = False
            self.world.release()

    def __enter__(self) -> SimRobot:
        self.connect()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.disconnect()

    def _require_connection(self) -> None:
        if not self._connected:
            raise RobotError(
                "The simulated arm is not connected.",
                "Connect before use.",
                "Run the command again.",
            )

    def _pose(self) -> FloatArray:
        return self._kinematics.pose(self.world.joints_rad)

    def _solve(self, state: FloatArray, seed_rad: FloatArray) -> FloatArray | None:
        return self._kinematics.solve(state[:6], seed_rad)

    def _drive(self, joints_rad: FloatArray, opening: float) -> None:
        self._joint_goal_rad = joints_rad
        self.world.drive(joints_rad, wx250s.opening_to_finger(opening))


class SimCamera:
    """A camera in a `SimWorld`.

    Args:
        world: Shared with the arm.
        clock: Stamps the pictures.
        name: As in recordings.
        height, width: Picture size in pixels, at most 480 by 640.
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
        picture = self._world.render(self._features.height, self._features.width, kitchens.CAMERA)
        return Frame(picture, captured_s, self._clock.now_s())

    def __enter__(self) -> SimCamera:
        self.connect()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.disconnect()
