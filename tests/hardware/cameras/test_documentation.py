"""The cameras' pages show profiles that work and tables that are complete."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import tomlkit

from hardware.registry import camera_kind
from hardware.settings import build_settings, setting_helps

FOLDER = Path(__file__).parents[3] / "docs" / "cameras"


@pytest.mark.parametrize("name", ["realsense", "uvc"])
def test_the_profile_shown_can_be_used(name) -> None:
    text = (FOLDER / f"{name}.md").read_text(encoding="utf-8")
    (example,) = re.findall(r"```toml\n(.*?)```", text, re.DOTALL)
    profile = tomlkit.parse(example).unwrap()
    values = profile["cameras"][profile["camera"]["name"]]
    assert values.pop("kind") == name
    build_settings(camera_kind(name).settings, values, "cameras")


@pytest.mark.parametrize("name", ["realsense", "uvc"])
def test_every_setting_is_explained_with_its_default(name) -> None:
    text = (FOLDER / f"{name}.md").read_text(encoding="utf-8")
    kind = camera_kind(name).settings
    table = {
        key: default
        for keys, default in re.findall(r"^\| (`[^|]+`) \| ([^|]+) \|", text, re.MULTILINE)
        for key in re.findall(r"`(\w+)`", keys)
    }
    assert set(table) == set(setting_helps(kind))
    defaults = kind()
    for key in ("max_age_s", "frozen_after_s", "warm_up_s"):
        assert float(table[key]) == getattr(defaults, key)
