"""Settings of a RealSense camera."""

from __future__ import annotations

from dataclasses import dataclass

from hardware.cameras.stream_settings import StreamSettings
from hardware.cameras.watch import FROZEN_AFTER_S, MAX_AGE_S
from hardware.settings import setting


@dataclass(frozen=True)
class RealSenseSettings(StreamSettings):
    """One table `[cameras.<name>]` of the profile with `kind = "realsense"`."""

    serial: str = setting("", "Serial number; empty takes the only camera there is.")
    width: int = setting(640, "Width before resizing, in pixels.")
    height: int = setting(480, "Height before resizing, in pixels.")
    fps: int = setting(30, "Pictures a second.")
    depth: bool = setting(False, "Also deliver depth, aligned to the colour picture.")
    exposure: int | None = setting(
        None, "Exposure in 0.1 ms; without it the automatic chooses once and is locked."
    )
    gain: int | None = setting(None, "Gain in the camera's units; without it as it is.")
    white_balance: int | None = setting(
        None, "White balance in kelvin; without it the automatic chooses once and is locked."
    )
    warm_up_s: float = setting(2.0, "How long the automatics may settle before they are locked.")
    max_age_s: float = setting(MAX_AGE_S, "An older picture stops the arm, in seconds.")
    frozen_after_s: float = setting(
        FROZEN_AFTER_S, "Unchanged pixels for this many seconds stop the arm; 0 never."
    )
    recording: str = setting("", "A .db3 file to play back instead of using a camera.")
