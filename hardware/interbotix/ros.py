"""ROS distributions: for which Python each is built, and which are ROS 1."""

from __future__ import annotations

ROS_PYTHON = {
    "noetic": (3, 8),
    "foxy": (3, 8),
    "galactic": (3, 8),
    "humble": (3, 10),
    "iron": (3, 10),
    "jazzy": (3, 12),
    "kilted": (3, 12),
    "rolling": (3, 12),
}
"""The Python that a distribution's packages are built for."""
ROS_1 = ("noetic",)
