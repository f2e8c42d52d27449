"""The line from stub ROS modules to the arm of `tests.hardware.peers.xs_node`.

PTRCTL_XS_SOCKET names the socket, PTRCTL_XS_SPEED how many times as fast as the machine's clock
the arm's time runs, PTRCTL_XS_NAME the node's namespace.
"""

import json
import os
import socket
import threading
from types import SimpleNamespace

SPEED = float(os.environ.get("PTRCTL_XS_SPEED", "1"))
NAME = os.environ.get("PTRCTL_XS_NAME", "wx250s")
SERVICES = (
    "set_operating_modes",
    "set_motor_pid_gains",
    "set_motor_registers",
    "get_motor_registers",
    "get_robot_info",
    "torque_enable",
    "reboot_motors",
)

_over = threading.Event()
_lock = threading.Lock()
_line = {}
_heard = {}


class Gone(Exception):
    """The node does not answer."""


def _ask(question):
    with _lock:
        try:
            if "lines" not in _line:
                connection = socket.socket(socket.AF_UNIX)
                connection.connect(os.environ.get("PTRCTL_XS_SOCKET", ""))
                _line["lines"] = connection.makefile("rwb")
            _line["lines"].write(json.dumps(question).encode() + b"\n")
            _line["lines"].flush()
            answer = _line["lines"].readline()
        except (OSError, ValueError) as problem:
            _line.clear()
            raise Gone(str(problem)) from problem
        if not answer:
            _line.clear()
            raise Gone("closed")
        return json.loads(answer)


def alive():
    """Whether the node answers."""
    try:
        _ask({"topic": "joint_states"})
    except Gone:
        return False
    return True


def served(name):
    """Whether a service with its full name is one of the node's."""
    return name in [f"/{NAME}/{service}" for service in SERVICES] and alive()


def call(service, **request):
    """The response of a service of the node, None where the node fails the call.

    Raises Gone.
    """
    answer = _ask({"service": service, "request": request})
    return None if answer is None else SimpleNamespace(**answer)


def publish(topic, **message):
    """Send to a topic; like ROS, it does not mind if nobody listens."""
    try:
        _ask({"publish": topic, "message": message})
    except Gone:
        return


def joint_states():
    """The newest message; the same object again as long as nothing new has come."""
    try:
        answer = _ask({"topic": "joint_states"})
    except Gone:
        return _heard.get("last")
    last = _heard.get("last")
    stamp = answer.pop("stamp")
    if last is None or last.header.seq != stamp:
        last = _heard["last"] = SimpleNamespace(header=SimpleNamespace(seq=stamp), **answer)
    return last


def end():
    """Threads of the stubs end at their next look: left behind by a test, they would take time
    from those that follow."""
    _over.set()


def over():
    """Whether `end` was called."""
    return _over.is_set()


def sleep(seconds):
    """In the arm's time."""
    _over.wait(max(0.0, seconds) / SPEED)
