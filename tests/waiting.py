"""Waiting for what another thread or process brings about."""

from __future__ import annotations

import time
from collections.abc import Callable


def wait_for(condition: Callable[[], bool], within_s: float = 20.0) -> None:
    """Return as soon as a condition holds; on a loaded machine that may take a while."""
    give_up_s = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < give_up_s, "it never happened"
        time.sleep(0.005)
