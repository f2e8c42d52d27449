"""A client of a server that knows the token and talks nonsense."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest
import zmq
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hardware.clock import MonotonicClock
from hardware.remote import protocol
from hardware.remote.link import Link
from hardware.remote.options import ServeOptions
from hardware.remote.protocol import REPLY, REQUEST, array_fields
from hardware.remote.server import ArmServer
from recordings.errors import PtrctlError, RobotError, UsageError
from tests.hardware.remote.arms import slow_station
from tests.hardware.remote.serving import TOKEN

Body = dict[str, Any]


class Impostor:
    """Answers as a real server would, but for the bodies that `spoil` changes."""

    def __init__(self) -> None:
        self.spoil: Callable[[str, Body], Any] = lambda ask, body: body
        self.server = ArmServer(slow_station(clock=MonotonicClock()), TOKEN, ServeOptions())
        self.server._arm.connect()

    def answer(self, frames: list[bytes]) -> list[bytes]:
        ask = protocol.unseal(TOKEN, REQUEST, frames).text("ask")
        reply = protocol.unseal(TOKEN, REPLY, self.server.answer(frames)).values
        if "body" in reply:
            reply["body"] = self.spoil(ask, reply["body"])
        return protocol.seal(TOKEN, REPLY, reply)

    def run(self, socket: Any, end: threading.Event) -> None:
        while not end.is_set():
            if socket.poll(10):
                sender, *frames = socket.recv_multipart()
                socket.send_multipart([sender, *self.answer(frames)])


@contextmanager
def _listening() -> Iterator[tuple[Impostor, int]]:
    impostor, end = Impostor(), threading.Event()
    context = zmq.Context()
    socket = context.socket(zmq.ROUTER)
    port = socket.bind_to_random_port("tcp://127.0.0.1")
    thread = threading.Thread(target=impostor.run, args=(socket, end))
    thread.start()
    yield impostor, port
    end.set()
    thread.join()
    socket.close(0)
    context.term()


@pytest.fixture(scope="module")
def there() -> Iterator[tuple[Impostor, Link]]:
    with _listening() as (impostor, port):
        yield impostor, Link("127.0.0.1", port, TOKEN, 5.0, 8, MonotonicClock())


values = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.floats() | st.text(max_size=3)
    | st.binary(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=5,
)  # fmt: skip
USES: dict[str, Callable[[Link], object]] = {
    "look": lambda link: link.look(),
    "time": lambda link: link.look(),
    "state": lambda link: link.measure(),
    "observe": lambda link: link.picture("grey"),
    "hold": lambda link: link.ask("hold"),
}


@pytest.mark.parametrize("ask", USES)
@given(junk=values, which=st.integers(0, 20), whole=st.booleans())
@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_it_answers_is_an_error_that_says_so(there, ask, junk, which, whole) -> None:
    impostor, link = there
    impostor.spoil = lambda asked, body: body
    served = link.look()
    in_control = ask not in ("look", "time")
    if in_control:
        link.open(served)

    def spoil(asked: str, body: Body) -> Any:
        if asked != ask:
            return body
        if whole or not body:
            return junk
        return {**body, sorted(body)[which % len(body)]: junk}

    impostor.spoil = spoil
    try:
        USES[ask](link)
    except PtrctlError:
        pass
    finally:
        impostor.spoil = lambda asked, body: body
        if in_control:
            link.close()


@pytest.mark.parametrize(
    ("ask", "changes"),
    [
        ("state", {"joints_rad": array_fields(np.zeros(6))}),
        ("state", {"state": array_fields(np.full(7, np.nan))}),
        ("state", {"measured_s": float("inf")}),
        ("state", {"commanded": array_fields(np.zeros(6))}),
        ("observe", {"pictures": []}),
        ("observe", {"pictures": [{"name": "other", "jpeg": b"", "captured_s": 0.0}]}),
        ("observe", {"pictures": [{"name": "grey", "jpeg": b"no jpeg", "captured_s": 0.0}]}),
    ],
)
def test_an_answer_that_cannot_be_true_is_refused(there, ask, changes) -> None:
    impostor, link = there
    impostor.spoil = lambda asked, body: body
    link.open(link.look())
    impostor.spoil = lambda asked, body: {**body, **changes} if asked == ask else body
    try:
        with pytest.raises(RobotError, match="something else than expected"):
            USES[ask](link)
    finally:
        impostor.spoil = lambda asked, body: body
        link.close()


def test_an_address_that_is_none_is_said_in_words() -> None:
    with pytest.raises(UsageError, match="is no address"):
        Link("not a host", 5757, TOKEN, 0.2, 8, MonotonicClock()).look()
