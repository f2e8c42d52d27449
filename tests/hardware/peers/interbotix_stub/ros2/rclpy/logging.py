import enum


class LoggingSeverity(enum.IntEnum):
    DEBUG = 10
    INFO = 20
    WARN = 30
    ERROR = 40
    FATAL = 50


def set_logger_level(name, level):
    assert isinstance(level, LoggingSeverity)
