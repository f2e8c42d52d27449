"""Pictures of the Bridge server: colours, sizes, stamps, and a camera that has stopped."""

from __future__ import annotations

import numpy as np
import pytest

from hardware.bridge.camera import BridgeCamera, decode_full, decode_small
from hardware.bridge.client import BridgeClient
from hardware.faults import CameraFault
from recordings.images import resize_image
from tests.hardware.fakes import FastClock
from tests.hardware.peers.bridge import open_server
from tests.hardware.peers.bridge_arm import picture


@pytest.fixture
def server():
    with open_server(factor=10.0) as server:
        yield server


def camera_of(server, full_image: bool = True, size: int = 32, frozen_after_s: float = 0.6):
    client = BridgeClient("127.0.0.1", server.port, FastClock(10.0), 10.0)
    return BridgeCamera(
        "over_shoulder",
        client,
        "/blue/image_raw",
        size,
        max_age_s=0.0,
        frozen_after_s=frozen_after_s,
        full_image=full_image,
    )


@pytest.mark.parametrize("full_image", [True, False])
def test_red_is_red_whichever_picture_is_taken(server, full_image) -> None:
    with camera_of(server, full_image) as camera:
        frame = camera.read()
    assert frame.image.shape == (32, 32, 3)
    assert frame.image.dtype == np.uint8
    red, green, blue = frame.image[4, 4]
    assert red > 200
    assert green < 60
    assert blue < 70


def test_the_whole_picture_goes_through_the_one_resize_routine(server) -> None:
    with camera_of(server, size=48) as camera:
        image = camera.read().image
    jpeg, _ = picture(server.arm.pictures, 8)
    np.testing.assert_array_equal(image, resize_image(decode_full(jpeg), 48))


def test_a_small_picture_comes_back_to_the_very_values() -> None:
    rng = np.random.default_rng(0)
    image = rng.integers(0, 256, (16, 16, 3), dtype=np.uint8)
    sent = np.float32(image.transpose(2, 0, 1).reshape(1, -1)) / 255.0
    np.testing.assert_array_equal(decode_small(sent), image)


@pytest.mark.parametrize(
    "damaged",
    [
        np.zeros((1, 13), np.float32),
        np.zeros((0, 12), np.float32),
        np.zeros(12, np.float32),
        np.full((1, 12), np.nan, np.float32),
        np.zeros((1, 12), np.uint8),
    ],
)
def test_a_small_picture_that_is_none_is_a_camera_fault(damaged) -> None:
    with pytest.raises(CameraFault, match="cannot be read"):
        decode_small(damaged)


@pytest.mark.parametrize("cut", [0, 10, 2000])
def test_a_truncated_jpeg_is_a_camera_fault(cut) -> None:
    jpeg, _ = picture(1, 8)
    with pytest.raises(CameraFault, match="cannot be read"):
        decode_full(jpeg[:cut])


def test_a_jpeg_that_claims_to_be_gigantic_is_a_camera_fault() -> None:
    jpeg = bytearray(picture(1, 8)[0])
    header = jpeg.index(b"\xff\xc0")
    jpeg[header + 5 : header + 9] = b"\xff\x00\xff\x00"  # Its height and width.
    with pytest.raises(CameraFault, match="cannot be read"):
        decode_full(bytes(jpeg))


def test_a_frame_is_stamped_with_the_request_since_the_server_tells_no_time(server) -> None:
    server.latency_s = (0.5, 0.5)
    with camera_of(server) as camera:
        frame = camera.read()
    assert frame.arrived_s - frame.captured_s >= 0.5


def look(camera: BridgeCamera, times: int) -> None:
    """Read at the control rate."""
    clock = FastClock(10.0)
    for _ in range(times):
        camera.read()
        clock.wait_until_s(clock.now_s() + 0.2)


def test_a_frozen_picture_is_reported_and_a_changing_one_is_not(server) -> None:
    with camera_of(server) as camera:
        look(camera, 5)
        server.arm.frozen = True
        with pytest.raises(CameraFault, match="has not changed") as caught:
            look(camera, 20)
        assert "/blue/image_raw" in caught.value.try_next
        server.arm.frozen = False
        camera.read()


def test_a_frozen_picture_is_accepted_when_the_profile_says_so(server) -> None:
    server.arm.frozen = True
    with camera_of(server, frozen_after_s=0.0) as camera:
        look(camera, 6)


def test_a_closed_camera_gives_no_picture(server) -> None:
    camera = camera_of(server)
    with pytest.raises(CameraFault, match="not connected"):
        camera.read()
    with camera:
        camera.read()
    camera.disconnect()
    with pytest.raises(CameraFault, match="not connected"):
        camera.read()
