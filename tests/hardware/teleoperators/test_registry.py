"""Devices by name, ours and a lab's own."""

from __future__ import annotations

from importlib.metadata import EntryPoint

import pytest

from hardware.modules import TELEOPERATOR_MODULES
from hardware.settings import setting_helps
from hardware.teleoperator import Teleoperator
from hardware.teleoperators import registry
from hardware.teleoperators.registry import (
    make_teleoperator,
    teleoperator_kind,
    teleoperator_names,
)
from recordings.errors import RobotError, UsageError

OPTIONS = {"leader": {"port": "/dev/null"}}


@pytest.mark.parametrize("name", TELEOPERATOR_MODULES)
def test_every_kind_is_described_and_can_be_made_without_the_device(name: str) -> None:
    kind = teleoperator_kind(name)
    assert (kind.name, bool(kind.summary)) == (name, True)
    assert all(setting_helps(kind.settings).values())
    device = make_teleoperator(name, OPTIONS.get(name, {}))
    assert isinstance(device, Teleoperator)
    assert device.name == name
    device.disconnect()


def test_an_unknown_name_lists_the_known_ones() -> None:
    with pytest.raises(RobotError, match=r"`teleoperator.kind` .* `spacemouse`"):
        teleoperator_kind("spacemose")
    with pytest.raises(RobotError, match=r"Known: keyboard, .* `keyboard`"):
        teleoperator_kind("keybord")


def test_settings_that_do_not_fit_are_refused() -> None:
    with pytest.raises(UsageError, match=r"teleoperator\.options\.dead_zon"):
        make_teleoperator("spacemouse", {"dead_zon": 0.1})
    with pytest.raises(UsageError, match="dead_zone is 2"):
        make_teleoperator("gamepad", {"dead_zone": 2.0})


def test_a_lab_adds_its_own_by_an_entry_point(monkeypatch: pytest.MonkeyPatch) -> None:
    point = EntryPoint("pedals", "hardware.teleoperators.gamepad:KIND", registry.ENTRY_POINT_GROUP)
    monkeypatch.setattr(registry, "entry_points", lambda group: [point])
    assert teleoperator_names()[-1] == "pedals"
    assert teleoperator_kind("pedals").summary.startswith("a gamepad")
