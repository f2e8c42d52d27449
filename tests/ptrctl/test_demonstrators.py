"""Who drives the arm: the flag, the profile, the settings of the device."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from hardware.checks import Health
from ptrctl.doctor import machine_checks
from ptrctl.doctor.device_checks import check_teleoperator
from ptrctl.main import app
from ptrctl.operator.demonstrators import Demonstrator, chosen_demonstrator
from ptrctl.profile import Profile, load_profile, save_profile
from ptrctl.workspace import Workspace
from recordings.errors import UsageError

PROFILE = Profile(teleoperator="gamepad", teleoperator_options={"dead_zone": 0.3, "device": "Pro"})


def test_the_keyboard_is_the_default() -> None:
    assert chosen_demonstrator(Profile(), None, ()) == Demonstrator("keyboard", {})


def test_the_profile_names_the_device_and_its_settings_and_flags_win() -> None:
    assert chosen_demonstrator(PROFILE, None, ()).options == PROFILE.teleoperator_options
    chosen = chosen_demonstrator(PROFILE, None, ("dead_zone=0.1", "axes=x=-1 y=-0"))
    assert chosen.name == "gamepad"
    assert chosen.options == {"dead_zone": 0.1, "device": "Pro", "axes": "x=-1 y=-0"}


def test_the_profiles_settings_do_not_follow_to_another_device() -> None:
    chosen = chosen_demonstrator(PROFILE, "spacemouse", ("rotate=no", "serial=123456"))
    assert chosen.options == {"rotate": False, "serial": "123456"}
    assert chosen_demonstrator(PROFILE, "scripted", ()).scripted


@pytest.mark.parametrize(
    ("name", "options", "said"),
    [
        ("gampad", (), "--demonstrator gamepad"),
        ("keyboard", ("dead_zone=0.1",), "sets up a device"),
        ("gamepad", ("dead_zone",), "`--demonstrator-option dead_zone` is no KEY=VALUE"),
        ("gamepad", ("dead_zon=0.1",), "Did you mean `dead_zone`"),
        (
            "gamepad",
            ("dead_zone=wide",),
            "It must be a finite number. Correct it in `--demonstrator-op",
        ),
    ],
)
def test_what_cannot_be_meant_is_refused(name: str, options: tuple[str, ...], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        chosen_demonstrator(Profile(), name, options)


def test_the_profile_keeps_the_device_with_an_explanation_of_every_setting(
    tmp_path: Path,
) -> None:
    workspace = Workspace(tmp_path)
    path = save_profile(workspace, PROFILE)
    assert load_profile(workspace) == PROFILE
    text = path.read_text()
    assert "# Sticks below this share of their travel are ignored." in text
    assert "#   buttons: What each button does" in text


def test_the_doctor_asks_the_device_of_the_profile(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hardware.dynamixel.lock.lock_path", lambda port: tmp_path / "port.lock")
    (finding,) = check_teleoperator(
        Profile(teleoperator="leader", teleoperator_options={"port": str(tmp_path / "no")})
    )
    assert finding.health is Health.FAIL
    assert "cannot be opened" in finding.found
    monkeypatch.setattr("ptrctl.doctor.diagnosis.check_rendering", machine_checks.check_python)
    (tmp_path / "ptrctl.toml").write_text("[teleoperator]\nkind = 'spacemoose'\n")
    checks = json.loads(CliRunner().invoke(app, ["doctor", "-w", str(tmp_path), "--json"]).stdout)
    (found,) = (check for check in checks["checks"] if check["area"] == "teleoperator")
    assert "spacemouse" in found["found"]
