"""Standard messages, as far as they are used."""

from types import SimpleNamespace


class JointTrajectory:
    def __init__(self):
        self.points = []
        self.joint_names = []
        self.header = SimpleNamespace(stamp=None)


class JointTrajectoryPoint:
    def __init__(self):
        self.positions = []
        self.velocities = []
        self.time_from_start = 0.0
