"""Long jobs show stages, time left and the camera; without a terminal, plain lines."""

from __future__ import annotations

import dataclasses
import io

import numpy as np
import pytest
from rich.console import Console

from ptrctl.terminal import dashboard as display_module
from ptrctl.terminal.dashboard import Dashboard, PlainLines, Stage
from recordings.records import Frame, Observation, Step
from tests.ptrctl.quiet_screen import QuietScreen


def dashboard(width: int, height: int) -> tuple[Dashboard, Console]:
    console = Console(
        file=io.StringIO(), force_terminal=True, width=width, height=height, color_system=None
    )
    return Dashboard(
        "demo", QuietScreen(), [Stage("train", 60.0), Stage("evaluate", 30.0)]
    ), console  # type: ignore[arg-type]


def shown(board: Dashboard, console: Console) -> str:
    with console.capture() as capture:
        console.print(board.draw(console.width, console.height))
    return capture.get()


def picture_step(extras: dict[str, float] | None = None) -> Step:
    image = np.full((32, 32, 3), 128, np.uint8)
    observation = Observation({"front": Frame(image, 0.0, 0.0)}, np.zeros(7), 0.0)
    return Step(0, observation, np.zeros(7), np.zeros(7), extras=extras or {})


def test_all_stages_and_the_time_left_are_shown_from_the_start() -> None:
    board, console = dashboard(100, 40)
    board.begin("train")
    text = shown(board, console)
    assert "▶ train" in text
    assert "· evaluate" in text
    assert "left" in text


def test_losses_are_shown_while_training() -> None:
    board, console = dashboard(100, 40)
    board.begin("train")
    board.advance(10, 100, "41.0 updates/s")
    for value in (3.0, 2.0, 1.0):
        board.figures({"td": value})
    text = shown(board, console)
    assert "10/100" in text
    assert "41.0 updates/s" in text
    assert "td" in text
    assert "1.000" in text


def test_the_camera_and_the_outcomes_are_shown_during_trials() -> None:
    board, console = dashboard(100, 40)
    board.begin("evaluate")
    board.listener.on_step(picture_step())
    for outcome in (True, False, None):
        board.trial(outcome)
    text = shown(board, console)
    assert "✓×!" in text
    assert len(text.splitlines()) > 15


def test_the_value_meter_is_shown_beside_the_camera_during_a_trial() -> None:
    board, console = dashboard(100, 40)
    board.begin("evaluate")
    board.listener.on_step(picture_step())
    assert "success chance" not in shown(board, console)
    board.listener.on_step(picture_step({"q": -7.3, "chance": 0.72}))
    assert "success chance  0.72 ━" in shown(board, console)
    board.listener.on_step(picture_step({"q": -7.3}))
    assert "value  Q -7.3 (uncalibrated)" in shown(board, console)


def test_a_finished_stage_keeps_its_result() -> None:
    board, console = dashboard(100, 40)
    board.begin("train")
    board.finish("train", "the last checkpoint")
    text = shown(board, console)
    assert "✓ train" in text
    assert "the last checkpoint" in text


@pytest.mark.parametrize(("width", "height"), [(100, 40), (80, 24), (60, 12)])
def test_the_panel_fits_the_terminal(width: int, height: int) -> None:
    board, console = dashboard(width, height)
    board.begin("evaluate")
    board.advance(3, 50, "1/3 [0.06, 0.79]")
    board.listener.on_step(picture_step({"q": -7.3, "chance": 0.72}))
    lines = shown(board, console).splitlines()
    assert len(lines) <= height
    assert max(len(line) for line in lines) <= width


def test_the_time_left_of_a_stage_follows_its_own_pace() -> None:
    stage = Stage("evaluate", 100.0)
    assert stage.left_s(0.0) == 100.0
    stage.began_s = 0.0
    assert stage.left_s(20.0) == pytest.approx(80.0)
    # Trials that an earlier call had done say nothing about the pace of this one, and beside them
    # the guess would be taken for it.
    stage.advance(20.0, 5, 50)
    assert stage.left_s(30.0) is None
    stage.advance(40.0, 10, 50)
    assert stage.left_s(40.0) == pytest.approx(160.0)


def test_each_part_of_a_stage_has_its_own_pace() -> None:
    stage = Stage("improve", 100.0, began_s=0.0, several_parts=True)
    for now_s, done, total in [(0, 0, 20), (10, 20, 20), (10, 0, 40), (30, 10, 40)]:
        stage.advance(now_s, done, total)
    # By the guess 70 s, by the pace of its present part 30 trials of 2 s.
    assert stage.left_s(30.0) == pytest.approx(70.0)
    assert dataclasses.replace(stage, several_parts=False).left_s(30.0) == pytest.approx(60.0)
    stage.advance(200.0, 30, 40)
    assert stage.left_s(200.0) == pytest.approx(190.0 / 30 * 10)
    # The selection trials after practice: neither a pace nor a guess that still holds.
    stage.advance(200.0, 0, 20)
    assert stage.left_s(200.0) is None


def test_an_unknown_time_left_is_not_shown() -> None:
    board, console = dashboard(100, 40)
    board._stages.stages[0].expected_s = 0.0
    board.begin("train")
    text = shown(board, console)
    assert "used" in text
    assert "left" not in text


def test_plain_lines_tell_the_beginning_and_the_end(capsys: pytest.CaptureFixture[str]) -> None:
    lines = PlainLines([Stage("train")])
    lines.begin("train")
    lines.advance(1, 2)
    lines.finish("train", "done")
    begun, done = capsys.readouterr().err.splitlines()
    assert begun == "train: begun."
    assert done.startswith("train: done, ")


def test_plain_lines_count_only_what_can_be_counted(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(display_module, "LINE_EVERY_S", 0.0)
    lines = PlainLines([Stage("train")])
    lines.begin("train")
    lines.advance(0, 0, "getting ready")
    lines.advance(1, 2, "learning")
    _, ready, learning = capsys.readouterr().err.splitlines()
    assert ready.startswith("train: getting ready")
    assert learning.startswith("train: 1 of 2, learning")


def test_a_terminal_that_draws_nothing_gets_plain_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    dumb = Console(file=io.StringIO(), force_terminal=True, _environ={"TERM": "dumb"})
    monkeypatch.setattr(display_module.console, "messages", lambda: dumb)
    with display_module.display("demo", [Stage("train")]) as shown:
        assert isinstance(shown, PlainLines)


def test_a_part_that_is_done_says_nothing_of_the_time_that_is_left() -> None:
    stage = Stage("fine-tune", 60.0, began_s=0.0)
    stage.advance(0.0, 0, 128)
    stage.advance(4.0, 64, 128)
    assert stage.left_s(4.0) == pytest.approx(4.0)
    stage.advance(8.0, 128, 128)
    assert stage.left_s(8.0) is None
    # What comes next is not counted, and by the guess the whole stage takes a minute.
    stage.advance(8.0, 0, 0)
    assert stage.left_s(20.0) == pytest.approx(40.0)
    # The pace of the updates begins with the first of them.
    stage.advance(25.0, 1, 30)
    stage.advance(26.0, 11, 30)
    assert stage.left_s(26.0) == pytest.approx(1.9)


@pytest.mark.parametrize("width", [80, 101, 120])
def test_there_is_room_beside_the_panel_for_what_ctrl_c_echoes(width: int) -> None:
    board, console = dashboard(width, 24)
    assert max(len(line.rstrip()) for line in shown(board, console).splitlines()) <= width - 2
