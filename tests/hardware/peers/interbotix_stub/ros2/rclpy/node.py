"""Nodes, clients and publishers. Nothing arrives unless somebody spins the node."""

import logging
import threading
import time
from types import SimpleNamespace

import xs_link


class Future:
    def __init__(self):
        self.answer = None
        self._done = False

    def done(self):
        return self._done

    def complete(self):
        self._done = True

    def result(self):
        return self.answer


class Client:
    def __init__(self, node, srv_type, srv_name):
        self._node, self._name = node, srv_name

    def wait_for_service(self, timeout_sec=None):
        if xs_link.served(self._name):
            return True
        xs_link.sleep(timeout_sec if timeout_sec is not None else 1e6)
        return False

    def call_async(self, request):
        future = Future()

        def run():
            try:
                future.answer = xs_link.call(self._name.rsplit("/", 1)[1], **request.plain())
            except xs_link.Gone:
                return  # and the future is never done
            if future.answer is None:
                future.answer = SimpleNamespace(values=[])
            self._node.arrived.append(future)
            self._node.something.set()

        threading.Thread(target=run, daemon=True).start()
        return future


class Node:
    def __init__(self, node_name, namespace=None, **_):
        self.arrived = []
        self.something = threading.Event()
        self._subscriptions = []
        self._timers = []
        self._heard_at = 0.0
        self._lock = threading.Lock()

    def wait(self):
        """Until an answer has come, or the next message or timer may be due."""
        self.something.wait(0.01 / xs_link.SPEED if self._busy() else 0.05)

    def _busy(self):
        return bool(self._subscriptions or self._timers)

    def work(self):
        """Do what an executor does once; says whether there was anything to do."""
        self.something.clear()
        with self._lock:
            futures, self.arrived = self.arrived, []
            for future in futures:
                future.complete()
            now = time.monotonic() * xs_link.SPEED
            due = now - self._heard_at >= 0.01 and bool(self._subscriptions)
            message = xs_link.joint_states() if due else None
            if due:
                self._heard_at = now
                for subscription in list(self._subscriptions):
                    if message is not None and message is not subscription.last:
                        subscription.last = message
                        subscription.callback(message)
            for timer in self._timers:
                if now >= timer.due:
                    timer.due = now + timer.period
                    timer.callback()
            return bool(futures) or message is not None

    def create_client(self, srv_type, srv_name, callback_group=None):
        return Client(self, srv_type, srv_name)

    def create_publisher(self, msg_type, topic, qos_profile, callback_group=None):
        name = topic.split("/", 2)[2]

        def publish(message):
            assert type(message) is msg_type
            xs_link.publish(name, **message.plain())

        return SimpleNamespace(publish=publish)

    def create_subscription(self, msg_type, topic, callback, qos_profile, callback_group=None):
        known = topic == f"/{xs_link.NAME}/joint_states"
        subscription = SimpleNamespace(callback=callback, last=None)
        if known:
            self._subscriptions.append(subscription)
        return subscription

    def destroy_subscription(self, subscription):
        if subscription in self._subscriptions:
            self._subscriptions.remove(subscription)

    def get_service_names_and_types(self):
        if not xs_link.alive():
            return []
        return [(f"/{xs_link.NAME}/{service}", [""]) for service in xs_link.SERVICES]

    def create_timer(self, timer_period_sec, callback):
        self._timers.append(SimpleNamespace(period=timer_period_sec, callback=callback, due=0.0))

    def create_rate(self, frequency):
        def sleep():
            if xs_link.over():
                raise RuntimeError("ROS is down")
            xs_link.sleep(1.0 / frequency)

        return SimpleNamespace(sleep=sleep)

    def get_clock(self):
        return SimpleNamespace(sleep_for=lambda duration: xs_link.sleep(duration.seconds))

    def get_logger(self):
        return logging.getLogger("stub.rclpy")

    def destroy_node(self):
        self._subscriptions, self._timers = [], []
