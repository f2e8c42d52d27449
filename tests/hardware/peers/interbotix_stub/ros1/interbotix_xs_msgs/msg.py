"""Interbotix's messages for ROS 1: fields in order or by name."""

import sys  # noqa: F401  Generated messages import it, and the vendor's core has it from here.


class _Message:
    FIELDS = ()

    def __init__(self, *values, **named):
        for index, field in enumerate(self.FIELDS):
            value = values[index] if index < len(values) else named.get(field, 0)
            setattr(self, field, value)

    def plain(self):
        return {field: getattr(self, field) for field in self.FIELDS}


class JointGroupCommand(_Message):
    FIELDS = ("name", "cmd")


class JointSingleCommand(_Message):
    FIELDS = ("name", "cmd")


class JointTrajectoryCommand(_Message):
    FIELDS = ("cmd_type", "name", "traj")

    def plain(self):
        points = [[float(p.time_from_start), list(p.positions)] for p in self.traj.points]
        return {"cmd_type": self.cmd_type, "name": self.name, "points": points}
