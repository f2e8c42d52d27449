"""Calls into ROS that may never return, kept away from the thread that drives the arm."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from typing import TypeVar

from hardware.faults import LostConnection
from recordings.errors import PtrctlError

T = TypeVar("T")

SERVICE_TIMEOUT_S = 2.0
"""A service of the vendor's node answers within tens of milliseconds; on ROS 2 a caller that
nobody answers waits for ever."""


def call_within(function: Callable[[], T], what: str, timeout_s: float = SERVICE_TIMEOUT_S) -> T:
    """What `function` returns, if it does so in time.

    It runs in a thread of its own; one that hangs is left behind, and ends with the process.

    Args:
        function: Calls the vendor's code.
        what: For the message ("reading Torque_Enable").
        timeout_s: Of the machine's own clock, whatever the arm's clock is.

    Raises:
        PtrctlError: Raised by `function` itself.
        LostConnection: It raised anything else, or did not return in time.
    """
    answers: queue.Queue[tuple[bool, T | BaseException]] = queue.Queue()

    def run() -> None:
        try:
            answers.put((True, function()))
        except BaseException as problem:  # SystemExit too: the vendor's constructor calls it
            answers.put((False, problem))

    threading.Thread(target=run, name="interbotix-call", daemon=True).start()
    try:
        returned, answer = answers.get(timeout=timeout_s)
    except queue.Empty:
        raise _lost(f"The arm's ROS node did not answer within {timeout_s:g} s: {what}.") from None
    if returned:
        return answer  # type: ignore[return-value]
    if isinstance(answer, PtrctlError):
        raise answer
    assert isinstance(answer, BaseException)
    raise _failed(what, answer) from answer


def publish(function: Callable[[], T], what: str) -> T:
    """What `function` returns, called in this thread: a topic takes a message and returns at once.

    Raises:
        LostConnection: It raised.
    """
    try:
        return function()
    except Exception as problem:
        raise _failed(what, problem) from problem


def _failed(what: str, problem: BaseException) -> LostConnection:
    return _lost(f"{what} failed: {type(problem).__name__}: {problem}.")


def _lost(found: str) -> LostConnection:
    return LostConnection(
        found,
        "The node xs_sdk runs and answers.",
        "Look at its terminal, start it again if needed, then run `ptrctl doctor`.",
    )
