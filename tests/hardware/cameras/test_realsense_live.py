"""What is done with a plugged-in RealSense camera, on a recording that passes for one.

pyrealsense2 is the real one but for three calls: the list of devices holds a device loaded from a
recording, `enable_device` chooses it, and the pipeline is stopped and started on it.
"""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pytest

from hardware.cameras import realsense
from hardware.cameras.realsense import KIND, RealSenseCamera
from hardware.cameras.realsense_settings import RealSenseSettings
from hardware.cameras.realsense_source import Stalled
from hardware.checks import Health
from hardware.clock import MonotonicClock
from hardware.faults import CameraFault
from tests.hardware.cameras.streams import (
    HEIGHT,
    SERIAL,
    WIDTH,
    make_realsense_recording,
    scene,
    scenes,
)

rs = pytest.importorskip("pyrealsense2")
FRAMES = 90


class Context:
    def __init__(self, path: Path) -> None:
        self._device = rs.context().load_device(str(path))

    def query_devices(self):
        return [self._device]


class Config:
    """A config whose device is the recording; everything else is real."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._config = rs.config()

    def enable_device(self, serial: str) -> None:
        assert serial == SERIAL
        self._config.enable_device_from_file(str(self._path), repeat_playback=False)

    def enable_stream(self, *what: object) -> None:
        self._config.enable_stream(*what)


class Pipeline:
    def __init__(self) -> None:
        self._pipeline = rs.pipeline()
        self.stop = self._pipeline.stop
        self.try_wait_for_frames = self._pipeline.try_wait_for_frames

    def start(self, config: Config):
        return self._pipeline.start(config._config)


class Library:
    """pyrealsense2 with one camera plugged in."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.pipeline = Pipeline

    def context(self) -> Context:
        return Context(self._path)

    def config(self) -> Config:
        return Config(self._path)

    def __getattr__(self, name: str):
        return getattr(rs, name)


@pytest.fixture
def plug_in(tmp_path, monkeypatch):
    """Makes a recording pass for a camera; returns its library."""

    def plug_in(**how) -> Library:
        path = make_realsense_recording(
            tmp_path / "camera.db3", scenes(FRAMES), first_stamp_s=time.time(), **how
        )
        library = Library(path)
        monkeypatch.setattr(realsense, "load_realsense", lambda: library)
        return library

    return plug_in


def settings(**changes) -> RealSenseSettings:
    values = {"width": WIDTH, "height": HEIGHT, "max_age_s": 60.0, "warm_up_s": 0.2}
    return RealSenseSettings(**{**values, **changes})


def camera(**changes) -> RealSenseCamera:
    return RealSenseCamera("wrist", settings(**changes), MonotonicClock(), 32)


def test_a_live_camera_is_chosen_warmed_up_and_read(plug_in) -> None:
    plug_in()
    with camera(serial=SERIAL) as wrist:
        picture = wrist.newest()
        identity = wrist.identity
    np.testing.assert_array_equal(picture.image, scene(picture.number - 1))
    # Those of the warm-up are old by then.
    assert picture.number > 6
    assert (identity["serial"], identity["fps"], identity["exposure"]) == (SERIAL, 30, None)
    assert "recording" not in identity


def test_a_global_stamp_gives_the_true_age(plug_in) -> None:
    plug_in()
    plugged_in_s = time.time()
    time.sleep(0.5)
    with camera() as wrist:
        picture = wrist.newest()
        # Played back later than stamped: the camera cannot tell that from a late picture.
        age_s = picture.arrived_s - picture.captured_s
        assert 0.2 < age_s < time.time() - plugged_in_s + 1.0


def test_a_late_picture_is_a_fault(plug_in) -> None:
    plug_in()
    time.sleep(1.0)
    with camera(max_age_s=0.6) as wrist, pytest.raises(CameraFault, match="wrist is late"):
        wrist.read()


def test_depth_can_be_switched_on(plug_in) -> None:
    plug_in(depth_mm=[700] * FRAMES)
    with camera(depth=True) as wrist:
        depth_m = wrist.read_depth().depth_m
    assert depth_m.max() == pytest.approx(0.7)


@pytest.mark.parametrize("changes", [{"width": 128}, {"fps": 60}, {"depth": True}])
def test_a_mode_that_the_camera_lacks_is_a_fault_that_lists_those_it_has(plug_in, changes) -> None:
    plug_in()
    with pytest.raises(CameraFault, match=r"cannot deliver.*64 x 48 at 30"):
        camera(**changes).connect()


def test_a_camera_in_use_is_a_fault(plug_in) -> None:
    library = plug_in()

    class Busy(Pipeline):
        def start(self, config: Config):
            raise RuntimeError("xioctl(VIDIOC_S_FMT) failed: Device or resource busy")

    library.pipeline = Busy
    with pytest.raises(CameraFault, match=r"busy.*Close realsense-viewer"):
        camera().connect()


def test_a_silent_camera_is_reset_and_tried_three_times(plug_in, monkeypatch) -> None:
    library = plug_in()
    stopped = []

    class Silent(Pipeline):
        def __init__(self) -> None:
            super().__init__()
            self.stop = lambda: stopped.append(1)
            self.try_wait_for_frames = lambda ms: (False, None)

    resets = []

    class Resettable(Context):
        def query_devices(self):
            device = super().query_devices()[0]

            class Device:
                def hardware_reset(self) -> None:
                    resets.append(1)

                def __getattr__(self, name: str):
                    return getattr(device, name)

            return [Device()]

    library.pipeline = Silent
    library.context = lambda: Resettable(library._path)
    monkeypatch.setattr("hardware.cameras.realsense_source.RESET_S", 0.0)
    with pytest.raises(Stalled, match="delivers no pictures"):
        camera().connect()
    assert (len(resets), len(stopped)) == (2, 3)


def test_doctor_and_setup_see_the_camera(plug_in) -> None:
    plug_in(usb_type="2.1")
    found = {finding.name: finding for finding in KIND.check(settings(serial=SERIAL))}
    assert found["RealSense camera"].found == f"Software D435 {SERIAL}"
    assert found["RealSense USB"].health is Health.WARN
    assert found["RealSense mode"].health is Health.OK
    found = {finding.name: finding for finding in KIND.check(settings(width=640))}
    assert found["RealSense mode"].health is Health.FAIL
    assert "64 x 48 at 30" in found["RealSense mode"].found
    (discovered,) = KIND.discover()
    assert discovered.options == {"serial": SERIAL}
    assert "USB 2.1" in discovered.words
