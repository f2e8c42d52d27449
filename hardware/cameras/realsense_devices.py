"""Which RealSense cameras are plugged in, and what they offer."""

from __future__ import annotations

from collections.abc import Sequence
from types import ModuleType
from typing import Any

from hardware.cameras.lock import (
    AUTO_EXPOSURE,
    AUTO_WHITE_BALANCE,
    EXPOSURE,
    FRAME_RATE_MAY_DROP,
    GAIN,
    WHITE_BALANCE,
)
from hardware.faults import CameraFault

PLUG = "Plug it in, and run `ptrctl doctor`."
_KNOBS = {
    AUTO_EXPOSURE: "enable_auto_exposure",
    EXPOSURE: "exposure",
    GAIN: "gain",
    AUTO_WHITE_BALANCE: "enable_auto_white_balance",
    WHITE_BALANCE: "white_balance",
    FRAME_RATE_MAY_DROP: "auto_exposure_priority",
}


def info_of(rs: ModuleType, device: Any, what: str) -> str:
    """A text that a device tells about itself, "" if it does not."""
    key = getattr(rs.camera_info, what)
    return str(device.get_info(key)) if device.supports(key) else ""


def describe(rs: ModuleType, device: Any) -> str:
    """Model and serial number in words."""
    return f"{info_of(rs, device, 'name')} {info_of(rs, device, 'serial_number')}".strip()


def is_usb2(usb_type: str) -> bool:
    """Whether a USB type descriptor ("3.2", "2.1") means a slow port or cable."""
    return usb_type.startswith(("1", "2"))


def choose_device(rs: ModuleType, camera: str, serial: str) -> Any:
    """The device with that serial number; "" takes the only one.

    Asked first, because a pipeline without its device only says so after 15 s.

    Raises:
        CameraFault: It is not there, or several are and none was chosen.
    """
    devices = list(rs.context().query_devices())
    there = ", ".join(describe(rs, device) for device in devices) or "no RealSense camera"
    chosen = [d for d in devices if serial in ("", info_of(rs, d, "serial_number"))]
    if len(chosen) == 1:
        return chosen[0]
    if chosen:
        raise CameraFault(
            f"The camera {camera} could be any of: {there}.",
            "Its serial number decides.",
            f'Add `serial = "..."` to `cameras.{camera}` in ptrctl.toml, or run `ptrctl setup`.',
        )
    wanted = f"the RealSense camera with serial number {serial}" if serial else "one RealSense"
    raise CameraFault(
        f"The camera {camera} is not there. Plugged in: {there}.", f"It should be {wanted}.", PLUG
    )


def color_modes(rs: ModuleType, device: Any) -> Sequence[str]:
    """The RGB modes that a device offers as it is plugged in now."""
    modes = set()
    for sensor in device.query_sensors():
        for profile in sensor.get_stream_profiles():
            if profile.stream_type() == rs.stream.color and profile.format() == rs.format.rgb8:
                video = profile.as_video_stream_profile()
                modes.add((video.width(), video.height(), video.fps()))
    return [f"{width} x {height} at {fps}" for width, height, fps in sorted(modes)]


class OptionKnobs:
    """A colour sensor's options as `Knobs`.

    A sensor of its own (D415, D435, D455) counts exposure in 0.1 ms, up to 10000; a D405 takes
    colour from its depth sensor, which counts in microseconds and much further.

    Source: librealsense issue 8243 (units of the colour sensor).
    """

    def __init__(self, rs: ModuleType, sensor: Any) -> None:
        self._rs = rs
        self._sensor = sensor

    def has(self, name: str) -> bool:
        return name in _KNOBS and bool(self._sensor.supports(self._option(name)))

    def get(self, name: str) -> float:
        return float(self._sensor.get_option(self._option(name))) / self._unit(name)

    def set(self, name: str, value: float) -> None:
        self._sensor.set_option(self._option(name), value * self._unit(name))

    def limits(self, name: str) -> tuple[float, float]:
        limits = self._sensor.get_option_range(self._option(name))
        unit = self._unit(name)
        return float(limits.min) / unit, float(limits.max) / unit

    def _unit(self, name: str) -> float:
        if name != EXPOSURE:
            return 1.0
        return 100.0 if self._sensor.get_option_range(self._option(name)).max > 10_000 else 1.0

    def _option(self, name: str) -> Any:
        return getattr(self._rs.option, _KNOBS[name])
