"""How many threads torch uses: many for learning, one for acting."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

ACTING_THREADS = 1
"""One picture at a time gains nothing from more, and waits for them when the machine is busy."""


def learning_threads() -> int:
    """Cores that this process may use, or what OMP_NUM_THREADS says."""
    wanted = os.environ.get("OMP_NUM_THREADS", "")
    return int(wanted) if wanted.isdigit() else len(os.sched_getaffinity(0))


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
