"""The light server, the driver, the cameras and all that they import run in Python 3.8, which ROS
Noetic brings.

With an interpreter at hand (PTRCTL_PYTHON38, or `python3.8` on PATH, with numpy, Pillow and
modern_robotics; for the server also msgpack and pyzmq) it really runs; without one the sources are
read for what 3.8 does not know.
"""

from __future__ import annotations

import ast
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from hardware.modules import CAMERA_MODULES
from tests.hardware.interbotix.child import assert_motions, python38, run_motions
from tests.hardware.peers.interbotix import REPOSITORY

STARTED = ("hardware.remote.serve", "hardware.interbotix", *CAMERA_MODULES.values())
"""What is started or named there."""
SUBSCRIPTED_AT_RUNTIME = {"dict", "list", "tuple", "set", "frozenset", "type", "Callable"}
NEWER_CALLS = {"removeprefix", "removesuffix", "bit_count", "is_relative_to", "pairwise"}


def imported(node: ast.AST) -> Iterator[str]:
    """What is imported when a source runs, inside functions too; some names are no modules."""
    if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
        return
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
        yield str(node.module)
        yield from (f"{node.module}.{alias.name}" for alias in node.names)
    for child in ast.iter_child_nodes(node):
        yield from imported(child)


def closure(names: Sequence[str], root: Path = REPOSITORY) -> dict[str, Path]:
    """Module name to source of these modules and of everything of ours that they import."""
    found: dict[str, Path] = {}
    names = list(names)
    while names:
        name = names.pop()
        place = root.joinpath(*name.split("."))
        path = next(
            (p for p in (place.with_suffix(".py"), place / "__init__.py") if p.exists()), None
        )
        if path and name not in found:
            found[name] = path
            names += [name.rpartition(".")[0], *imported(ast.parse(path.read_text()))]
    return found


SOURCES = closure(STARTED)


@pytest.mark.parametrize("generation", [1, 2])
def test_the_driver_moves_the_arm_in_python_38(generation, tmp_path) -> None:
    done = run_motions(tmp_path, generation, 8.0, python=python38())
    assert done["python"] == [3, 8]
    assert_motions(done)


def test_every_module_that_it_needs_can_be_imported_in_python_38() -> None:
    program = f"import {', '.join(SOURCES)}"
    python = python38("msgpack", "zmq")
    ran = subprocess.run(
        [python, "-c", program], cwd=REPOSITORY, capture_output=True, text=True, check=False
    )
    assert ran.returncode == 0, ran.stderr


@pytest.mark.parametrize("name", sorted(SOURCES))
def test_the_source_is_python_38(name) -> None:
    tree = ast.parse(SOURCES[name].read_text(), feature_version=(3, 8))
    assert traps(tree) == []


def test_the_reader_of_sources_follows_every_import(tmp_path) -> None:
    (tmp_path / "ours").mkdir()
    for name, text in {
        "__init__": "",
        "start": "import json\nfrom ours import near\n"
        "if TYPE_CHECKING:\n    from ours import typed",
        "near": "def later():\n    from ours.far import thing",
        "far": "",
        "typed": "",
        "other": "",
    }.items():
        (tmp_path / "ours" / f"{name}.py").write_text(text)
    assert set(closure(["ours.start"], tmp_path)) == {"ours", "ours.start", "ours.near", "ours.far"}
    assert "hardware.remote.guard" in SOURCES


def test_the_reader_of_sources_knows_the_traps() -> None:
    for line in (
        "Callback = Callable[[], bool]",
        "numbers = dict[str, int]()",
        "pairs = zip(a, b, strict=True)",
        "name = name.removeprefix('/')",
        "names |= {'a': 1}",
        "names = names | {**others}",
        "def f(x: int) -> int: return x",
    ):
        assert traps(ast.parse(line)), line
    fine = "from __future__ import annotations\ndef f(x: list[int]) -> int | None: ..."
    assert traps(ast.parse(fine)) == []


def traps(tree: ast.Module) -> list[str]:
    """What parses, and yet fails or means something else when Python 3.8 runs it."""
    found = []
    imports = [node for node in tree.body if isinstance(node, ast.ImportFrom)]
    if not any(node.module == "__future__" for node in imports) and any(
        isinstance(node, ast.FunctionDef) for node in ast.walk(tree)
    ):
        found.append("annotations are evaluated")
    for node in _at_runtime(tree):
        if isinstance(node, ast.Subscript) and isinstance(node.value, ast.Name):
            if node.value.id in SUBSCRIPTED_AT_RUNTIME:
                found.append(f"line {node.lineno}: {node.value.id}[...]")
        elif isinstance(node, ast.Call):
            if any(word.arg == "strict" for word in node.keywords):
                found.append(f"line {node.lineno}: strict=")
            if isinstance(node.func, ast.Attribute) and node.func.attr in NEWER_CALLS:
                found.append(f"line {node.lineno}: {node.func.attr}")
        elif isinstance(node, (ast.AugAssign, ast.BinOp)) and isinstance(node.op, ast.BitOr):
            right = node.value if isinstance(node, ast.AugAssign) else node.right
            if isinstance(right, ast.Dict):
                found.append(f"line {node.lineno}: | of a dict")
    return found


def _at_runtime(node: ast.AST) -> list[ast.AST]:
    """Every node but those in annotations."""
    nodes = [node]
    for name, value in ast.iter_fields(node):
        if name in ("annotation", "returns"):
            continue
        for child in value if isinstance(value, list) else [value]:
            if isinstance(child, ast.AST):
                nodes += _at_runtime(child)
    return nodes
