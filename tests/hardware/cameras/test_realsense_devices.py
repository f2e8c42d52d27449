"""Loading the RealSense library, choosing a camera and bringing it back, without a camera."""

from __future__ import annotations

import enum
from types import SimpleNamespace

import pytest

from hardware.cameras.realsense_devices import OptionKnobs, choose_device, color_modes, is_usb2
from hardware.cameras.realsense_library import load_realsense
from hardware.cameras.realsense_settings import RealSenseSettings
from hardware.cameras.realsense_source import (
    RETURN_S,
    Stalled,
    open_realsense,
    open_with_resets,
    wait_for_return,
)
from hardware.clock import SimulatedClock
from hardware.faults import CameraFault
from recordings.errors import SystemSetupError

Info = enum.Enum("Info", ["name", "serial_number", "usb_type_descriptor"])


class Device:
    """As much of a device as is asked for."""

    def __init__(self, serial: str) -> None:
        self.told = {Info.name: "RealSense D435", Info.serial_number: serial}

    def supports(self, what) -> bool:
        return what in self.told

    def get_info(self, what) -> str:
        return self.told[what]


def library(*devices):
    return SimpleNamespace(
        camera_info=Info,
        context=lambda: SimpleNamespace(query_devices=lambda: list(devices)),
        log_severity=SimpleNamespace(fatal="fatal"),
        log_to_console=lambda severity: None,
    )


def test_the_camera_with_the_serial_number_is_chosen() -> None:
    chosen = choose_device(library(Device("111"), Device("222")), "wrist", "222")
    assert chosen.get_info(Info.serial_number) == "222"


def test_the_only_camera_needs_no_serial_number() -> None:
    assert choose_device(library(Device("111")), "wrist", "")


def test_a_wrong_serial_number_is_a_fault_that_lists_those_that_are_there() -> None:
    with pytest.raises(CameraFault, match=r"D435 111, RealSense D435 222.*serial number 333"):
        choose_device(library(Device("111"), Device("222")), "wrist", "333")


def test_among_several_cameras_none_is_guessed() -> None:
    with pytest.raises(CameraFault, match=r"could be any of.*111.*222.*`cameras.wrist`"):
        choose_device(library(Device("111"), Device("222")), "wrist", "")


@pytest.mark.parametrize(("usb_type", "slow"), [("3.2", False), ("2.1", True), ("", False)])
def test_slow_ports_are_told_by_their_descriptor(usb_type, slow) -> None:
    assert is_usb2(usb_type) is slow


class Source:
    """Prepared after some stalls."""

    made = 0
    closed = 0
    stalls = 0

    def __init__(self) -> None:
        Source.made += 1

    def prepare(self) -> None:
        if Source.made <= Source.stalls:
            raise Stalled("silent")

    def close(self) -> None:
        Source.closed += 1


@pytest.fixture
def resets():
    Source.made = Source.closed = Source.stalls = 0
    return []


@pytest.mark.parametrize("stalls", [0, 1, 2])
def test_a_camera_that_stays_silent_is_reset(resets, stalls) -> None:
    Source.stalls = stalls
    assert open_with_resets(Source, lambda: resets.append("reset"), attempts=3)
    assert len(resets) == stalls
    assert (Source.made, Source.closed) == (stalls + 1, stalls)


def test_after_three_attempts_the_stall_is_reported(resets) -> None:
    Source.stalls = 9
    with pytest.raises(Stalled):
        open_with_resets(Source, lambda: resets.append("reset"), attempts=3)
    assert (Source.made, Source.closed, len(resets)) == (3, 3, 2)


def test_other_faults_are_reported_at_once_and_the_camera_is_let_go(resets) -> None:
    class Wrong(Source):
        def prepare(self) -> None:
            raise CameraFault("wrong serial")

    with pytest.raises(CameraFault, match="wrong serial"):
        open_with_resets(Wrong, lambda: resets.append("reset"), attempts=3)
    assert (Source.closed, resets) == (1, [])


@pytest.mark.parametrize("trouble", [CameraFault("not there"), RuntimeError("NO_DEVICE")])
def test_a_reset_camera_is_waited_for(trouble) -> None:
    clock = SimulatedClock()

    def find() -> None:
        if clock.now_s() < 3.0:
            raise trouble

    wait_for_return(find, clock)
    assert clock.now_s() == pytest.approx(3.0)


def test_a_camera_that_does_not_come_back_is_a_fault() -> None:
    clock = SimulatedClock()

    def find() -> None:
        raise CameraFault("not there")

    with pytest.raises(CameraFault, match="not there"):
        wait_for_return(find, clock)
    assert clock.now_s() == pytest.approx(RETURN_S)


def fails_in(where: str):
    """A library that raises by itself, with one camera."""

    def fail(*what):
        raise RuntimeError("failed to set power state")

    device = Device("111")
    device.query_sensors = lambda: [SimpleNamespace(supports=lambda what: True, set_option=fail)]
    rs = library(device)
    rs.pipeline, rs.option = SimpleNamespace, SimpleNamespace(global_time_enabled=0)
    if where == "looking":
        rs.context = lambda: SimpleNamespace(query_devices=fail)
    return rs


@pytest.mark.parametrize("where", ["looking", "setting an option"])
def test_what_the_library_raises_by_itself_is_a_fault_of_the_camera(where) -> None:
    with pytest.raises(CameraFault, match="wrist cannot be used: failed to set power state"):
        open_realsense(fails_in(where), "wrist", RealSenseSettings(), SimulatedClock())


@pytest.mark.parametrize(("highest", "raw"), [(10_000.0, 80.0), (165_000.0, 8000.0)])
def test_options_of_the_sensor_are_its_knobs_whatever_its_unit(highest, raw) -> None:
    option = enum.Enum(
        "Option", ["enable_auto_exposure", "exposure", "auto_exposure_priority", "gain"]
    )
    values = {option.exposure: 166.0}
    sensor = SimpleNamespace(
        supports=lambda key: key in values,
        get_option=values.get,
        set_option=values.__setitem__,
        get_option_range=lambda key: SimpleNamespace(min=0.0, max=highest),
    )
    knobs = OptionKnobs(SimpleNamespace(option=option), sensor)
    assert knobs.has("exposure")
    assert not knobs.has("gain")
    assert not knobs.has("focus")
    knobs.set("exposure", 80)
    assert values[option.exposure] == raw
    assert knobs.get("exposure") == 80
    assert knobs.limits("exposure") == (0.0, 10_000.0 if raw == 80 else 1650.0)


def test_the_modes_of_a_camera_are_listed() -> None:
    rs = pytest.importorskip("pyrealsense2")
    device = rs.software_device()
    stream = rs.video_stream()
    stream.type, stream.fmt, stream.fps = rs.stream.color, rs.format.rgb8, 30
    stream.width, stream.height, stream.bpp = 640, 480, 3
    device.add_sensor("RGB Camera").add_video_stream(stream)
    assert color_modes(rs, device) == ["640 x 480 at 30"]


def test_a_missing_package_says_what_to_install() -> None:
    def load(name: str):
        raise ModuleNotFoundError(name)

    with pytest.raises(SystemSetupError, match=r"pip install 'ptrctl\[realsense\]'"):
        load_realsense(load)


def loads_with(libusb: list[str]):
    def load(name: str):
        if not libusb:
            raise ImportError("libusb-1.0.so.0: cannot open shared object file")
        return library()

    return load


def test_a_missing_libusb_is_taken_from_its_package() -> None:
    libusb: list[str] = []

    def preload() -> bool:
        libusb.append("loaded")
        return True

    assert load_realsense(loads_with(libusb), preload)


def test_without_any_libusb_it_says_what_to_install() -> None:
    with pytest.raises(SystemSetupError, match=r"sudo apt install libusb-1.0-0"):
        load_realsense(loads_with([]), lambda: False)


def test_a_package_that_does_not_fit_the_machine_is_a_setup_error() -> None:
    def load(name: str):
        raise ImportError("GLIBC_2.38 not found")

    with pytest.raises(SystemSetupError, match=r"GLIBC_2.38"):
        load_realsense(load)
