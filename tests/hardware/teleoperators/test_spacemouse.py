"""HID reports of a SpaceMouse to readings."""

from __future__ import annotations

import struct
from collections import deque

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hardware.faults import LostConnection
from hardware.teleoperator import Button, Rate
from hardware.teleoperators import spacemouse
from hardware.teleoperators.buttons import ButtonMap, ButtonPanel
from hardware.teleoperators.spacemouse import Cap, SpaceMouse, SpaceMouseSettings
from recordings.errors import RobotError, SystemSetupError


class FakeDevice:
    """An open device of hidapi, whose reports are laid into `reports`."""

    def __init__(self) -> None:
        self.reports: deque[bytes] = deque()
        self.gone = False
        self.closed = False

    def read(self, size: int) -> list[int]:
        if self.gone:
            raise OSError("read error")
        return list(self.reports.popleft()) if self.reports else []

    def close(self) -> None:
        self.closed = True


class Desk:
    """A SpaceMouse that is plugged in, and a clock."""

    def __init__(self, **settings: object) -> None:
        self.device = FakeDevice()
        self.now_s = 100.0
        self.mouse = SpaceMouse(
            SpaceMouseSettings(**settings),  # type: ignore[arg-type]
            lambda serial: self.device,
            lambda: self.now_s,
        )
        self.mouse.connect()

    def feed(self, *reports: bytes) -> None:
        self.device.reports.extend(reports)

    def rate(self) -> list[float]:
        motion = self.mouse.read().motion
        assert isinstance(motion, Rate)
        return [round(float(value), 6) + 0.0 for value in motion.values]


def translation(x: int, y: int, z: int) -> bytes:
    return b"\x01" + struct.pack("<3h", x, y, z)


def rotation(x: int, y: int, z: int) -> bytes:
    return b"\x02" + struct.pack("<3h", x, y, z)


def both(*six: int) -> bytes:
    return b"\x01" + struct.pack("<6h", *six)


def buttons(*numbers: int) -> bytes:
    return b"\x03" + struct.pack("<I", sum(1 << number for number in numbers))


@pytest.mark.parametrize(
    ("push", "direction", "sign"),
    [
        ((0, -350, 0), 0, 1),  # Away from the person is ahead.
        ((-350, 0, 0), 1, 1),  # To the left.
        ((0, 0, -350), 2, 1),  # Pulled up.
        ((0, 350, 0), 0, -1),
        ((350, 0, 0), 1, -1),
        ((0, 0, 350), 2, -1),
    ],
)
def test_pushes_and_turns_go_where_ros_points_in_both_layouts(
    push: tuple[int, int, int], direction: int, sign: int
) -> None:
    old, new = Desk(), Desk()
    old.feed(translation(*push), rotation(*push))
    new.feed(both(*push, *push))
    expected = [0.0] * 6
    expected[direction] = expected[3 + direction] = float(sign)
    assert old.rate() == expected
    assert new.rate() == expected


def test_the_dead_zone_is_left_continuously() -> None:
    desk = Desk(dead_zone=0.2)
    desk.feed(translation(0, -69, 0))
    assert desk.rate()[0] == 0.0
    desk.feed(translation(0, -71, 0))
    assert 0.0 < desk.rate()[0] < 0.01


def test_a_report_beyond_full_scale_is_a_full_push() -> None:
    desk = Desk()
    desk.feed(translation(0, -32768, 0))
    assert desk.rate()[0] == 1.0


def test_a_cap_at_rest_is_fresh_and_one_that_is_pushed_but_silent_is_not() -> None:
    desk = Desk()
    desk.now_s += 5.0
    assert desk.mouse.read().received_s == desk.now_s
    desk.feed(translation(0, -200, 0))
    desk.mouse.read()
    pushed_s = desk.now_s
    desk.now_s += 1.0
    assert desk.mouse.read().received_s == pushed_s
    desk.feed(translation(0, 0, 0))
    desk.now_s += 1.0
    assert desk.mouse.read().received_s == desk.now_s


def test_buttons_toggle_the_gripper_and_decide_over_the_episode() -> None:
    desk = Desk()
    desk.feed(buttons(0), buttons(0), buttons(), buttons(1))
    assert desk.mouse.read().pressed == (Button.GRIPPER, Button.START, Button.STOP)
    assert desk.mouse.read().pressed == ()


def test_a_clutch_button_must_be_held() -> None:
    desk = Desk(buttons="1=clutch")
    assert not desk.mouse.read().engaged
    assert desk.mouse.read().words == "hold button 1"
    desk.feed(buttons(1))
    assert desk.mouse.read().engaged


def test_turning_can_be_switched_off() -> None:
    desk = Desk(rotate=False)
    desk.feed(both(0, -350, 0, 350, 350, 350))
    assert desk.rate() == [1, 0, 0, 0, 0, 0]


def test_unplugging_is_an_error_and_the_last_push_is_forgotten() -> None:
    desk = Desk()
    desk.feed(translation(0, -350, 0))
    assert desk.rate()[0] == 1.0
    desk.device.gone = True
    with pytest.raises(LostConnection, match="SpaceMouse is gone"):
        desk.mouse.read()
    assert desk.device.closed
    with pytest.raises(LostConnection, match="not connected"):
        desk.mouse.read()
    desk.device.gone = False
    desk.mouse.connect()
    assert desk.rate() == [0.0] * 6


def test_an_episode_begins_without_what_was_pressed_before() -> None:
    desk = Desk()
    desk.feed(buttons(0))
    desk.mouse.begin()
    assert desk.mouse.read().pressed == ()


def test_disconnecting_twice_is_allowed() -> None:
    desk = Desk()
    desk.mouse.disconnect()
    desk.mouse.disconnect()


@given(st.lists(st.binary(max_size=20), max_size=20))
def test_no_report_however_damaged_leaves_the_range(reports: list[bytes]) -> None:
    cap = Cap(ButtonPanel(ButtonMap.parse("0=gripper")))
    for report in reports:
        cap.feed(report)
    values = cap.rate(0.1)
    assert np.isfinite(values).all()
    assert np.abs(values).max() <= 1.0


class FakeLibrary:
    """The part of hidapi's module that is used."""

    def __init__(self, *found: dict[str, object], may_open: bool = True) -> None:
        self.found = found
        self.may_open = may_open
        self.opened: list[bytes] = []

    def enumerate(self) -> list[dict[str, object]]:
        return list(self.found)

    def device(self) -> FakeLibrary:
        return self

    def open_path(self, path: bytes) -> None:
        if not self.may_open:
            raise OSError("open failed")
        self.opened.append(path)

    def set_nonblocking(self, on: bool) -> None:
        assert on

    def close(self) -> None: ...


def interface(path: bytes, serial: str, usage: int = 8, product: int = 0xC635) -> dict[str, object]:
    return {
        "vendor_id": 0x256F,
        "product_id": product,
        "path": path,
        "serial_number": serial,
        "usage_page": 1,
        "usage": usage,
    }


MICE = (
    {**interface(b"/other", "9"), "vendor_id": 0x046D},
    interface(b"/keyboard-side", "1", usage=6),
    interface(b"/first", "1"),
    interface(b"/second", "2", product=0xC652),
)


def test_the_interface_with_the_cap_is_opened_by_serial_number(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    library = FakeLibrary(*MICE)
    monkeypatch.setattr(spacemouse, "_hid", lambda: library)
    spacemouse.open_by_serial("")
    spacemouse.open_by_serial("2")
    assert library.opened == [b"/first", b"/second"]
    words = [found.words for found in spacemouse.KIND.discover()]
    assert words == ["SpaceMouse Compact 1", "SpaceMouse Universal Receiver 2"]


def test_a_missing_device_and_a_missing_permission_say_what_to_do(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(spacemouse, "_hid", FakeLibrary)
    with pytest.raises(RobotError, match="No SpaceMouse with serial number 7"):
        spacemouse.open_by_serial("7")
    (finding,) = spacemouse.KIND.check(SpaceMouseSettings())
    assert finding.found == "No SpaceMouse is plugged in."
    monkeypatch.setattr(spacemouse, "_hid", lambda: FakeLibrary(*MICE, may_open=False))
    with pytest.raises(SystemSetupError, match="--print-udev-rules"):
        spacemouse.open_by_serial("")


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> None:
        raise ImportError(name)

    monkeypatch.setattr(spacemouse, "import_module", missing)
    with pytest.raises(SystemSetupError, match=r"ptrctl\[spacemouse\]"):
        SpaceMouse(SpaceMouseSettings()).connect()
