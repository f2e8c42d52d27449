"""The help of each command, on the widths of real terminals."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
import typer
from typer.testing import CliRunner

from ptrctl.commands.data import data
from ptrctl.main import COMMANDS, app
from ptrctl.terminal import console

LOOKING_AFTER = [["data", name] for name in typer.main.get_command(data).commands]
EACH = [[name] for name, _ in COMMANDS if name != "data"] + LOOKING_AFTER


@pytest.fixture(params=[44, 80, 200], autouse=True)
def width(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    monkeypatch.setenv("COLUMNS", str(request.param))
    console.results.cache_clear()
    yield request.param
    console.results.cache_clear()


def page(command: list[str]) -> str:
    result = CliRunner().invoke(app, [*command, "--help"])
    assert result.exit_code == 0, result.output
    return result.stdout


@pytest.mark.parametrize("command", EACH, ids=" ".join)
def test_nothing_is_cut_off(command: list[str], width: int) -> None:
    found = typer.main.get_command(app)
    for name in command:
        found = found.commands[name]
    text = page(command)
    assert max(map(len, text.splitlines())) <= width
    assert "…" not in text
    words = " ".join(re.sub(r"[│╭╮╰╯─]", " ", text).split())
    for param in found.params:
        for name in (*param.opts, *param.secondary_opts):
            assert re.search(rf"(?<![\w-]){name}(?![\w-])", text, re.IGNORECASE), name
        assert " ".join(param.help.split()) in words


def test_values_defaults_and_limits_are_said_plainly(width: int) -> None:
    words = " ".join(page(["improve"]).replace("│", " ").split())
    assert "-n, --trials N Practice trials. [default: 20; 1 to 10000]" in words
    assert "--learner ptr|bc How to learn. [default: the checkpoint's]" in words
    assert "--updates N" in words
    assert "at least 0]" in words
    assert "range" not in words
    assert "<" not in words


def test_arguments_come_first(width: int) -> None:
    text = page(["data", "label"]).lower()  # Typer's versions differ.
    assert text.index("arguments") < text.index("outcome success|failure|unlabelled")
    assert text.index("what became of it.") < text.index("options ─")


def test_words_stand_beside_names_where_there_is_room(width: int) -> None:
    beside = re.search(r"--kitchen N +Seed", page(["improve"]))
    assert bool(beside) == (width >= 60)
