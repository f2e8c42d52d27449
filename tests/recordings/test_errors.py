"""Mistyped names are answered with those that may have been meant."""

from __future__ import annotations

import pytest

from hardware.sim.recipes import prior_recipe
from policies.presets import preset
from ptrctl.workspace import check_name
from recordings.errors import UsageError, nearest


@pytest.mark.parametrize(
    ("name", "near"),
    [
        ("pre", ["pretrained"]),
        ("pretraind", ["pretrained"]),
        ("open", ["open_drawer", "open_door"]),
        ("", []),
        ("xyz", []),
    ],
)
def test_what_begins_so_comes_before_what_looks_alike(name: str, near: list[str]) -> None:
    assert nearest(name, ["pretrained", "open_drawer", "open_door", "peon"], count=2) == near


def test_presets_recipes_and_names_in_the_workspace_are_offered() -> None:
    with pytest.raises(UsageError) as caught:
        preset("cpularge")
    assert "`--preset cpu-large`" in caught.value.try_next
    with pytest.raises(UsageError) as caught:
        prior_recipe("mixedv1")
    assert "`--recipe mixed-v1`" in caught.value.try_next
    with pytest.raises(UsageError) as caught:
        check_name("pre", ["base", "pretrained"], "checkpoint", "--checkpoint")
    assert caught.value.try_next == "Did you mean `--checkpoint pretrained`?"
