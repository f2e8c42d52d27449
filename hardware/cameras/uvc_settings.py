"""Settings of a USB camera."""

from __future__ import annotations

from dataclasses import dataclass

from hardware.cameras.stream_settings import StreamSettings
from hardware.cameras.watch import FROZEN_AFTER_S, MAX_AGE_S
from hardware.settings import setting


@dataclass(frozen=True)
class UvcSettings(StreamSettings):
    """One table `[cameras.<name>]` of the profile with `kind = "uvc"`."""

    device: str = setting(
        "",
        "Path under /dev/v4l/by-id or by-path, a video file, or a pattern of pictures; empty takes "
        "the only camera there is.",
    )
    width: int = setting(640, "Width before resizing, in pixels.")
    height: int = setting(480, "Height before resizing, in pixels.")
    fps: int = setting(30, "Pictures a second.")
    fourcc: str = setting("MJPG", "Pixel format; MJPG lets several cameras share a USB bus.")
    exposure: int | None = setting(
        None, "Exposure in 0.1 ms; without it the automatic chooses once and is locked."
    )
    gain: int | None = setting(None, "Gain in the camera's units; without it as it is.")
    white_balance: int | None = setting(
        None, "White balance in kelvin; without it the automatic chooses once and is locked."
    )
    focus: int | None = setting(
        None, "Focus in the camera's units; without it the automatic chooses once and is locked."
    )
    warm_up_s: float = setting(2.0, "How long the automatics may settle before they are locked.")
    loop: bool = setting(False, "Begin a video file again when it ends.")
    max_age_s: float = setting(MAX_AGE_S, "An older picture stops the arm, in seconds.")
    frozen_after_s: float = setting(
        FROZEN_AFTER_S, "Unchanged pixels for this many seconds stop the arm; 0 never."
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if len(self.fourcc) != 4 or not self.fourcc.isascii():
            raise ValueError(f'fourcc is four letters such as "MJPG", not "{self.fourcc}"')

    @property
    def is_camera(self) -> bool:
        """Whether `device` is a camera rather than a file."""
        return not self.device or self.device.startswith("/dev/")
