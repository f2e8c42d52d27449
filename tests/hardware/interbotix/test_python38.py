"""The driver, the cameras and all that they import run in Python 3.8, which ROS Noetic brings.

With an interpreter at hand (PTRCTL_PYTHON38, or `python3.8` on PATH, with numpy, Pillow and
modern_robotics) it really runs; without one the sources are read for what 3.8 does not know.
"""

from __future__ import annotations

import ast
import subprocess
from pathlib import Path

import pytest

from tests.hardware.interbotix.child import assert_motions, python38, run_motions
from tests.hardware.peers.interbotix import REPOSITORY

NAMES = {
    "recordings": ("records", "errors", "images"),
    "hardware": (
        "robot",
        "camera",
        "clock",
        "faults",
        "checks",
        "settings",
        "kinds",
        "modules",
        "joint_arm",
        "wx250s",
        "station",
        "safety",
        "loop",
    ),
}
SUBSCRIPTED_AT_RUNTIME = {"dict", "list", "tuple", "set", "frozenset", "type", "Callable"}
NEWER_CALLS = {"removeprefix", "removesuffix", "bit_count", "is_relative_to", "pairwise"}


def sources() -> list[Path]:
    named = [REPOSITORY / room / f"{name}.py" for room, names in NAMES.items() for name in names]
    # How far a camera has moved is found out by `ptrctl setup`, which needs a newer one.
    folders = [
        path
        for folder in ("interbotix", "cameras")
        for path in sorted((REPOSITORY / "hardware" / folder).glob("*.py"))
        if path.stem != "view_change"
    ]
    return [*named, *folders]


@pytest.mark.parametrize("generation", [1, 2])
def test_the_driver_moves_the_arm_in_python_38(generation, tmp_path) -> None:
    done = run_motions(tmp_path, generation, 8.0, python=python38())
    assert done["python"] == [3, 8]
    assert_motions(done)


def test_every_module_that_it_needs_can_be_imported_in_python_38() -> None:
    modules = [str(p.relative_to(REPOSITORY))[:-3].replace("/", ".") for p in sources()]
    program = f"import {', '.join(m.replace('.__init__', '') for m in modules)}"
    ran = subprocess.run(
        [python38(), "-c", program], cwd=REPOSITORY, capture_output=True, text=True, check=False
    )
    assert ran.returncode == 0, ran.stderr


@pytest.mark.parametrize("path", sources(), ids=lambda path: path.stem)
def test_the_source_is_python_38(path) -> None:
    tree = ast.parse(path.read_text(), feature_version=(3, 8))
    assert traps(tree) == []


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
