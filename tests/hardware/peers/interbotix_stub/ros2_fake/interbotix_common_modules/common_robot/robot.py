"""Stands for the vendor's lifecycle (ROS 2): one node, one start, no second one."""

import threading

import rclpy
from rclpy.executors import MultiThreadedExecutor
from rclpy.node import Node

_state = {"node": None, "up": False, "thread": None}


class InterbotixException(Exception):
    """As in the vendor's exceptions."""


class InterbotixRobotNode(Node):
    def wait_until_future_complete(self, future, timeout_sec=None):
        if interbotix_is_up():
            rate = self.create_rate(20.0)
            while not future.done():
                rate.sleep()
        else:
            rclpy.spin_until_future_complete(self, future, timeout_sec=timeout_sec)


def create_interbotix_global_node(node_name="interbotix_robot_manipulation", namespace=None):
    if _state["node"] is not None:
        raise InterbotixException("Tried to create an Interbotix global node but one exists.")
    if not rclpy.ok():
        rclpy.init()
    _state["node"] = InterbotixRobotNode(node_name=node_name, namespace=namespace)
    return _state["node"]


def get_interbotix_global_node():
    if _state["node"] is None:
        raise NameError("name '__interbotix_global_node' is not defined")
    return _state["node"]


def interbotix_is_up():
    return _state["up"]


def robot_startup(node=None):
    node = node or get_interbotix_global_node()
    if _state["up"]:
        raise InterbotixException("Startup has already been requested.")
    _state["up"] = True
    executor = MultiThreadedExecutor()
    executor.add_node(node)
    _state["thread"] = threading.Thread(target=executor.spin, daemon=True)
    _state["thread"].start()


def robot_shutdown(node=None):
    (node or get_interbotix_global_node()).destroy_node()
    rclpy.shutdown()
    _state["thread"].join()
    # As with the vendor, it stays up: there is no second start.
