"""Cells that come from other packages."""

from __future__ import annotations

import dataclasses
from importlib.metadata import EntryPoint

import pytest

from hardware import registry
from hardware.registry import Cell, CellRequest, make_cell
from recordings.errors import UsageError
from tests.ptrctl.workflows.fake_cell import make_fake_cell


def judged(request: CellRequest, *, simulated: bool = True) -> Cell:
    cell = make_fake_cell()
    robot = cell.station.robot
    robot.features = dataclasses.replace(robot.features, simulated=simulated)  # type: ignore[misc]
    return cell


def judged_though_real(request: CellRequest) -> Cell:
    return judged(request, simulated=False)


@pytest.fixture(autouse=True)
def points(monkeypatch: pytest.MonkeyPatch) -> None:
    found = [
        EntryPoint(name.replace("_", "-"), f"{__name__}:{name}", registry.ENTRY_POINT_GROUP)
        for name in ("judged", "judged_though_real")
    ]
    monkeypatch.setattr(registry, "entry_points", lambda group: found)


def test_a_simulated_arm_of_another_package_may_be_judged() -> None:
    assert make_cell("judged", CellRequest("lift")).judge is not None


def test_a_real_arm_is_judged_by_nobody_but_the_operator() -> None:
    with pytest.raises(UsageError, match="is real, and its cell has a judge"):
        make_cell("judged-though-real", CellRequest("lift"))
