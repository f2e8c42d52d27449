"""A camera that stalls, freezes, restarts or ends stops the arm before anybody is told."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from hardware import registry
from hardware.camera import Camera, CameraFeatures
from hardware.cameras.pattern import PatternSettings
from hardware.clock import MonotonicClock, SimulatedClock
from hardware.kinds import ArmKind
from hardware.loop import ControlLoop, Subscriber
from hardware.registry import CellRequest, make_camera, make_real_cell
from hardware.station import Station
from recordings.records import EndReason, EpisodeEnd, Frame
from tests.hardware.cameras.streams import (
    HEIGHT,
    WIDTH,
    make_realsense_recording,
    make_video,
    scene,
    scenes,
)
from tests.hardware.fakes import FakeRobot, FixedDecider, episode_info

GENTLE = np.array([0.0005, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0])
RATE_HZ = 20.0
LIVE_S = 0.7


def realsense(path: Path, **how) -> Camera:
    """Plays for `LIVE_S`, and then what `how` says."""
    pytest.importorskip("pyrealsense2")
    changes = how.pop("changes", {})
    recording = make_realsense_recording(path / "a.db3", **how)
    return made("realsense", {"recording": str(recording), **changes})


def made(kind: str, values: dict[str, object]) -> Camera:
    request = CellRequest("put_carrot_on_plate", image_size=32, clock=MonotonicClock())
    size = {"width": WIDTH, "height": HEIGHT, "max_age_s": 30.0}
    return make_camera("wrist", {"kind": kind, **size, **values}, request)


def stalled(path: Path) -> Camera:
    times_s = [index / 30 + (1.5 if index / 30 > LIVE_S else 0.0) for index in range(40)]
    return realsense(path, images=scenes(40), times_s=times_s, changes={"max_age_s": 0.6})


def frozen(path: Path) -> Camera:
    images = [*scenes(21), *[scene(21)] * 50]
    return realsense(path, images=images, changes={"frozen_after_s": 0.5})


def restarted(path: Path) -> Camera:
    return realsense(path, images=scenes(60), numbers=[*range(1, 31), *range(1, 31)])


def ended(path: Path) -> Camera:
    return made("uvc", {"device": str(make_video(path / "a.avi", scenes(21)))})


class Witness(Subscriber):
    """Notes when it is told of the end, in the robot's own log."""

    def __init__(self, robot: FakeRobot) -> None:
        self.robot = robot

    def on_end(self, end: EpisodeEnd) -> None:
        self.robot.log.append("told")


@pytest.mark.parametrize(
    ("open_camera", "words"),
    [
        (stalled, "The camera wrist has stalled"),
        (frozen, "The camera wrist is frozen"),
        (restarted, "The camera wrist restarted"),
        (ended, "has ended"),
    ],
)
def test_the_arm_holds_first_and_the_episode_carries_the_words(tmp_path, open_camera, words):
    robot = FakeRobot()
    station = Station(robot, [open_camera(tmp_path)])
    with station:
        loop = ControlLoop(station, RATE_HZ, subscribers=[Witness(robot)])
        end = loop.run_episode(episode_info(), FixedDecider(GENTLE), max_steps=400)
        after = robot.applied
    assert end.reason is EndReason.FAULT
    assert words in end.fault
    assert robot.log == ["connect", "stop hold", "told", "disconnect"]
    assert end.steps == after > 0


def test_the_next_episode_begins_with_the_failed_camera_opened_anew(tmp_path, monkeypatch) -> None:
    robot = FakeRobot()
    kind = ArmKind("fake", "", PatternSettings, lambda *_: (robot, []), list, lambda _: [])
    monkeypatch.setattr(registry, "arm_kind", lambda name: kind)
    values = {
        "kind": "uvc",
        "device": str(make_video(tmp_path / "a.avi", scenes(12))),
        "width": WIDTH,
        "height": HEIGHT,
        "max_age_s": 30.0,
    }
    cell = make_real_cell("fake", CellRequest("anything", cameras={"wrist": values}))
    with cell.station as station:
        for _ in range(2):
            cell.start(None)
            end = ControlLoop(station, RATE_HZ).run_episode(
                episode_info(), FixedDecider(GENTLE), max_steps=400
            )
            assert "has ended" in end.fault
            assert end.steps > 0
    assert robot.log == [
        "connect",
        *["start None", "stop hold"] * 2,
        "disconnect",
    ]


class Stamped:
    """A camera whose stamps lag behind."""

    def __init__(self, name: str, clock: SimulatedClock, lag_s: float) -> None:
        self.features = CameraFeatures(name, 8, 8)
        self.identity = {"kind": "fake"}
        self.clock = clock
        self.lag_s = lag_s

    def connect(self) -> None: ...

    def disconnect(self) -> None: ...

    def read(self) -> Frame:
        now_s = self.clock.now_s()
        return Frame(np.zeros((8, 8, 3), np.uint8), now_s - self.lag_s, now_s)

    def __enter__(self):
        return self

    def __exit__(self, *_: object) -> None: ...


@pytest.mark.parametrize(
    ("lag_s", "reason"), [(0.15, EndReason.TIME_LIMIT), (0.25, EndReason.FAULT)]
)
def test_two_cameras_more_than_a_period_apart_do_not_show_one_moment(lag_s, reason) -> None:
    clock = SimulatedClock()
    robot = FakeRobot()
    cameras = [Stamped("wrist", clock, lag_s), Stamped("side", clock, 0.0)]
    with Station(robot, cameras, clock=clock) as station:
        end = ControlLoop(station, 5.0).run_episode(
            episode_info(), FixedDecider(GENTLE), max_steps=3
        )
    assert end.reason is reason
    if reason is EndReason.FAULT:
        assert "The camera wrist is 0.25 s behind the camera side" in end.fault
        assert robot.log == ["connect", "stop hold", "disconnect"]
