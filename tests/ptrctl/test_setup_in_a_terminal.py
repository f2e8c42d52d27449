"""`ptrctl setup` as an operator sees it: questions, a slow motion, and Ctrl-C at any of them."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

from ptrctl.profile import load_profile
from ptrctl.workspace import Workspace
from tests.ptrctl.terminal import Terminal

pytestmark = pytest.mark.sim

ENTER, DOWN = "\r", "\x1b[B"
ALL_BUT = "--robot sim-wx250s --camera over_shoulder --image-size 64 --rate 5"
BOX = "--box-low 0.1 -0.3 0 --box-high 0.5 0.3 0.4"


def test_pressing_enter_takes_every_default_and_moves_the_arm(tmp_path: Path) -> None:
    terminal = Terminal("setup --fast", tmp_path)
    for question in (
        "Which arm?",
        "Which task?",
        "Further tasks",
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


def test_questions_are_seen_where_stdout_goes_into_a_file(tmp_path: Path) -> None:
    words = f"setup {ALL_BUT} {BOX} --kitchen 0 --no-motion --json > out.json"
    terminal = Terminal(words, tmp_path)
    terminal.see("Which task?")
    terminal.press(ENTER)
    terminal.see("Further tasks")
    terminal.press(ENTER)
    terminal.end()
    assert (
        "put_carrot_on_plate" in json.loads((tmp_path / "out.json").read_text())["profile"].values()
    )


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
    terminal.see("Further tasks")
    terminal.press("open_drawr" + ENTER)
    terminal.see("Did you mean open_drawer")
    terminal.press("\x15" + "open_drawer" + ENTER)
    assert terminal.end() == (0, True)
    profile = load_profile(Workspace(tmp_path))
    assert profile.task == "put_carrot_on_plate"
    assert profile.tasks == ("put_carrot_on_plate", "open_drawer")


def test_a_box_that_is_none_is_asked_again(tmp_path: Path) -> None:
    terminal = Terminal(f"setup {ALL_BUT} --task open_drawer --kitchen 0 --no-motion", tmp_path)
    terminal.see("Workspace box")
    terminal.press(DOWN + ENTER)
    terminal.see("Lowest x y z, then highest")
    terminal.press("\x15" + "0.5 0 0 0.1 1 1" + ENTER)
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
    # What was answered is not lost.
    said = terminal.output.decode()
    assert "`--no-motion`" in said
    command = next(line for line in said.splitlines() if "ptrctl setup --robot" in line)
    assert BOX in command


def test_ctrl_c_at_the_last_question_keeps_the_answers(tmp_path: Path) -> None:
    words = f"setup {ALL_BUT} {BOX} --task open_drawer --kitchen 0"
    terminal = Terminal(words, tmp_path)
    terminal.see("Is the space around the arm free?")
    terminal.press("\x03")
    assert terminal.end() == (130, True)
    assert f"--rate 5 {BOX}" in terminal.output.decode()


def test_refusing_the_motion_is_told_to_scripts(tmp_path: Path) -> None:
    words = f"setup {ALL_BUT} {BOX} --task open_drawer --kitchen 0 --json > out.json"
    terminal = Terminal(words, tmp_path)
    terminal.see("Is the space around the arm free?")
    terminal.press("n")
    assert terminal.end() == (1, True)
    assert json.loads((tmp_path / "out.json").read_text()) == {"declined": True}


def test_space_holds_the_arm_where_messages_go_into_a_file(tmp_path: Path) -> None:
    terminal = Terminal("setup --yes --realtime --task open_drawer 2> said.txt", tmp_path)
    said = tmp_path / "said.txt"
    terminal.read_until(lambda: said.exists() and "holds it" in said.read_text(), "announcement")
    terminal.press(" ")
    assert terminal.end() == (130, True)
    assert "The arm was stopped and holds" in said.read_text()
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
    said = terminal.output.decode()
    assert "ptrctl setup --robot sim-wx250s --task open_drawer" in said
    assert "Run the command above" in said
    assert "is kept" not in said


@pytest.mark.slow  # An arm that is driven by hand moves at its real pace.
def test_the_box_is_jogged_to_and_escape_during_the_check_stops_the_arm(tmp_path: Path) -> None:
    words = f"setup {ALL_BUT} --task open_drawer --kitchen 0 --realtime"
    terminal = Terminal(words, tmp_path)
    terminal.see("Workspace box")
    terminal.press(DOWN * 2 + ENTER)
    terminal.see("Is the space around it free?")
    terminal.press("y")
    terminal.see("points     0")
    terminal.press("y")
    terminal.see("must differ by 2 cm or more in x y z")
    terminal.press(ENTER)
    terminal.see("Point 1 taken")
    for key in "uij" * 4:
        terminal.press(key)
        terminal.see("no intervention")
    terminal.press("3jjjj")
    terminal.see("fast")
    terminal.press(" ")
    terminal.see("The arm holds.")
    terminal.press("\r")
    terminal.see("Point 2 taken")
    terminal.press("\x7f")
    terminal.see("The last point is dropped")
    terminal.press("q")
    terminal.see("type the corners")
    terminal.press(ENTER)
    terminal.see("Is the space around the arm free?")
    terminal.press("y")
    terminal.see("5/30")
    terminal.press("\x1b")
    assert terminal.end() == (130, True)
    assert "Nothing was written" in terminal.output.decode()
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_what_was_jogged_to_becomes_the_box(tmp_path: Path) -> None:
    words = f"setup {ALL_BUT} --task open_drawer --kitchen 0 --no-motion"
    terminal = Terminal(words, tmp_path)
    terminal.see("Workspace box")
    terminal.press(DOWN * 2 + ENTER)
    terminal.see("Is the space around it free?")
    terminal.press("y")
    terminal.see("points     0")
    terminal.press(ENTER)
    terminal.see("Point 1 taken")
    terminal.press("3")
    # Up last: how far a press goes depends on the machine, and high up a joint limit is near.
    for key in "jiu":
        terminal.press(key)
        time.sleep(0.6)  # The keyboard's own delay before a key counts as released.
    terminal.press(ENTER)
    terminal.see("Point 2 taken")
    terminal.press("y")
    assert terminal.end() == (0, True)
    profile = load_profile(Workspace(tmp_path))
    assert profile.workspace_low_m is not None
    assert profile.workspace_high_m is not None
    edges = [b - a for a, b in zip(profile.workspace_low_m, profile.workspace_high_m, strict=True)]
    assert min(edges) > 0.02
    assert profile.source("workspace_low_m") == "ptrctl.toml"
