"""Which module describes which arm or camera in its `KIND`.

A table of names alone, so that whoever needs one arm imports nothing of the others.
"""

from __future__ import annotations

ARM_MODULES: dict[str, str] = {}
"""Real arms: name to module."""
CAMERA_MODULES: dict[str, str] = {
    "realsense": "hardware.cameras.realsense",
    "test-pattern": "hardware.cameras.pattern",
    "uvc": "hardware.cameras.uvc",
}
"""Cameras: name to module."""
