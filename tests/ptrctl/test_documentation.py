"""docs/commands.md speaks of commands and flags that exist."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
from typer.testing import CliRunner

from ptrctl.main import COMMANDS, app

TEXT = (Path(__file__).parents[2] / "docs" / "commands.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"^ptrctl .+$", TEXT, re.MULTILINE)


def test_every_command_has_a_section_with_an_example() -> None:
    sections = dict(re.findall(r"^## ([\w-]+)$(.*?)(?=^## |\Z)", TEXT, re.MULTILINE | re.DOTALL))
    for name, _ in COMMANDS:
        assert f"\nptrctl {name}" in sections[name]


@pytest.mark.parametrize("example", EXAMPLES)
def test_an_example_uses_flags_that_its_command_has(
    example: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    words = shlex.split(example)[1:]
    command = words[: 2 if words[0] == "data" else 1]
    result = CliRunner().invoke(app, [*command, "--help"])
    assert result.exit_code == 0, result.output
    for flag in (word for word in words if word.startswith("-")):
        assert re.search(rf"(?<![\w-]){flag}(?![\w-])", result.output), f"{command} has no {flag}"
