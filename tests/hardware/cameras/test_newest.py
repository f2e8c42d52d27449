"""The thread that keeps the newest picture."""

from __future__ import annotations

import queue
import threading

import pytest

from hardware.cameras.newest import NewestPicture, Picture
from hardware.cameras.watch import PictureWatch
from hardware.clock import MonotonicClock
from hardware.faults import CameraFault
from recordings.errors import SystemSetupError
from tests.hardware.cameras.streams import HEIGHT, WIDTH, scene
from tests.waiting import wait_for

CLOCK = MonotonicClock()


class QueueSource:
    """Delivers what a test puts into its queue; an exception is raised."""

    def __init__(self) -> None:
        self.identity = {"kind": "queue"}
        self.queue: queue.Queue[object] = queue.Queue()
        self.closed_by = ""
        self.number = 0

    def put(self) -> None:
        self.number += 1
        now_s = CLOCK.now_s()
        self.queue.put(Picture(scene(self.number), self.number, now_s, now_s))

    def next_picture(self):
        try:
            found = self.queue.get(timeout=0.02)
        except queue.Empty:
            return None
        if isinstance(found, Exception):
            raise found
        return found

    def close(self) -> None:
        self.closed_by = threading.current_thread().name


@pytest.fixture
def source():
    return QueueSource()


@pytest.fixture
def reader(source):
    watch = PictureWatch("wrist", HEIGHT, WIDTH, max_age_s=30.0)
    reader = NewestPicture("wrist", source, watch, CLOCK)
    yield reader
    reader.stop()


def test_only_the_newest_picture_is_kept(source, reader) -> None:
    for _ in range(50):
        source.put()
    wait_for(source.queue.empty)
    reader.wait_for_first(10.0)
    wait_for(lambda: reader.newest().number == 50)


def test_it_waits_for_the_first_picture(source, reader) -> None:
    threading.Timer(0.05, source.put).start()
    reader.wait_for_first(10.0)
    assert reader.newest().number == 1


def test_a_stream_that_has_stalled_no_longer_delivers(source) -> None:
    stalls = PictureWatch("wrist", HEIGHT, WIDTH, max_age_s=0.3)
    reader = NewestPicture("wrist", source, stalls, CLOCK)
    source.put()
    reader.wait_for_first(10.0)
    wait_for(lambda: not reader.delivers)
    wait_for(lambda: source.put() or reader.delivers)
    reader.stop()


def test_no_first_picture_is_a_fault(reader) -> None:
    with pytest.raises(CameraFault, match="no picture within"):
        reader.wait_for_first(0.05)


def test_a_fault_is_handed_on_with_its_kind_and_words_every_time(source, reader) -> None:
    source.put()
    reader.wait_for_first(10.0)
    source.queue.put(SystemSetupError("The library is gone.", "", "Install it."))
    wait_for(lambda: source.closed_by != "")
    for _ in range(2):
        with pytest.raises(SystemSetupError, match="library is gone") as caught:
            reader.newest()
        assert caught.value.try_next == "Install it."


def test_an_unexpected_error_becomes_a_camera_fault_that_names_it(source, reader) -> None:
    source.queue.put(RuntimeError("bad file descriptor"))
    with pytest.raises(CameraFault, match="RuntimeError: bad file descriptor"):
        reader.wait_for_first(10.0)


def test_every_picture_is_watched_not_only_those_that_are_read(source, reader) -> None:
    source.put()
    source.number = 7
    source.put()
    source.number = 3
    source.put()
    wait_for(lambda: source.closed_by != "")
    with pytest.raises(CameraFault, match="restarted"):
        reader.newest()


def test_a_stalled_camera_recovers_when_pictures_come_again(source) -> None:
    now_s = 50.0

    class Clock:
        def now_s(self) -> float:
            return now_s

    watch = PictureWatch("wrist", HEIGHT, WIDTH)
    reader = NewestPicture("wrist", source, watch, Clock())
    source.queue.put(Picture(scene(0), 0, 50.0, 50.0))
    reader.wait_for_first(10.0)
    now_s = 51.0
    with pytest.raises(CameraFault, match="stalled"):
        reader.newest()
    source.queue.put(Picture(scene(1), 1, 51.0, 51.0))
    wait_for(source.queue.empty)
    wait_for(lambda: reader._picture.number == 1)
    assert reader.newest().number == 1
    reader.stop()


def test_stopping_ends_the_thread_which_closes_the_source_itself(source, reader) -> None:
    source.put()
    reader.wait_for_first(10.0)
    assert reader.stop()
    assert reader.stop()
    assert source.closed_by == "camera wrist"


def test_a_driver_that_hangs_does_not_hang_the_program() -> None:
    let_go = threading.Event()

    class Hanging(QueueSource):
        def next_picture(self):
            let_go.wait(30.0)

    source = Hanging()
    watch = PictureWatch("wrist", HEIGHT, WIDTH)
    reader = NewestPicture("wrist", source, watch, CLOCK)
    assert not reader.stop(timeout_s=0.05)
    let_go.set()
    assert reader.stop()
    assert source.closed_by
