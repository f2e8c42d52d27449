"""How an arm is served. Runs on Python 3.8: it is part of `hardware.remote.serve`."""

from __future__ import annotations

import math
from dataclasses import dataclass

from hardware.tcp_ports import REMOTE_PORT


@dataclass(frozen=True)
class ServeOptions:
    """Where the server listens and when it acts by itself.

    Args:
        host: Address to listen on; 127.0.0.1 is this machine alone.
        port: 0 takes any free one.
        silent_periods: Control periods without a command after which a moving arm is held.
        stale_periods: A command that is older than this on arrival is refused.
        gone_after_s: A client that was not heard for so long is gone, and another may come.
        park_after_s: Without a client for so long, the arm is parked, unless it was stopped; 0
            never parks.
    """

    host: str = "127.0.0.1"
    port: int = REMOTE_PORT
    silent_periods: float = 2.0
    stale_periods: float = 1.0
    gone_after_s: float = 5.0
    park_after_s: float = 300.0

    def __post_init__(self) -> None:
        if not 0 <= self.port <= 65535:
            raise ValueError(f"port {self.port} is not within 0..65535")
        if not 1.0 <= self.silent_periods <= 50.0 or not 0.5 <= self.stale_periods <= 50.0:
            raise ValueError("silent_periods is 1 to 50 and stale_periods 0.5 to 50")
        if not (1.0 <= self.gone_after_s < math.inf and 0.0 <= self.park_after_s < math.inf):
            raise ValueError(
                f"gone_after_s is {self.gone_after_s:g} and park_after_s {self.park_after_s:g}, "
                "but they are finite, 1 or more and 0 or more"
            )
