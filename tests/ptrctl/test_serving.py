"""The end of `ptrctl serve-robot`: whatever signals come, the arm is waited for."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from rich.console import Console

from hardware.clock import MonotonicClock, SimulatedClock
from hardware.faults import MotorFault
from hardware.remote.options import ServeOptions
from hardware.remote.server import ArmServer
from hardware.robot import ShouldStop, Stop, never_stop
from hardware.station import Station
from ptrctl.sessions.serving import ServingOptions, _Run
from tests.hardware.fakes import FakeCamera
from tests.hardware.remote.arms import SlowRobot

ROOT = Path(__file__).parents[2]
TOKEN = "sixteen letters and more"


def run_of(
    robot: SlowRobot, camera: FakeCamera, *, park_at_end: bool = False
) -> tuple[_Run, ArmServer]:
    clock = MonotonicClock()
    server = ArmServer(Station(robot, [camera], clock=clock), TOKEN, ServeOptions(port=0))
    cell: Any = SimpleNamespace(station=server._station)
    return _Run(server, cell, ServingOptions("127.0.0.1", 0, None, 0.0, park_at_end), None), server


def meanwhile(work: Callable[[], None]) -> None:
    threading.Thread(target=work, daemon=True).start()


def press_ctrl_c(times: int) -> None:
    """Call the handler: a real signal that comes a moment late would end the test run itself."""
    for _ in range(times):
        handler = signal.getsignal(signal.SIGINT)
        assert callable(handler)
        handler(signal.SIGINT, None)
        time.sleep(0.05)


class NeverStill(SlowRobot):
    """Takes its time, and then does not confirm that it holds."""

    def __init__(self) -> None:
        super().__init__(SimulatedClock())
        self.told, self.go_on = threading.Event(), threading.Event()

    def stop(self, kind: Stop = Stop.HOLD, *, should_stop: ShouldStop = never_stop) -> None:
        self.told.set()
        self.go_on.wait(10)
        raise MotorFault("The arm was told to hold and still moves.")


def test_no_number_of_signals_passes_for_a_hold_that_nobody_confirmed() -> None:
    robot = NeverStill()
    run, _ = run_of(robot, FakeCamera(SimulatedClock()))

    def insist() -> None:
        run._ready.wait(10)
        press_ctrl_c(1)
        robot.told.wait(10)
        press_ctrl_c(5)
        robot.go_on.set()

    meanwhile(insist)
    with pytest.raises(MotorFault, match="still moves"):
        run.until_interrupted()
    assert robot.log[-1] == "disconnect"


class SlowToConnect(FakeCamera):
    """As a camera that is reset, or a driver that hangs."""

    def __init__(self) -> None:
        super().__init__(SimulatedClock())
        self.asked, self.go_on = threading.Event(), threading.Event()

    def __enter__(self) -> SlowToConnect:
        self.asked.set()
        self.go_on.wait(10)
        return self


@pytest.mark.parametrize("park_at_end", [False, True])
def test_ctrl_c_while_the_arm_connects_ends_it_then_and_moves_nothing(
    park_at_end: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    robot, camera = SlowRobot(SimulatedClock()), SlowToConnect()
    run, _ = run_of(robot, camera, park_at_end=park_at_end)

    def interrupt() -> None:
        camera.asked.wait(10)
        press_ctrl_c(1)
        run._end.wait(10)
        camera.go_on.set()

    meanwhile(interrupt)
    assert run.until_interrupted() is Stop.HOLD
    assert robot.log == ["connect", "stop hold", "disconnect"]
    assert "as soon as the arm is connected" in capsys.readouterr().err


HANGS = """
import os, signal, threading
from tests.ptrctl import test_serving as t
camera = t.SlowToConnect()
camera.go_on.wait = lambda timeout: threading.Event().wait()
run, _ = t.run_of(t.SlowRobot(t.SimulatedClock()), camera)
def insist():
    camera.asked.wait(10)
    t.press_ctrl_c(1)
    run._end.wait(10)
    t.press_ctrl_c(1)
t.meanwhile(insist)
try:
    run.until_interrupted()
except KeyboardInterrupt:
    print("given up")
"""


def test_a_second_ctrl_c_gives_up_a_camera_that_hangs_for_ever() -> None:
    ended = subprocess.run(
        [sys.executable, "-c", HANGS], cwd=ROOT, timeout=100, capture_output=True, check=True
    )
    assert ended.stdout.strip() == b"given up"


def test_a_terminal_that_is_gone_does_not_end_the_program_before_the_arm_holds(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    robot = NeverStill()
    run, _ = run_of(robot, FakeCamera(SimulatedClock()))

    def gone(words: str) -> None:
        raise OSError("the terminal is gone")

    monkeypatch.setattr("ptrctl.terminal.console.note", gone)
    meanwhile(lambda: (robot.told.wait(10), time.sleep(0.3), robot.go_on.set()))
    with pytest.raises(OSError, match="is gone"):
        run.until_interrupted()
    assert robot.log[-1] == "disconnect"


def test_the_panel_announces_that_the_arm_parks_by_itself() -> None:
    run, server = run_of(SlowRobot(SimulatedClock()), FakeCamera(SimulatedClock()))
    server._arm.may_be_up = True
    assert "parks by itself" not in shown(run, server)
    server._alone_since_s -= 280.0
    assert "parks by itself within 30 s; Space holds it" in shown(run, server)


def shown(run: _Run, server: ArmServer) -> str:
    console = Console(width=200)
    with console.capture() as capture:
        console.print(run._panel(server.status()))
    return capture.get()
