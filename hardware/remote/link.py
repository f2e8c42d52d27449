"""The client's end of the connection: requests, control of the arm, and the server's clock."""

from __future__ import annotations

import contextlib
import os
import secrets
import socket as sockets
import threading
import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, TypeVar

import numpy as np
import zmq

from hardware.clock import Clock
from hardware.faults import LostConnection
from hardware.remote import protocol
from hardware.remote.protocol import BadMessage, Fields, NotAuthentic
from hardware.remote.served import ClockOffset, Measured, Picture, Served, served_from
from recordings.errors import PtrctlError, RobotError, UsageError
from recordings.records import STATE_SIZE, FloatArray

T = TypeVar("T")

BEAT_S = 0.5
"""The server hears of us at least this often."""
STOP_S = 3.0
"""A stop is confirmed by the motors, which takes longer than an answer."""
CLOCK_ROUND_TRIPS = 8
SHARED_FOR_S = 0.1
"""What came with one answer serves the arm and all cameras of one observation, and nobody later."""


class Link:
    """One connection to a server, used by the arm and by its cameras.

    Requests are answered in order, one at a time, from any thread. One that is not answered in
    time may still be obeyed: it is never repeated, and the server refuses it once it is old.

    Args:
        host, port: Of the server.
        token: Known to both sides.
        timeout_s: Longest wait for a reply, in seconds of the machine.
        image_size: Edge of the square pictures that are wanted; 0 takes them as they are.
        clock: Ours.
    """

    def __init__(
        self, host: str, port: int, token: str, timeout_s: float, image_size: int, clock: Clock
    ) -> None:
        self.where = f"{host}:{port}"
        self.clock = clock
        self.offset = ClockOffset()
        self.commanded: FloatArray = np.zeros(STATE_SIZE)
        self._token = token
        self._timeout_s = timeout_s
        self._image_size = image_size
        self._lock = threading.Lock()
        self._socket: Any = None
        self._context: Any = None
        self._session = b""
        self._last_id = 0
        self._lost = False
        self._users = 0
        self._closed = threading.Event()
        self._joints = 0
        self._sizes: dict[str, tuple[int, int]] = {}
        self._seen: dict[str, Picture] = {}
        self._seen_s = 0.0
        self._state: Measured | None = None

    # ---- control ------------------------------------------------------------------------------

    def look(self) -> Served:
        """What is served, and its clock; before `open`, takes no control."""
        self._dial()
        try:
            self.measure_clock()
            return self._look()[0]
        finally:
            self._hang_up()

    def open(self, expected: Served) -> None:
        """Take control of the arm; the first of several users does it, the others join.

        Raises:
            LostConnection: Nobody answers.
            RobotError: Another client is in control, or another arm is served than `expected`.
        """
        if self._users == 0:
            self._dial()
            try:
                self._take(expected)
            except BaseException:
                self._leave()
                raise
            self._closed = threading.Event()
            threading.Thread(
                target=self._beat, args=(self._closed,), name="ptrctl beat", daemon=True
            ).start()
        self._users += 1

    def close(self) -> None:
        """Give control back when the last user closes; never raises."""
        self._users -= 1
        if self._users:
            return
        self._closed.set()
        self._leave()

    def _leave(self) -> None:
        """Give control back, if it was taken, and hang up; never raises."""
        if self._session:
            with contextlib.suppress(PtrctlError):  # A server that is gone need not be told.
                self.ask("leave")
        self._session = b""
        self._hang_up()

    def _take(self, expected: Served) -> None:
        served, challenge = self._look()
        if served.features != expected.features or served.sizes != expected.sizes:
            raise RobotError(
                f"The server at {self.where} serves another arm or other cameras than before.",
                f"It served {expected.identity.get('name', 'an arm')}.",
                "Run the command again.",
            )
        self.measure_clock()
        name = f"{sockets.gethostname()}:{os.getpid()}"
        wanted = {"challenge": challenge, "name": name, "image_size": self._image_size}
        # The arm may be parking by itself, and is stopped first.
        answer = self._request("take", wanted, self._timeout_s + STOP_S)
        self._session = self.checked(lambda: answer.data("session", 16))
        # Answers name the request alone: no answer to another session's may pass for one of ours.
        self._last_id = secrets.randbits(60)
        self._joints = len(served.features.joint_names)
        size = (self._image_size, self._image_size)
        self._sizes = {
            name: size if self._image_size else own for name, own in served.sizes.items()
        }
        self._seen, self._state = {}, None
        self.measure()

    def _look(self) -> tuple[Served, bytes]:
        body = self._request("look", {}, self._timeout_s)
        return self.checked(lambda: (served_from(body), body.data("challenge", 16)))

    def measure_clock(self) -> None:
        """Measure the server's clock anew: clocks of two machines drift apart."""
        best = ClockOffset(uncertainty_s=float("inf"))
        for _ in range(CLOCK_ROUND_TRIPS):
            asked_s = self.clock.now_s()
            answer = self._request("time", {}, self._timeout_s)
            taken_s = self.clock.now_s() - asked_s
            theirs_s = self.checked(partial(answer.number, "now_s"))
            if taken_s / 2 < best.uncertainty_s:
                best = ClockOffset(theirs_s - (asked_s + taken_s / 2), taken_s / 2, taken_s)
        self.offset = best

    # ---- asking -------------------------------------------------------------------------------

    def command(self, ask: str, body: Mapping[str, Any], more_time_s: float = 0.0) -> Fields:
        """A request that moves something: it carries its time, on the server's clock."""
        asked_s = self.clock.now_s() + self.offset.offset_s
        return self.ask(ask, {**body, "asked_s": asked_s}, more_time_s)

    def ask(
        self, ask: str, body: Mapping[str, Any] | None = None, more_time_s: float = 0.0
    ) -> Fields:
        """The answer to a request of the client in control.

        Raises:
            LostConnection: It does not come in time.
            PtrctlError: What the server says.
        """
        reply = self._request(ask, body or {}, self._timeout_s + more_time_s)
        if "commanded" in reply:
            self.commanded = self.checked(
                lambda: reply.array("commanded", STATE_SIZE, unknown=True)
            )
        return reply

    def _request(self, ask: str, body: Mapping[str, Any], timeout_s: float) -> Fields:
        with self._lock:
            if self._socket is None:
                raise LostConnection(
                    f"The connection to {self.where} is closed.", "", "Run the command again."
                )
            self._last_id += 1
            number = self._last_id if self._session else 1 + secrets.randbits(61)
            message = {
                "v": protocol.VERSION,
                "session": self._session,
                "id": number,
                "ask": ask,
                "body": dict(body),
            }
            return self._exchange(
                protocol.seal(self._token, protocol.REQUEST, message), number, timeout_s
            )

    def _exchange(self, frames: list[bytes], number: int, timeout_s: float) -> Fields:
        if self._lost:
            timeout_s = min(timeout_s, self._timeout_s)
        give_up_s = time.monotonic() + timeout_s
        if self._socket.poll(timeout_s * 1000, zmq.POLLOUT):
            self._socket.send_multipart(frames)
        while True:
            left_s = give_up_s - time.monotonic()
            self._lost = left_s <= 0 or not self._socket.poll(left_s * 1000, zmq.POLLIN)
            if self._lost:
                raise LostConnection(
                    f"The server at {self.where} did not answer within {timeout_s:g} s.",
                    "By its own rule it holds the arm when it hears nothing.",
                    "Look at the arm and at the network; `ptrctl doctor` measures the round trip.",
                )
            try:
                reply = protocol.unseal(self._token, protocol.REPLY, self._socket.recv_multipart())
                if reply.whole("id", 0, 2**62) != number:
                    continue  # The late answer to a request that was given up.
                if "error" in reply:
                    raise protocol.error_from(reply.fields("error"))
                return reply.fields("body")
            except NotAuthentic as problem:
                raise UsageError(
                    f"The server at {self.where} has another token.",
                    "Both machines need the same one.",
                    "Copy the server's token file here again, and set `token_file` in the "
                    "profile's [robot.options].",
                ) from problem
            except BadMessage as problem:
                raise self._strange(problem) from problem

    def checked(self, take: Callable[[], T]) -> T:
        """A value out of an answer, with a malformed one told as an error."""
        try:
            return take()
        except BadMessage as problem:
            raise self._strange(problem) from problem

    def _strange(self, problem: BadMessage) -> RobotError:
        return RobotError(
            f"The server at {self.where} answered something else than expected: {problem}.",
            "",
            "Install the same ptrctl on both machines.",
        )

    def _dial(self) -> None:
        if self._socket is None:
            self._context = zmq.Context()
            self._socket = self._context.socket(zmq.DEALER)
            self._socket.setsockopt(zmq.LINGER, 0)
            # Nothing waits in a queue for a server that is not there.
            self._socket.setsockopt(zmq.IMMEDIATE, 1)
            self._socket.setsockopt(zmq.MAXMSGSIZE, protocol.MAX_REPLY_BYTES)
            try:
                self._socket.connect(f"tcp://{self.where}")
            except zmq.ZMQError as problem:
                self._hang_up()
                raise UsageError(
                    f"`{self.where}` is no address: {problem}.",
                    "A host name or a number, like 192.168.7.2.",
                    "Correct `host` in the profile's [robot.options].",
                ) from problem

    def _hang_up(self) -> None:
        with self._lock:
            if self._socket is not None:
                self._socket.close()
                self._context.term()
                self._socket = None

    def _beat(self, closed: threading.Event) -> None:
        while not closed.wait(BEAT_S):
            try:
                self._request("beat", {"round_trip_s": self.offset.round_trip_s}, BEAT_S)
            except PtrctlError:
                continue  # Whoever commands the arm hears of it with the next command.

    # ---- seeing -------------------------------------------------------------------------------

    def picture(self, name: str) -> Picture:
        """The newest picture of a camera; one answer serves every camera and the arm once."""
        if name not in self._seen or not self._just_seen():
            self._observe()
        return self._seen.pop(name)

    def state(self) -> Measured:
        """The newest state: the one that came with the latest pictures, once; else a new one."""
        shared, self._state = self._state, None
        return shared if shared is not None and self._just_seen() else self.measure()

    def _just_seen(self) -> bool:
        return self.clock.now_s() - self._seen_s < SHARED_FOR_S

    def measure(self) -> Measured:
        """The state by a request of its own."""
        return self._measured_from(self.ask("state"))

    def _observe(self) -> None:
        answer = self.ask("observe")
        arrived_s = self.clock.now_s()
        seen = {}
        for item in self.checked(lambda: answer.list_of_fields("pictures", protocol.MAX_CAMERAS)):
            name, picture = self.checked(partial(self._picture_from, item, arrived_s))
            seen[name] = picture
        if seen.keys() != self._sizes.keys():
            raise self._strange(BadMessage(f"pictures of {sorted(seen)}"))
        self._seen, self._state, self._seen_s = seen, self._measured_from(answer), arrived_s

    def _picture_from(self, item: Fields, arrived_s: float) -> tuple[str, Picture]:
        name = item.text("name")
        if name not in self._sizes:
            raise BadMessage(f"a picture of {name}")
        image = protocol.decode_picture(item.data("jpeg"), *self._sizes[name])
        captured_s = item.number("captured_s") - self.offset.offset_s
        # Within the offset's uncertainty a picture may seem to come from the future.
        return name, Picture(image, min(captured_s, arrived_s), arrived_s)

    def _measured_from(self, answer: Fields) -> Measured:
        return self.checked(
            lambda: Measured(
                answer.array("state", STATE_SIZE),
                answer.array("joints_rad", self._joints, unknown=True),
                answer.number("measured_s") - self.offset.offset_s,
            )
        )
