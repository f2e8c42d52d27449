"""The USB camera: on video files, and on a stand-in for OpenCV's device capture."""

from __future__ import annotations

import errno
import os
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from hardware.cameras import uvc, uvc_source
from hardware.cameras.live import LiveCamera
from hardware.cameras.uvc import KIND
from hardware.cameras.uvc_settings import UvcSettings
from hardware.cameras.uvc_source import UvcSource, choose_device, load_opencv, open_uvc
from hardware.checks import Finding, Health
from hardware.clock import MonotonicClock
from hardware.faults import CameraFault
from recordings.images import resize_image
from tests.hardware.cameras.streams import (
    HEIGHT,
    WIDTH,
    make_video,
    scene,
    scenes,
)
from tests.hardware.fakes import FastClock
from tests.waiting import wait_for

cv2 = pytest.importorskip("cv2")
CLOCK = MonotonicClock()
RED = (255, 0, 0)


def camera(device: Path | str, clock=CLOCK, **changes) -> LiveCamera:
    values = {"width": WIDTH, "height": HEIGHT, "max_age_s": 30.0, "device": str(device)}
    return KIND.make("side", UvcSettings(**{**values, **changes}), clock, 32)


def fault_of(camera: LiveCamera) -> str:
    found: list[str] = []

    def complains() -> bool:
        try:
            camera.read()
        except CameraFault as fault:
            found.append(str(fault))
        return bool(found)

    wait_for(complains)
    return found[0]


def test_pixels_of_a_lossless_video_arrive_bit_for_bit_and_red_stays_red(tmp_path) -> None:
    images = scenes(30)
    for image in images:
        image[:4] = RED
    with camera(make_video(tmp_path / "a.avi", images)) as side:
        picture = side.newest()
    np.testing.assert_array_equal(picture.image, images[picture.number - 1])
    assert tuple(picture.image[0, 0]) == RED


def test_read_resizes_by_the_one_routine(tmp_path) -> None:
    with camera(make_video(tmp_path / "a.avi")) as side:
        frame = side.read()
        number = side.newest().number
    assert frame.captured_s <= frame.arrived_s
    candidates = [resize_image(scene(index), 32) for index in range(number)]
    assert any(np.array_equal(frame.image, picture) for picture in candidates)


def test_numbered_pictures_play_as_a_video(tmp_path) -> None:
    for index in range(20):
        cv2.imwrite(str(tmp_path / f"im_{index}.png"), scene(index)[..., ::-1])
    with camera(tmp_path / "im_%d.png") as side:
        picture = side.newest()
        np.testing.assert_array_equal(picture.image, scene(picture.number - 1))


def test_a_video_keeps_its_own_pace(tmp_path) -> None:
    video = make_video(tmp_path / "a.avi", scenes(60), fps=50.0)
    with camera(video) as side:
        assert side.identity["fps"] == 50.0
        first = side.newest()
        wait_for(lambda: side.newest().number >= first.number + 20)
        last = side.newest()
    # Never faster; a loaded machine may be slower.
    passed_s = last.captured_s - first.captured_s
    assert passed_s > 0.8 * (last.number - first.number) / 50.0


def test_a_video_runs_by_the_clock_given(tmp_path) -> None:
    video = make_video(tmp_path / "a.avi", scenes(100), fps=10.0)
    clock = FastClock(20.0)
    with camera(video, clock, max_age_s=600.0) as side:
        # Five seconds of the video.
        wait_for(lambda: side.newest().number >= 50, within_s=4.0)


def test_the_end_of_a_video_is_a_fault(tmp_path) -> None:
    with camera(make_video(tmp_path / "a.avi", scenes(10))) as side:
        assert "a.avi of camera side has ended" in fault_of(side)


def test_a_camera_that_failed_is_opened_anew_by_connecting(tmp_path) -> None:
    with camera(make_video(tmp_path / "a.avi", scenes(10))) as side:
        reader = side._reader
        side.connect()
        assert side._reader is reader
        fault_of(side)
        side.connect()
        assert side.read().image.any()


def test_a_camera_that_has_stalled_is_opened_anew_by_connecting(tmp_path) -> None:
    with camera(make_video(tmp_path / "a.avi", scenes(10)), loop=True, max_age_s=2.0) as side:
        stalled = side._reader
        stalled.stop()
        wait_for(lambda: not stalled.delivers)
        side.connect()
        assert side._reader is not stalled
        assert side.read().image.any()


def test_a_looped_video_goes_on_and_counts_on(tmp_path) -> None:
    with camera(make_video(tmp_path / "a.avi", scenes(10), fps=100.0), loop=True) as side:
        wait_for(lambda: side.newest().number > 35)


def test_a_missing_video_is_a_fault(tmp_path) -> None:
    with pytest.raises(CameraFault, match="no video file"):
        camera(tmp_path / "none.mp4").connect()


@pytest.mark.parametrize("kept", [0.0, 0.1, 0.6])
def test_a_truncated_video_is_a_fault(tmp_path, kept) -> None:
    whole = make_video(tmp_path / "whole.mp4").read_bytes()
    cut = tmp_path / "cut.mp4"
    cut.write_bytes(whole[: int(len(whole) * kept)])
    with pytest.raises(CameraFault, match=r"cut\.mp4"):
        camera(cut).connect()


def test_a_video_of_another_size_than_set_is_a_fault(tmp_path) -> None:
    with pytest.raises(CameraFault, match=r"64 x 48.*640 x 480"):
        camera(make_video(tmp_path / "a.avi"), width=640, height=480).connect()


def test_a_frozen_picture_is_a_fault(tmp_path) -> None:
    video = make_video(tmp_path / "a.avi", [*scenes(10), *[scene(0)] * 60], fps=60.0)
    with camera(video, frozen_after_s=0.4) as side:
        assert "frozen" in fault_of(side)


def test_a_camera_that_is_not_there_is_a_fault_that_lists_what_is(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(uvc_source, "camera_links", lambda: [Path("/dev/v4l/by-id/usb-C920")])
    with pytest.raises(CameraFault, match="Plugged in: /dev/v4l/by-id/usb-C920"):
        choose_device("side", "/dev/v4l/by-id/usb-C310")


def test_among_several_cameras_none_is_guessed(monkeypatch) -> None:
    links = [Path("/dev/v4l/by-id/a"), Path("/dev/v4l/by-id/b")]
    monkeypatch.setattr(uvc_source, "camera_links", lambda: links)
    with pytest.raises(CameraFault, match="could be any of: /dev/v4l/by-id/a, /dev/v4l/by-id/b"):
        choose_device("side", "")


def test_without_permission_the_group_is_named(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    with pytest.raises(CameraFault, match="usermod -aG video"):
        choose_device("side", str(tmp_path))


class CameraSettings(UvcSettings):
    """A camera, wherever its device lies."""

    is_camera = True


class Device:
    """OpenCV's capture of a device that accepts what is in `accepts`."""

    def __init__(self) -> None:
        self.log: list[int] = []
        self.values: dict[int, float] = {
            cv2.CAP_PROP_FOURCC: cv2.VideoWriter.fourcc(*"YUYV"),
            cv2.CAP_PROP_FRAME_WIDTH: 320,
            cv2.CAP_PROP_FRAME_HEIGHT: 240,
            cv2.CAP_PROP_FPS: 15.0,
        }
        self.refuses: set[int] = set()
        self.stamp_s = time.monotonic
        self.opened = True
        self.silent = False
        self.released = False
        self.index = 0

    def isOpened(self) -> bool:
        return self.opened

    def set(self, what: int, value: float) -> bool:
        self.log.append(what)
        if what not in self.refuses:
            self.values[what] = value
        return True

    def get(self, what: int) -> float:
        return 1000 * self.stamp_s() if what == cv2.CAP_PROP_POS_MSEC else self.values[what]

    def read(self):
        if self.silent:
            return False, None
        self.index += 1
        time.sleep(0.005)
        return True, np.ascontiguousarray(scene(self.index)[..., ::-1])

    def release(self) -> None:
        self.released = True


@pytest.fixture
def device(tmp_path, monkeypatch):
    """A device, and `device.open()` to stream from it."""
    path = tmp_path / "video0"
    path.touch()
    found = Device()
    library = SimpleNamespace(**{n: getattr(cv2, n) for n in dir(cv2) if n.startswith("CAP_")})
    library.VideoWriter, library.__version__ = cv2.VideoWriter, "5.0"
    library.VideoCapture = lambda name, backend: found
    monkeypatch.setattr(uvc_source, "card_name", lambda fd: "HD Pro Webcam C920")
    found.path = path
    monkeypatch.setattr(uvc_source, "load_opencv", lambda: library)

    def open_it(**changes) -> UvcSource:
        values = {"device": str(path), "width": 64, "height": 48, "warm_up_s": 0.0, **changes}
        return open_uvc("side", CameraSettings(**values), CLOCK)

    found.open = open_it
    return found


def test_the_format_is_set_before_the_size_and_the_size_before_the_rate(device) -> None:
    source = device.open()
    assert device.log[:4] == [
        cv2.CAP_PROP_FOURCC,
        cv2.CAP_PROP_FRAME_WIDTH,
        cv2.CAP_PROP_FRAME_HEIGHT,
        cv2.CAP_PROP_FPS,
    ]
    identity = source.identity
    assert (identity["pixel_format"], identity["fps"]) == ("MJPG", 30)
    assert (identity["model"], identity["serial"]) == ("HD Pro Webcam C920", "video0")


@pytest.mark.parametrize("what", ["FOURCC", "FRAME_WIDTH", "FRAME_HEIGHT"])
def test_a_mode_that_the_camera_refuses_is_a_fault(device, what) -> None:
    device.refuses = {getattr(cv2, f"CAP_PROP_{what}")}
    with pytest.raises(CameraFault, match="It was set to MJPG 64 x 48"):
        device.open()
    assert device.released


def test_a_rate_that_the_camera_refuses_is_recorded(device) -> None:
    device.refuses = {cv2.CAP_PROP_FPS}
    assert device.open().identity["fps"] == 15.0


def test_pictures_of_a_device_are_turned_to_rgb_once(device) -> None:
    picture = device.open().next_picture()
    np.testing.assert_array_equal(picture.image, scene(device.index))


def test_stamps_of_the_driver_are_used_if_they_are_on_our_clock(device) -> None:
    device.stamp_s = lambda: time.monotonic() - 0.3
    source = device.open()
    picture = source.next_picture()
    assert source.identity["stamps"] == "driver, monotonic"
    assert 0.3 <= picture.arrived_s - picture.captured_s < 5.0


@pytest.mark.parametrize("stamp_s", [time.time, lambda: 0.0])
def test_other_stamps_are_not_believed(device, stamp_s) -> None:
    device.stamp_s = stamp_s
    source = device.open()
    picture = source.next_picture()
    assert source.identity["stamps"] == "arrival"
    assert picture.captured_s == picture.arrived_s


def test_an_unplugged_camera_is_a_fault(device) -> None:
    source = device.open()
    device.silent = True
    assert source.next_picture() is None
    device.path.unlink()
    with pytest.raises(CameraFault, match="was unplugged"):
        source.next_picture()


def test_a_camera_that_another_program_uses_is_a_fault_that_names_it(device, monkeypatch) -> None:
    monkeypatch.setattr(uvc_source, "holders", lambda path: ["zoom (process 77)"])
    device.opened = False
    with pytest.raises(CameraFault, match=r"zoom \(process 77\) uses it"):
        device.open()


def test_a_setting_that_the_kernel_refuses_is_a_fault(device, monkeypatch) -> None:
    class Refusing:
        def __init__(self, fd: int) -> None: ...

        def has(self, name: str) -> bool:
            raise OSError(errno.EIO, "input/output error")

    monkeypatch.setattr(uvc_source, "V4l2Controls", Refusing)
    with pytest.raises(CameraFault, match="refused a setting"):
        device.open()
    assert device.released


def test_a_wanted_exposure_on_a_camera_without_one_is_a_fault(device) -> None:
    with pytest.raises(CameraFault, match="no control for exposure"):
        device.open(exposure=100)


def test_doctor_checks_a_video_file(tmp_path) -> None:
    video = make_video(tmp_path / "a.avi", scenes(5))
    assert KIND.check(UvcSettings(device=str(video)))[-1].health is Health.OK
    found = KIND.check(UvcSettings(device=str(tmp_path / "none.avi")))
    assert found[-1].health is Health.FAIL
    assert found[0].found == load_opencv().__version__


def test_doctor_hears_of_a_missing_camera() -> None:
    found = KIND.check(UvcSettings(device="/dev/v4l/by-id/none"))
    assert found[-1].health is Health.FAIL
    assert "ptrctl doctor" in found[-1].fix


def doctor(device: Device, **changes) -> dict[str, Finding]:
    values = {"device": str(device.path), "width": 64, "height": 48, **changes}
    return {finding.name: finding for finding in KIND.check(CameraSettings(**values))}


def test_doctor_tries_the_mode_and_warns_of_a_path_that_changes(device) -> None:
    found = doctor(device)
    assert "/dev/v4l/by-id" in found["USB camera's path"].fix
    assert found["USB camera's mode"].health is Health.OK
    assert found["USB camera's mode"].found == "MJPG 64 x 48 at 30"
    assert device.released


def test_doctor_tells_of_a_slower_rate_and_of_a_mode_that_is_refused(device) -> None:
    device.refuses = {cv2.CAP_PROP_FPS}
    assert doctor(device)["USB camera's mode"].health is Health.WARN
    device.refuses = {cv2.CAP_PROP_FOURCC}
    assert doctor(device, fourcc="H264")["USB camera's mode"].health is Health.FAIL


def test_doctor_names_the_program_that_has_the_camera_open(device, monkeypatch) -> None:
    monkeypatch.setattr(uvc, "holders", lambda path: ["zoom (process 77)"])
    assert "zoom" in doctor(device)["USB camera in use"].found
    assert device.log == []


def test_discovery_lists_lasting_paths(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(uvc, "camera_links", lambda: [tmp_path / "a", tmp_path / "metadata"])
    models = {"a": "C920", "metadata": ""}
    monkeypatch.setattr(uvc, "_model", lambda link: models[link.name])
    assert [found.options for found in KIND.discover()] == [{"device": str(tmp_path / "a")}]


@pytest.mark.parametrize("bad", [{"width": 0}, {"fourcc": "H264X"}, {"max_age_s": 0.0}])
def test_impossible_settings_are_refused(bad) -> None:
    with pytest.raises(ValueError, match=r"is|are"):
        UvcSettings(**bad)
