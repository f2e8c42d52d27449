"""Interbotix's services for ROS 2: requests with fields by name, of their types."""


class _Request:
    def __init__(self, **named):
        fields = self.fields()
        assert not set(named) - set(fields), named
        for field, kind in fields.items():
            value = named.get(field, kind())
            assert isinstance(value, kind), (field, value)
            setattr(self, field, value)

    @classmethod
    def fields(cls):
        return {"cmd_type": str, "name": str, **cls.more()}

    @classmethod
    def more(cls):
        return {}

    def plain(self):
        return {field: getattr(self, field) for field in self.fields()}


def _integers(*names):
    return dict.fromkeys(names, int)


class OperatingModes:
    class Request(_Request):
        @classmethod
        def more(cls):
            profile = _integers("profile_velocity", "profile_acceleration")
            return {"mode": str, "profile_type": str, **profile}


class MotorGains:
    class Request(_Request):
        @classmethod
        def more(cls):
            return _integers("kp_pos", "ki_pos", "kd_pos", "k1", "k2", "kp_vel", "ki_vel")


class RegisterValues:
    class Request(_Request):
        @classmethod
        def more(cls):
            return {"reg": str, "value": int}


class RobotInfo:
    class Request(_Request):
        pass

    class Response:
        pass


class TorqueEnable:
    class Request(_Request):
        @classmethod
        def more(cls):
            return {"enable": bool}


class Reboot:
    class Request(_Request):
        @classmethod
        def more(cls):
            return {"enable": bool, "smart_reboot": bool}
