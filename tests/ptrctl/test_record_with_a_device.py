"""`ptrctl record` by a device that a lab has added, beside the keys of a real terminal."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from recordings.dataset import EpisodeFolder
from recordings.reader import read_episode
from recordings.records import Label, Outcome
from tests.ptrctl.terminal import Terminal

pytestmark = pytest.mark.sim

TASK = "put_carrot_on_plate"
ROOT = Path(__file__).parents[2]


class Lab:
    """A lab's package with a device of its own, and the hand on that device."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder = folder / "lab"
        self.folder.mkdir()
        self.device = folder / "device.jsonl"
        self.device.touch()
        info = folder / "package" / "lab_device-1.0.dist-info"
        info.mkdir(parents=True)
        (info / "METADATA").write_text("Metadata-Version: 2.1\nName: lab-device\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text(
            "[ptrctl.teleoperators]\nin-a-file = tests.ptrctl.device_in_a_file:KIND\n"
        )
        monkeypatch.setenv("PYTHONPATH", f"{info.parent}:{ROOT}")
        (self.folder / "ptrctl.toml").write_text(
            f'[teleoperator]\nkind = "in-a-file"\noptions = {{path = "{self.device}"}}\n'
        )

    def do(self, **what: Any) -> None:
        with self.device.open("a") as file:
            file.write(json.dumps(what) + "\n")

    @property
    def demos(self) -> list[Path]:
        return EpisodeFolder(self.folder / "demos" / TASK).paths()


@pytest.fixture
def lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Lab:
    return Lab(tmp_path, monkeypatch)


def test_a_demo_by_a_device_from_its_start_button_to_its_success_button(lab: Lab) -> None:
    terminal = Terminal(f"record --task {TASK} --episodes 2", lab.folder)
    terminal.see("ready to start")
    terminal.see("in-a-file")
    lab.do(pressed=["start", "stop"])
    terminal.see("running")
    terminal.see("no: press the clutch")
    lab.do(engaged=True, rate=[1, 0, 0, 0, 0, 0], pressed=["faster", "gripper"])
    terminal.see("fast")
    terminal.see("yes")
    terminal.press("i")
    terminal.see("The key `i` does nothing now.")
    terminal.press(" ")
    terminal.see("the arm holds")
    lab.do(engaged=True, rate=[0, 0, 0, 0, 0, 0], pressed=["pause"])
    terminal.see("running")
    terminal.press("1")
    terminal.see("fine")
    lab.do(pressed=["success"])
    terminal.see("Kept as success")

    lab.do(pressed=["start"])
    terminal.see("running")
    lab.do(pressed=["failure"])
    terminal.see("missed grasp")
    lab.do(pressed=["failure"])
    terminal.see("Kept as failure")
    terminal.press("q")
    assert terminal.end() == (0, True)

    first, second = (read_episode(path) for path in lab.demos)
    assert (first.label, second.label) == (
        Label(Outcome.SUCCESS, "", "operator"),
        Label(Outcome.FAILURE, "", "operator"),
    )
    assert first.info.decided_by == "in-a-file"
    assert first.actions[:, 0].max() == pytest.approx(0.05)
    assert set(first.actions[:, 6]) == {0.0, 1.0}


def test_a_device_that_is_unplugged_stops_the_arm_and_keeps_the_episode(lab: Lab) -> None:
    terminal = Terminal(f"record --task {TASK} --episodes 2", lab.folder)
    terminal.see("ready to start")
    lab.do(pressed=["start"])
    terminal.see("running")
    lab.do(engaged=True, rate=[1, 0, 0, 0, 0, 0])
    terminal.see("yes")
    lab.device.unlink()
    terminal.see("The device is gone.")
    terminal.press("z")
    code, restored = terminal.end()
    assert (code, restored) == (3, True)
    assert [read_episode(path).label for path in lab.demos] == [Label()]


def test_a_device_that_is_missing_is_told_before_anything_moves(lab: Lab) -> None:
    lab.device.unlink()
    terminal = Terminal(f"record --task {TASK} --episodes 2", lab.folder)
    assert terminal.end() == (3, True)
    assert b"The device is gone." in b" ".join(terminal.output.split())
    assert not (lab.folder / "demos" / TASK).exists()
