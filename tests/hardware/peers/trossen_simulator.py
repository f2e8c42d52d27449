"""The vendor's simulator of a WidowX AI in a process of its own, with commands on stdin.

Run as `python -m tests.hardware.peers.trossen_simulator ADDRESS [FIRMWARE]`. Each line on stdin
is a command; its answer is one line of JSON on stdout.
"""

from __future__ import annotations

import json
import sys
import threading
import time

import mujoco
import numpy as np
from trossen_arm_sim.protocol import INSTALLED_DRIVER_VERSION, ErrorState, Mode
from trossen_arm_sim.server import TrossenArmSimServer
from trossen_arm_sim.sim import WidowXSim

STILL = 0.01
STILL_CHECK_S = 0.05
"""The arm stands still if no joint moves more than this (rad, m) in the meantime."""


class Simulator(WidowXSim):
    """The arm, with what can go wrong with it."""

    stuck = False
    extra_effort = 0.0
    temperature_c = 40.0
    touched: set[str]

    def __init__(self) -> None:
        super().__init__()
        self.touched = set()
        self.add_step_hook(self._look)

    def _look(self) -> None:
        for contact in self.data.contact[: self.data.ncon]:
            bodies = [
                self.model.body(self.model.geom_bodyid[geom]).name
                for geom in (contact.geom1, contact.geom2)
            ]
            if bodies != ["carriage_right", "carriage_left"]:  # a closed gripper
                self.touched.add(" and ".join(bodies))

    def apply_joint_commands(self, modes, positions) -> None:
        if not self.stuck:
            super().apply_joint_commands(modes, positions)

    def read_joint_outputs(self):
        outputs = super().read_joint_outputs()
        outputs[1].effort += self.extra_effort
        outputs[1].rotor_temperature = self.temperature_c
        return outputs

    def positions(self) -> list[float]:
        return [output.position for output in self.read_joint_outputs()]

    def is_still(self) -> bool:
        before = np.array(self.positions())
        time.sleep(STILL_CHECK_S)
        return bool(np.abs(self.positions() - before).max() < STILL)

    def place(self, positions: list[float]) -> None:
        """Put the arm somewhere, at rest."""
        with self._lock:
            mujoco.mj_resetData(self.model, self.data)
            self.data.qpos[self._qpos_addr] = positions
            self.data.joint("right_carriage_joint").qpos[0] = positions[6]
            self.data.ctrl[self._actuator_ids] = positions
            mujoco.mj_forward(self.model, self.data)
            self.stuck, self.extra_effort, self.temperature_c = False, 0.0, 40.0
            self.touched.clear()


class Server(TrossenArmSimServer):
    """The controller's network side, with what can go wrong with it.

    Unlike the vendor's, it keeps its error until a client clears it, as the real one does.
    """

    keeps_error = False
    silent = threading.Event()

    def _handle_tcp_request(self, request: bytes) -> bytes:
        error = self.error_state
        answer = super()._handle_tcp_request(request)
        if self.keeps_error and request[0] == 0 and error is not ErrorState.NONE:
            self.error_state = error
            return bytes([error]) + answer[1:]
        return answer

    def _pack_output(self) -> bytes:
        while self.silent.is_set():
            time.sleep(0.01)
        return super()._pack_output()


def say(answer: object) -> None:
    sys.stdout.write(json.dumps(answer) + "\n")
    sys.stdout.flush()


def main() -> None:
    address = sys.argv[1]
    simulator = Simulator()
    simulator.start()
    server = Server(simulator, host=address)
    server.driver_version = sys.argv[2] if len(sys.argv) > 2 else INSTALLED_DRIVER_VERSION
    server.start()

    def fault(name: str) -> None:
        server.fault(ErrorState[name], "as the test wanted")

    def torque_lost() -> None:
        server.modes = [Mode.IDLE] * server.num_joints
        fault("JOINT_DISABLED_UNEXPECTEDLY")

    def place(*positions: str) -> None:
        server.clear_error()
        server.keeps_error = False
        server.silent.clear()
        server.modes = [Mode.IDLE] * server.num_joints
        simulator.place([float(position) for position in positions])

    commands = {
        "fault": fault,
        "torque_lost": torque_lost,
        "unplug": server.stop,
        "keep_error": lambda: setattr(server, "keeps_error", True),
        "silence": server.silent.set,
        "stuck": lambda: setattr(simulator, "stuck", True),
        "effort": lambda newtons: setattr(simulator, "extra_effort", float(newtons)),
        "temperature": lambda celsius: setattr(simulator, "temperature_c", float(celsius)),
        "place": place,
        "is_still": simulator.is_still,
        "positions": simulator.positions,
        "modes": lambda: [mode.name for mode in server.modes],
        "touched": lambda: sorted(simulator.touched),
    }
    say("ready")
    for line in sys.stdin:
        name, *values = line.split()
        say(commands[name](*values))


if __name__ == "__main__":
    main()
