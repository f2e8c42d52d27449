"""As much of rclpy as Interbotix's modules for ROS 2 and our driver use, on one simulated node."""

import time

import xs_link

_state = {"up": False}


def init(args=None, context=None, signal_handler_options=None):
    if _state["up"]:
        raise RuntimeError("Context.init() must only be called once")
    _state["up"] = True


def ok():
    return _state["up"] and not xs_link.over()


def shutdown():
    _state["up"] = False


def spin_once(node, executor=None, timeout_sec=None):
    """Handles what is waiting, or waits for something until the time is over."""
    give_up = None if timeout_sec is None else time.monotonic() + timeout_sec / xs_link.SPEED
    while not node.work():
        if give_up is not None and time.monotonic() > give_up:
            return
        node.wait()


def spin_until_future_complete(node, future, executor=None, timeout_sec=None):
    while not future.done():
        if not node.work():
            node.wait()
