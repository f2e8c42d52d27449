"""`ptrctl setup --check-scene`: how far the cameras have moved since setup."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner, Result

from hardware.cameras.view_change import ViewChange
from hardware.modules import ARM_MODULES, CAMERA_MODULES
from ptrctl.main import app
from ptrctl.profile import Profile, save_profile
from ptrctl.setup.scene_check import IN_PLACE, MOVED, SceneCheck, in_words
from ptrctl.workspace import Workspace

pytestmark = pytest.mark.sim

REFERENCE = "reference-over_shoulder.png"


def check(folder: Path, *words: str) -> Result:
    return CliRunner().invoke(app, ["setup", "-w", str(folder), "--check-scene", *words])


def told(result: Result) -> dict[str, Any]:
    camera: dict[str, Any] = json.loads(result.stdout)["cameras"][0]
    return camera


@pytest.fixture(scope="module")
def _set_up(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("scene")
    result = CliRunner().invoke(app, ["setup", "-w", str(folder), "--yes", "--fast"])
    assert result.exit_code == 0, result.output
    return folder


@pytest.fixture
def place(_set_up: Path, tmp_path: Path) -> Path:
    """A workspace with a profile and a reference picture of the simulated camera."""
    for file in _set_up.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    return tmp_path


def shift_reference(place: Path, right: int) -> None:
    picture = np.asarray(Image.open(place / REFERENCE))
    moved = np.roll(picture, right, axis=1)
    moved[:, :right] = picture[:, :1]
    Image.fromarray(moved).save(place / REFERENCE)


def test_a_camera_that_stands_where_it_stood_ends_with_0(place: Path) -> None:
    result = check(place)
    assert result.exit_code == 0, result.output
    assert "Nothing has moved" in result.stdout
    assert Image.open(place / "scene-over_shoulder.png").size == (128, 128)


def test_a_camera_that_has_moved_ends_with_3_and_says_which_way_to_turn_it(place: Path) -> None:
    shift_reference(place, right=6)
    result = check(place, "--json")
    assert result.exit_code == 3
    camera = told(result)
    assert camera["state"] == MOVED
    assert camera["motion"]["right_px"] == pytest.approx(-6.0, abs=0.5)
    words = " ".join(check(place).stdout.replace("│", " ").split())
    assert "left" in words
    assert "Turn the camera left." in words
    assert check(place, "--tolerance", "10").exit_code == 0


def test_a_picture_of_something_else_is_not_comparable_and_ends_with_3(place: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (128, 128, 3)).astype(np.uint8)
    Image.fromarray(noise).save(place / REFERENCE)
    result = check(place, "--json")
    assert result.exit_code == 3
    assert told(result)["state"] == "not comparable"
    assert told(result)["motion"] is None


def test_a_reference_of_another_size_is_compared_all_the_same(place: Path) -> None:
    Image.open(place / REFERENCE).resize((256, 256)).save(place / REFERENCE)
    assert check(place).exit_code == 0


def test_without_a_reference_the_command_that_makes_one_is_named(place: Path) -> None:
    (place / REFERENCE).write_text("no picture")
    broken = check(place)
    assert broken.exit_code == 2
    assert "is no picture" in broken.stderr
    (place / REFERENCE).unlink()
    missing = check(place)
    assert missing.exit_code == 2
    assert "ptrctl setup" in missing.stderr


def test_a_camera_of_its_own_is_compared_without_its_arm(
    tmp_path: Path, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(ARM_MODULES, "bench", "tests.ptrctl.bench.bench_arm")
    monkeypatch.setitem(CAMERA_MODULES, "picture", "tests.ptrctl.bench.bench_camera")

    def off(self: Any) -> None:
        raise AssertionError("the arm was connected")

    monkeypatch.setattr("hardware.joint_arm.JointArm.connect", off)
    seen = place / "seen.png"
    seen.write_bytes((place / REFERENCE).read_bytes())
    cameras = {"over_shoulder": {"kind": "picture", "path": str(seen)}}
    save_profile(Workspace(place), Profile(robot="bench", cameras=cameras))
    assert check(place).exit_code == 0
    # Where tasks are listed and none is the default, any of them will do, or the one that is named.
    listed = Profile(robot="bench", cameras=cameras, tasks=("lift", "pour"))
    save_profile(Workspace(place), listed)
    assert check(place).exit_code == 0
    assert check(place, "--task", "pour").exit_code == 0
    assert "Did you mean `--task pour`" in check(place, "--task", "por").stderr


def test_a_camera_without_a_reference_picture_is_not_said_to_stand(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(ARM_MODULES, "bench", "tests.ptrctl.bench.bench_arm")
    monkeypatch.setitem(CAMERA_MODULES, "picture", "tests.ptrctl.bench.bench_camera")
    seen = place / "seen.png"
    seen.write_bytes((place / REFERENCE).read_bytes())
    picture = {"kind": "picture", "path": str(seen)}
    cameras = {"over_shoulder": picture, "added": picture, "pattern": {"kind": "test-pattern"}}
    save_profile(Workspace(place), Profile(robot="bench", cameras=cameras))
    result = check(place, "--json")
    assert result.exit_code == 3
    told = json.loads(result.stdout)
    assert not told["in_place"]
    assert {camera["camera"]: camera["state"] for camera in told["cameras"]} == {
        "over_shoulder": IN_PLACE,
        "added": "no reference picture",
    }
    # Another check would find the same.
    assert "--check-scene" not in told["next"]
    (place / "reference-added.png").write_bytes(seen.read_bytes())
    assert check(place).exit_code == 0


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (ViewChange(5.0, 0.1, 0.0, 1.0, 0.04, 0.7), "5.0 px (5.0% of the width) right;"),
        (ViewChange(0.0, -3.0, 0.0, 1.0, 0.03, 0.7), "3.0 px (3.0% of the width) up;"),
        (ViewChange(0.0, 0.0, -2.0, 1.0, 0.03, 0.7), "turned 2.0° counter-clockwise"),
        (ViewChange(0.0, 0.0, 0.0, 1.05, 0.03, 0.7), "5.0% larger"),
        (ViewChange(0.0, 0.0, 0.0, 0.9, 0.03, 0.7), "10.0% smaller"),
    ],
)
def test_a_motion_is_said_as_people_say_it(change: ViewChange, words: str) -> None:
    assert words in in_words(change, 100)


def test_advice_is_given_only_to_whom_it_helps() -> None:
    picture = np.zeros((64, 64, 3), np.uint8)
    turned = ViewChange(0.0, 0.0, 4.0, 1.0, 0.05, 0.7)
    assert SceneCheck("a", MOVED, turned, picture).advice == "Turn or move it back."
    assert SceneCheck("a", IN_PLACE, turned, picture).advice == ""
