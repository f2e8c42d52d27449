"""The rooms and their one-way imports, as ARCHITECTURE.md promises."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
ROOMS = ("recordings", "hardware", "policies", "ptrctl")
DISPLAY = {"typer", "rich", "questionary", "prompt_toolkit", "click"}
MAY_IMPORT = {
    "recordings": {"recordings"},
    "hardware": {"hardware", "recordings"},
    "policies": {"policies", "recordings"},
    "ptrctl": set(ROOMS),
}
SHARED_WITH_HARDWARE = {"recordings.records", "recordings.errors", "recordings.images"}
FILES = [path for room in ROOMS for path in sorted((ROOT / room).rglob("*.py"))]


def imported(path: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module)
    return names


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_point_one_way(path) -> None:
    room = path.relative_to(ROOT).parts[0]
    names = imported(path)
    ours = {name.split(".")[0] for name in names} & {*ROOMS, "tests"}
    assert ours <= MAY_IMPORT[room]
    if room == "hardware":
        assert {name for name in names if name.startswith("recordings")} <= SHARED_WITH_HARDWARE
    if room != "ptrctl":
        assert not {name.split(".")[0] for name in names} & DISPLAY


RESTRICTED_UNPICKLING = "hardware/bridge/wire.py"
"""A foreign wire format forces it there; its tests prove that nothing a message names is called."""


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_only_the_console_prints_and_nothing_is_unpickled(path) -> None:
    calls = {
        node.func.id
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
    }
    assert not calls & {"print", "input", "eval", "exec", "breakpoint"}
    forbidden = {"pickle", "dill", "joblib", "pdb"}
    if path.relative_to(ROOT).as_posix() == RESTRICTED_UNPICKLING:
        forbidden.remove("pickle")
    assert not {name.split(".")[0] for name in imported(path)} & forbidden
