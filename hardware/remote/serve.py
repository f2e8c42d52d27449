"""Serves an arm with nothing but numpy, Pillow, msgpack, pyzmq and the arm's own driver.

For the robot's machine, in the Python that its ROS distribution brings (3.8 with Noetic):

    python3 -m hardware.remote.serve interbotix --camera over_shoulder=realsense,serial=123456
"""

from __future__ import annotations

import argparse
import signal
import sys
from collections.abc import Sequence
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any

from hardware.camera import Camera
from hardware.clock import MonotonicClock
from hardware.kinds import ArmKind, ArmRequest, CameraKind
from hardware.limits import (
    check_box,
    check_camera_name,
    check_picture_edge,
    check_pose,
    check_rate,
)
from hardware.modules import ARM_MODULES, CAMERA_MODULES
from hardware.remote.options import ServeOptions
from hardware.remote.server import ArmServer
from hardware.remote.status import Changes
from hardware.remote.tokens import FILE_NAME, server_token
from hardware.robot import Stop
from hardware.safety import SafetyEnvelope
from hardware.settings import build_settings, parse_settings
from hardware.station import Station
from recordings.errors import INTERRUPTED, PtrctlError, UsageError

INTERRUPTED_TWICE = 2
LEFT = {
    Stop.HOLD: "the arm holds still",
    Stop.PARK: "the arm is parked",
    Stop.TORQUE_OFF: "the arm's torque is off",
}
"""What is said of the arm at the end."""


class Signals:
    """Ctrl-C, SIGTERM and SIGHUP end the serving; a second one also stops the parking, or the
    waiting for an arm that is not connected yet."""

    def __init__(self) -> None:
        self.count = 0
        self._connected = False
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            if signal.getsignal(number) is not signal.SIG_IGN:  # As under `nohup`.
                signal.signal(number, self._handle)

    def _handle(self, number: int, frame: object) -> None:
        self.count += 1
        if self.should_stop() and not self._connected:
            raise KeyboardInterrupt  # Nothing has moved.

    def connected(self) -> None:
        """The arm is; who interrupted before that does not want to see it park either."""
        self._connected = True
        if self.should_end():
            self.count = INTERRUPTED_TWICE

    def should_end(self) -> bool:
        return self.count > 0

    def should_stop(self) -> bool:
        return self.count >= INTERRUPTED_TWICE


def tell(words: str) -> None:
    """One line for whoever started the server."""
    sys.stderr.write(f"{words}\n")
    sys.stderr.flush()


def arm_kind(name: str) -> ArmKind:
    """An arm of ours by name, or anybody's by the module that has a `KIND`.

    Raises:
        UsageError: There is none.
    """
    kind: ArmKind = _kind(name, ARM_MODULES, ArmKind)
    return kind


def make_camera(words: str, clock: MonotonicClock, image_size: int) -> Camera:
    """A camera from "name=kind,key=value,...".

    Raises:
        UsageError: It does not say that.
    """
    first, *pairs = words.split(",")
    name, equals, kind_name = first.partition("=")
    if not equals:
        raise UsageError(
            f"`--camera {words}` names no kind.",
            "It is written name=kind,key=value,...",
            f"For example: --camera {name}={next(iter(CAMERA_MODULES))}",
        )
    check_camera_name(name, f"Write for example `--camera over_shoulder={kind_name}`.")
    kind: CameraKind = _kind(kind_name, CAMERA_MODULES, CameraKind)
    return kind.make(
        name, _settings(kind.settings, pairs, f"--camera {name}={kind_name},"), clock, image_size
    )


def _kind(name: str, modules: dict[str, str], wanted: type[Any]) -> Any:
    try:
        kind = getattr(import_module(modules.get(name, name)), "KIND", None)
    except ModuleNotFoundError:
        kind = None
    if not isinstance(kind, wanted):
        raise UsageError(
            f"`{name}` is no arm or camera that this Python can drive.",
            f"Known: {', '.join(modules)}; or a module with a `KIND`.",
            "Correct the name, or install what its driver needs.",
        )
    return kind


def _settings(kind: type[Any], texts: Sequence[str], where: str) -> Any:
    return build_settings(kind, parse_settings(kind, texts, where), where)


def parser() -> argparse.ArgumentParser:
    """The command line."""
    words = argparse.ArgumentParser(prog="python3 -m hardware.remote.serve", description=__doc__)
    words.formatter_class = argparse.RawDescriptionHelpFormatter
    words.add_argument("arm", help=f"one of {', '.join(ARM_MODULES)}, or a module with a KIND")
    words.add_argument("settings", nargs="*", metavar="key=value", help="settings of the arm")
    words.add_argument("--camera", action="append", default=[], metavar="NAME=KIND,KEY=VALUE")
    words.add_argument("--image-size", type=int, default=128, help="edge of the pictures sent")
    words.add_argument("--rate", type=float, default=5.0, help="control steps a second")
    words.add_argument("--start-pose", type=float, nargs=6, help="x y z m, roll pitch yaw rad")
    words.add_argument("--box-low", type=float, nargs=3, help="lowest x y z of the gripper, m")
    words.add_argument("--box-high", type=float, nargs=3, help="highest x y z of the gripper, m")
    words.add_argument("--host", default=ServeOptions.host, help="address to listen on")
    words.add_argument("--port", type=int, default=ServeOptions.port, help="0 takes a free one")
    words.add_argument("--token-file", default="", help=f"default: {FILE_NAME}, made if missing")
    words.add_argument("--park-after", type=float, default=ServeOptions.park_after_s, metavar="S")
    words.add_argument("--park-at-end", action="store_true", help="park after Ctrl-C")
    return words


def make_station(given: argparse.Namespace) -> Station:
    """Arm, cameras and envelope that the command line describes; not connected.

    Raises:
        UsageError: It does not fit.
    """
    check_rate("--rate", given.rate, "Leave it out for Bridge's 5.")
    check_picture_edge("--image-size", given.image_size, "Leave it out for 128.")
    if given.start_pose is not None:
        check_pose(
            "--start-pose", given.start_pose, "Correct it, or leave it out for the arm's own."
        )
    clock = MonotonicClock()
    kind = arm_kind(given.arm)
    robot, brought = kind.make(
        _settings(kind.settings, given.settings, "settings"),
        ArmRequest(
            clock,
            given.rate,
            tuple(given.start_pose) if given.start_pose else None,
            given.image_size,
        ),
    )
    cameras = [make_camera(words, clock, given.image_size) for words in given.camera]
    names = [camera.features.name for camera in cameras]
    if len(set(names)) < len(names):
        raise UsageError(
            f"The cameras are called {', '.join(names)}.",
            "Each has a name of its own.",
            "Correct `--camera`.",
        )
    box = robot.features.workspace
    if given.box_low or given.box_high:
        low, high = tuple(given.box_low or box.low_m), tuple(given.box_high or box.high_m)
        check_box("--box-low --box-high", low, high, "Correct these, in metres.")
        box = replace(box, low_m=low, high_m=high)
    station = Station(robot, cameras or brought, SafetyEnvelope(box), clock)
    station.check_start_pose(given.start_pose, "Correct --start-pose, or --box-low and --box-high.")
    return station


def serve(given: argparse.Namespace) -> None:
    """Serve until a signal comes.

    Raises:
        PtrctlError: The options do not fit, or arm or port are not to be had.
    """
    try:
        options = ServeOptions(given.host, given.port, park_after_s=given.park_after)
    except ValueError as problem:
        raise UsageError(f"{problem}.", "", "Correct that option.") from problem
    token, file = server_token(given.host, given.token_file, Path(FILE_NAME))
    server = ArmServer(make_station(given), token, options)
    signals = Signals()
    changes = Changes("Ctrl-C, pressed twice," if given.park_at_end else "Ctrl-C")

    def should_end() -> bool:
        for words in changes.since(server.status()):
            tell(words)
        return signals.should_end()

    def ready() -> None:
        signals.connected()
        tell(f"serving {given.arm} on {server.address}; token in {file or 'PTRCTL_TOKEN'}")

    reached = server.run(
        should_end,
        park_at_end=given.park_at_end,
        should_stop=signals.should_stop,
        ready=ready,
    )
    tell(LEFT[reached])


def main() -> None:
    """The command."""
    try:
        serve(parser().parse_args())
    except PtrctlError as problem:
        tell(f"Error: {problem}")
        sys.exit(problem.exit_code)
    except KeyboardInterrupt:
        tell("interrupted; nothing has moved")
        sys.exit(INTERRUPTED)


if __name__ == "__main__":
    main()
