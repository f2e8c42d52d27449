"""How many threads torch uses: many for learning, one for acting."""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Iterator
from contextlib import contextmanager

ACTING_THREADS = 1
"""One picture at a time gains nothing from more, and waits for them when the machine is busy."""

PASSES = 8


def learning_threads() -> int:
    """What OMP_NUM_THREADS says, else all cores or one, whichever is faster at this moment.

    Threads of one update wait for each other: on a machine that is busy with something else, two
    can be several times slower than one.
    """
    wanted = os.environ.get("OMP_NUM_THREADS", "")
    if wanted.isdigit() and int(wanted) > 0:
        return int(wanted)
    cores = len(os.sched_getaffinity(0))
    return 1 if cores == 1 or _seconds_with(cores) > _seconds_with(1) else cores


def _seconds_with(threads: int) -> float:
    """Time of a few forward and backward passes of a small convolution; the median of several."""
    import torch

    with torch_threads(threads):
        pictures = torch.rand(64, 16, 32, 32)
        weight = torch.rand(64, 16, 3, 3, requires_grad=True)
        times = []
        for _ in range(PASSES):
            began_s = time.perf_counter()
            total = torch.nn.functional.conv2d(pictures, weight).relu().sum()
            total.backward()  # type: ignore[no-untyped-call]
            times.append(time.perf_counter() - began_s)
        return statistics.median(times[1:])


@contextmanager
def torch_threads(count: int) -> Iterator[None]:
    """Use so many threads inside the block."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)
