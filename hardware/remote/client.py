"""The arm and the cameras behind a server, as an ordinary `Robot` and ordinary `Camera`s."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from typing import Any

import numpy as np

from hardware.camera import CameraFeatures
from hardware.connected import Connected, ConnectedArm
from hardware.faults import CameraFault, LostConnection
from hardware.remote.link import STOP_S, Link
from hardware.remote.protocol import array_fields
from hardware.remote.served import Served, ServedCamera
from hardware.robot import RobotFeatures, RobotState, ShouldStop, Stop, never_stop
from recordings.errors import PtrctlError, RobotError, UsageError
from recordings.records import ACTION_SIZE, FloatArray, Frame, Score

POLL_S = 0.05
"""How often the server is asked whether a motion is over."""


class RemoteRobot(ConnectedArm):
    """An arm on another machine.

    Args:
        link: To its server.
        served: What the server said it serves.
    """

    def __init__(self, link: Link, served: Served) -> None:
        self._link = link
        self._served = served
        self._connected = False

    @property
    def features(self) -> RobotFeatures:
        return self._served.features

    @property
    def identity(self) -> Mapping[str, Any]:
        """Clock and round trip are those measured last."""
        offset = self._link.offset
        return {
            "name": self.features.name,
            "embodiment": self.features.embodiment,
            "server": self._link.where,
            "served": self._served.identity,
            "clock_offset_s": offset.offset_s,
            "clock_uncertainty_s": offset.uncertainty_s,
            "round_trip_s": offset.round_trip_s,
        }

    def connect(self) -> None:
        self._link.open(self._served)
        self._connected = True

    def disconnect(self) -> None:
        if self._connected:
            self._connected = False
            self._link.close()

    def move_to_start(
        self, *, seed: int | None = None, should_stop: ShouldStop = never_stop
    ) -> None:
        self._require_connection()
        self._link.measure_clock()
        self._link.command("start", {} if seed is None else {"seed": seed})
        self._until_there(should_stop)

    def read_state(self) -> RobotState:
        self._require_connection()
        measured = self._link.state()
        return RobotState(measured.state, measured.joints_rad, measured.measured_s)

    @property
    def commanded_state(self) -> FloatArray:
        """As of the latest answer: it costs no round trip."""
        return self._link.commanded.copy()

    def reachable(self, target_state: FloatArray) -> bool:
        self._require_connection()
        target = np.asarray(target_state, dtype=np.float64)
        answer = self._link.ask("reachable", {"target": array_fields(target)})
        return self._link.checked(lambda: answer.flag("reachable"))

    def apply(self, action: FloatArray) -> FloatArray:
        """What was sent is what the server's own envelope let through."""
        self._require_connection()
        wanted = np.asarray(action, dtype=np.float64)
        if wanted.shape != (ACTION_SIZE,) or not np.isfinite(wanted).all():
            raise RobotError(f"An action of {wanted} reached the arm.", "Seven finite numbers.")
        answer = self._link.command("apply", {"action": array_fields(wanted)})
        return self._link.checked(lambda: answer.array("sent", ACTION_SIZE))

    def stop(self, kind: Stop = Stop.HOLD, *, should_stop: ShouldStop = never_stop) -> None:
        self._require_connection()
        if kind is Stop.HOLD:
            self._link.ask("hold", more_time_s=STOP_S)
        elif kind is Stop.TORQUE_OFF:
            self._link.command("let_go", {}, more_time_s=STOP_S)
        else:
            self._link.command("park", {})
            self._until_there(should_stop)

    def _until_there(self, should_stop: ShouldStop) -> None:
        """Wait for the end of the motion that was begun; the server runs it.

        If anything goes wrong here the server is told to stop it, and stops it by itself when it
        hears nothing.
        """
        clock, period_s = self._link.clock, 1.0 / self.features.control_rate_hz
        ask_s = clock.now_s() + period_s
        asks_here = False
        try:
            while "commanded" not in self._link.ask("motion"):
                clock.wait_until_s(clock.now_s() + POLL_S)
                if clock.now_s() >= ask_s:
                    ask_s += period_s
                    asks_here = True
                    wanted = should_stop()
                    asks_here = False
                    if wanted:
                        self._link.ask("cancel")
        except BaseException as error:
            # The server's own errors need no telling: it holds the arm. But an answer that is
            # merely late says nothing of the arm, and nobody here watches it any more.
            lost = isinstance(error, LostConnection)
            if asks_here or lost or not isinstance(error, PtrctlError):
                with contextlib.suppress(PtrctlError):  # The first error is the one to tell.
                    self._link.ask("hold", more_time_s=STOP_S)
            raise


class JudgedRemoteRobot(RemoteRobot):
    """A simulated arm on another machine, with its simulator's judge (`hardware.loop.Judge`)."""

    def score(self) -> Score:
        """The score now, of the task that the server was started with."""
        self._require_connection()
        answer = self._link.ask("score")
        return self._link.checked(
            lambda: Score(answer.flag("success"), answer.number("progress"), answer.text("stage"))
        )


class RemoteCamera(Connected):
    """A camera on another machine, seen through the server of its arm.

    Connecting takes control of the arm as well; nothing moves.

    Args:
        link: Shared with the arm and the other cameras.
        served: What the server said it serves.
        camera: Which of its cameras.
        image_size: Edge of the square picture in pixels.
    """

    def __init__(self, link: Link, served: Served, camera: ServedCamera, image_size: int) -> None:
        self._link = link
        self._served = served
        self._camera = camera
        self._features = CameraFeatures(camera.name, image_size, image_size)
        self._connected = False

    @property
    def features(self) -> CameraFeatures:
        return self._features

    @property
    def identity(self) -> Mapping[str, Any]:
        return {"kind": "remote", "jpeg": True, "served": self._camera.identity}

    def connect(self) -> None:
        self._require_large_enough()
        if not self._connected:
            self._link.open(self._served)
            self._connected = True

    def _require_large_enough(self) -> None:
        """Here and not before: a server's cameras that nobody uses may be as they like."""
        camera, size = self._camera, self._features.height
        smallest = min(camera.height, camera.width)
        if smallest < size:
            raise UsageError(
                f"The server's camera {camera.name} gives {camera.width} x {camera.height} pixels.",
                f"The profile wants {size} x {size}.",
                f"Serve with an image size of {size}, or run `ptrctl setup --image-size "
                f"{smallest}`.",
            )

    def disconnect(self) -> None:
        if self._connected:
            self._connected = False
            self._link.close()

    def read(self) -> Frame:
        if not self._connected:
            raise CameraFault(
                f"The camera {self._features.name} is not connected.",
                "Connect before use.",
                "Run the command again.",
            )
        picture = self._link.picture(self._features.name)
        return Frame(picture.image, picture.captured_s, picture.arrived_s)
