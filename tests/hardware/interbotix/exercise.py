"""Exercises the interbotix arm in a process of its own, and writes what came of it as JSON.

    python -m tests.hardware.interbotix.exercise motions|fault RESULT_FILE

Runs wherever the driver runs: Python 3.8 with numpy and modern_robotics, no pytest. The arm is
found through the environment variables of `tests.hardware.peers.interbotix.stub_environment`.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from hardware import wx250s
from hardware.interbotix import KIND
from hardware.interbotix.vendor import find_modules
from hardware.joint_arm import JointArm
from hardware.kinds import ArmRequest
from hardware.robot import Robot, Stop
from hardware.safety import SafetyEnvelope
from hardware.settings import build_settings
from recordings.errors import RobotError
from tests.hardware.fakes import FastClock

PERIOD_S = 0.2
READY = ".ready"


def make() -> tuple[Robot, FastClock]:
    clock = FastClock(float(os.environ["PTRCTL_XS_SPEED"]))
    settings = build_settings(KIND.settings, {}, "robot.options")
    robot, _ = KIND.make(settings, ArmRequest(clock, 1.0 / PERIOD_S))
    assert isinstance(robot, JointArm)
    return robot, clock


def drive(robot: Robot, clock: FastClock, *actions: list[float]) -> None:
    """Apply actions, a period each."""
    due_s = clock.now_s()
    for action in actions:
        robot.apply(np.array(action))
        due_s += PERIOD_S
        clock.wait_until_s(due_s)


def refusal(act: Callable[[], Any]) -> str:
    """The kind of error with which something is refused, "" if it is not."""
    try:
        act()
    except RobotError as error:
        return type(error).__name__
    return ""


def motions() -> dict[str, Any]:
    """What the contract of every arm asks, in one go."""
    robot, clock = make()
    hold = [0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0]
    done: dict[str, Any] = {"python": list(sys.version_info[:2])}
    with robot:
        done["identity"] = dict(robot.identity)
        done["vendor"] = find_modules()[1].__file__
        done["before"] = robot.read_state().joint_positions_rad.tolist()
        robot.move_to_start()
        drive(robot, clock, *[hold] * 3)
        state = robot.read_state().state
        done["start_error_m"] = float(np.abs(state[:3] - wx250s.START_POSE[:3]).max())
        done["opened"] = float(state[6])
        done["moved"] = []
        for axis, size in ((0, 0.01), (1, -0.01), (2, 0.01), (5, 0.05)):
            before = robot.read_state().state
            action = list(hold)
            action[axis] = size
            drive(robot, clock, action, action, action, hold, hold)
            moved = robot.read_state().state - before
            done["moved"].append([3 * size, float(moved[axis])])
        drive(robot, clock, *[[*hold[:6], 0.0]] * 5)
        done["closed"] = float(robot.read_state().state[6])
        drive(robot, clock, *[hold] * 5)
        bad = np.array([np.nan, *hold[1:]])
        done["not_finite"] = refusal(lambda: robot.apply(bad))
        done["too_far"] = refusal(lambda: robot.apply(np.array([0.7, *hold[1:]])))
        envelope = SafetyEnvelope(robot.features.workspace)
        rng = np.random.default_rng(0)
        for _ in range(10):
            drive(robot, clock, envelope.check(rng.uniform(-0.3, 0.3, 7), robot).action.tolist())
        robot.stop(Stop.HOLD)
        robot.stop(Stop.PARK)
        done["parked"] = robot.read_state().joint_positions_rad.tolist()
        done["without_torque"] = refusal(lambda: robot.apply(np.array(hold)))
    robot.disconnect()
    with robot:
        robot.move_to_start()
        drive(robot, clock, hold)
    return done


def fault(ready: Path) -> dict[str, Any]:
    """Stands by until the arm reports a fault, then holds."""
    robot, clock = make()
    hold = np.array([0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0])
    done: dict[str, Any] = {"periods": 0, "kind": "", "words": ""}
    with robot:
        robot.move_to_start()
        ready.touch()
        try:
            while done["periods"] < 200:
                robot.read_state()
                robot.apply(hold)
                done["periods"] += 1
                clock.wait_until_s(clock.now_s() + PERIOD_S)
        except RobotError as error:
            done["kind"], done["words"] = type(error).__name__, str(error)
        done["hold"] = refusal(robot.stop)
    return done


def main() -> None:
    what, result = sys.argv[1], Path(sys.argv[2])
    done = motions() if what == "motions" else fault(Path(f"{result}{READY}"))
    result.write_text(json.dumps(done))


if __name__ == "__main__":
    main()
