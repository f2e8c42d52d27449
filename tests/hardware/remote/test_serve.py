"""The server started light, in this Python and in the Python 3.8 of ROS Noetic.

For the latter set PTRCTL_PYTHON38 to an interpreter that has numpy, Pillow, msgpack and pyzmq, or
have such a `python3.8` on the path.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from hardware.clock import MonotonicClock
from hardware.registry import CellRequest, make_cell
from hardware.remote import serve
from hardware.remote.tokens import FILE_NAME, VARIABLE, find_token
from recordings.errors import UsageError

ROOT = Path(__file__).parents[3]
ARM = "tests.hardware.remote.arms"
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
HEAVY = ("typer", "rich", "mujoco", "h5py", "torch", "mink", "recordings.reader")
NEEDED = "import sys, numpy, PIL, msgpack, zmq; sys.exit(sys.version_info[:2] != (3, 8))"


def python38() -> str:
    """The interpreter, "" if this machine has none that fits."""
    for name in (os.environ.get("PTRCTL_PYTHON38", ""), "python3.8"):
        path = shutil.which(name) if name else None
        if (
            path
            and subprocess.run([path, "-c", NEEDED], capture_output=True, check=False).returncode
            == 0
        ):
            return path
    return ""


@pytest.fixture(params=["this Python", "Python 3.8"])
def python(request: pytest.FixtureRequest) -> str:
    if request.param == "this Python":
        return sys.executable
    path = python38()
    if not path:
        pytest.skip("no Python 3.8 with numpy, Pillow, msgpack, pyzmq: set PTRCTL_PYTHON38")
    return path


@pytest.fixture
def process(python: str, tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    words = [ARM, "--camera", "over_shoulder=test-pattern", "--port", "0", "--image-size", "48"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"}
    environment.pop(VARIABLE, None)
    started = subprocess.Popen(
        [python, "-m", "hardware.remote.serve", *words, "--park-at-end"],
        cwd=tmp_path,
        env=environment,
        stderr=subprocess.PIPE,
        text=True,
    )
    yield started
    if started.poll() is None:
        started.kill()
    started.wait()
    started.stderr.close()


def test_an_arm_is_served_and_driven_from_this_python(process, tmp_path) -> None:
    said = process.stderr.readline()
    assert said.startswith(f"serving {ARM} on tcp://127.0.0.1:"), said
    assert said.rstrip().endswith(f"token in {FILE_NAME}")
    port = int(said.partition("tcp://127.0.0.1:")[2].partition(";")[0])
    options = {"port": port, "token_file": str(tmp_path / FILE_NAME)}
    cell = make_cell("remote", CellRequest("put_cup_on_plate", 0, True, 32, robot_options=options))
    with cell.station as station:
        cell.start(3)
        frame = station.observe().frames["over_shoulder"]
        assert frame.image.shape == (32, 32, 3)
        for _ in range(3):
            sent = station.apply(np.array([0.01, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0]))
            station.stop()  # A loaded machine may be slower than the dead-man rule allows.
        assert sent.action[0] == pytest.approx(0.01)
        assert station.robot.read_state().state[0] == pytest.approx(0.28)
    process.send_signal(signal.SIGINT)
    assert process.wait(10) == 0
    rest = process.stderr.read()
    assert "In control: " in rest
    assert rest.rstrip().endswith("the arm is parked")


def test_nothing_heavy_is_imported(python) -> None:
    look = f"import sys, hardware.remote.serve; print([m for m in {HEAVY!r} if m in sys.modules])"
    out = subprocess.run([python, "-c", look], cwd=ROOT, capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"


def given(*words: str):
    return serve.parser().parse_args(words)


def test_settings_are_typed_as_the_arm_wants_them() -> None:
    station = serve.make_station(given(ARM, "motion_s=2.5", "refuses=false"))
    assert station.robot.motion_s == 2.5


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["nonsense"], "no arm or camera"),
        (["hardware.clock"], "no arm or camera"),
        (["test-pattern"], "no arm or camera"),
        ([ARM, "motion=2"], "not known"),
        ([ARM, "motion_s=slow"], "must be a finite number"),
        ([ARM, "motion_s"], "no KEY=VALUE"),
        ([ARM, "--camera", "wrist"], "names no kind"),
        ([ARM, "--camera", "wrist=nonsense"], "no arm or camera"),
        ([ARM, "--camera", "wrist=test-pattern,serial=3"], "not known"),
        ([ARM, "motion_s=nan"], "must be a finite number"),
        ([ARM, "--rate", "0"], "0.5 to 50"),
        ([ARM, "--rate", "nan"], "0.5 to 50"),
        ([ARM, "--camera", "Über Schulter=test-pattern"], "small letters"),
        ([ARM, "--box-low", "1", "1", "1"], "Low is below high"),
        (
            [ARM, "--box-low", "140", "-250", "10", "--box-high", "460", "250", "260"],
            "in m, between -2 and 2",
        ),
        (["dynamixel", "--box-low", "0.35", "-0.2", "0.05"], "outside the workspace box"),
        ([ARM, *["--camera", "a=test-pattern"] * 2], "called a, a"),
        ([ARM, "--image-size", "0"], "32 to 640"),
        ([ARM, "--image-size=-5"], "32 to 640"),
        ([ARM, "--start-pose", "nan", *["0.1"] * 5], "in m, between"),
        ([ARM, "--start-pose", "0.2", "0", "0.1", "0", "inf", "0"], "in rad, between"),
        (
            [ARM, "--start-pose", "0.2", *["0.1"] * 5, "--box-low", "0.21", "0", "0"],
            "outside the workspace box",
        ),
    ],
)
def test_words_that_do_not_fit_are_refused(words, message) -> None:
    with pytest.raises(UsageError, match=message):
        serve.make_station(given(*words))


def test_the_box_of_the_command_line_bounds_the_arm() -> None:
    station = serve.make_station(
        given(ARM, "--box-low", "0.2", "-0.1", "0.05", "--box-high", "0.3", "0.1", "0.2")
    )
    assert station.safety.workspace.low_m == (0.2, -0.1, 0.05)
    assert station.safety.workspace.max_yaw_rad == station.robot.features.workspace.max_yaw_rad
    assert isinstance(station.clock, MonotonicClock)


def test_a_start_pose_inside_the_box_is_taken() -> None:
    serve.make_station(given(ARM, "--start-pose", "0.2", *["0.1"] * 5))


def test_a_second_signal_ends_the_waiting_for_an_arm_that_is_not_connected_yet() -> None:
    before = {number: signal.getsignal(number) for number in SIGNALS}
    try:
        signals = serve.Signals()
        signal.raise_signal(signal.SIGINT)
        assert signals.should_end()
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
        signals = serve.Signals()
        signal.raise_signal(signal.SIGINT)
        assert not signals.should_stop()
        signals.connected()
        assert signals.should_stop(), "it does not park either"
        signal.raise_signal(signal.SIGINT)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def test_other_machines_need_a_chosen_token(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv(VARIABLE, raising=False)
    with pytest.raises(UsageError, match="no token was chosen"):
        serve.serve(given(ARM, "--host", "0.0.0.0"))
    with pytest.raises(UsageError, match="no token"):
        find_token()
