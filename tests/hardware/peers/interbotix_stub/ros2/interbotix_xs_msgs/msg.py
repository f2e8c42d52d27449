"""Interbotix's messages for ROS 2: fields by name only, and of their types, as rosidl checks."""


class _Message:
    def __init__(self, **named):
        for field, value in named.items():
            setattr(self, field, value)

    def plain(self):
        return dict(vars(self))


class JointGroupCommand(_Message):
    def __init__(self, *, name="", cmd=()):
        assert isinstance(name, str)
        assert all(isinstance(value, float) for value in cmd), cmd
        super().__init__(name=name, cmd=list(cmd))


class JointSingleCommand(_Message):
    def __init__(self, *, name="", cmd=0.0):
        assert isinstance(name, str)
        assert isinstance(cmd, float), cmd
        super().__init__(name=name, cmd=cmd)


class JointTrajectoryCommand(_Message):
    def __init__(self, *, cmd_type="", name="", traj=None):
        super().__init__(cmd_type=cmd_type, name=name, traj=traj)

    def plain(self):
        points = [[float(p.time_from_start), list(p.positions)] for p in self.traj.points]
        return {"cmd_type": self.cmd_type, "name": self.name, "points": points}
