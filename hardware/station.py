"""An arm, its cameras and its safety envelope: what the control loop drives."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from types import TracebackType
from typing import Any

from hardware.camera import Camera
from hardware.clock import Clock, MonotonicClock
from hardware.faults import CameraFault
from hardware.joint_arm import JointArm
from hardware.limits import check_start_inside
from hardware.robot import Robot, ShouldStop, Stop, never_stop
from hardware.safety import SafeAction, SafetyEnvelope
from recordings.records import FloatArray, Frame, Observation

START_TOLERANCE_M = 0.03
"""The arm's own start pose may be so far outside the box: the simulated arm begins up to 2 cm away
from it, and a box may have been jogged to from there."""


class Station:
    """One robot cell. As a context manager it connects everything, cameras first.

    Args:
        robot: Not yet connected.
        cameras: Not yet connected, names unique.
        safety: Defaults to the robot's own workspace box.
        clock: The machine's, or a `SimulatedClock` to go as fast as the simulator can.
    """

    def __init__(
        self,
        robot: Robot,
        cameras: Sequence[Camera],
        safety: SafetyEnvelope | None = None,
        clock: Clock | None = None,
    ) -> None:
        self.robot = robot
        self.cameras = {camera.features.name: camera for camera in cameras}
        if len(self.cameras) != len(cameras):
            raise ValueError("camera names must be unique")
        self.safety = safety or SafetyEnvelope(robot.features.workspace)
        self.clock = clock or MonotonicClock()
        self._open = ExitStack()

    def __enter__(self) -> Station:
        with ExitStack() as stack:
            for camera in self.cameras.values():
                stack.enter_context(camera)
            stack.enter_context(self.robot)
            self._open = stack.pop_all()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._open.__exit__(kind, error, trace)

    @property
    def camera_identities(self) -> Mapping[str, Mapping[str, Any]]:
        """Camera name to identity and picture size, for recordings."""
        return {
            name: {
                **camera.identity,
                "height": camera.features.height,
                "width": camera.features.width,
            }
            for name, camera in self.cameras.items()
        }

    def check_start_pose(self, chosen: Sequence[float] | None, try_next: str) -> None:
        """Raise `UsageError` if episodes would begin outside the box, where nothing may move.

        Args:
            chosen: The start pose that the arm was made with; None for its own, which is checked
                where it is known.
            try_next: What the message tells to do.
        """
        if chosen is not None:
            check_start_inside(chosen, self.safety.workspace, 0.0, try_next)
        elif isinstance(self.robot, JointArm):
            own = self.robot.start_pose
            check_start_inside(own, self.safety.workspace, START_TOLERANCE_M, try_next)

    def observe(self) -> Observation:
        """Newest pictures and measured state.

        Raises:
            RobotError: The arm is faulty, a camera is stale or gone, or pictures of two cameras
                are more than a control period apart: they do not show the same moment.
        """
        frames = {name: camera.read() for name, camera in self.cameras.items()}
        self._check_skew(frames)
        state = self.robot.read_state()
        return Observation(frames, state.state, self.clock.now_s())

    def _check_skew(self, frames: Mapping[str, Frame]) -> None:
        if len(frames) < 2:
            return
        in_order = sorted(frames, key=lambda name: frames[name].captured_s)
        oldest, newest = in_order[0], in_order[-1]
        apart_s = frames[newest].captured_s - frames[oldest].captured_s
        period_s = 1.0 / self.robot.features.control_rate_hz
        if apart_s > period_s:
            raise CameraFault(
                f"The camera {oldest} is {apart_s:.2f} s behind the camera {newest}.",
                f"Pictures of one moment are at most one control period, {period_s:.2f} s, apart.",
                "Give each camera a USB controller of its own or lower their resolution, then run "
                "`ptrctl doctor`.",
            )

    def apply(self, action: FloatArray) -> SafeAction:
        """Pass the action through the envelope and send it; returns what was sent.

        Raises:
            RobotError: The arm reports a fault.
        """
        safe = self.safety.check(action, self.robot)
        return SafeAction(self.robot.apply(safe.action), safe.interventions)

    def stop(self, kind: Stop = Stop.HOLD, *, should_stop: ShouldStop = never_stop) -> None:
        """Stop the arm; see `Robot.stop`."""
        self.robot.stop(kind, should_stop=should_stop)
