"""Spins nodes for as long as ROS is up."""

import rclpy


class MultiThreadedExecutor:
    def __init__(self):
        self._nodes = []

    def add_node(self, node):
        if node not in self._nodes:
            self._nodes.append(node)

    def spin(self):
        while rclpy.ok():
            for node in self._nodes:
                if not node.work():
                    node.wait()
