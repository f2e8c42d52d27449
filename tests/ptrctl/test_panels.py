"""What the panel shows, and that it fits."""

from __future__ import annotations

import dataclasses
import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console, RenderableType
from rich.text import Text

from ptrctl.terminal.halfblocks import HalfBlocks, fit
from ptrctl.terminal.keymap import Moment, arm_keys, command_keys_at
from ptrctl.terminal.panels import LivePanel, View, draw, gauge, gigabytes
from recordings.records import EpisodeInfo, Frame, Observation, Outcome, Score, Step
from tests.ptrctl.quiet_screen import QuietScreen


def view(picture: bool = True) -> View:
    moment = Moment.RUNNING
    image = np.random.default_rng(0).integers(0, 256, (128, 128, 3), dtype=np.uint8)
    return View(
        title="ptrctl record · put_carrot_on_plate",
        control_rate_hz=5.0,
        max_steps=60,
        wanted={Outcome.SUCCESS: 10},
        moment=moment,
        keys=command_keys_at(moment),
        arm_keys=arm_keys(),
        picture=image if picture else None,
        state=np.zeros(7),
        score=Score(False, 0.25, "reached"),
    )


def text_of(renderable: RenderableType, columns: int, colour: str | None = None) -> str:
    out = io.StringIO()
    options: dict[str, Any] = {"color_system": colour, "force_terminal": colour is not None}
    Console(file=out, width=columns, **options).print(renderable)
    return out.getvalue()


@pytest.mark.parametrize(("columns", "rows"), [(80, 24), (110, 34), (200, 60), (60, 40), (40, 20)])
@pytest.mark.parametrize("extras", [{}, {"q": -23.87, "chance": 0.05}, {"q": -23.87}])
def test_the_panel_fits_the_terminal(columns: int, rows: int, extras: dict[str, float]) -> None:
    shown = dataclasses.replace(view(), meter=gauge(extras))
    lines = text_of(draw(shown, columns, rows), columns).rstrip("\n").split("\n")
    assert max(len(line) for line in lines) <= columns
    if rows >= 24:
        assert len(lines) <= rows


@pytest.mark.parametrize("size", [(80, 24), (110, 34), (60, 40), (80, 20), (60, 20), (80, 14)])
def test_the_working_keys_are_always_shown(size: tuple[int, int]) -> None:
    shown = view()
    shown.rows |= {"engaged": "yes", "speed": "slow"}
    shown.message = "why the arm was stopped"
    text = text_of(draw(shown, *size), size[0])
    lines = text.rstrip("\n").split("\n")
    assert len(lines) <= size[1]
    assert lines[-1].startswith("╰")
    assert "why the arm was stopped" in text
    for words in ("success", "failure", "stop, then label", "hold", "quit", "open or close"):
        assert words in text


def test_counts_stand_against_the_goal() -> None:
    shown = view()
    shown.counts[Outcome.SUCCESS] = 3
    assert "3 of 10" in text_of(draw(shown, 80, 24), 80)


@pytest.mark.parametrize("columns", [60, 80, 110])
def test_words_that_are_too_long_for_a_row_go_on_in_the_next(columns: int) -> None:
    shown = view()
    words = "11 of 20  put_carrot_on_plate from memory 7/11 [0.35, 0.85]"
    shown.rows["improve"] = words
    rest = text_of(draw(shown, columns, 34), columns).partition(" improve ")[2].partition("step")[0]
    for word in words.split():
        assert word in rest
        rest = rest.partition(word)[2]


@pytest.mark.parametrize(
    ("gripper", "words"),
    [(0.0, " closed"), (0.02, " closed"), (0.49, " 0.49 open"), (1.0, "━ open")],
)
def test_a_closed_gripper_is_not_called_open(gripper: float, words: str) -> None:
    shown = view()
    shown.state = np.array([0, 0, 0, 0, 0, 0, gripper])
    (line,) = (x for x in text_of(draw(shown, 80, 34), 80).split("\n") if " gripper " in x)
    assert line.rstrip(" │").endswith(words)


def test_without_a_picture_the_figures_stay() -> None:
    assert "of at most 60" in text_of(draw(view(picture=False), 80, 24), 80)


def test_a_picture_keeps_its_place_when_fewer_keys_work() -> None:
    shown = view()
    before = text_of(draw(shown, 110, 34), 110, "truecolor").count("▀")
    shown.keys, shown.arm_keys = [("q", "quit")], ()
    assert text_of(draw(shown, 110, 34), 110, "truecolor").count("▀") == before


def test_a_terminal_without_colour_gets_shades() -> None:
    half = np.zeros((8, 8, 3), np.uint8)
    half[:, 4:] = 255
    assert text_of(HalfBlocks(half, 8, 4), 20).splitlines()[0].rstrip() == "    @@@@"


def test_no_color_gets_shades_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    white = np.full((8, 8, 3), 255, np.uint8)
    assert "@@@@" in text_of(HalfBlocks(white, 8, 4), 20, "truecolor")


def test_a_colour_terminal_gets_two_pixels_a_cell() -> None:
    image = np.zeros((2, 1, 3), np.uint8)
    image[0] = (252, 0, 0)
    image[1] = (0, 0, 252)
    text = text_of(HalfBlocks(image, 1, 1), 20, "truecolor")
    assert "\x1b[38;2;252;0;0;48;2;0;0;252m▀" in text


@given(st.integers(1, 700), st.integers(1, 700), st.integers(1, 300), st.integers(1, 100))
def test_a_picture_never_exceeds_its_room(height: int, width: int, columns: int, rows: int) -> None:
    image = np.broadcast_to(np.uint8(0), (height, width, 3))
    wide, high = fit(image, columns, rows)
    assert 1 <= wide <= columns
    assert 1 <= high <= rows


def step(index: int, **changes: Any) -> Step:
    seen = Observation({"front": Frame(np.zeros((8, 8, 3), np.uint8), 0, 0)}, np.zeros(7), 0.0)
    return Step(index, seen, np.zeros(7), np.zeros(7), **changes)


def test_late_periods_and_interventions_add_up(tmp_path: Path) -> None:
    shown = view()
    panel = LivePanel(shown, QuietScreen(), tmp_path)  # type: ignore[arg-type]
    panel.on_step(step(0, overrun_s=0.05, interventions=("step_clamp",)))
    panel.on_step(step(1, overrun_s=0.02, interventions=("step_clamp", "joint_limit")))
    text = text_of(draw(shown, 110, 34), 110)
    assert "2, worst 50 ms" in text
    assert "step_clamp 2" in text


def test_sizes_are_said_in_words() -> None:
    assert gigabytes(41.2e9) == "41.2 GB"
    assert gigabytes(3e6) == "3 MB"


def test_a_fault_is_told_in_full() -> None:
    shown = view()
    shown.message = (
        "The arm was stopped: Joint `elbow` is at 71 °C. It should stay below 65 °C. "
        "Let it cool for ten minutes, then run `ptrctl doctor`."
    )
    lines = text_of(draw(shown, 80, 24), 80).splitlines()
    said = " ".join(line.strip("│ ") for line in lines)
    assert shown.message in said


def test_a_hold_that_is_not_confirmed_is_told_in_full_at_the_label() -> None:
    shown = view()
    shown.keys, shown.arm_keys = command_keys_at(Moment.LABEL), ()
    shown.message = (
        "The arm was stopped: The motor `wrist_angle` (ID 7) lost its torque by itself. Every "
        "motor is under torque until the arm is parked. Support the arm, look at its 12 V supply "
        "and the cable to that motor, then run `ptrctl doctor`. The arm did not confirm that it "
        "holds: A motor has no torque, so the arm does not hold."
    )
    lines = text_of(draw(shown, 80, 24), 80).splitlines()
    assert len(lines) <= 24
    assert shown.message in " ".join(line.strip("│ ") for line in lines)


def test_a_long_message_never_pushes_the_keys_off_the_screen() -> None:
    shown = view()
    shown.message = "word " * 200
    for keys in (arm_keys(), ()):
        shown.arm_keys = keys
        lines = text_of(draw(shown, 80, 24), 80).splitlines()
        assert len(lines) <= 24
        assert "quit" in "\n".join(lines)


def test_a_long_value_is_cut_and_not_the_names_beside_it() -> None:
    shown = view()
    shown.interventions.update({"workspace_box": 1234, "translation_limit": 4321})
    assert "late periods" in text_of(draw(shown, 80, 24), 80)


def test_the_rate_counts_steps_over_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    times = iter([0.0, 0.2, 0.4, 0.6, 0.61, 0.8])
    monkeypatch.setattr("ptrctl.terminal.panels.time.monotonic", lambda: next(times))
    shown = view()
    panel = LivePanel(shown, QuietScreen(), tmp_path)  # type: ignore[arg-type]
    for index in range(6):
        panel.on_step(step(index))
    assert 5.0 <= shown.rate_hz < 7.5


def test_a_calibrated_meter_shows_a_chance_and_another_none() -> None:
    name, words = gauge({"q": -7.31, "chance": 0.72}) or ("", Text())
    assert (name, words.plain.split()[0]) == ("success chance", "0.72")
    assert words.plain.count("━") == 9
    name, words = gauge({"q": -7.31}) or ("", Text())
    assert (name, words.plain) == ("value", "Q -7.3 (uncalibrated)")
    assert gauge({}) is None


def test_the_meter_follows_the_steps_and_keeps_its_row_between_episodes(tmp_path: Path) -> None:
    seen = View("evaluate", control_rate_hz=5.0)
    panel = LivePanel(seen, QuietScreen(), tmp_path)  # type: ignore[arg-type]

    def shown() -> str:
        return text_of(draw(seen, 100, 30), 100)

    panel.on_step(step(0))
    assert "success chance" not in shown()
    panel.on_step(dataclasses.replace(step(1), extras={"q": -7.3, "chance": 0.72}))
    assert "success chance" in shown()
    assert "0.72 ━" in shown()
    panel.on_begin(EpisodeInfo("e", "trial", "t", {}, {}, 5.0, "policy:a"))
    assert "success chance" in shown()
    assert "0.72" not in shown()
