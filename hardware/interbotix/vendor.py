"""Finds the vendor's modules of either generation, and makes their two shapes one.

ROS 1 (Noetic): `interbotix_xs_modules.arm`. ROS 2 (Humble, Jazzy):
`interbotix_xs_modules.xs_robot.arm`, with a node that must be started once a process and cannot
be started again. Both constructors wait without end, or end the process, when the arm's node is
missing; so everything that they wait for is looked for first.
"""

from __future__ import annotations

import atexit
import builtins
import importlib
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from hardware.faults import LostConnection
from hardware.interbotix.calls import call_within, publish
from recordings.errors import RobotError, SystemSetupError

SERVICES = (
    "set_operating_modes",
    "set_motor_pid_gains",
    "set_motor_registers",
    "get_motor_registers",
    "get_robot_info",
    "torque_enable",
    "reboot_motors",
)
FIND_WITHIN_S = 5.0
BUILD_WITHIN_S = 20.0
"""The constructors sleep and make their services; much longer means that they hang."""
LAUNCH = {
    1: "roslaunch interbotix_xsarm_control xsarm_control.launch robot_model:={model}{name}",
    2: "ros2 launch interbotix_xsarm_control xsarm_control.launch.py robot_model:={model}{name}",
}

_bots: dict[tuple[Any, str, str], Bot] = {}
"""Made once a process: ROS 2 allows no second start, and ROS 1 keeps timers and subscribers."""
_nodes: dict[Any, Any] = {}
"""The ROS 2 vendor module to its one node."""


class Bot:
    """The vendor's manipulator, whichever its generation.

    Args:
        generation: 1 or 2.
        manipulator: An `InterbotixManipulatorXS`.
    """

    def __init__(self, generation: int, manipulator: Any) -> None:
        self.generation = generation
        self.core: Any = manipulator.dxl if generation == 1 else manipulator.core
        self.arm: Any = manipulator.arm

    def registers(self, cmd_type: str, name: str, register: str) -> list[int]:
        """Values of a register; a motor that cannot be read ends the list.

        Args:
            cmd_type: "group" or "single".
            name: Of the group or motor.
            register: As in the control table ("Torque_Enable").

        Raises:
            LostConnection: The node does not answer.
        """
        answer = call_within(
            lambda: self.core.robot_get_motor_registers(cmd_type, name, register),
            f"reading {register} of {name}",
        )
        # ROS 1 returns the service's response, ROS 2 the list in it.
        return [int(value) for value in getattr(answer, "values", answer)]

    def set_trajectory_time(self, moving_time_s: float, accel_time_s: float) -> None:
        """Write the two profile registers, whatever the vendor's object believes of them.

        It writes only what differs from what it remembers, and on ROS 2 it remembers values that
        it never wrote; so it is first told to forget.
        """

        def write() -> None:
            self.arm.moving_time = self.arm.accel_time = None
            self.arm.set_trajectory_time(moving_time=moving_time_s, accel_time=accel_time_s)

        call_within(write, "writing the profile registers")

    def torque(self, cmd_type: str, name: str, on: bool) -> None:
        """Torque a group or motor on or off."""
        call_within(lambda: self.core.robot_torque_enable(cmd_type, name, on), f"torque of {name}")

    def command(self, joints_rad: list[float]) -> bool:
        """Publish a goal that the vendor checks for limits and speed; False if it refuses."""
        return bool(
            publish(lambda: self.arm.set_joint_positions(joints_rad, blocking=False), "commanding")
        )

    def command_unchecked(self, joints_rad: list[float]) -> None:
        """Publish a goal that is where the arm is, so that it has no speed to be checked."""
        publish(lambda: self.core.robot_write_commands("arm", joints_rad), "holding")
        # The vendor measures the speed of the next command from here.
        self.arm.joint_commands = list(joints_rad)

    def command_gripper(self, pwm: int) -> None:
        """Publish the gripper's PWM."""
        publish(
            lambda: self.core.robot_write_joint_command("gripper", float(pwm)),
            "commanding the gripper",
        )

    def info(self, cmd_type: str, name: str) -> Any:
        """The node's description of a group or motor."""
        return call_within(
            lambda: self.core.robot_get_robot_info(cmd_type, name), f"information on {name}"
        )


def launch_command(generation: int, model: str, name: str) -> str:
    """What to type to start the arm's node."""
    named = f" robot_name:={name}" if name != model else ""
    return LAUNCH[generation].format(model=model, name=named)


def find_modules() -> tuple[int, Any]:
    """The generation (1 or 2), and the vendor's module with `InterbotixManipulatorXS`.

    Raises:
        SystemSetupError: Neither can be imported; the message says why.
    """
    problems = []
    for generation, name in (
        (2, "interbotix_xs_modules.xs_robot.arm"),
        (1, "interbotix_xs_modules.arm"),
    ):
        try:
            return generation, importlib.import_module(name)
        except ImportError as problem:
            problems.append(str(problem))
    distro = os.environ.get("ROS_DISTRO", "")
    raise SystemSetupError(
        f"The vendor's modules cannot be imported: {'; '.join(dict.fromkeys(problems))}.",
        "interbotix_xs_modules comes with the Interbotix ROS workspace, for the Python of the ROS "
        f"distribution{f' {distro}' if distro else ', which is not sourced'}.",
        "Run `ptrctl doctor`; it names the line to type (docs/arms/interbotix.md).",
    )


def connect(model: str, name: str) -> Bot:
    """The arm behind the node `name`; the same object each time in one process.

    Raises:
        SystemSetupError: ROS or the vendor's modules are missing.
        RobotError: The arm's node is not there.
    """
    generation, module = find_modules()
    key = (module, model, name)
    if key not in _bots:
        _bots[key] = (_build_ros1 if generation == 1 else _build_ros2)(module, model, name)
    return _bots[key]


def _build_ros1(module: Any, model: str, name: str) -> Bot:
    rosgraph = importlib.import_module("rosgraph")
    rospy = importlib.import_module("rospy")
    messages = importlib.import_module("sensor_msgs.msg")
    # With no master, rospy would wait for one without end.
    if not call_within(rosgraph.is_master_online, "asking for the ROS master", FIND_WITHIN_S):
        raise LostConnection(
            "No ROS master answers.",
            f"One runs at {os.environ.get('ROS_MASTER_URI', 'the address in ROS_MASTER_URI')}.",
            f"Type `{launch_command(1, model, name)}` in another terminal.",
        )
    if not rospy.core.is_initialized():
        # The vendor would let rospy take Ctrl-C, and with it the arm's connection, away.
        rospy.init_node("ptrctl", anonymous=True, disable_signals=True, log_level=rospy.ERROR)

    def find() -> None:
        for service in SERVICES:
            rospy.wait_for_service(f"/{name}/{service}", timeout=FIND_WITHIN_S)
        rospy.wait_for_message(f"/{name}/joint_states", messages.JointState, timeout=FIND_WITHIN_S)

    _found(find, 1, model, name)

    def build() -> Any:
        with _quiet("interbotix_xs_modules.core", "interbotix_xs_modules.arm"):
            return module.InterbotixManipulatorXS(
                model, robot_name=name, gripper_name=None, init_node=False
            )

    return Bot(1, call_within(build, "building the vendor's arm", BUILD_WITHIN_S))


def _build_ros2(module: Any, model: str, name: str) -> Bot:
    if any(known[0] is module for known in _bots):
        raise RobotError(
            f"Another arm than {name} is in use in this process.",
            "The vendor's modules for ROS 2 serve one arm a process.",
            "Serve this one from a process of its own (docs/arms/remote.md).",
        )
    rclpy = importlib.import_module("rclpy")
    signals = importlib.import_module("rclpy.signals")
    logging = importlib.import_module("rclpy.logging")
    messages = importlib.import_module("sensor_msgs.msg")
    robot = importlib.import_module("interbotix_common_modules.common_robot.robot")
    if not rclpy.ok():
        # By default rclpy shuts down on Ctrl-C, and the arm could not be stopped any more.
        rclpy.init(signal_handler_options=signals.SignalHandlerOptions.NO)
    if robot not in _nodes:
        _nodes[robot] = robot.create_interbotix_global_node(node_name="ptrctl")
    node = _nodes[robot]

    def find() -> None:
        wanted = {f"/{name}/{service}" for service in SERVICES}
        arrived: list[Any] = []
        topic = f"/{name}/joint_states"
        subscription = node.create_subscription(messages.JointState, topic, arrived.append, 10)
        give_up_s = time.monotonic() + FIND_WITHIN_S
        try:
            while not arrived or wanted - {name for name, _ in node.get_service_names_and_types()}:
                rclpy.spin_once(node, timeout_sec=0.1)
                if time.monotonic() > give_up_s:
                    raise LostConnection(f"{topic} or a service beside it is not there.")
        finally:
            node.destroy_subscription(subscription)

    _found(find, 2, model, name)

    def build() -> Any:
        manipulator = module.InterbotixManipulatorXS(
            model,
            robot_name=name,
            gripper_name=None,
            logging_level=logging.LoggingSeverity.ERROR,
            node=node,
            iterative_update_fk=False,
        )
        robot.robot_startup(node)
        # Left to the interpreter, the spinning thread would outlive ROS and crash it.
        atexit.register(robot.robot_shutdown, node)
        return manipulator

    return Bot(2, call_within(build, "building the vendor's arm", BUILD_WITHIN_S))


def _found(find: Callable[[], None], generation: int, model: str, name: str) -> None:
    try:
        call_within(find, "looking for the arm's node", FIND_WITHIN_S * (len(SERVICES) + 1))
    except LostConnection as problem:
        raise LostConnection(
            f"The robot `{name}` is not to be found: {problem.found}",
            f"Its node publishes /{name}/joint_states and offers /{name}/get_robot_info.",
            f"Type `{launch_command(generation, model, name)}` in another terminal; if it runs "
            "already, look there for motors that were not found.",
        ) from problem


@contextmanager
def _quiet(*names: str) -> Iterator[None]:
    """Let modules of the vendor print nothing; only theirs, since panels draw meanwhile."""

    def say_nothing(*_: object, **__: object) -> None:
        """Instead of print."""

    modules = [importlib.import_module(name) for name in names]
    for module in modules:
        vars(module)["print"] = say_nothing
    try:
        yield
    finally:
        for module in modules:
            vars(module)["print"] = builtins.print
