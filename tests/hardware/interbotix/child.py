"""Runs `exercise` in another process against an arm in this one."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hardware import wx250s
from tests.hardware.interbotix.exercise import READY
from tests.hardware.peers.interbotix import stub_environment
from tests.hardware.peers.xs_node import XsNode, XsServer

WITHIN_S = 120.0
NEEDED = "numpy, PIL, modern_robotics"
LEFT_TO_PYTHON = ("PATH", "HOME", "LD_LIBRARY_PATH")


def python38(*more: str) -> str:
    """An interpreter that can run the driver, or a skip that says what is missing.

    Args:
        more: Modules that it needs besides those of the driver.
    """
    python = os.environ.get("PTRCTL_PYTHON38") or shutil.which("python3.8")
    if not python:
        pytest.skip("set PTRCTL_PYTHON38 to a Python 3.8 with numpy to run this")
    needed = ", ".join([NEEDED, *more])
    probe = f"import sys, {needed}; assert sys.version_info[:2] == (3, 8)"
    tried = subprocess.run([python, "-c", probe], capture_output=True, text=True, check=False)
    if tried.returncode:
        pytest.skip(f"{python} is no Python 3.8 with {needed}: {tried.stderr.strip()[-200:]}")
    return python


def child_environment(
    server: XsServer, generation: int, vendor: Sequence[Path] = ()
) -> dict[str, str]:
    """Of another process that uses the arm; nothing of this one's Python reaches it."""
    own = {name: os.environ[name] for name in LEFT_TO_PYTHON if name in os.environ}
    return {**own, **stub_environment(server, generation, vendor), "OMP_NUM_THREADS": "1"}


def start(
    what: str,
    folder: Path,
    server: XsServer,
    generation: int,
    vendor: Sequence[Path],
    python: str,
) -> subprocess.Popen[str]:
    """`exercise` in another process."""
    return subprocess.Popen(
        [python, "-m", "tests.hardware.interbotix.exercise", what, str(folder / "result.json")],
        env=child_environment(server, generation, vendor),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def finish(child: subprocess.Popen[str], folder: Path) -> dict[str, Any]:
    """What came of it; fails if it failed or wrote to stdout."""
    out, err = child.communicate(timeout=WITHIN_S)
    assert child.returncode == 0, err[-3000:]
    assert out == "", "the vendor's messages reached stdout"
    done: dict[str, Any] = json.loads((folder / "result.json").read_text())
    return done


def run_motions(
    folder: Path,
    generation: int,
    speed: float,
    *,
    vendor: Sequence[Path] = (),
    python: str = sys.executable,
) -> dict[str, Any]:
    """`exercise.motions`, and what the node saw of it under "node"."""
    node = XsNode(speed)
    with XsServer(node) as server:
        done = finish(start("motions", folder, server, generation, vendor, python), folder)
    done["node"] = node
    return done


def run_fault(
    folder: Path, generation: int, speed: float, fault: str, *, vendor: Sequence[Path] = ()
) -> dict[str, Any]:
    """`exercise.fault`, with a fault (a method of `XsNode` or `XsServer`) when it stands by."""
    node = XsNode(speed)
    with XsServer(node) as server:
        child = start("fault", folder, server, generation, vendor, sys.executable)
        give_up_s = time.monotonic() + WITHIN_S
        while not (folder / f"result.json{READY}").exists() and child.poll() is None:
            assert time.monotonic() < give_up_s
            time.sleep(0.02)
        {"die": server.die, "freeze": node.freeze, "overload": node.overload, "heat": node.heat}[
            fault
        ]()
        return finish(child, folder)


def assert_motions(done: dict[str, Any]) -> None:
    """What every arm must do, from what `exercise.motions` wrote down."""
    assert done["start_error_m"] < 0.003
    assert done["opened"] > 0.9
    for asked, moved in done["moved"]:
        assert moved == pytest.approx(asked, abs=0.006 if asked < 0.1 else 0.03)
    assert done["closed"] < 0.1
    assert done["not_finite"] == "RobotError"
    assert done["too_far"] == "Unreachable"
    assert done["without_torque"] == "RobotError"
    np.testing.assert_allclose(done["parked"], wx250s.SLEEP_RAD, atol=0.02)
    node: XsNode = done["node"]
    assert node.registers["gripper"]["Goal_PWM"] == 0
    for motor in node.motors:
        assert node.registers[motor]["Torque_Enable"] == 1
        if motor != "gripper":
            assert node.registers[motor]["Profile_Velocity"] == 250
            assert node.registers[motor]["Profile_Acceleration"] == 100
