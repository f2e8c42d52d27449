"""Recorded streams in the place of cameras: RealSense recordings and video files."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from recordings.records import ImageArray

WIDTH, HEIGHT = 64, 48
SERIAL = "012345678901"


def scene(index: int, height: int = HEIGHT, width: int = WIDTH) -> ImageArray:
    """A colourful picture, (height, width, 3) uint8, with a block that wanders with `index`."""
    rng = np.random.default_rng(index)
    image = np.zeros((height, width, 3), np.uint8)
    image[..., 0] = np.linspace(20, 230, width, dtype=np.uint8)
    image[..., 1] = np.linspace(20, 230, height, dtype=np.uint8)[:, None]
    image[..., 2] = rng.integers(60, 90, (height, width), dtype=np.uint8)
    left = (3 * index) % (width - width // 4)
    image[height // 3 : 2 * height // 3, left : left + width // 4] = (240, 30, 200)
    return image


def scenes(count: int, height: int = HEIGHT, width: int = WIDTH) -> list[ImageArray]:
    """The first `count` pictures of `scene`."""
    return [scene(index, height, width) for index in range(count)]


def make_realsense_recording(
    path: Path,
    images: Sequence[ImageArray],
    *,
    fps: int = 30,
    depth_mm: Sequence[int] | None = None,
    numbers: Sequence[int] | None = None,
    times_s: Sequence[float] | None = None,
    domain: str = "global_time",
    pixel_format: str = "rgb8",
    usb_type: str = "3.2",
    first_stamp_s: float = 1_700_000_000.0,
) -> Path:
    """Record pictures from a software device, as the RealSense library would from a camera.

    Args:
        path: Ends in .db3.
        images: (H, W, 3) uint8 RGB each.
        fps: Pictures a second.
        depth_mm: One depth for each whole picture; None records no depth.
        numbers: Frame numbers, 1, 2, 3, ... by default.
        times_s: When each picture comes after the start; by default evenly at `fps`.
        domain: Of the stamps: "hardware_clock", "system_time" or "global_time".
        pixel_format: "rgb8" or "bgr8".
        usb_type: As the camera reports it.
        first_stamp_s: The first picture's stamp, on the clock that `domain` names.
    """
    height, width = images[0].shape[:2]
    numbers = numbers or range(1, len(images) + 1)
    times_s = times_s or [index / fps for index in range(len(images))]
    stream = _Stream(width, height, fps, domain, pixel_format, usb_type)
    stamps_ms = [(first_stamp_s + time_s) * 1000 for time_s in times_s]
    # Everything of the library is gone when this returns: only then is the file complete.
    _record(path, stream, images, depth_mm, numbers, stamps_ms)
    _set_recorded_times(path, times_s)
    return path


@dataclass(frozen=True)
class _Stream:
    width: int
    height: int
    fps: int
    domain: str
    pixel_format: str
    usb_type: str


def _record(
    path: Path,
    form: _Stream,
    images: Sequence[ImageArray],
    depth_mm: Sequence[int] | None,
    numbers: Sequence[int],
    stamps_ms: Sequence[float],
) -> None:
    import pyrealsense2 as rs

    width, height = form.width, form.height
    device = rs.software_device()
    device.register_info(rs.camera_info.name, "Software D435")
    device.register_info(rs.camera_info.serial_number, SERIAL)
    device.register_info(rs.camera_info.firmware_version, "5.16.0.1")
    device.register_info(rs.camera_info.usb_type_descriptor, form.usb_type)

    def stream(kind: Any, uid: int, pixel_format: Any, size: int) -> Any:
        wanted = rs.video_stream()
        wanted.type, wanted.index, wanted.uid, wanted.fmt = kind, 0, uid, pixel_format
        wanted.width, wanted.height, wanted.fps, wanted.bpp = width, height, form.fps, size
        intrinsics = rs.intrinsics()
        intrinsics.width, intrinsics.height = width, height
        intrinsics.ppx, intrinsics.ppy, intrinsics.fx, intrinsics.fy = (
            width / 2,
            height / 2,
            width,
            width,
        )
        intrinsics.model, intrinsics.coeffs = rs.distortion.none, [0.0] * 5
        wanted.intrinsics = intrinsics
        return wanted

    color_sensor = device.add_sensor("RGB Camera")
    color = color_sensor.add_video_stream(
        stream(rs.stream.color, 0, getattr(rs.format, form.pixel_format), 3)
    )
    if depth_mm is not None:
        depth_sensor = device.add_sensor("Stereo Module")
        depth_sensor.add_read_only_option(rs.option.depth_units, 0.001)
        depth = depth_sensor.add_video_stream(stream(rs.stream.depth, 1, rs.format.z16, 2))
        same_place = rs.extrinsics()
        same_place.rotation, same_place.translation = [1, 0, 0, 0, 1, 0, 0, 0, 1], [0, 0, 0]
        depth.register_extrinsics_to(color, same_place)
    recorder = rs.recorder(str(path), device)
    sensors = recorder.query_sensors()
    queue = rs.frame_queue(len(images) * 2)
    for sensor in sensors:
        sensor.open(sensor.get_stream_profiles()[0])
        sensor.start(queue)

    def feed(sensor: Any, pixels: Any, profile: Any, index: int, size: int) -> None:
        frame = rs.software_video_frame()
        frame.pixels, frame.stride, frame.bpp = pixels, width * size, size
        frame.timestamp = stamps_ms[index]
        frame.domain = getattr(rs.timestamp_domain, form.domain)
        frame.frame_number = numbers[index]
        frame.profile = profile.as_video_stream_profile()
        if size == 2:
            frame.depth_units = 0.001
        sensor.on_video_frame(frame)

    for index, image in enumerate(images):
        pixels = image if form.pixel_format == "rgb8" else np.ascontiguousarray(image[..., ::-1])
        feed(color_sensor, pixels, color, index, 3)
        if depth_mm is not None:
            flat = np.full((height, width), depth_mm[index], np.uint16)
            feed(depth_sensor, flat, depth, index, 2)
        # The device drops pictures that come faster than they are handed on.
        for _ in sensors:
            queue.wait_for_frame(20_000)
    for sensor in sensors:
        sensor.stop()
        sensor.close()


def _set_recorded_times(path: Path, times_s: Sequence[float]) -> None:
    """Playback goes by the times at which messages were recorded, which are rewritten here."""
    with sqlite3.connect(path) as database:
        topics = database.execute("SELECT id FROM topics WHERE name LIKE '%/image/%'").fetchall()
        for (topic,) in topics:
            rows = database.execute(
                "SELECT id FROM messages WHERE topic_id = ? ORDER BY timestamp, id", (topic,)
            ).fetchall()
            assert len(rows) == len(times_s), "the recorder dropped frames"
            for (message,), time_s in zip(rows, times_s, strict=True):
                database.execute(
                    "UPDATE messages SET timestamp = ? WHERE id = ?",
                    (1_000_000 + int(time_s * 1e9), message),
                )
    database.close()


def make_video(
    path: Path, images: Sequence[ImageArray] | None = None, *, fps: float = 30.0
) -> Path:
    """Write pictures as a video; lossless (FFV1) in an .avi file, MPEG-4 in an .mp4 file.

    Args:
        path: Ends in .avi or .mp4.
        images: (H, W, 3) uint8 RGB each; 60 pictures of `scene` by default.
        fps: Pictures a second.
    """
    import cv2

    images = images or scenes(60)
    height, width = images[0].shape[:2]
    code = cv2.VideoWriter.fourcc(*("FFV1" if path.suffix == ".avi" else "mp4v"))
    writer = cv2.VideoWriter(str(path), code, fps, (width, height))
    assert writer.isOpened()
    for image in images:
        writer.write(np.ascontiguousarray(image[..., ::-1]))
    writer.release()
    return path
