"""The RealSense camera, through a real pipeline that plays back recordings."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pytest

from hardware.cameras.realsense import KIND, RealSenseCamera
from hardware.cameras.realsense_settings import RealSenseSettings
from hardware.checks import Health
from hardware.clock import MonotonicClock
from hardware.faults import CameraFault
from recordings.errors import UsageError
from recordings.images import RESIZE_ROUTINE, resize_image
from tests.hardware.cameras.streams import (
    HEIGHT,
    SERIAL,
    WIDTH,
    make_realsense_recording,
    scene,
    scenes,
)
from tests.waiting import wait_for

rs = pytest.importorskip("pyrealsense2")
CLOCK = MonotonicClock()
RED = (255, 0, 0)


def camera(recording: Path | str, **changes) -> RealSenseCamera:
    values = {"width": WIDTH, "height": HEIGHT, "max_age_s": 30.0, "recording": str(recording)}
    return RealSenseCamera("wrist", RealSenseSettings(**{**values, **changes}), CLOCK, 32)


def fault_of(camera: RealSenseCamera, timeout_s: float = 30.0) -> str:
    """Read until the camera complains; the complaint."""
    deadline_s = time.monotonic() + timeout_s
    while time.monotonic() < deadline_s:
        try:
            camera.read()
        except CameraFault as fault:
            return str(fault)
        time.sleep(0.01)
    raise AssertionError("the camera never complained")


@pytest.fixture(scope="module")
def plain(tmp_path_factory) -> Path:
    return make_realsense_recording(tmp_path_factory.mktemp("rs") / "plain.db3", scenes(45))


@pytest.mark.parametrize("pixel_format", ["rgb8", "bgr8"])
def test_pixels_arrive_bit_for_bit_and_red_stays_red(tmp_path, pixel_format) -> None:
    images = scenes(60)
    for image in images:
        image[:4] = RED
    path = make_realsense_recording(tmp_path / "a.db3", images, pixel_format=pixel_format)
    seen = {}
    with camera(path) as wrist:
        while len(seen) < 5:
            picture = wrist.newest()
            seen[picture.number] = picture.image
    for number, image in seen.items():
        np.testing.assert_array_equal(image, images[number - 1])
        assert tuple(image[0, 0]) == RED


def test_read_gives_the_newest_picture_resized_by_the_one_routine(plain) -> None:
    with camera(plain) as wrist:
        frame = wrist.read()
        number = wrist.newest().number
    candidates = [resize_image(scene(index), 32) for index in range(number)]
    assert any(np.array_equal(frame.image, picture) for picture in candidates)
    assert frame.captured_s <= frame.arrived_s <= CLOCK.now_s()


def test_depth_comes_in_metres_with_the_colour_picture(tmp_path) -> None:
    depth_mm = [500 + 10 * index for index in range(30)]
    path = make_realsense_recording(tmp_path / "a.db3", scenes(30), depth_mm=depth_mm)
    with camera(path, depth=True) as wrist:
        depth = wrist.read_depth()
        picture = wrist.newest()
    assert depth.depth_m.shape == (HEIGHT, WIDTH)
    assert depth.depth_m.dtype == np.float32
    assert round(float(depth.depth_m[0, 0]) * 1000) in depth_mm
    assert depth.captured_s <= depth.arrived_s
    known = picture.depth_m > 0
    # The library's alignment leaves a few holes.
    assert known.mean() > 0.9
    np.testing.assert_allclose(
        picture.depth_m[known], depth_mm[picture.number - 1] / 1000, rtol=1e-6
    )


def test_depth_that_is_off_is_a_fault_that_names_the_setting(plain) -> None:
    with camera(plain) as wrist, pytest.raises(CameraFault, match="depth = true"):
        wrist.read_depth()


@pytest.mark.parametrize("domain", ["hardware_clock", "system_time", "global_time"])
def test_stamps_of_every_clock_keep_their_distances_on_ours(tmp_path, domain) -> None:
    path = make_realsense_recording(tmp_path / "a.db3", scenes(80), domain=domain)
    seen = {}
    with camera(path) as wrist:
        assert wrist.identity["stamps"] == domain
        while len(seen) < 5:
            picture = wrist.newest()
            seen[picture.number] = picture
    for picture in seen.values():
        assert picture.captured_s <= picture.arrived_s
    first, last = min(seen), max(seen)
    # The offset may still be learned by some pictures; it only ever becomes smaller.
    passed_s = seen[last].captured_s - seen[first].captured_s
    assert passed_s <= (last - first) / 30 + 0.005


def test_its_identity_tells_what_a_recording_needs(plain) -> None:
    with camera(plain) as wrist:
        identity = dict(wrist.identity)
    assert identity == {
        "kind": "realsense",
        "model": "Software D435",
        "serial": SERIAL,
        "firmware": "5.16.0.1",
        "usb_type": "3.2",
        "native_width": WIDTH,
        "native_height": HEIGHT,
        "fps": 30,
        "pixel_format": "rgb8",
        "stamps": "global_time",
        "depth": False,
        "resize": RESIZE_ROUTINE,
        "recording": "plain.db3",
    }


def test_usb_2_is_noticed(tmp_path) -> None:
    path = make_realsense_recording(tmp_path / "a.db3", scenes(20), usb_type="2.1")
    with camera(path) as wrist:
        assert "USB 2" in wrist.identity["warning"]


def test_without_a_camera_it_says_so_instead_of_waiting_for_one() -> None:
    if len(rs.context().query_devices()):
        pytest.skip("a RealSense camera is plugged in")
    with pytest.raises(CameraFault, match=r"not there. Plugged in: no RealSense camera"):
        camera("", serial="").connect()
    with pytest.raises(CameraFault, match="serial number 999"):
        camera("", serial="999").connect()


def test_a_recording_of_another_camera_is_refused(plain) -> None:
    with pytest.raises(CameraFault, match=f"comes from the camera {SERIAL}.*999"):
        camera(plain, serial="999").connect()


def test_a_missing_recording_is_a_fault(tmp_path) -> None:
    with pytest.raises(CameraFault, match="cannot play back"):
        camera(tmp_path / "none.db3").connect()


@pytest.mark.parametrize("kept", [0.0, 0.01, 0.5, 0.97])
def test_a_truncated_recording_is_a_fault(tmp_path, plain, kept) -> None:
    whole = plain.read_bytes()
    path = tmp_path / "cut.db3"
    path.write_bytes(whole[: int(len(whole) * kept)])
    with pytest.raises(CameraFault, match=r"cut.db3.*cannot be read"):
        camera(path).connect()


def test_the_end_of_a_recording_is_a_fault(plain) -> None:
    with camera(plain) as wrist:
        assert "plain.db3 that the camera wrist plays back has ended" in fault_of(wrist)


def test_a_picture_of_another_size_than_set_is_a_fault(plain) -> None:
    with pytest.raises(CameraFault, match=f"{WIDTH} x {HEIGHT}.*640 x 480"):
        camera(plain, width=640, height=480).connect()


@pytest.mark.parametrize(
    ("numbers", "words"),
    [
        ([*range(1, 31), *range(1, 31)], "restarted"),
        ([*range(1, 31), *range(5001, 5031)], "jumped"),
    ],
)
def test_frame_numbers_that_restart_or_jump_are_a_fault(tmp_path, numbers, words) -> None:
    path = make_realsense_recording(tmp_path / "a.db3", scenes(60), numbers=numbers)
    with camera(path) as wrist:
        assert words in fault_of(wrist)


def test_a_frozen_picture_is_a_fault(tmp_path) -> None:
    images = [*scenes(15), *[scene(15)] * 45]
    path = make_realsense_recording(tmp_path / "a.db3", images)
    with camera(path, frozen_after_s=0.5) as wrist:
        assert "frozen" in fault_of(wrist)


def test_a_stall_is_a_fault_while_it_lasts(tmp_path) -> None:
    times_s = [index / 30 + (2.0 if index >= 20 else 0.0) for index in range(80)]
    path = make_realsense_recording(tmp_path / "a.db3", scenes(80), times_s=times_s)
    with camera(path, max_age_s=0.8) as wrist:
        assert "has stalled" in fault_of(wrist)

        def sees_again() -> bool:
            try:
                return wrist.newest().number > 20
            except CameraFault:
                return False

        wait_for(sees_again)


def test_a_slow_reader_still_gets_the_newest_picture(tmp_path) -> None:
    """More pictures pass than the library has buffers for, without one being read."""
    path = make_realsense_recording(tmp_path / "a.db3", scenes(60))
    with camera(path) as wrist:
        reader = wrist._reader
        wait_for(lambda: reader._fault is not None)
        assert reader._picture.number == 60


def test_it_can_be_connected_again(plain) -> None:
    wrist = camera(plain)
    for _ in range(2):
        with wrist:
            wrist.connect()
            assert wrist.read().image.shape == (32, 32, 3)
    wrist.disconnect()
    with pytest.raises(CameraFault, match="not connected"):
        wrist.read()


def test_doctor_hears_of_a_missing_camera_and_of_a_recording(plain, tmp_path) -> None:
    findings = {finding.name: finding for finding in KIND.check(RealSenseSettings(serial="999"))}
    assert findings["pyrealsense2"].health is Health.OK
    assert findings["RealSense camera"].health is Health.FAIL
    assert "ptrctl doctor" in findings["RealSense camera"].fix
    for path, health in ((plain, Health.OK), (tmp_path / "none.db3", Health.FAIL)):
        found = KIND.check(RealSenseSettings(recording=str(path)))
        assert found[-1].health is health


def test_discovering_never_fails() -> None:
    assert all("serial" in found.options for found in KIND.discover())


@pytest.mark.parametrize("bad", [{"fps": 0}, {"max_age_s": 0.0}, {"warm_up_s": -1.0}])
def test_impossible_settings_are_refused(bad) -> None:
    with pytest.raises((ValueError, UsageError)):
        RealSenseSettings(**bad)
