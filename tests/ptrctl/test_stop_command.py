"""`ptrctl stop` on an arm that behaves as a real one (tests/ptrctl/bench)."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from hardware import wx250s
from hardware.modules import ARM_MODULES
from hardware.robot import RobotFeatures
from ptrctl.main import app
from ptrctl.sessions import stopping
from tests.ptrctl.bench import ENVIRONMENT

pytestmark = pytest.mark.sim

PROFILE = """
[robot]
name = "bench"
[robot.options]
port = "/dev/bench"
[cameras.over_shoulder]
kind = "test-pattern"
"""


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(ARM_MODULES, "bench", "tests.ptrctl.bench.bench_arm")
    for key, value in ENVIRONMENT.items():
        monkeypatch.setenv(key, value)
    monkeypatch.chdir(tmp_path)
    Path("ptrctl.toml").write_text(PROFILE)


def stop(words: str) -> Result:
    return CliRunner().invoke(app, ["stop", *words.split()])


def words_of(result: Result) -> str:
    return " ".join(result.stderr.split())


@pytest.mark.parametrize(
    ("words", "kind", "state"),
    [
        ("", "hold", "holds where it is"),
        ("--hold", "hold", "holds where it is"),
        ("--park", "park", "parked and its torque is off"),
        ("--torque-off --yes", "torque-off", "torque is off"),
    ],
)
def test_each_stop_is_done_and_told_once_confirmed(words: str, kind: str, state: str) -> None:
    result = stop(f"{words} --json")
    assert result.exit_code == 0, result.output
    told = json.loads(result.stdout)
    assert (told["robot"], told["stop"]) == ("bench", kind)
    assert state in told["state"]


def test_parking_is_announced_before_the_arm_moves() -> None:
    assert "goes to where it parks. Ctrl-C holds it" in words_of(stop("--park"))


def test_letting_go_unasked_is_refused_without_somebody_to_ask() -> None:
    result = stop("--torque-off")
    assert result.exit_code == 2
    assert "Support it and add `--yes`" in words_of(result)


def test_only_one_stop_at_a_time() -> None:
    result = stop("--park --torque-off")
    assert result.exit_code == 2
    assert "--park, --torque-off" in words_of(result)


def test_a_simulated_arm_has_nothing_to_stop() -> None:
    result = stop("--robot sim-wx250s")
    assert result.exit_code == 2
    assert "simulated" in words_of(result)


@pytest.mark.parametrize(
    "rest",
    [
        "",
        '[cameras.over_shoulder]\nkind = "no-such-kind"\n',
        '[camera]\nname = "wrist"\n[cameras.over_shoulder]\nkind = "test-pattern"\n',
        "[cameras.wrist]\nserial = 3\n",
        "[workspace_box]\nlow_m = [0.1, -0.2, 0.3]\nhigh_m = [0.4, 0.2, 0.0]\n",
        "[camera]\nimage_sise = 64\n",
    ],
    ids=[
        "no camera",
        "a camera of an unknown kind",
        "a camera of another name",
        "a camera of no kind",
        "an upside-down box",
        "a misspelt key",
    ],
)
def test_whatever_is_wrong_in_the_rest_of_the_profile_the_arm_can_be_stopped(rest: str) -> None:
    arm, _, _ = PROFILE.partition("[cameras.")
    Path("ptrctl.toml").write_text(arm + rest)
    result = stop("--json")
    assert result.exit_code == 0, result.output
    assert "holds where it is" in json.loads(result.stdout)["state"]


def test_with_its_name_an_arm_is_stopped_whatever_the_profile_is() -> None:
    Path("ptrctl.toml").write_text("[robot\n")
    assert stop("").exit_code == 2
    result = stop("--robot bench --json")
    assert result.exit_code == 0, result.output
    assert "not valid TOML" in words_of(result)
    Path("ptrctl.toml").unlink()
    Path("ptrctl.toml").mkdir()
    assert stop("--robot bench --json").exit_code == 0


def test_an_arm_that_cannot_let_go_says_so_itself() -> None:
    features = RobotFeatures(
        "shelf", "wx250s", 5.0, wx250s.WORKSPACE, (), (), (), releases_torque=False
    )
    assert stopping._may_let_go(features)
