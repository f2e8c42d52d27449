"""What doctor and setup learn of an arm."""

from __future__ import annotations

import sys

import pytest

from hardware.checks import Health
from hardware.registry import arm_kind
from hardware.trossen import TrossenSettings, widowx_ai
from tests.hardware.peers.trossen import SimulatorProcess
from tests.hardware.trossen.conftest import make_arm

pytestmark = pytest.mark.sim


def findings(simulator: SimulatorProcess, **changes):
    settings = TrossenSettings(address=simulator.address, timeout_s=1.0, **changes)
    return {finding.name: finding for finding in arm_kind("trossen").check(settings)}


def test_a_healthy_arm_is_fine_and_has_not_moved(simulator) -> None:
    before = simulator.ask("positions")
    found = findings(simulator)
    assert {finding.health for finding in found.values()} == {Health.OK}
    assert "firmware 1.11.0" in found["trossen versions"].found
    assert "40 degrees" in found["trossen temperature"].found
    assert simulator.ask("positions") == pytest.approx(before, abs=1e-3)


def test_a_warm_arm_is_a_warning(simulator) -> None:
    simulator.ask("temperature 70")
    assert findings(simulator)["trossen temperature"].health is Health.WARN


def test_an_error_of_the_controller_is_told(simulator) -> None:
    simulator.ask("keep_error")
    simulator.ask("fault JOINT_OVERHEATED")
    found = findings(simulator)["trossen controller"]
    assert found.health is Health.FAIL
    assert "overheated" in found.found


def test_another_program_on_the_arm_is_told_and_not_disturbed(simulator) -> None:
    with make_arm(simulator) as arm:
        found = findings(simulator)["trossen controller"]
        assert "one program at a time" in found.found
        arm.read_state()


def test_an_arm_that_is_not_there_is_told_with_what_to_check(simulator) -> None:
    settings = TrossenSettings(address="127.77.250.250")
    (found,) = arm_kind("trossen").check(settings)
    assert found.health is Health.FAIL
    assert "ping 127.77.250.250" in found.fix


def test_a_firmware_that_does_not_fit_is_told() -> None:
    simulator = SimulatorProcess("1.10")
    try:
        assert "1.10.0" in findings(simulator)["trossen controller"].found
    finally:
        simulator.kill()


def test_a_missing_driver_is_told(monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "trossen_arm", None)
    (found,) = arm_kind("trossen").check(TrossenSettings(address="127.77.250.250"))
    assert "pip install 'ptrctl[trossen]'" in found.fix


def test_an_arm_at_the_default_address_is_found(simulator, monkeypatch) -> None:
    monkeypatch.setattr(widowx_ai, "DEFAULT_ADDRESS", simulator.address)
    # On loopback this machine's own address is 127.0.0.1, another /24 network.
    monkeypatch.setattr("hardware.trossen.doctor._is_near", lambda address: True)
    (found,) = arm_kind("trossen").discover()
    assert found.options == {"address": simulator.address}


def test_other_networks_are_left_alone(monkeypatch) -> None:
    def knock(address: str) -> str:
        raise AssertionError(address)

    monkeypatch.setattr("hardware.trossen.doctor._knock", knock)
    monkeypatch.setattr(widowx_ai, "DEFAULT_ADDRESS", "127.77.250.250")
    assert arm_kind("trossen").discover() == []
