"""As much of rospy as Interbotix's modules for ROS 1 and our driver use, on one simulated node."""

import logging
import threading
from types import SimpleNamespace

import xs_link

DEBUG, INFO, WARN, ERROR, FATAL = 1, 2, 4, 8, 16
_log = logging.getLogger("stub.rospy")
loginfo, logwarn, logerr = _log.info, _log.warning, _log.error
_node = SimpleNamespace(arguments=None)


class ROSException(Exception):
    """As in rospy.exceptions."""


class ServiceException(Exception):
    """As in rospy.service."""


exceptions = SimpleNamespace(ROSException=ROSException)
service = SimpleNamespace(ServiceException=ServiceException)
core = SimpleNamespace(is_initialized=lambda: _node.arguments is not None)


def init_node(name, argv=None, anonymous=False, log_level=None, disable_signals=False):
    """Like rospy, refuses a second call with other arguments."""
    arguments = (name, anonymous, log_level, disable_signals)
    if _node.arguments not in (None, arguments):
        raise ROSException("rospy.init_node() has already been called with different arguments")
    _node.arguments = arguments


def is_shutdown():
    return False


def sleep(duration):
    xs_link.sleep(duration)


def wait_for_service(name, timeout=None):
    if not xs_link.served(name):
        if timeout is None:
            threading.Event().wait()
        xs_link.sleep(timeout)
        raise ROSException("timeout exceeded while waiting for service " + name)


def wait_for_message(topic, kind, timeout=None):
    message = xs_link.joint_states() if topic == f"/{xs_link.NAME}/joint_states" else None
    if message is None:
        raise ROSException("timeout exceeded while waiting for message on topic " + topic)
    return message


class ServiceProxy:
    """Calls with the request's fields in order or by name."""

    def __init__(self, name, kind):
        self._service, self._fields = name.rsplit("/", 1)[1], kind.FIELDS

    def __call__(self, *values, **named):
        request = dict.fromkeys(self._fields, "")
        request.update((self._fields[index], value) for index, value in enumerate(values))
        request.update(named)
        try:
            answer = xs_link.call(self._service, **request)
        except xs_link.Gone as problem:
            raise ServiceException(f"service [{self._service}] unavailable") from problem
        if answer is None:
            raise ServiceException("service cannot process request")
        return answer


class Publisher:
    def __init__(self, name, kind, queue_size=None):
        self._topic = name.split("/", 2)[2]

    def publish(self, message):
        xs_link.publish(self._topic, **message.plain())


class Subscriber:
    """Calls back at 100 Hz in a thread of its own."""

    def __init__(self, name, kind, callback):
        self._callback = callback
        threading.Thread(target=self._run, daemon=True).start()

    def _run(self):
        last = None
        while not xs_link.over():
            message = xs_link.joint_states()
            if message is not last and message is not None:
                self._callback(message)
                last = message
            xs_link.sleep(0.01)


class Duration(float):
    @staticmethod
    def from_sec(seconds):
        return Duration(seconds)


class Timer(threading.Thread):
    def __init__(self, period, callback):
        super().__init__(daemon=True)
        self._period, self._callback = period, callback
        self.start()

    def run(self):
        while not xs_link.over():
            xs_link.sleep(self._period)
            self._callback(None)


Time = SimpleNamespace(now=lambda: 0.0)
