"""Runs something that may hang, for a limited time."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def within(limit_s: float, function: Callable[[], T]) -> T:
    """What `function()` returns, called in a thread that is left alone if it does not return.

    Raises:
        TimeoutError: It did not return in time.
        Exception: What it raised; a `SystemExit`, with which some drivers answer, as RuntimeError.
    """
    results: list[T] = []
    problems: list[BaseException] = []

    def run() -> None:
        try:
            results.append(function())
        except BaseException as problem:  # raised again below, in the caller's thread
            problems.append(problem)

    thread = threading.Thread(target=run, name="time-limited", daemon=True)
    thread.start()
    thread.join(limit_s)
    if results:
        return results[0]
    if not problems:
        raise TimeoutError(f"no answer within {limit_s:g} s")
    if isinstance(problems[0], SystemExit):
        raise RuntimeError(f"it tried to end the program: {problems[0]}") from problems[0]
    raise problems[0]
