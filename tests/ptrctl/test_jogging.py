"""An arm that is jogged is held by Space and Esc, wherever it was sent."""

from __future__ import annotations

from contextlib import nullcontext

import numpy as np
import pytest

from hardware.registry import Cell
from hardware.station import Station
from ptrctl.operator.interrupts import Interrupts
from ptrctl.profile import Profile
from ptrctl.setup.jogging import Jog, _drive, jog
from ptrctl.terminal import console
from recordings.errors import UsageError
from tests.hardware.fakes import FakeCamera
from tests.hardware.test_joint_arm import make_arm
from tests.ptrctl.quiet_screen import QuietScreen
from tests.ptrctl.scripted_keys import ScriptedKeys


@pytest.mark.parametrize("key", ["space", "escape"])
def test_a_blocked_arm_is_held_where_it_is_until_the_next_motion_key(
    monkeypatch: pytest.MonkeyPatch, key: str
) -> None:
    arm, drive = make_arm()
    drive.joints_rad[5] = 0.0
    drive.blocked_rad = 0.0
    station = Station(arm, [FakeCamera(drive.clock)], clock=drive.clock)
    cell = Cell(station, "lift", "", "", {}, lambda seed: None)
    arm._adopt(drive.joints_rad.copy(), 1.0)
    led: list[float] = []
    held: list[bool] = []

    class Keys(ScriptedKeys):
        """Notes before each control period how far the target leads the arm."""

        def poll(self):
            led.append(float(np.abs(arm.commanded_state[:6] - drive.joints_rad).max()))
            held.append(taken.held)
            return super().poll()

    # At the fine speed each press is one period of motion: the arm is led against the block.
    # To choose a speed does not let it go on.
    keys = ["e", "e", "e", key, None, "1", "e", None, "q"]
    monkeypatch.setattr("ptrctl.setup.jogging.TerminalKeys", lambda: nullcontext(Keys(keys)))
    monkeypatch.setattr(console, "live", lambda **how: nullcontext(QuietScreen()))
    taken = Jog(wants_box=True)
    _drive(cell, taken, Interrupts(), "")
    one = led[1]
    assert one > 0.0
    assert led[3] == pytest.approx(3 * one)
    assert led[4:7] == [0.0, 0.0, 0.0]
    assert led[7] == pytest.approx(one)
    assert held[4:8] == [True, True, True, False]
    assert taken.cancelled


def test_no_arm_is_jogged_where_no_panel_can_be_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ptrctl.setup.jogging.make_cell", pytest.fail)
    monkeypatch.setattr(console, "is_interactive", lambda: True)
    with pytest.raises(UsageError, match="draws no panels"):
        jog(Profile(), wants_box=True)
