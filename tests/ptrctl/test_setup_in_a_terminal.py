"""`ptrctl setup` as an operator sees it: questions, a slow motion, and Ctrl-C at any of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from ptrctl.profile import load_profile
from ptrctl.workspace import Workspace
from tests.ptrctl.terminal import Terminal

pytestmark = pytest.mark.sim

ENTER = "\r"
ALL_BUT = "--robot sim-wx250s --camera over_shoulder --image-size 64 --rate 5"
BOX = "--box-low 0.1 -0.3 0 --box-high 0.5 0.3 0.4"


def test_pressing_enter_takes_every_default_and_moves_the_arm(tmp_path: Path) -> None:
    terminal = Terminal("setup --fast", tmp_path)
    for question in (
        "Which arm?",
        "Which task?",
        "Which simulated kitchen",
        "Which camera?",
        "Edge of the",
        "Control rate",
        "Workspace box",
    ):
        terminal.see(question)
        terminal.press(ENTER)
    terminal.see("Is the space around the arm free?")
    terminal.press("y")
    assert terminal.end() == (0, True)
    assert load_profile(Workspace(tmp_path)).task == "put_carrot_on_plate"
    assert (tmp_path / "reference-over_shoulder.png").exists()


def test_a_wrong_answer_is_asked_again(tmp_path: Path) -> None:
    words = f"setup {ALL_BUT} {BOX} --task open_drawer --no-motion"
    terminal = Terminal(words, tmp_path)
    terminal.see("Which simulated kitchen")
    terminal.press("x" + ENTER)
    terminal.see("Type a whole number")
    terminal.press("\x7f" + "5" + ENTER)
    assert terminal.end() == (0, True)
    assert load_profile(Workspace(tmp_path)).kitchen_seed == 5


def test_a_misspelt_task_is_asked_again_with_the_nearest_names(tmp_path: Path) -> None:
    terminal = Terminal(f"setup {ALL_BUT} {BOX} --kitchen 0 --no-motion", tmp_path)
    terminal.see("Which task?")
    terminal.press("s" + ENTER)
    terminal.see("Did you mean put_carrot_on_plate")
    terminal.press("\x7f" + ENTER)
    assert terminal.end() == (0, True)
    assert load_profile(Workspace(tmp_path)).task == "put_carrot_on_plate"


def test_a_box_that_is_none_is_asked_again(tmp_path: Path) -> None:
    terminal = Terminal(f"setup {ALL_BUT} --task open_drawer --kitchen 0 --no-motion", tmp_path)
    terminal.see("Workspace box")
    terminal.press("0.5 0 0 0.1 1 1" + ENTER)
    terminal.see("Type six numbers")
    terminal.press("\x15" + "0.1 -0.3 0 0.5 0.3 0.4" + ENTER)
    assert terminal.end() == (0, True)
    profile = load_profile(Workspace(tmp_path))
    assert profile.workspace_low_m == (0.1, -0.3, 0.0)
    assert profile.workspace_high_m == (0.5, 0.3, 0.4)


def test_refusing_the_motion_writes_nothing(tmp_path: Path) -> None:
    words = f"setup {ALL_BUT} {BOX} --task open_drawer --kitchen 0"
    terminal = Terminal(words, tmp_path)
    terminal.see("Is the space around the arm free?")
    terminal.press("n")
    assert terminal.end() == (1, True)
    assert not (tmp_path / "ptrctl.toml").exists()


def test_ctrl_c_at_a_question_ends_with_130_and_writes_nothing(tmp_path: Path) -> None:
    terminal = Terminal("setup", tmp_path)
    terminal.see("Which arm?")
    terminal.press("\x03")
    assert terminal.end() == (130, True)
    assert not list(tmp_path.iterdir())


def test_ctrl_c_during_the_motion_stops_the_arm_and_writes_nothing(tmp_path: Path) -> None:
    words = "setup --yes --realtime --task open_drawer"
    terminal = Terminal(words, tmp_path)
    terminal.see("5/30")
    terminal.press("\x03")
    assert terminal.end() == (130, True)
    assert not (tmp_path / "ptrctl.toml").exists()
