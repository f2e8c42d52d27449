"""A WidowX 250s behind Interbotix's ROS node xs_sdk, without arm, ROS or time of its own.

`XsNode` keeps what the real node and its nine motors keep: registers, groups, modes, profiles and
the joint_states topic. It answers over a Unix socket, a JSON object a line, so that drivers in
this process and in others meet the same arm; `interbotix_stub/` holds the ROS side of the line.

Faithful to Interbotix/interbotix_ros_core xs_sdk_obj.cpp in: groups and their orders, shadows
that obey what their master is told, a group read that ends at the first motor that fails, -pi for
all after a failed read, profiles of time, trajectories that are dropped while one runs. Not
simulated: gravity, and what lies between two positions of a motor's controller.

Runs on Python 3.8 and the standard library alone.
"""

from __future__ import annotations

import contextlib
import json
import math
import os
import socket
import tempfile
import threading
import time
from typing import Any

ARM = ("waist", "shoulder", "elbow", "forearm_roll", "wrist_angle", "wrist_rotate")
GRIPPER = "gripper"
SHADOWS = {"shoulder": "shoulder_shadow", "elbow": "elbow_shadow"}
GROUPS = {"arm": ARM, "all": (*ARM, GRIPPER)}
LOWER = (-3.14158, -1.88496, -2.14675, -3.14158, -1.74533, -3.14158)
UPPER = (3.14158, 1.98968, 1.60570, 3.14158, 2.14675, 3.14158)
SLEEP = (0.0, -1.80, 1.55, 0.0, 0.8, 0.0)
RESTING = (0.0, -0.2, 0.35, 0.0, 1.35, 0.0)
"""Where the arm is when a test begins: near the start pose, so that tests are short."""
SPEED_LIMIT = math.pi
TICK_RAD = 2 * math.pi / 4096
FULL_RAD_S = 9.0
"""The gripper's speed at full PWM; the real XL430 makes 6.4, which leaves a second no slack."""


def finger_m(angle_rad: float) -> float:
    """Distance of a finger from the centre line (Interbotix motor_configs: horn and arm)."""
    return 0.014 * math.sin(angle_rad) + math.sqrt(0.024**2 - (0.014 * math.cos(angle_rad)) ** 2)


def share(elapsed_s: float, moving_s: float, accel_s: float) -> float:
    """How much of a way a trapezoidal profile has covered, 0..1."""
    accel_s = min(accel_s, moving_s / 2)
    if elapsed_s >= moving_s:
        return 1.0
    top = 1.0 / (moving_s - accel_s)
    if elapsed_s < accel_s:
        return 0.5 * top / accel_s * elapsed_s**2
    if elapsed_s > moving_s - accel_s:
        return 1.0 - 0.5 * top / accel_s * (moving_s - elapsed_s) ** 2
    return top * (elapsed_s - accel_s / 2)


class Joint:
    """One arm joint and the profile it is on."""

    def __init__(self, position: float) -> None:
        self.start = self.goal = position
        self.begun_s = 0.0
        self.moving_s = self.accel_s = 0.0

    def at(self, now_s: float) -> float:
        if self.moving_s <= 0:
            return self.goal
        done = share(now_s - self.begun_s, self.moving_s, self.accel_s)
        return self.start + (self.goal - self.start) * done

    def go(self, goal: float, now_s: float, moving_s: float, accel_s: float) -> None:
        self.start = self.at(now_s)
        fastest_s = abs(goal - self.start) / SPEED_LIMIT + accel_s
        self.goal, self.begun_s = goal, now_s
        self.moving_s, self.accel_s = max(moving_s, fastest_s), accel_s


class XsNode:
    """The node and its motors.

    Args:
        speed: How many times as fast as the machine's clock its time runs.
    """

    def __init__(self, speed: float = 1.0) -> None:
        self.speed = speed
        self._lock = threading.RLock()
        self._modes = {"arm": ["position", "time"], GRIPPER: ["pwm", "velocity"]}
        self._joints = {name: Joint(RESTING[place]) for place, name in enumerate(ARM)}
        self._angle, self._angle_at_s = -0.5, self.now_s()
        self._trajectory: list[tuple[float, list[float]]] = []
        self._sequence = 0
        self._frozen: dict[str, Any] | None = None
        self.registers = {name: self._new_registers(name) for name in self.motors}
        for place, name in enumerate(ARM):
            self._of(name)["Goal_Position"] = round(RESTING[place] / TICK_RAD) + 2048
        self.silent: set[str] = set()
        """Motors that cannot be read, as one with an error cannot."""
        self.failed_reads: float | None = None
        """Published for every joint instead of its position."""
        self.stuck = False
        self.extra_effort = 0.0
        self.object_m = 0.0
        """Half the width of something between the fingers."""
        self.commands: list[tuple[str, Any]] = []
        """Every topic message and register write, in order."""

    @property
    def motors(self) -> list[str]:
        return [*ARM, GRIPPER, *SHADOWS.values()]

    def now_s(self) -> float:
        return time.monotonic() * self.speed

    def _new_registers(self, name: str) -> dict[str, int]:
        weak = name in ("wrist_rotate", GRIPPER)
        return {
            "Model_Number": 1060 if weak else 1020,
            "Firmware_Version": 45,
            "Drive_Mode": 0 if name == GRIPPER else 4,
            "Torque_Enable": 0,
            "Hardware_Error_Status": 0,
            "Present_Temperature": 34,
            "Present_Input_Voltage": 120,
            "Profile_Velocity": 2000,
            "Profile_Acceleration": 300,
            "Goal_Position": 2048,
            "Goal_PWM": 0,
        }

    def _of(self, name: str) -> dict[str, int]:
        return self.registers[name]

    # What tests look at and do.

    def position(self, name: str) -> float:
        with self._lock:
            return self._joints[name].at(self.now_s())

    def finger(self) -> float:
        with self._lock:
            self._move_gripper()
            return finger_m(self._angle)

    def is_still(self) -> bool:
        """Whether no joint has more than a hundredth of a radian to go."""
        with self._lock:
            now_s = self.now_s()
            return self.stuck or all(
                abs(joint.goal - joint.at(now_s)) < 0.01 or not self._of(name)["Torque_Enable"]
                for name, joint in self._joints.items()
            )

    def freeze(self) -> None:
        """The topic goes on with nothing new."""
        with self._lock:
            self._frozen = self.joint_states()

    def hold_fast(self) -> None:
        """Nothing moves any more, and nothing pushes."""
        with self._lock:
            now_s = self.now_s()
            for joint in self._joints.values():
                joint.start = joint.goal = joint.at(now_s)
                joint.moving_s = 0.0
            self.stuck = True

    def heat(self, name: str = "elbow") -> None:
        self._of(name)["Present_Temperature"] = 79

    def overload(self, effort: float = 3000.0) -> None:
        self.extra_effort = effort

    def lose_torque(self, name: str = "elbow") -> None:
        """The motor has shut itself down: it reports an error, so that reads of it fail."""
        with self._lock:
            self._of(name).update(Torque_Enable=0, Hardware_Error_Status=0x20)
            self.silent.add(name)

    # What the node does.

    def joint_states(self) -> dict[str, Any]:
        with self._lock:
            if self._frozen is not None:
                return self._frozen
            self._follow_trajectory()
            self._move_gripper()
            now_s = self.now_s()
            arm = [round(self._joints[name].at(now_s) / TICK_RAD) * TICK_RAD for name in ARM]
            finger = finger_m(self._angle)
            position = [*arm, self._angle, finger, -finger]
            if self.failed_reads is not None:
                position = [self.failed_reads] * 7 + [0.0, 0.0]
            load = self._of(GRIPPER)["Goal_PWM"] / 885 * 1000 * 2.69
            self._sequence += 1
            return {
                "name": [*ARM, GRIPPER, "left_finger", "right_finger"],
                "position": position,
                "velocity": [0.0] * 9,
                "effort": [40.0, 150.0 + self.extra_effort, 150.0, 10.0, 60.0, 5.0, load, 0.0, 0.0],
                "stamp": self._sequence,
            }

    def _move_gripper(self) -> None:
        now_s = self.now_s()
        pwm = self._of(GRIPPER)["Goal_PWM"] if self._of(GRIPPER)["Torque_Enable"] else 0
        if abs(pwm) > 40:
            angle = self._angle + pwm / 885 * FULL_RAD_S * (now_s - self._angle_at_s)
            angle = min(max(angle, -1.25), 1.25)
            if finger_m(angle) >= self.object_m or pwm > 0:
                self._angle = angle
            while finger_m(self._angle) < self.object_m:
                self._angle += 0.001
        self._angle_at_s = now_s

    def _follow_trajectory(self) -> None:
        while self._trajectory and self._trajectory[0][0] <= self.now_s():
            self._set_goals(self._trajectory.pop(0)[1])

    def _set_goals(self, goals: list[float]) -> None:
        now_s = self.now_s()
        for place, name in enumerate(ARM):
            registers, goal = self._of(name), goals[place]
            registers["Goal_Position"] = round(goal / TICK_RAD) + 2048
            if registers["Torque_Enable"] and not self.stuck:
                moving_s, accel_s = registers["Profile_Velocity"], registers["Profile_Acceleration"]
                self._joints[name].go(goal, now_s, moving_s / 1000, accel_s / 1000)

    def publish(self, topic: str, message: dict[str, Any]) -> None:
        """A message on one of the command topics."""
        with self._lock:
            self.commands.append((topic, message))
            if topic == "commands/joint_group" and len(message["cmd"]) == len(ARM):
                self._set_goals(message["cmd"])
            elif topic == "commands/joint_single" and message["name"] == GRIPPER:
                self._move_gripper()
                self._of(GRIPPER)["Goal_PWM"] = int(message["cmd"])
            elif topic == "commands/joint_trajectory" and not self._trajectory:
                begun_s = self.now_s()
                self._trajectory = [(begun_s + at, goals) for at, goals in message["points"]]

    def serve(self, service: str, request: dict[str, Any]) -> dict[str, Any] | None:
        """The response; None where the real node fails the call."""
        name, kind = request["name"], request["cmd_type"]
        with self._lock:
            if kind == "group" and name in GROUPS:
                names = list(GROUPS[name])
            elif kind == "single" and name in self.registers:
                names = [name]
            else:
                return None
            served: dict[str, Any] = getattr(self, f"_{service}")(name, names, request)
            return served

    def _get_motor_registers(
        self, name: str, names: list[str], request: dict[str, Any]
    ) -> dict[str, Any]:
        values = []
        for motor in names:
            if motor in self.silent or request["reg"] not in self._of(motor):
                break
            values.append(self._of(motor)[request["reg"]])
        return {"values": values}

    def _set_motor_registers(
        self, name: str, names: list[str], request: dict[str, Any]
    ) -> dict[str, Any]:
        self.commands.append((request["reg"], request["value"]))
        for motor in self._with_shadows(names):
            self._of(motor)[request["reg"]] = request["value"]
        return {"values": []}

    def _torque_enable(
        self, name: str, names: list[str], request: dict[str, Any]
    ) -> dict[str, Any]:
        self.commands.append(("Torque_Enable", (name, request["enable"])))
        now_s = self.now_s()
        self._move_gripper()
        for motor in self._with_shadows(names):
            if motor in self.silent:
                continue
            self._of(motor)["Torque_Enable"] = int(request["enable"])
            if motor in self._joints:
                joint = self._joints[motor]
                joint.start = joint.goal = joint.at(now_s)
                joint.moving_s = 0.0
                if request["enable"]:
                    # A motor goes wherever its goal register says: perhaps with a jump.
                    joint.go((self._of(motor)["Goal_Position"] - 2048) * TICK_RAD, now_s, 2.0, 0.3)
        return {}

    def _get_robot_info(
        self, name: str, names: list[str], request: dict[str, Any]
    ) -> dict[str, Any]:
        joints = [n if n != GRIPPER else "left_finger" for n in names]
        lower = [LOWER[ARM.index(n)] if n in ARM else 0.015 for n in names]
        upper = [UPPER[ARM.index(n)] if n in ARM else 0.037 for n in names]
        mode, profile = self._modes[GRIPPER if name == GRIPPER else "arm"]
        return {
            "mode": mode,
            "profile_type": profile,
            "joint_names": joints,
            "joint_ids": list(range(1, len(names) + 1)),
            "joint_lower_limits": lower,
            "joint_upper_limits": upper,
            "joint_velocity_limits": [SPEED_LIMIT] * len(names),
            "joint_sleep_positions": [SLEEP[ARM.index(n)] if n in ARM else 0.0 for n in names],
            "joint_state_indices": list(range(len(names))),
            "num_joints": len(names),
            "name": [name],
        }

    def _set_operating_modes(
        self, name: str, names: list[str], request: dict[str, Any]
    ) -> dict[str, Any]:
        self._modes[name] = [request["mode"], request["profile_type"]]
        return {}

    @staticmethod
    def _with_shadows(names: list[str]) -> list[str]:
        return [*names, *(SHADOWS[name] for name in names if name in SHADOWS)]


class XsServer:
    """Puts an `XsNode` on a Unix socket; as a context manager it runs in threads of its own.

    A line in: {"service": ..., "request": {...}}, {"publish": topic, "message": {...}} or
    {"topic": "joint_states"}. A line out: the answer, null where the real node fails.

    Args:
        node: Answers.
        robot_name: Its namespace.
    """

    def __init__(self, node: XsNode, robot_name: str = "wx250s") -> None:
        self.node = node
        self.robot_name = robot_name
        self._folder = tempfile.TemporaryDirectory(prefix="xs-")
        self.path = os.path.join(self._folder.name, "node")
        self._listener = socket.socket(socket.AF_UNIX)
        self._open: list[socket.socket] = []

    def __enter__(self) -> XsServer:
        self._listener.bind(self.path)
        self._listener.listen()
        threading.Thread(target=self._accept, name="xs-node", daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.die()
        self._folder.cleanup()

    def die(self) -> None:
        """The node is gone, at once."""
        for one in [self._listener, *self._open]:
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self._open.append(connection)
            threading.Thread(target=self._answer, args=(connection,), daemon=True).start()

    def _answer(self, connection: socket.socket) -> None:
        with contextlib.suppress(OSError, ValueError), connection.makefile("rwb") as lines:
            for line in lines:
                asked = json.loads(line)
                answer: Any = None
                if "topic" in asked:
                    answer = self.node.joint_states()
                elif "publish" in asked:
                    self.node.publish(asked["publish"], asked["message"])
                else:
                    answer = self.node.serve(asked["service"], asked["request"])
                lines.write(json.dumps(answer).encode() + b"\n")
                lines.flush()
