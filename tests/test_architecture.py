"""The rooms and their one-way imports, as ARCHITECTURE.md promises."""

from __future__ import annotations

import ast
import subprocess
import sys
from graphlib import TopologicalSorter
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
def test_imports_point_one_way(path: Path) -> None:
    room = path.relative_to(ROOT).parts[0]
    names = imported(path)
    ours = {name.split(".")[0] for name in names} & {*ROOMS, "tests"}
    assert ours <= MAY_IMPORT[room]
    if room == "hardware":
        assert {name for name in names if name.startswith("recordings")} <= SHARED_WITH_HARDWARE
    if room != "ptrctl":
        assert not {name.split(".")[0] for name in names} & DISPLAY


def test_the_packages_of_ptrctl_import_each_other_in_no_circle() -> None:
    packages = sorted(path.parent.name for path in (ROOT / "ptrctl").glob("*/__init__.py"))
    imports: dict[str, set[str]] = {
        package: {
            other
            for path in (ROOT / "ptrctl" / package).rglob("*.py")
            for other in packages
            if other != package
            and any(name.startswith(f"ptrctl.{other}") for name in imported(path))
        }
        for package in packages
    }
    assert imports["sessions"] > {"operator", "setup"}
    order = list(TopologicalSorter(imports).static_order())
    assert order[-1] == "commands"


def test_workflows_load_nothing_that_shows() -> None:
    workflows = sorted(path.stem for path in (ROOT / "ptrctl" / "workflows").glob("[!_]*.py"))
    program = (
        "import sys\n"
        + "".join(f"import ptrctl.workflows.{name}\n" for name in workflows)
        + f"print(*sys.modules.keys() & set({sorted(DISPLAY)}))"
    )
    loaded = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert loaded.stdout.split() == []


RESTRICTED_UNPICKLING = "hardware/bridge/wire.py"
"""A foreign wire format forces it there; its tests prove that nothing a message names is called."""


WAYS_TO_PRINT = {
    *("print", "sys.stdout", "sys.stderr", "sys.__stdout__", "sys.__stderr__"),
    *("typer.echo", "typer.secho", "click.echo", "click.secho"),
    *("Console", "rich.print", "questionary.print"),
}
MAY_PRINT = {
    "ptrctl/terminal/console.py": {"sys.stdout", "sys.stderr", "Console"},
    # The version is told before anything else is loaded; help beside a question belongs to it.
    "ptrctl/main.py": {"typer.echo"},
    "ptrctl/setup/questions.py": {"questionary.print"},
    # A program of its own for the robot's machine, where ptrctl is not installed.
    "hardware/remote/serve.py": {"sys.stderr"},
}


def ways_to_print(path: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Attribute):
            names.add(ast.unparse(node))
        elif isinstance(node, ast.Call):
            names.add(ast.unparse(node.func))
        elif isinstance(node, ast.ImportFrom):
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names & WAYS_TO_PRINT


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_only_the_console_prints(path: Path) -> None:
    assert ways_to_print(path) == MAY_PRINT.get(path.relative_to(ROOT).as_posix(), set())


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_nothing_is_unpickled_or_evaluated(path: Path) -> None:
    calls = [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call)]
    called = {ast.unparse(call.func) for call in calls}
    assert not called & {"input", "eval", "exec", "breakpoint", "torch.load"}
    keywords = {ast.unparse(keyword) for call in calls for keyword in call.keywords}
    assert not keywords & {"allow_pickle=True", "weights_only=False"}
    forbidden = {"pickle", "dill", "joblib", "pdb"}
    if path.relative_to(ROOT).as_posix() == RESTRICTED_UNPICKLING:
        forbidden.remove("pickle")
    assert not {name.split(".")[0] for name in imported(path)} & forbidden
