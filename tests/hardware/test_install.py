"""What is said where a package is missing, in a Python that ptrctl can be installed in and in one
that only serves an arm."""

from __future__ import annotations

import sys

import pytest

from hardware.clock import MonotonicClock
from hardware.install import cannot_import, how_to_install
from hardware.interbotix import KIND, doctor
from hardware.interbotix.settings import InterbotixSettings
from hardware.kinds import ArmRequest
from recordings.errors import SystemSetupError


@pytest.fixture
def python38(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.version_info", (3, 8, 18, "final", 0))


def test_an_error_names_the_packages_who_needs_them_and_the_line_that_installs_them() -> None:
    error = cannot_import("no room", "A gamepad", "gamepad", "pygame")
    assert str(error).startswith("The package pygame cannot be imported: no room. Expected: A game")
    assert error.expected == "A gamepad needs it."
    assert error.try_next == "Run `pip install 'ptrctl[gamepad]'`."
    assert "packages lz4 and pyzmq" in cannot_import("", "It", "bridge", "lz4", "pyzmq").found


def test_in_a_python_without_ptrctl_it_names_the_packages_alone(python38: None) -> None:
    assert how_to_install("remote", "msgpack", "pyzmq") == "Run `pip install msgpack pyzmq`."


def test_the_arm_of_ros_advises_what_its_python_can_install(
    python38: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "modern_robotics", None)
    monkeypatch.delitem(sys.modules, "hardware.interbotix.kinematics", raising=False)
    with pytest.raises(SystemSetupError) as missing:
        KIND.make(InterbotixSettings(), ArmRequest(MonotonicClock(), 5.0))
    monkeypatch.setattr(doctor.importlib.util, "find_spec", lambda name: None)
    for fix in (missing.value.try_next, doctor._solver().fix):
        assert fix == "Run `pip install modern-robotics`."
