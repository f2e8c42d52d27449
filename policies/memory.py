"""Memory that a process may keep, and how weights lie in it."""

from __future__ import annotations

import ctypes
import sys

import torch
from torch import nn

_TRIM_THRESHOLD, _TOP_PAD, _MMAP_THRESHOLD = -1, -2, -3
"""Names of glibc's mallopt, from malloc.h."""


def keep_freed_memory() -> bool:
    """Let this process keep the memory it frees, for the next update's tensors.

    By default glibc gives megabytes back to the system after each update, and every update then
    waits for the pages to be handed out and cleared again: about a seventh of the time of the
    `cpu` preset. The price is that the process stays as large as it once was.

    Returns:
        Whether it took effect; False where the C library is not glibc.
    """
    if not sys.platform.startswith("linux"):
        return False
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:
        return False
    # 32 MB is the largest that glibc takes for pieces of the heap; larger ones are mapped alone.
    settings = ((_MMAP_THRESHOLD, 32 << 20), (_TRIM_THRESHOLD, 1 << 30), (_TOP_PAD, 64 << 20))
    return all(mallopt(name, size) == 1 for name, size in settings)


def lay_out_convolutions(module: nn.Module) -> None:
    """Channels last: convolutions are faster so. Values stay as they are."""
    for parameter in module.parameters():
        if parameter.dim() == 4:
            parameter.data = parameter.data.contiguous(memory_format=torch.channels_last)
