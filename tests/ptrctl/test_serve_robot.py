"""`ptrctl serve-robot`, with the simulated arm, and commands that use the arm from elsewhere."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from hardware.faults import MotionStopped
from hardware.registry import Cell, CellRequest, make_cell
from hardware.remote.tokens import FILE_NAME, VARIABLE
from ptrctl.main import app
from ptrctl.profile import Profile, load_profile, save_profile
from ptrctl.workspace import Workspace
from tests.hardware.peers import open_peer
from tests.ptrctl.bench import ENVIRONMENT
from tests.ptrctl.terminal import PTRCTL, Terminal

pytestmark = pytest.mark.sim

TASK, KITCHEN = "put_carrot_on_plate", 5
STEP = np.array([0.005, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0])
WORDS = f"serve-robot --port 0 --task {TASK} --kitchen {KITCHEN}"


@pytest.fixture(autouse=True)
def _no_token(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)


def options_of(text: str, folder: Path) -> dict[str, object]:
    found = re.search(r"tcp://127\.0\.0\.1:(\d+)", text)
    assert found, text
    return {"port": int(found[1]), "token_file": str(folder / FILE_NAME)}


def cell_of(options: dict[str, object]) -> Cell:
    return make_cell("remote", CellRequest(TASK, image_size=64, robot_options=options))


@pytest.fixture
def served(tmp_path: Path) -> Iterator[tuple[subprocess.Popen[str], dict[str, object]]]:
    """A server without a terminal, and the client's settings."""
    folder = tmp_path / "robot"
    folder.mkdir()
    process = subprocess.Popen(
        [PTRCTL, *WORDS.split(), "--json"],
        cwd=folder,
        env={**os.environ, "COLUMNS": "300"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        said = process.stderr.readline()
        while "Serving" not in said:
            assert said, process.communicate()
            said = process.stderr.readline()
        yield process, options_of(said, folder)
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate()


def test_ctrl_c_holds_the_arm_and_tells_how_it_went(served) -> None:
    process, options = served
    cell = cell_of(options)
    with cell.station as station:
        cell.start(1)
        station.observe()
        station.apply(STEP)
        process.send_signal(signal.SIGINT)
        out, _ = process.communicate(timeout=20)
    assert process.returncode == 0
    document = json.loads(out)
    assert document["commands"] == 1
    assert document["robot"] == "sim-wx250s"
    assert document["faults"] == []


def test_a_policy_is_scored_on_the_served_simulator_with_nobody_there(served, trained) -> None:
    _, options = served
    workspace = Workspace(trained)
    profile = load_profile(workspace)
    save_profile(
        workspace, Profile(robot="remote", task=TASK, robot_options=options, camera=profile.camera)
    )
    words = f"evaluate -w {trained} -c base -n 2 --max-steps 3 --json"
    result = CliRunner().invoke(app, words.split())
    assert result.exit_code == 0, result.output
    document = json.loads(result.stdout)
    assert document["trials"] == 2


def test_the_operator_beside_the_arm_sees_who_drives_and_holds_it(tmp_path) -> None:
    terminal = Terminal(WORDS, tmp_path)
    terminal.see("in control")
    terminal.see("nobody")
    terminal.see("tcp://127.0.0.1:")
    terminal.see("hold")
    cell = cell_of(options_of("\n".join(terminal.screen.display), tmp_path))
    with cell.station as station:
        cell.start(1)
        station.apply(STEP)
        terminal.see(f":{os.getpid()} for")
        terminal.press(" ")
        terminal.see("held by the operator beside it")
        with pytest.raises(MotionStopped, match="beside the arm"):
            station.apply(STEP)
        with pytest.raises(MotionStopped, match="beside the arm"):
            cell.start(2)
        station.observe()
        terminal.press("p")
        # On a busy machine the key may have come after the client had been silent for too long.
        terminal.read_until(
            lambda: "held by the operator" not in "\n".join(terminal.screen.display), "the arm free"
        )
        station.stop()
        station.apply(STEP)
    terminal.see("nobody")
    terminal.press("q")
    terminal.see("Serving has ended")
    assert terminal.end() == (0, True)


def test_on_a_terminal_that_draws_nothing_the_operator_reads_lines_and_keys_work(tmp_path) -> None:
    terminal = Terminal(WORDS, tmp_path, {"TERM": "dumb"})
    terminal.see("Serving sim-wx250s on tcp://127.0.0.1:")
    terminal.press("q")
    terminal.see("Serving has ended")
    assert terminal.end() == (0, True)


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        ("--robot remote", 2, "itself on another machine"),
        ("--host 0.0.0.0", 2, "no token was chosen"),
        ("--token-file nowhere", 2, "cannot be read"),
        ("--robot nonsense", 2, "no arm named"),
        ("--park-after inf", 2, "park_after_s inf"),
    ],
)
def test_what_cannot_be_served_is_said_before_the_arm_is_touched(
    words, code, message, tmp_path, monkeypatch
) -> None:
    monkeypatch.setenv("COLUMNS", "300")
    result = CliRunner().invoke(app, ["serve-robot", "-w", str(tmp_path), *words.split()])
    assert result.exit_code == code
    assert message in result.stderr


def test_a_taken_port_is_named(tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("COLUMNS", "300")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        words = ["serve-robot", "-w", str(tmp_path), "--port", str(port)]
        result = CliRunner().invoke(app, words)
    assert result.exit_code == 6
    assert f"port {port}" in result.stderr


def test_an_arm_whose_torque_is_off_is_not_said_to_hold(tmp_path) -> None:
    with open_peer("dynamixel", realtime=True) as peer:
        (tmp_path / "ptrctl.toml").write_text(
            f'[robot]\nname = "{peer.robot}"\n[robot.options]\nport = "{peer.options["port"]}"\n'
            'guardian = false\n[cameras.over_shoulder]\nkind = "test-pattern"\n'
        )
        with subprocess.Popen(
            [PTRCTL, "serve-robot", "--port", "0"],
            cwd=tmp_path,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**os.environ, "COLUMNS": "300"},
            text=True,
        ) as process:
            assert "Serving" in process.stderr.readline()
            process.send_signal(signal.SIGINT)
            out, said = process.communicate(timeout=20)
    assert process.returncode == 0
    assert "The arm's torque is off. It can be moved by hand." in out + said


def test_at_the_end_parking_is_announced_and_space_holds_it(tmp_path, monkeypatch) -> None:
    for key, value in ENVIRONMENT.items():
        monkeypatch.setenv(key, value)
    (tmp_path / "ptrctl.toml").write_text(
        '[robot]\nname = "bench"\n[robot.options]\nport = "/dev/bench"\n'
        '[cameras.over_shoulder]\nkind = "test-pattern"\n'
    )
    terminal = Terminal("serve-robot --port 0 --park-at-end", tmp_path)
    terminal.see("q end (the arm parks)")
    terminal.press("q")
    terminal.see("goes to where it parks")
    terminal.press(" ")
    terminal.see("The arm holds where it is")
    assert terminal.end() == (0, True)
