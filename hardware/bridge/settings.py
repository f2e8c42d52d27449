"""Settings of the Bridge arm, as in a profile's `[robot.options]`."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from hardware import wx250s
from hardware.modules import USUAL_CAMERA
from hardware.robot import WorkspaceBox
from hardware.settings import setting
from hardware.tcp_ports import BRIDGE_PORT
from recordings.records import FloatArray


@dataclass(frozen=True)
class BridgeSettings:
    """How to reach the server and what it is told when it is initialised."""

    host: str = setting("127.0.0.1", "Address of the robot's machine, or of a tunnel to it.")
    port: int = setting(BRIDGE_PORT, "TCP port of widowx_env_service.")
    timeout_s: float = setting(2.0, "Longest wait for the answer to a step or for a picture.")
    init_timeout_s: float = setting(60.0, "Longest wait for the first set-up, about 10 s.")
    restart_s: float = setting(
        20.0, "How long a stop waits for a server that sets up its arm anew after an error."
    )
    handshake: bool = setting(
        True, "Refuse a server with another configuration; false for forks that do not tell theirs."
    )
    blocking: bool = setting(
        False, "Let the server wait for the end of every step; slower than 5 Hz."
    )
    camera_name: str = setting(USUAL_CAMERA, "Name of the server's camera in recordings.")
    camera_topic: str = setting("/blue/image_raw", "ROS topic of the camera, told at set-up.")
    full_image: bool = setting(
        True, "Take the camera's whole picture; false takes the one that the server has resized."
    )
    frozen_after_s: float = setting(
        0.6, "A picture that stays equal for so many seconds stops the arm; 0 never does."
    )
    box_low_m: str = setting(
        "0.1, -0.15, -0.1", "Lower corner x, y, z of the box to which the server clips its targets."
    )
    box_high_m: str = setting("0.45, 0.25, 0.18", "Upper corner of that box.")

    def __post_init__(self) -> None:
        if not 0 < self.port < 65536:
            raise ValueError(f"port is {self.port}, not within 1..65535")
        for name in ("timeout_s", "init_timeout_s"):
            if getattr(self, name) <= 0:
                raise ValueError(f"{name} is {getattr(self, name)}, not above 0")
        for name in ("restart_s", "frozen_after_s"):
            if getattr(self, name) < 0:
                raise ValueError(f"{name} is {getattr(self, name)}, below 0")
        if not self.host or not self.camera_name:
            raise ValueError("host and camera_name must not be empty")
        _ = self.workspace  # Refuses a box that shares nothing with the arm's own.

    @property
    def server_box(self) -> tuple[tuple[float, float, float], tuple[float, float, float]]:
        """Lower and upper corner in metres."""
        return _corner("box_low_m", self.box_low_m), _corner("box_high_m", self.box_high_m)

    @property
    def workspace(self) -> WorkspaceBox:
        """The arm's default workspace as far as the server lets it."""
        low, high = self.server_box
        own = wx250s.WORKSPACE
        return WorkspaceBox(
            _triple(np.maximum(low, own.low_m)),
            _triple(np.minimum(high, own.high_m)),
            own.max_roll_rad,
            own.max_pitch_rad,
            own.max_yaw_rad,
        )


def _corner(name: str, text: str) -> tuple[float, float, float]:
    try:
        values = np.array([float(part) for part in text.split(",")])
    except ValueError:
        values = np.array([])
    if values.shape != (3,) or not np.isfinite(values).all():
        raise ValueError(f'{name} is "{text}", not three numbers like "0.1, -0.15, -0.1"')
    return _triple(values)


def _triple(values: FloatArray) -> tuple[float, float, float]:
    return float(values[0]), float(values[1]), float(values[2])
