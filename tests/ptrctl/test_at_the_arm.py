"""What becomes of a real arm when the operator beside it ends the session."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path

import pytest

from hardware.faults import MotionStopped
from hardware.robot import ShouldStop, Stop, never_stop
from ptrctl.operator.at_the_arm import at_the_arm
from ptrctl.operator.interrupts import Interrupts
from ptrctl.terminal import console
from ptrctl.terminal.panels import View
from ptrctl.workflows.attempt import Listeners
from ptrctl.workflows.evaluate import evaluate
from tests.ptrctl.quiet_screen import QuietScreen
from tests.ptrctl.scripted_keys import ScriptedKeys
from tests.ptrctl.workflows.fake_cell import FakeArm, Walker, make_fake_cell
from tests.ptrctl.workflows.test_evaluate import PLAN

START = ("s", None, "s")
"""To the start pose, where nothing is pressed on the way, then the episode."""


class RealArm(FakeArm):
    """Says that it is real, can be held on its way to the start, and remembers its stops."""

    features = dataclasses.replace(FakeArm.features, simulated=False)

    def __init__(self, faults: set[int]) -> None:
        super().__init__(faults)
        self.stops: list[Stop] = []

    def move_to_start(
        self, *, seed: int | None = None, should_stop: ShouldStop = never_stop
    ) -> None:
        if should_stop():
            raise MotionStopped("The motion was stopped; the arm holds.")
        super().move_to_start(seed=seed)

    def stop(self, kind: Stop = Stop.HOLD, *, should_stop: ShouldStop = never_stop) -> None:
        self.stops.append(kind)


def ended(
    monkeypatch: pytest.MonkeyPatch,
    folder: Path,
    keys: Sequence[str | None],
    faults: set[int] | None = None,
) -> tuple[Stop, str]:
    """Trials until the operator quits: the last stop of the arm, and what is said of it."""
    said: list[str] = []
    monkeypatch.setattr(
        "ptrctl.terminal.keys.TerminalKeys", lambda: nullcontext(ScriptedKeys(keys))
    )
    monkeypatch.setattr(console, "live", lambda **how: nullcontext(QuietScreen()))
    monkeypatch.setattr(console, "note", said.append)
    arm = RealArm(faults or set())
    cell = make_fake_cell(judged=False, arm=arm)
    view, interrupts = View("test", control_rate_hz=5.0), Interrupts()
    with (
        cell.station,
        at_the_arm(view, cell, interrupts, folder, wait_for_start=True) as (panel, operator),
    ):
        evaluate(PLAN, cell, Walker(), folder, listeners=Listeners((panel,), operator))
    return arm.stops[-1], said[-1]


def test_who_quits_a_session_that_went_well_leaves_a_parked_arm(monkeypatch, tmp_path) -> None:
    keys = [*START, None, "y", None, "q"]
    stop, said = ended(monkeypatch, tmp_path, keys)
    assert stop is Stop.PARK
    assert said == "The arm is parked and its torque is off."


def test_who_quits_after_a_fault_leaves_the_arm_holding(monkeypatch, tmp_path) -> None:
    stop, said = ended(monkeypatch, tmp_path, [*START, None, None, "q"], faults={2})
    assert stop is Stop.HOLD
    assert said == "The arm holds where it is, under torque. Park it with `ptrctl stop --park`."


def test_who_quits_after_stopping_the_arm_leaves_it_holding(monkeypatch, tmp_path) -> None:
    stop, said = ended(monkeypatch, tmp_path, ["s", "space", "q"])
    assert stop is Stop.HOLD
    assert "ptrctl stop --park" in said


def test_who_holds_the_arm_in_an_episode_and_quits_leaves_it_holding(monkeypatch, tmp_path) -> None:
    stop, said = ended(monkeypatch, tmp_path, [*START, "space", "q", "y"])
    assert stop is Stop.HOLD
    assert "ptrctl stop --park" in said


def test_an_arm_that_was_let_go_again_after_a_fault_parks_at_the_end(monkeypatch, tmp_path) -> None:
    keys = [*START, None, None, *START, None, "y", None, "q"]
    stop, _ = ended(monkeypatch, tmp_path, keys, faults={2})
    assert stop is Stop.PARK
