"""Interbotix's services: the fields of their requests, in order."""


class OperatingModes:
    FIELDS = (
        "cmd_type",
        "name",
        "mode",
        "profile_type",
        "profile_velocity",
        "profile_acceleration",
    )


class MotorGains:
    FIELDS = (
        "cmd_type",
        "name",
        "kp_pos",
        "ki_pos",
        "kd_pos",
        "k1",
        "k2",
        "kp_vel",
        "ki_vel",
    )


class RegisterValues:
    FIELDS = ("cmd_type", "name", "reg", "value")


class RobotInfo:
    FIELDS = ("cmd_type", "name")


class TorqueEnable:
    FIELDS = ("cmd_type", "name", "enable")


class Reboot:
    FIELDS = ("cmd_type", "name", "enable", "smart_reboot")
