"""`ptrctl record` as an operator sees it: keys, panel, and a terminal that is put back."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import pytest

from recordings.dataset import EpisodeFolder
from recordings.reader import EpisodeSummary
from recordings.records import Label, Outcome
from recordings.verification import verify_episode
from tests.ptrctl.terminal import Terminal

pytestmark = pytest.mark.sim

TASK = "put_carrot_on_plate"
RECORD = f"record --task {TASK} --episodes 1"


def recorded(folder: Path) -> list[EpisodeSummary]:
    demos = folder / "demos" / TASK
    return EpisodeFolder(demos).summaries() if demos.exists() else []


def wait_for_a_step(terminal: Terminal, folder: Path) -> None:
    """Until the journal holds more than its first entries."""
    demos = folder / "demos" / TASK

    def recording() -> bool:
        return any(path.stat().st_size > 8000 for path in demos.glob(".*.partial"))

    terminal.read_until(recording, "step")


def test_a_session_by_keyboard_from_start_to_label(tmp_path: Path) -> None:
    terminal = Terminal(RECORD, tmp_path)
    terminal.see("ready to start")
    assert "▀" in "\n".join(terminal.screen.display)
    terminal.press("#")
    terminal.see("The key `#` does nothing now.")

    terminal.press("s")
    terminal.see("running")
    terminal.press("i")
    terminal.see("speed")
    wait_for_a_step(terminal, tmp_path)
    terminal.press("f")
    terminal.see("missed grasp")
    terminal.press("m")
    terminal.see("Kept as failure")

    terminal.press("s")
    terminal.see("running")
    terminal.press(" ")
    terminal.see("the arm holds")
    terminal.press("p")
    terminal.see("stop, then label")
    terminal.press("x")
    terminal.see("waiting for a label")
    terminal.press("d")
    terminal.see("Discarded.")

    terminal.press("s")
    terminal.see("running")
    wait_for_a_step(terminal, tmp_path)
    terminal.press("y")
    code, restored = terminal.end()
    assert (code, restored) == (0, True)
    labels = [summary.label for summary in recorded(tmp_path)]
    assert labels == [
        Label(Outcome.FAILURE, "missed_grasp", "operator"),
        Label(Outcome.SUCCESS, "", "operator"),
    ]


def test_quitting_before_the_start_leaves_nothing_and_restores_the_terminal(
    tmp_path: Path,
) -> None:
    terminal = Terminal(RECORD, tmp_path)
    terminal.see("ready to start")
    terminal.press("q")
    assert terminal.end() == (0, True)
    assert recorded(tmp_path) == []


def test_on_a_terminal_that_draws_nothing_no_arm_is_driven_by_hand(tmp_path: Path) -> None:
    terminal = Terminal(RECORD, tmp_path, {"TERM": "dumb"})
    terminal.see("this one draws no")
    terminal.see("export TERM=xterm-256color")
    assert terminal.end() == (2, True)
    words = f"{RECORD} --demonstrator scripted --label-by simulator --fast"
    terminal = Terminal(words, tmp_path, {"TERM": "dumb"})
    terminal.see("Kept: success, 1 of 1 wanted")
    assert terminal.end() == (0, True)


@pytest.mark.parametrize("how", ["Ctrl-C", "SIGTERM", "SIGHUP"])
def test_an_interrupt_while_the_arm_moves_keeps_the_episode_unlabelled(
    tmp_path: Path, how: str
) -> None:
    terminal = Terminal(RECORD, tmp_path)
    terminal.see("ready to start")
    terminal.press("s")
    terminal.see("running")
    wait_for_a_step(terminal, tmp_path)
    if how == "Ctrl-C":
        terminal.press("\x03")
    else:
        os.kill(terminal.child_pid(), getattr(signal, how))
    assert terminal.end() == (130, True)
    (summary,) = recorded(tmp_path)
    assert summary.label == Label()
    assert summary.steps >= 1
    assert not [problem for problem in verify_episode(summary.path) if problem.serious]


def test_sigterm_at_the_label_prompt_keeps_the_episode_unlabelled(tmp_path: Path) -> None:
    terminal = Terminal(RECORD, tmp_path)
    terminal.see("ready to start")
    terminal.press("s")
    terminal.see("running")
    wait_for_a_step(terminal, tmp_path)
    terminal.press("x")
    terminal.see("waiting for a label")
    os.kill(terminal.child_pid(), signal.SIGTERM)
    assert terminal.end() == (130, True)
    assert [summary.label for summary in recorded(tmp_path)] == [Label()]


def test_a_closed_window_keeps_the_episode(tmp_path: Path) -> None:
    terminal = Terminal(RECORD, tmp_path)
    terminal.see("ready to start")
    terminal.press("s")
    terminal.see("running")
    wait_for_a_step(terminal, tmp_path)
    pid = terminal.child_pid()
    terminal.shell.close(force=False)
    deadline_s = time.monotonic() + 20
    while Path(f"/proc/{pid}").exists() and time.monotonic() < deadline_s:
        time.sleep(0.05)
    assert not Path(f"/proc/{pid}").exists()
    assert [summary.label for summary in recorded(tmp_path)] == [Label()]


def test_the_scripted_demonstrator_can_be_stopped_by_a_key(tmp_path: Path) -> None:
    words = f"record --task {TASK} --episodes 50 --demonstrator scripted --realtime"
    terminal = Terminal(words, tmp_path)
    terminal.see("running")
    wait_for_a_step(terminal, tmp_path)
    terminal.press("q")
    assert terminal.end() == (0, True)
    assert len(recorded(tmp_path)) == 1


def test_stopping_early_says_how_to_go_on(tmp_path: Path) -> None:
    words = f"record --task {TASK} --episodes 9 --kitchen 3 --demonstrator scripted --realtime"
    terminal = Terminal(words, tmp_path)
    terminal.see("running")
    terminal.press("q")
    assert terminal.end() == (0, True)
    said = b" ".join(terminal.output.split())
    assert f"ptrctl record --task {TASK} --kitchen 3 --episodes 9 --demonstrator".encode() in said
