"""Talking to the kernel about video devices."""

from __future__ import annotations

import errno
import os
import struct

import pytest

from hardware.cameras import v4l2
from hardware.cameras.lock import Wanted, lock_picture
from hardware.cameras.v4l2 import V4l2Controls, camera_links, card_name, holders
from tests.hardware.cameras.streams import scene


class Kernel:
    """Answers ioctls as the kernel's uvcvideo does, for the controls that it has."""

    def __init__(self) -> None:
        self.controls = {
            0x009A0901: [3, 0, 3],  # automatic exposure, menu
            0x009A0902: [250, 3, 2047],  # absolute exposure
            0x0098090C: [1, 0, 1],  # automatic white balance
            0x0098091A: [4000, 2000, 6500],  # white balance
        }
        self.capabilities = 0x04200001

    def __call__(self, fd: int, request: int, data: bytearray) -> None:
        if request == v4l2.QUERY_CAPABILITY:
            struct.pack_into("=16s32s", data, 0, b"uvcvideo", b"HD Pro Webcam C920")
            struct.pack_into("=I", data, 84, 0x84A00001)
            struct.pack_into("=I", data, 88, self.capabilities)
            return
        (control,) = struct.unpack_from("=I", data)
        if control not in self.controls:
            raise OSError(errno.EINVAL, "no such control")
        value, low, high = self.controls[control]
        if request == v4l2.QUERY_CONTROL:
            struct.pack_into("=32siiiiI", data, 8, b"name", low, high, 1, value, 0)
        elif request == v4l2.GET_CONTROL:
            struct.pack_into("=i", data, 4, value)
        elif request == v4l2.SET_CONTROL:
            self.controls[control][0] = struct.unpack_from("=i", data, 4)[0]
        else:
            raise OSError(errno.ENOTTY, "unknown request")


def test_requests_are_numbered_as_in_the_kernel() -> None:
    """Source: the values that strace prints for v4l2-ctl on x86_64 and arm64."""
    assert v4l2.QUERY_CAPABILITY == 0x80685600
    assert v4l2.GET_CONTROL == 0xC008561B
    assert v4l2.SET_CONTROL == 0xC008561C
    assert v4l2.QUERY_CONTROL == 0xC0445624


def test_controls_are_read_and_set() -> None:
    kernel = Kernel()
    controls = V4l2Controls(3, kernel)
    assert controls.get("auto_exposure") == 1.0
    controls.set("auto_exposure", 0)
    assert kernel.controls[0x009A0901][0] == 1
    assert controls.get("auto_exposure") == 0.0
    assert controls.limits("auto_exposure") == (0.0, 1.0)
    assert controls.limits("exposure") == (3.0, 2047.0)
    controls.set("exposure", 120.4)
    assert controls.get("exposure") == 120.0
    assert not controls.has("focus")


def test_a_disabled_control_counts_as_missing() -> None:
    def disabled(fd: int, request: int, data: bytearray) -> None:
        struct.pack_into("=I", data, 56, 0x0001)

    assert not V4l2Controls(3, disabled).has("exposure")


def test_other_errors_of_a_device_are_not_taken_for_a_missing_control() -> None:
    def gone(fd: int, request: int, data: bytearray) -> None:
        raise OSError(errno.ENODEV, "unplugged")

    with pytest.raises(OSError, match="unplugged"):
        V4l2Controls(3, gone).has("exposure")


def test_a_camera_is_locked_through_them() -> None:
    kernel = Kernel()
    fixed = lock_picture(
        "side", V4l2Controls(3, kernel), Wanted(), lambda: None, lambda: scene(0), 30.0
    )
    assert kernel.controls[0x009A0901][0] == 1
    assert kernel.controls[0x0098090C][0] == 0
    assert fixed["exposure"] == 250.0
    assert fixed["focus"] is None


def test_a_metadata_node_is_no_camera() -> None:
    kernel = Kernel()
    assert card_name(3, kernel) == "HD Pro Webcam C920"
    kernel.capabilities = 0x04A00000
    assert card_name(3, kernel) == ""


def test_each_camera_has_one_lasting_path(tmp_path) -> None:
    for number in range(6):
        (tmp_path / f"video{number}").touch()
    links = {
        "by-id/usb-C920-video-index0": 0,
        "by-id/usb-C920-video-index1": 1,
        "by-path/pci-usb-0:1-video-index0": 0,
        # A second camera without a serial number of its own shares the first one's by-id name.
        "by-path/pci-usb-0:2-video-index0": 2,
        "by-path/pci-usb-0:2-video-index1": 3,
    }
    for name, number in links.items():
        link = tmp_path / "v4l" / name
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(tmp_path / f"video{number}")
    found = [path.name for path in camera_links(tmp_path / "v4l")]
    assert found == ["usb-C920-video-index0", "pci-usb-0:2-video-index0"]
    assert camera_links(tmp_path / "nothing") == []


def test_processes_that_have_a_device_open_are_named(tmp_path) -> None:
    device = tmp_path / "video0"
    device.touch()
    for process, target in (("77", device), ("78", tmp_path), (str(os.getpid()), device)):
        folder = tmp_path / "proc" / process
        (folder / "fd").mkdir(parents=True)
        (folder / "comm").write_text("zoom\n")
        (folder / "fd" / "3").symlink_to(target)
    assert holders(device, tmp_path / "proc") == ["zoom (process 77)"]
