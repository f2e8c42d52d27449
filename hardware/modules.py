"""Which module describes which arm or camera in its `KIND`.

A table of names alone, so that whoever needs one arm imports nothing of the others.
"""

from __future__ import annotations

ARM_MODULES: dict[str, str] = {}
"""Real arms: name to module."""
CAMERA_MODULES: dict[str, str] = {
    "test-pattern": "hardware.cameras.pattern",
}
"""Cameras: name to module."""
