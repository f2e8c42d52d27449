"""Spins nodes for as long as ROS is up."""

import time

import rclpy


class MultiThreadedExecutor:
    def __init__(self):
        self._nodes = []

    def add_node(self, node):
        if node not in self._nodes:
            self._nodes.append(node)

    def spin(self):
        while rclpy.ok():
            worked = sum(node.work() for node in self._nodes)
            if not worked:
                time.sleep(0.0005)
