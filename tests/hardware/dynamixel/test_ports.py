"""Finding the U2D2, on a tree like that of /sys."""

from __future__ import annotations

import pytest

from hardware.dynamixel import ports
from hardware.faults import LostConnection


@pytest.fixture
def machine(tmp_path, monkeypatch):
    """An empty machine; call it to plug in a USB serial adapter."""
    by_id = tmp_path / "by-id"
    by_id.mkdir()

    def plug(tty: str, serial: str, vendor: str = "0403", product: str = "6014") -> None:
        usb = tmp_path / "sys/devices/usb1" / serial
        node = usb / "interface" / tty
        node.mkdir(parents=True)
        for name, value in (("idVendor", vendor), ("idProduct", product), ("serial", serial)):
            (usb / name).write_text(value + "\n")
        link = tmp_path / "sys/class/tty" / tty
        link.mkdir(parents=True)
        (link / "device").symlink_to(node)
        (by_id / f"usb-FTDI_{serial}-if00-port0").symlink_to(f"../{tty}")

    # Before the fixture runs `adapters` is the real one.
    real = ports.adapters
    monkeypatch.setattr(ports, "adapters", lambda: real(tmp_path / "sys", by_id))
    return plug


def test_a_u2d2_is_found_by_its_stable_name(machine) -> None:
    machine("ttyUSB3", "FT6Z5Q")
    (found,) = ports.adapters()
    assert found.device == "/dev/ttyUSB3"
    assert found.serial == "FT6Z5Q"
    assert found.port.endswith("by-id/usb-FTDI_FT6Z5Q-if00-port0")
    assert ports.choose_port("") == found.port


def test_other_adapters_are_none(machine) -> None:
    machine("ttyUSB0", "A", product="6001")
    machine("ttyACM0", "B", vendor="2341")
    assert not ports.adapters()
    with pytest.raises(LostConnection, match=r"No U2D2 is plugged in.*ptrctl doctor"):
        ports.choose_port("")


def test_of_two_one_has_to_be_chosen(machine) -> None:
    machine("ttyUSB0", "A")
    machine("ttyUSB1", "B")
    with pytest.raises(LostConnection, match=r"2 U2D2 adapters.*usb-FTDI_A.*usb-FTDI_B.*`port`"):
        ports.choose_port("")


def test_a_port_that_is_not_there_is_named() -> None:
    with pytest.raises(LostConnection, match="no port /dev/ttyNone"):
        ports.choose_port("/dev/ttyNone")


def test_those_who_have_a_port_open_are_named(tmp_path) -> None:
    device = tmp_path / "tty"
    device.touch()
    process = tmp_path / "proc/4711"
    (process / "fd").mkdir(parents=True)
    (process / "fd/3").symlink_to(device)
    (process / "comm").write_text("xs_sdk\n")
    assert ports.users_of(str(device), tmp_path / "proc") == [(4711, "xs_sdk")]
    assert ports.users_of(str(tmp_path / "other"), tmp_path / "proc") == []
