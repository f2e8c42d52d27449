"""The names of arms, cameras and teleoperators, and which module describes which in its `KIND`.

Names alone, so that whoever needs one arm imports nothing of the others.
"""

from __future__ import annotations

SIMULATED = "sim-wx250s"
"""The simulated WidowX 250s."""
USUAL_CAMERA = "over_shoulder"
"""What the simulator's camera is called, which the shipped checkpoint looks through; and a real
camera, unless the operator says otherwise."""
ARM_MODULES: dict[str, str] = {
    "interbotix": "hardware.interbotix",
    "dynamixel": "hardware.dynamixel",
    "remote": "hardware.remote",
    "bridge": "hardware.bridge",
    "trossen": "hardware.trossen",
}
"""Real arms: name to module."""
CAMERA_MODULES: dict[str, str] = {
    "realsense": "hardware.cameras.realsense",
    "test-pattern": "hardware.cameras.pattern",
    "uvc": "hardware.cameras.uvc",
}
"""Cameras: name to module."""
TELEOPERATOR_MODULES: dict[str, str] = {
    "spacemouse": "hardware.teleoperators.spacemouse",
    "gamepad": "hardware.teleoperators.gamepad",
    "leader": "hardware.teleoperators.leader",
    "phone": "hardware.teleoperators.phone",
}
"""Devices with which a person drives the arm, besides the keyboard: name to module."""
