"""USB cameras (UVC) through OpenCV, and video files in their place."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from hardware.cameras.live import LiveCamera
from hardware.cameras.uvc_settings import UvcSettings
from hardware.cameras.v4l2 import camera_links, card_name, holders
from hardware.checks import Finding, Health
from hardware.clock import Clock
from hardware.kinds import CameraKind, Discovered
from recordings.errors import PtrctlError, SystemSetupError


def _make(name: str, settings: UvcSettings, clock: Clock, image_size: int) -> LiveCamera:
    from hardware.cameras.uvc_source import open_uvc

    return LiveCamera(
        name, "uvc", clock, image_size, settings, lambda: open_uvc(name, settings, clock)
    )


def _discover() -> Sequence[Discovered]:
    found = []
    for link in camera_links():
        model = _model(link)
        if model != "":
            found.append(Discovered(f"{model or 'camera'} at {link}", {"device": str(link)}))
    return found


def _model(link: Path) -> str | None:
    """The model's name, "" if the node delivers no pictures, None if it cannot be asked."""
    try:
        fd = os.open(link, os.O_RDWR | os.O_NONBLOCK)
    except OSError:
        return None
    try:
        return card_name(fd)
    except OSError:
        return None
    finally:
        os.close(fd)


def _check(settings: UvcSettings) -> Sequence[Finding]:
    from hardware.cameras.uvc_source import UvcSource, choose_device, load_opencv
    from hardware.cameras.video_source import VideoSource
    from hardware.clock import MonotonicClock

    try:
        cv2 = load_opencv()
    except SystemSetupError as error:
        return [Finding("OpenCV", Health.FAIL, error.found, error.try_next)]
    findings = [Finding("OpenCV", Health.OK, str(cv2.__version__))]
    if not settings.is_camera:
        try:
            VideoSource(cv2, "that ptrctl.toml names", settings, MonotonicClock()).close()
        except PtrctlError as error:
            return [*findings, Finding("video file", Health.FAIL, error.found, error.try_next)]
        return [*findings, Finding("video file", Health.OK, settings.device)]
    try:
        path = choose_device("that ptrctl.toml names", settings.device)
    except PtrctlError as error:
        return [*findings, Finding("USB camera", Health.FAIL, error.found, error.try_next)]
    findings.append(Finding("USB camera", Health.OK, f"{_model(path) or 'camera'} at {path}"))
    if Path("/dev/v4l") not in path.parents:
        findings.append(
            Finding(
                "USB camera's path",
                Health.WARN,
                f"{path} may be another camera after the next start",
                "Use its path under /dev/v4l/by-id or by-path; `ptrctl setup` lists them.",
            )
        )
    users = holders(path)
    if users:
        words = f"{', '.join(users)} has it open"
        findings.append(Finding("USB camera in use", Health.FAIL, words, "Close that program."))
        return findings
    try:
        source = UvcSource(cv2, "that ptrctl.toml names", settings, MonotonicClock())
    except PtrctlError as error:
        return [*findings, Finding("USB camera's mode", Health.FAIL, error.found, error.try_next)]
    source.close()
    mode = source.identity
    words = f"{settings.fourcc} {settings.width} x {settings.height} at {mode['fps']:g}"
    slow = mode["fps"] < settings.fps
    fix = f"It was set to {settings.fps}; correct `fps` in ptrctl.toml." if slow else ""
    health = Health.WARN if slow else Health.OK
    return [*findings, Finding("USB camera's mode", health, words, fix)]


KIND = CameraKind(
    name="uvc",
    summary="USB webcam, or a video file in its place",
    settings=UvcSettings,
    make=_make,
    discover=_discover,
    check=_check,
)
