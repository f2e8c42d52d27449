"""Serves the simulated arm in a process of its own, and writes down when its motors moved.

python -m tests.hardware.peers.remote_server '{"log": FILE, "speed": 4.0, "options": {...}}'
"""

from __future__ import annotations

import json
import os
import sys
import time

import numpy as np

from hardware.faults import MotorFault
from hardware.modules import SIMULATED
from hardware.registry import CellRequest, make_cell
from hardware.remote.options import ServeOptions
from hardware.remote.server import ArmServer
from hardware.remote.tokens import VARIABLE
from hardware.robot import never_stop
from tests.hardware.fakes import FastClock

TASK = "put_carrot_on_plate"
MOVES, MOVED_S, HELD_S, OVERLOADED = range(4)
"""Entries of the log: how often the motors got goals, when last, and when first held after that;
the last is for the test to write: a motor pushes too hard until the arm is held."""


def main() -> None:
    wanted = json.loads(sys.argv[1])
    log = np.memmap(wanted["log"], dtype=np.float64, mode="r+", shape=(4,))
    clock = FastClock(wanted["speed"])
    cell = make_cell(SIMULATED, CellRequest(TASK, image_size=wanted["image_size"], clock=clock))
    station, world = cell.station, cell.judge
    station.clock = station.robot._clock = station.robot._drive._clock = clock
    for camera in station.cameras.values():
        camera._clock = clock
    drive, hold, read = world.drive, world.hold, station.robot._drive.read

    def logged_drive(*goals):
        log[MOVES] += 1
        log[MOVED_S] = time.monotonic()
        drive(*goals)

    def logged_hold(joints):
        if log[HELD_S] <= log[MOVED_S]:
            log[HELD_S] = time.monotonic()
        log[OVERLOADED] = 0
        hold(joints)

    def read_or_fail():
        if log[OVERLOADED]:
            raise MotorFault(
                "The motor `elbow` pushes too hard.", "Below its limit.", "Free the arm."
            )
        return read()

    world.drive, world.hold = logged_drive, logged_hold
    station.robot._drive.read = read_or_fail
    options = ServeOptions(port=0, **wanted["options"])
    server = ArmServer(station, os.environ[VARIABLE], options, judge=world, task=TASK)

    def ready() -> None:
        sys.stdout.write(server.address.rpartition(":")[2] + "\n")
        sys.stdout.flush()

    server.run(never_stop, ready=ready)


if __name__ == "__main__":
    main()
