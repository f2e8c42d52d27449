"""Parks the arm when the program that drives it dies.

The motors stop by themselves (bus watchdog) and hold. This small process, started when the arm is
connected, then waits a while, takes the bus, parks the arm slowly and takes the torque off. It
steps back whenever another program has taken the bus in the meantime. What it did is in its log,
`log_path`.

    python -m hardware.dynamixel.guardian PARENT_PID TOKEN SETTINGS_AS_JSON
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import logging
import os
import select
import subprocess
import sys
import time
from pathlib import Path

from hardware.clock import MonotonicClock
from hardware.dynamixel.lock import PortBusy, last_token, lock_path
from hardware.dynamixel.settings import DynamixelSettings
from hardware.robot import Stop
from recordings.errors import PtrctlError, SystemSetupError
from recordings.records import CONTROL_RATE_HZ

ALL_IS_WELL = b"all is well\n"
READY = b"ready\n"
TO_PARENT = 1
"""The guardian's end of the pipe on which it says so."""
READY_WITHIN_S = 30.0
"""A busy machine takes seconds to start a Python."""
LOOK_EVERY_S = 0.5
DISMISS_WITHIN_S = 2.0
PORT_WITHIN_S = 30.0
"""So long the guardian waits for a program that has the port, but does not drive the arm."""

log = logging.getLogger("ptrctl.guardian")


def log_path(port: str) -> Path:
    """Where the guardian of a port writes what it did."""
    return lock_path(port).with_suffix(".guardian.log")


class Guardian:
    """The guardian process, seen from the program that it guards."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process
        self._said = b""

    @classmethod
    def start(cls, settings: DynamixelSettings, port: str, token: str) -> Guardian:
        """Start a guardian of the arm on a port, which we have opened with this token."""
        port = os.path.abspath(port)
        values = dataclasses.asdict(dataclasses.replace(settings, port=port, guardian=False))
        return cls(
            subprocess.Popen(
                [sys.executable, "-m", __name__, str(os.getpid()), token, json.dumps(values)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                # Python looks there first: a lab's own package `hardware` is not ours.
                cwd=Path(__file__).resolve().parents[2],
                # Ctrl-C and a closed terminal are for the program, not for its guardian.
                start_new_session=True,
            )
        )

    def require(self) -> None:
        """Wait until it watches.

        Raises:
            SystemSetupError: It does not start, or has ended.
        """
        assert self._process.stdout is not None
        give_up_s = time.monotonic() + READY_WITHIN_S
        while READY not in self._said:
            left_s = max(0.0, give_up_s - time.monotonic())
            heard = select.select([self._process.stdout], [], [], left_s)[0]
            words = os.read(self._process.stdout.fileno(), 4096) if heard else b""
            if not words:
                raise self._missing()
            self._said += words
        if self._process.poll() is not None:
            raise self._missing()

    def _missing(self) -> SystemSetupError:
        last = self._said.decode(errors="replace").strip().rpartition("\n")[2]
        why = f" ({last})" if READY not in self._said and last else ""
        return SystemSetupError(
            f"The guardian, which parks the arm when this program dies, does not run{why}.",
            "It runs as long as the arm is connected.",
            "Run the command again. Without a guardian, `guardian = false` under [robot.options], "
            "the arm of a program that died holds until somebody comes.",
        )

    def dismiss(self) -> None:
        """Say that all is well; the arm stays as it is. Never raises."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        try:
            self._process.stdin.write(ALL_IS_WELL)
            self._process.stdin.close()
            self._process.wait(DISMISS_WITHIN_S)
        except (OSError, subprocess.TimeoutExpired):
            self._process.kill()
            self._process.wait()
        self._process.stdout.close()


def parent_says_well(parent_pid: int, words: int) -> bool:
    """Wait for the parent's end; True if it said before that all is well.

    Args:
        parent_pid: Its process.
        words: File descriptor of the pipe from it.
    """
    said = b""
    while True:
        if select.select([words], [], [], LOOK_EVERY_S)[0]:
            chunk = os.read(words, 64)
            said += chunk
            if ALL_IS_WELL in said:
                return True
            if not chunk:
                return False
        # A child of the parent may keep the pipe open after its death.
        elif os.getppid() != parent_pid:
            return False


def guard(settings: DynamixelSettings, parent_pid: int, token: str, words: int) -> None:
    """Wait for the parent's end, and park the arm if it died; see the module."""
    if parent_says_well(parent_pid, words):
        return
    log.info("the program %d died; the arm holds for %g s", parent_pid, settings.guardian_wait_s)
    clock = MonotonicClock()
    clock.wait_until_s(clock.now_s() + settings.guardian_wait_s)
    give_up_s = clock.now_s() + PORT_WITHIN_S
    while True:
        if last_token(settings.port) != token:
            log.info("another program has driven the arm since: nothing to do")
            return
        try:
            park(settings, clock)
            return
        except PortBusy as busy:
            if clock.now_s() > give_up_s:
                log.error("the arm could not be parked: %s", busy)
                return
            clock.wait_until_s(clock.now_s() + LOOK_EVERY_S)
        except PtrctlError as error:
            log.error("the arm could not be parked: %s", error)
            return


def park(settings: DynamixelSettings, clock: MonotonicClock) -> None:
    """Park the arm.

    Raises:
        PtrctlError: It could not be parked; it holds, if it can.
    """
    # Only now: what the kinematics imports is large, and most guardians are never needed.
    from hardware.dynamixel import make_arm
    from hardware.kinds import ArmRequest

    request = ArmRequest(clock, CONTROL_RATE_HZ)
    with make_arm(settings, request, purpose="guardian") as arm:
        log.info("parking the arm, unless its torque is off already")
        arm.stop(Stop.PARK)
        log.info("the arm is parked and its torque is off")


def _log_file(port: str) -> logging.Handler:
    try:
        handler = logging.FileHandler(log_path(port), encoding="utf-8")
    except OSError:
        # Another user's, or a full disk: the arm matters more than the log.
        return logging.NullHandler()
    formatter = logging.Formatter("%(asctime)s UTC %(process)d %(message)s")
    formatter.converter = time.gmtime
    handler.setFormatter(formatter)
    return handler


def main(arguments: list[str]) -> None:
    """Run as a process; see the module."""
    parent_pid, token, values = arguments
    settings = DynamixelSettings(**json.loads(values))
    log.setLevel(logging.INFO)
    log.addHandler(_log_file(settings.port))
    with contextlib.suppress(OSError):  # A parent that is dead already hears nothing.
        os.write(TO_PARENT, READY)
    try:
        guard(settings, int(parent_pid), token, sys.stdin.fileno())
    except BaseException:
        log.exception("the guardian failed; the arm holds as long as its motors can")
        raise


if __name__ == "__main__":
    main(sys.argv[1:])
