"""Opens a RealSense camera, or a recording of one, as a stream of pictures."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from hardware.cameras.lock import Wanted, lock_picture
from hardware.cameras.newest import Picture
from hardware.cameras.realsense_devices import (
    PLUG,
    OptionKnobs,
    choose_device,
    color_modes,
    info_of,
    is_usb2,
)
from hardware.cameras.realsense_settings import RealSenseSettings
from hardware.cameras.stamps import ForeignStamps, SystemStamps
from hardware.clock import Clock
from hardware.faults import CameraFault
from recordings.records import ImageArray

ATTEMPTS = 3
FIRST_FRAMES_S = 4.0
RESET_S = 5.0
"""A reset camera leaves the bus and comes back within about this time."""
RETURN_S = 15.0
SETTLE_FRAMES = 6
"""Frames after which a changed exposure or white balance shows."""
WAIT_MS = 500
USB2_WARNING = "connected by USB 2: plug it into a blue (USB 3) port with a USB 3 cable"


class RealSenseSource:
    """A running pipeline.

    Args:
        rs: The module pyrealsense2.
        camera: Name for messages.
        settings: See there.
        clock: Stamps the pictures.
    """

    def __init__(
        self, rs: ModuleType, camera: str, settings: RealSenseSettings, clock: Clock
    ) -> None:
        self._rs = rs
        self._camera = camera
        self._settings = settings
        self._clock = clock
        self._pipeline = rs.pipeline()
        self._align = rs.align(rs.stream.color) if settings.depth else None
        self._system = SystemStamps()
        self._foreign = ForeignStamps()
        self._domain: Any = None
        self._first: Any = None
        self._recorded = bool(settings.recording)
        config = self._playback_config() if self._recorded else self._live_config()
        try:
            self._profile = self._pipeline.start(config)
        except RuntimeError as error:
            raise self._start_fault(str(error)) from error
        self.device = self._profile.get_device()
        self._identity: dict[str, Any] = {}

    def prepare(self) -> None:
        """Wait for the first frames; on a live camera, lock exposure and white balance.

        Raises:
            CameraFault: No frames come (`Stalled`), or they are not what was set.
        """
        rs, settings = self._rs, self._settings
        self._first = self._wait(FIRST_FRAMES_S)
        color = self._profile.get_stream(rs.stream.color).as_video_stream_profile()
        usb_type = info_of(rs, self.device, "usb_type_descriptor")
        self._identity = {
            "model": info_of(rs, self.device, "name"),
            "serial": info_of(rs, self.device, "serial_number"),
            "firmware": info_of(rs, self.device, "firmware_version"),
            "usb_type": usb_type,
            "native_width": color.width(),
            "native_height": color.height(),
            "fps": color.fps(),
            "pixel_format": color.format().name,
            "stamps": self._first.get_color_frame().frame_timestamp_domain.name,
            "depth": settings.depth,
        }
        warnings = [USB2_WARNING] if is_usb2(usb_type) else []
        if self._recorded:
            self._identity["recording"] = Path(settings.recording).name
            self._check_recorded_serial()
        else:
            fixed = self._lock()
            # Old by now.
            self._first = None
            warnings += [fixed.pop("warning")] if "warning" in fixed else []
            self._identity.update(fixed)
        if warnings:
            self._identity["warning"] = "; ".join(warnings)

    @property
    def identity(self) -> Mapping[str, Any]:
        return dict(self._identity)

    def next_picture(self) -> Picture | None:
        frames, self._first = self._first, None
        if frames is None:
            received, frames = self._pipeline.try_wait_for_frames(WAIT_MS)
            if not received:
                self._check_end()
                return None
        arrived_s = self._clock.now_s()
        if self._align is not None:
            frames = self._align.process(frames)
        color = frames.get_color_frame()
        depth = frames.get_depth_frame() if self._align is not None else None
        if not color or (self._align is not None and not depth):
            # The library now and then delivers half a set; the age of the last whole one counts.
            return None
        return Picture(
            self._rgb(color),
            color.frame_number,
            self._captured_s(color, arrived_s),
            arrived_s,
            _metres(depth) if depth else None,
        )

    def close(self) -> None:
        try:
            self._pipeline.stop()
        except RuntimeError:
            # Unplugged or never started: there is nothing to let go of.
            return

    def _live_config(self) -> Any:
        rs, settings = self._rs, self._settings
        self.device = choose_device(rs, self._camera, settings.serial)
        self._switch_global_time_on()
        size = (settings.width, settings.height)
        config = rs.config()
        config.enable_device(info_of(rs, self.device, "serial_number"))
        config.enable_stream(rs.stream.color, *size, rs.format.rgb8, settings.fps)
        if settings.depth:
            config.enable_stream(rs.stream.depth, *size, rs.format.z16, settings.fps)
        return config

    def _playback_config(self) -> Any:
        path = Path(self._settings.recording)
        if path.suffix != ".db3" or not path.is_file():
            raise CameraFault(
                f"The camera {self._camera} cannot play back {path}.",
                "`recording` is an existing .db3 file of pyrealsense2 2.59 or newer.",
                "Correct it in ptrctl.toml, or remove it to use the camera itself.",
            )
        config = self._rs.config()
        try:
            config.enable_device_from_file(str(path), repeat_playback=False)
        except RuntimeError as error:
            raise self._start_fault(str(error)) from error
        return config

    def _switch_global_time_on(self) -> None:
        option = self._rs.option.global_time_enabled
        for sensor in self.device.query_sensors():
            if sensor.supports(option):
                sensor.set_option(option, 1)

    def _wait(self, timeout_s: float) -> Any:
        """The first set of frames with a colour picture."""
        for _ in range(max(1, int(timeout_s * 1000 / WAIT_MS))):
            received, frames = self._pipeline.try_wait_for_frames(WAIT_MS)
            if received and frames.get_color_frame():
                return frames
            self._check_end()
        raise Stalled(
            f"The camera {self._camera} delivers no pictures.",
            f"The first should come within {timeout_s:g} s.",
            "Unplug it, wait five seconds, plug it into a USB 3 port, and run `ptrctl doctor`.",
        )

    def _check_end(self) -> None:
        """Raises when a recording is over or cannot be played."""
        if not self._recorded:
            return
        if self.device.as_playback().current_status() == self._rs.playback_status.stopped:
            raise CameraFault(
                f"The recording {Path(self._settings.recording).name} that the camera "
                f"{self._camera} plays back has ended.",
                "A camera delivers pictures until it is disconnected.",
                "Choose a longer recording, or remove `recording` from ptrctl.toml.",
            )

    def _check_recorded_serial(self) -> None:
        wanted, found = self._settings.serial, self._identity["serial"]
        if wanted and wanted != found:
            raise CameraFault(
                f"The recording for camera {self._camera} comes from the camera {found}.",
                f"The serial number should be {wanted}.",
                "Correct `serial` or `recording` in ptrctl.toml.",
            )

    def _rgb(self, color: Any) -> ImageArray:
        """A copy: the library has only about fifteen buffers, and this one goes back at once."""
        pixel_format = color.get_profile().format()
        view = np.asarray(color.get_data())
        if pixel_format == self._rs.format.rgb8:
            return view.copy()
        if pixel_format == self._rs.format.bgr8:
            return np.ascontiguousarray(view[..., ::-1])
        raise CameraFault(
            f"The camera {self._camera} delivers {pixel_format.name} pictures.",
            "ptrctl reads rgb8 and bgr8.",
            "Record again in one of these formats.",
        )

    def _captured_s(self, color: Any, arrived_s: float) -> float:
        domain = color.frame_timestamp_domain
        if domain != self._domain:
            # Stamps on another clock cannot be compared with those before.
            self._domain, self._foreign = domain, ForeignStamps()
        stamp_s = color.timestamp / 1000.0
        if self._recorded or domain == self._rs.timestamp_domain.hardware_clock:
            return self._foreign.captured_s(stamp_s, arrived_s)
        return self._system.captured_s(stamp_s, arrived_s)

    def _lock(self) -> dict[str, Any]:
        settings = self._settings
        wanted = Wanted(settings.exposure, settings.gain, settings.white_balance)
        knobs = OptionKnobs(self._rs, self.device.first_color_sensor())

        def skip(frames: int) -> Any:
            for _ in range(frames):
                newest = self._wait(FIRST_FRAMES_S)
            return newest

        return lock_picture(
            self._camera,
            knobs,
            wanted,
            warm_up=lambda: skip(max(1, int(settings.warm_up_s * settings.fps))),
            look=lambda: self._rgb(skip(SETTLE_FRAMES).get_color_frame()),
            fps=settings.fps,
        )

    def _start_fault(self, message: str) -> CameraFault:
        settings, camera = self._settings, self._camera
        if self._recorded:
            return CameraFault(
                f"The recording {Path(settings.recording).name} for camera {camera} cannot be "
                f"read: {message}.",
                "It is a whole .db3 file of pyrealsense2 2.59 or newer.",
                "Record it again, or remove `recording` from ptrctl.toml.",
            )
        if "resolve" in message:
            mode = f"{settings.width} x {settings.height} at {settings.fps} a second"
            usb_type = info_of(self._rs, self.device, "usb_type_descriptor")
            return CameraFault(
                f"The camera {camera} cannot deliver {mode}, connected by USB {usb_type or '?'}.",
                f"It can: {', '.join(color_modes(self._rs, self.device)) or 'nothing'}.",
                "Correct `width`, `height` and `fps` in ptrctl.toml, or use a USB 3 port.",
            )
        if any(word in message.lower() for word in ("busy", "access", "permission")):
            return CameraFault(
                f"The camera {camera} cannot be opened: {message}.",
                "No other program uses it, and this user may.",
                "Close realsense-viewer and other programs, and install the rules that `ptrctl "
                "doctor --print-udev-rules` prints.",
            )
        return CameraFault(f"The camera {camera} does not start: {message}.", "", PLUG)


class Stalled(CameraFault):
    """The camera was opened and stays silent; a reset may help."""


def open_realsense(
    rs: ModuleType, camera: str, settings: RealSenseSettings, clock: Clock
) -> RealSenseSource:
    """A source that has shown its first frames, its picture locked.

    A live camera that stays silent is reset and tried again, three attempts in all.

    Raises:
        CameraFault: See `RealSenseSource`.
    """

    def reset() -> None:
        device = choose_device(rs, camera, settings.serial)
        device.hardware_reset()
        # Every handle is stale from here on.
        del device
        clock.wait_until_s(clock.now_s() + RESET_S)
        wait_for_return(lambda: choose_device(rs, camera, settings.serial), clock)

    with library_faults(camera):
        return open_with_resets(
            lambda: RealSenseSource(rs, camera, settings, clock),
            reset,
            attempts=1 if settings.recording else ATTEMPTS,
        )


@contextmanager
def library_faults(camera: str) -> Iterator[None]:
    """What the library itself raises, as where a camera is unplugged in the middle of a call,
    becomes a `CameraFault`."""
    try:
        yield
    except RuntimeError as error:
        raise CameraFault(
            f"The camera {camera} cannot be used: {error}.",
            "It stays plugged in, no other program uses it, and this user may.",
            "Unplug it, wait five seconds, plug it in again, and run `ptrctl doctor`.",
        ) from error


def open_with_resets(
    make: Callable[[], RealSenseSource], reset: Callable[[], None], attempts: int
) -> RealSenseSource:
    """Make and prepare a source; after each stall but the last, reset and make another."""
    for attempt in range(1, attempts + 1):
        source = make()
        try:
            source.prepare()
            return source
        except BaseException as error:
            source.close()
            if attempt == attempts or not isinstance(error, Stalled):
                raise
        # A reset makes handles useless, and those that are kept disturb what comes after.
        del source
        reset()
    raise AssertionError("at least one attempt")


def wait_for_return(find: Callable[[], Any], clock: Clock) -> None:
    """Until `find` no longer fails; its last error is raised after `RETURN_S`.

    While the camera comes back, the library itself fails too (`RuntimeError`).
    """
    deadline_s = clock.now_s() + RETURN_S
    while True:
        try:
            find()
            return
        except (CameraFault, RuntimeError):
            if clock.now_s() >= deadline_s:
                raise
        clock.wait_until_s(clock.now_s() + 0.5)


def _metres(depth: Any) -> Any:
    return np.asarray(depth.get_data()).astype(np.float32) * np.float32(depth.get_units())
