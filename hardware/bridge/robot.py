"""The WidowX 250s behind a Bridge robot server, as a `Robot`."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import numpy as np

from hardware import wx250s
from hardware.bridge.client import BridgeClient, NotInitialised
from hardware.bridge.following import Following, stands_still
from hardware.bridge.geometry import (
    distance,
    step_to_target,
    target_after_step,
    transform,
)
from hardware.bridge.settings import BridgeSettings
from hardware.bridge.ways import GLIDE_PERIOD_S, JointEstimate
from hardware.connected import ConnectedArm
from hardware.faults import LostConnection, MotionStopped, MotorFault, Unreachable
from hardware.joint_arm import GRIPPER_S, Solver
from hardware.kinds import ArmRequest
from hardware.robot import RobotFeatures, RobotState, ShouldStop, Stop, never_stop
from recordings.errors import RobotError
from recordings.records import ACTION_HIGH, ACTION_LOW, GRIPPER, FloatArray

PROFILE_PERIODS = 1.25
"""Motion time in control periods: Bridge writes 250 ms into its servos for steps of 200 ms."""

BEHIND_M = 0.08
BEHIND_RAD = 0.5
"""An arm that is this far behind between episodes has met something, or its server has no way."""
ARRIVED_M = 0.03
ARRIVED_RAD = 0.15

SHARES = (1.0, 0.95, 0.8, 0.6, 0.4, 0.2, 0.0)
"""Of an action, tried in this order."""
ROUNDING = 1e-6
STILL_READINGS = 12
"""So many moves to one pose, over 0.2 s each, bring the arm to rest, or the hold has failed."""


class BridgeRobot(ConnectedArm):
    """Drives the arm by displacements, as the server does, and stops it by absolute poses.

    The server reports the gripper's pose and no joints: `RobotState.joint_positions_rad` are
    *estimates*, found by inverse kinematics from that pose, and NaN where none are found.

    The server adds each step to a target of its own, which it does not report. This class keeps
    count of it: `commanded_state` is exact after every start and stop, and may drift from it by
    millimetres while the arm turns and travels at once, because the server turns its target about
    the position that *it* measures at that moment.

    Args:
        settings: Of the server.
        request: What the command wants.
        client: Shared with the server's camera.
        solver: Kinematics of the arm.
    """

    def __init__(
        self, settings: BridgeSettings, request: ArmRequest, client: BridgeClient, solver: Solver
    ) -> None:
        self._settings = settings
        self._image_size = request.image_size
        self._client = client
        self._joints = JointEstimate(solver)
        self._clock = request.clock
        self._period_s = 1.0 / request.control_rate_hz
        self._start_pose = np.asarray(request.start_pose or wx250s.START_POSE, dtype=np.float64)
        self._low_m, self._high_m = (np.array(corner) for corner in settings.server_box)
        self._features = replace(
            wx250s.features("bridge", request.control_rate_hz),
            workspace=settings.workspace,
            releases_torque=False,
        )
        self._connected = False
        self._version = ""
        self._target_known = False
        self._gone = False
        self._commanded: FloatArray = np.full(7, np.nan)
        self._following = Following()

    @property
    def features(self) -> RobotFeatures:
        return self._features

    @property
    def identity(self) -> Mapping[str, Any]:
        return {
            "name": self._features.name,
            "embodiment": self._features.embodiment,
            "server": self._client.address,
            "protocol": self._version,
        }

    def connect(self) -> None:
        if self._connected:
            return
        self._client.open()
        try:
            if self._settings.handshake:
                self._version = str(self._client.configuration()["version"])
            try:
                self._adopt(self._client.observe().state)
            except NotInitialised:
                self._commanded = np.full(7, np.nan)
        except BaseException:
            self._client.close()
            raise
        # Whoever used the server before has left it a target that it does not report.
        self._target_known = False
        self._gone = False
        self._connected = True

    def disconnect(self) -> None:
        if self._connected:
            self._connected = False
            self._client.close()

    def move_to_start(
        self, *, seed: int | None = None, should_stop: ShouldStop = never_stop
    ) -> None:
        """Initialise the server's arm if nobody has, open the gripper, go to the start pose.

        The server's own `reset` does this in one motion of four seconds that nobody can stop;
        here it is a row of short moves.
        """
        self._require_connection()
        self._target_known = False
        here = self._ready(should_stop)
        way = self._joints.way(here, self._start_pose)
        with self._holding_after_trouble():
            self._client.open_gripper()
            self._commanded[GRIPPER] = 1.0
            for _ in range(math.ceil(GRIPPER_S / self._period_s)):
                self._clock.wait_until_s(self._clock.now_s() + self._period_s)
                _stop_if(should_stop)
            self._travel(way, self._start_pose, should_stop)

    def read_state(self) -> RobotState:
        self._require_connection()
        report = self._client.observe(self._period_s)
        joints = self._joints.anywhere(report.state)
        return RobotState(
            report.state.copy(),
            np.full(len(wx250s.JOINT_NAMES), np.nan) if joints is None else joints,
            report.asked_s,
        )

    @property
    def commanded_state(self) -> FloatArray:
        return self._commanded.copy()

    def reachable(self, target_state: FloatArray) -> bool:
        return self._joints.near(target_state) is not None

    def apply(self, action: FloatArray) -> FloatArray:
        """Send one step and return once the server has begun it, about 0.1 s later.

        Raises:
            Unreachable: No joint positions reach the target; or the arm has not followed for
                `STUCK_PERIODS`; the server says success when its own kinematics fail.
            MotorFault: The arm is far from where it was sent.
            LostConnection: No answer. The step may still be carried out; it is not sent again,
                and no further one is until a stop or start has read the arm's state back.
        """
        self._require_connection()
        if not self._target_known:
            raise RobotError(
                "The server's own target is not known.",
                "A start or a stop makes it known.",
                "Start a new episode.",
            )
        wanted = np.array(action, dtype=np.float64)
        if wanted.shape != (7,) or not np.isfinite(wanted).all():
            raise RobotError(f"An action of {wanted} reached the arm.", "Seven finite numbers.")
        if (wanted < ACTION_LOW - 1e-6).any() or (wanted > ACTION_HIGH + 1e-6).any():
            raise RobotError(
                f"An action of {np.round(wanted, 3).tolist()} reached the arm.",
                "At most 0.05 m and 0.25 rad a step, gripper 0 to 1.",
                "The safety envelope should have stopped this.",
            )
        measured = self._client.observe(self._period_s).state
        self._following.check(self._commanded, measured)
        asked, wanted = self._plan(wanted, measured[:3])
        target = np.concatenate([self._commanded[:6] + wanted[:6], wanted[6:]])
        joints = self._joints.near(target)
        if joints is None:
            raise Unreachable(
                f"No joint positions reach {np.round(target[:6], 3).tolist()}.",
                "The safety envelope should have stopped this.",
            )
        self._target_known = False
        self._client.step(asked, self._settings.blocking)
        self._target_known = True
        self._commanded, self._joints.joints_rad = target, joints
        return wanted

    def stop(self, kind: Stop = Stop.HOLD, *, should_stop: ShouldStop = never_stop) -> None:
        """Hold, or hold and go to the neutral pose, under torque. Letting go is refused.

        A server that sets up its arm anew after an error is silent for about 10 s; a stop waits
        `restart_s` for it, once.
        """
        self._require_connection()
        self._hold()
        if kind is Stop.TORQUE_OFF:
            raise RobotError(
                "The Bridge server cannot take the torque off; the arm holds still.",
                "Its protocol has no such request.",
                "Support the arm, then switch off its 12 V power supply.",
            )
        if kind is Stop.PARK:
            neutral = self._joints.solver.pose(wx250s.NEUTRAL_RAD)
            way = self._joints.way(self._commanded, neutral)
            with self._holding_after_trouble():
                self._travel(way, neutral, should_stop)

    def _ready(self, should_stop: ShouldStop) -> FloatArray:
        """The measured state, once the server's arm is initialised.

        An arm that somebody has initialised is used as it is. To initialise twice would leave
        two gripper controllers running in the server, each with its own goal.
        """
        try:
            return self._client.observe().state
        except NotInitialised:
            low, high = self._settings.server_box
            self._client.initialise(
                {
                    "fix_zangle": 0.1,
                    "move_duration": self._period_s,
                    "adaptive_wait": True,
                    "move_to_rand_start_freq": 1,
                    "override_workspace_boundaries": [[*low, -1.57, 0], [*high, 1.57, 0]],
                    "action_clipping": "xyz",
                    "catch_environment_except": False,
                    "start_state": [*self._start_pose.tolist(), 1.0],
                    # Otherwise it goes to its neutral pose at once, and nobody can stop it.
                    "start_at_current_pos": True,
                    "skip_move_to_neutral": False,
                    "return_full_image": False,
                    "camera_topics": [{"name": self._settings.camera_topic}],
                },
                self._image_size,
                self._settings.init_timeout_s,
                should_stop,
            )
        return self._client.observe().state

    def _plan(self, action: FloatArray, measured_m: FloatArray) -> tuple[FloatArray, FloatArray]:
        """What to ask of the server, and the action (7,) that it then carries out.

        A turn of an arm that lags behind can need more than the server takes in one step. Less of
        the whole action is asked for then: cut axis by axis, it would leave the workspace box.
        """
        before = self._commanded[:6]
        asked = taken = action.copy()
        target = before
        for share in SHARES:
            target = before + share * action[:6]
            asked[:6] = step_to_target(target, before, measured_m)
            taken = np.clip(asked, ACTION_LOW, ACTION_HIGH)
            if np.abs(taken - asked).max() < ROUNDING:
                break
        asked = taken
        wanted = np.concatenate([target - before, action[6:]])
        expected = target_after_step(asked[:6], before, measured_m, self._low_m, self._high_m)
        if np.abs(expected - target).max() < 1e-9:
            return asked, wanted
        return asked, np.concatenate([expected - before, action[6:]])

    def _hold(self) -> None:
        """Go to where the arm is, and read back until it stands still."""
        self._target_known = False
        self._settle(self._wait_for_server()[:6])

    def _settle(self, pose: FloatArray) -> None:
        """Send the arm to a near pose until two readings, each after a whole move, agree.

        The server takes what it measures 0.2 s after a move began as its target. Only after a
        move of no length is that where the arm stands; so there are two moves at least.
        """
        duration_s = PROFILE_PERIODS * self._period_s
        before: FloatArray | None = None
        for _ in range(STILL_READINGS):
            begun_s = self._clock.now_s()
            self._client.move(transform(pose), duration_s)
            self._clock.wait_until_s(begun_s + duration_s)
            now = self._client.observe().state
            if before is not None and stands_still(now, before):
                break
            before = now
        else:
            raise MotorFault(
                "The arm was told to hold and still moves.",
                f"It stands still before {STILL_READINGS} readings.",
                "Switch the arm's power off, close other clients of the server, then run "
                "`ptrctl doctor`.",
            )
        opening = self._commanded[GRIPPER]
        self._adopt(now)
        if np.isfinite(opening):
            self._commanded[GRIPPER] = opening
        self._target_known = True

    def _wait_for_server(self) -> FloatArray:
        """The measured state; waits for a server that restarts, but not twice."""
        begun_s = self._clock.now_s()
        while True:
            try:
                state = self._client.observe().state
                self._gone = False
                return state
            except LostConnection as problem:
                silent_s = self._clock.now_s() - begun_s
                if self._gone or silent_s > self._settings.restart_s:
                    self._gone = True
                    raise LostConnection(
                        f"The Bridge server at {self._client.address} has not answered for "
                        f"{silent_s:.0f} s: whether the arm stands still is not known.",
                        "By themselves the servos finish the last step and hold.",
                        "Watch the arm, and switch off its power if it moves. Restart "
                        "widowx_env_service, then run `ptrctl doctor`.",
                    ) from problem

    @contextmanager
    def _holding_after_trouble(self) -> Iterator[None]:
        try:
            yield
        except BaseException:
            self._hold()
            raise

    def _travel(self, way: list[FloatArray], goal: FloatArray, should_stop: ShouldStop) -> None:
        """Send one pose after another, and see that the arm follows and arrives."""
        due_s = self._clock.now_s()
        for pose in way:
            self._client.move(transform(pose), GLIDE_PERIOD_S)
            due_s = max(due_s + GLIDE_PERIOD_S, self._clock.now_s())
            self._clock.wait_until_s(due_s)
            self._require_near(pose, BEHIND_M, BEHIND_RAD)
            _stop_if(should_stop)
        self._settle(goal)
        self._require_near(goal, ARRIVED_M, ARRIVED_RAD)

    def _require_near(self, pose: FloatArray, limit_m: float, limit_rad: float) -> None:
        behind_m, behind_rad = distance(self._client.observe().state, pose)
        if behind_m > limit_m or behind_rad > limit_rad:
            raise Unreachable(
                f"The arm is {behind_m * 100:.0f} cm and {np.degrees(behind_rad):.0f} degrees "
                "behind on its way.",
                "The way is free, and the server finds joint positions for it.",
                "Clear the space around the arm, read the server's messages, then try again.",
            )

    def _adopt(self, state: FloatArray) -> None:
        """Let a measured state be the commanded one."""
        self._commanded = state.copy()
        self._joints.joints_rad = self._joints.anywhere(state)
        self._following.begin(state)


def _stop_if(should_stop: ShouldStop) -> None:
    if should_stop():
        raise MotionStopped("The motion was stopped; the arm holds.")
