"""RealSense cameras: colour, and depth if wanted, by serial number."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hardware.cameras.live import LiveCamera
from hardware.cameras.newest import DepthArray
from hardware.cameras.realsense_library import load_realsense
from hardware.cameras.realsense_settings import RealSenseSettings
from hardware.checks import Finding, Health
from hardware.clock import Clock
from hardware.faults import CameraFault
from hardware.kinds import CameraKind, Discovered
from recordings.errors import PtrctlError, SystemSetupError


@dataclass(frozen=True)
class DepthFrame:
    """A depth picture.

    Args:
        depth_m: (H, W) float32, native size, metres along the optical axis, pixel by pixel
            aligned to the colour picture; 0 where unknown.
        captured_s, arrived_s: As in `recordings.records.Frame`.
    """

    depth_m: DepthArray
    captured_s: float
    arrived_s: float


class RealSenseCamera(LiveCamera):
    """One RealSense camera, or a recording of one.

    Depth is not part of recordings: they hold RGB pictures. `read_depth` is for those who want it.

    Args:
        name: As in recordings.
        settings: See there.
        clock: Stamps the pictures.
        size: Edge of the square pictures delivered, in pixels.
    """

    def __init__(self, name: str, settings: RealSenseSettings, clock: Clock, size: int) -> None:
        def open_source() -> Any:
            rs = load_realsense()
            from hardware.cameras.realsense_source import open_realsense

            return open_realsense(rs, name, settings, clock)

        super().__init__(name, "realsense", clock, size, settings, open_source)

    def read_depth(self) -> DepthFrame:
        """The depth that was taken together with the newest picture.

        Raises:
            CameraFault: As for `read`; or depth is off.
        """
        picture = self.newest()
        if picture.depth_m is None:
            raise CameraFault(
                f"The camera {self.features.name} delivers no depth.",
                "Depth is off unless asked for.",
                "Set `depth = true` in its table in ptrctl.toml.",
            )
        return DepthFrame(picture.depth_m, picture.captured_s, picture.arrived_s)


def _make(name: str, settings: RealSenseSettings, clock: Clock, image_size: int) -> RealSenseCamera:
    return RealSenseCamera(name, settings, clock, image_size)


def _discover() -> Sequence[Discovered]:
    try:
        rs = load_realsense()
        from hardware.cameras.realsense_devices import describe, info_of

        return [
            Discovered(
                f"{describe(rs, device)} (USB {info_of(rs, device, 'usb_type_descriptor')})",
                {"serial": info_of(rs, device, "serial_number")},
            )
            for device in rs.context().query_devices()
        ]
    except (SystemSetupError, RuntimeError):
        # Without the library, or while the USB bus changes, nothing can be found; doctor says why.
        return []


def _check(settings: RealSenseSettings) -> Sequence[Finding]:
    try:
        rs = load_realsense()
    except SystemSetupError as error:
        return [Finding("pyrealsense2", Health.FAIL, error.found, error.try_next)]
    findings = [Finding("pyrealsense2", Health.OK, f"{getattr(rs, '__version__', 'installed')}")]
    if settings.recording:
        there = Path(settings.recording).is_file()
        words = f"{settings.recording} is {'there' if there else 'missing'}"
        fix = "" if there else "Correct `recording` in ptrctl.toml."
        return [
            *findings,
            Finding("RealSense recording", Health.OK if there else Health.FAIL, words, fix),
        ]
    return [*findings, *_device_findings(rs, settings)]


def _device_findings(rs: Any, settings: RealSenseSettings) -> Sequence[Finding]:
    from hardware.cameras import realsense_devices as devices

    try:
        device = devices.choose_device(rs, "that ptrctl.toml names", settings.serial)
        modes = devices.color_modes(rs, device)
        usb_type = devices.info_of(rs, device, "usb_type_descriptor")
        words = devices.describe(rs, device)
    except PtrctlError as error:
        return [Finding("RealSense camera", Health.FAIL, error.found, error.try_next)]
    except RuntimeError as error:
        fix = "Close other programs that use it; run `ptrctl doctor --print-udev-rules`."
        return [Finding("RealSense camera", Health.FAIL, f"cannot be asked: {error}", fix)]
    mode = f"{settings.width} x {settings.height} at {settings.fps}"
    slow = devices.is_usb2(usb_type)
    return [
        Finding("RealSense camera", Health.OK, words),
        Finding(
            "RealSense USB",
            Health.WARN if slow else Health.OK,
            f"USB {usb_type or 'unknown'}",
            "Use a USB 3 port and cable; unplug it and push the plug in quickly." if slow else "",
        ),
        Finding(
            "RealSense mode",
            Health.OK if mode in modes else Health.FAIL,
            mode + ("" if mode in modes else f" is not offered; it can {', '.join(modes)}"),
            "" if mode in modes else "Correct `width`, `height` and `fps` in ptrctl.toml.",
        ),
    ]


KIND = CameraKind(
    name="realsense",
    summary="Intel/RealSense D400 series by USB, colour and optional depth",
    settings=RealSenseSettings,
    make=_make,
    discover=_discover,
    check=_check,
)
