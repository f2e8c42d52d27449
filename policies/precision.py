"""In which number format encoders compute."""

from __future__ import annotations

import functools
import platform

import torch

from policies.config import Precision


@functools.cache
def has_bfloat16(device: str) -> bool:
    """Whether a device has instructions for bfloat16.

    Processors without them (x86 before AVX512-BF16 or AMX: every one with AVX2 alone) work it out
    in pieces, and a training then takes some ten times as long as in float32.

    Args:
        device: "cpu", or "cuda".
    """
    if device == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    if platform.machine().lower() in ("x86_64", "amd64"):
        # Not public: with a PyTorch that lacks them everything is float32.
        names = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")
        return any(getattr(torch.cpu, name, bool)() for name in names)
    return bool(getattr(torch.ops.mkldnn, "_is_mkldnn_bf16_supported", bool)())


def mixed_precision(device: str, precision: Precision) -> torch.autocast:
    """Where encoders run: "bfloat16" where it is wanted and the device has it, else float32."""
    enabled = precision == "bfloat16" and has_bfloat16(device)
    return torch.autocast(device, torch.bfloat16, enabled=enabled)
