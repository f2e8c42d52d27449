"""Which code on which machine made a line."""

from __future__ import annotations

import hashlib
import os
import platform
import subprocess
from pathlib import Path
from typing import Any

import torch

from policies.checkpoint import code_version
from policies.precision import has_bfloat16

ROOT = Path(__file__).resolve().parents[2]
_SOURCES = ("benchmarks/ptr_bench", "policies", "hardware", "recordings")


def describe_code() -> dict[str, Any]:
    """Version, commit ("" outside a checkout), whether files differ from it, and their digest."""
    commit = _git("rev-parse", "HEAD").strip()
    return {
        "version": code_version(),
        "commit": commit,
        "changed": bool(_git("status", "--porcelain", "--", *_SOURCES).strip()),
        "sources": _digest_of_sources(),
    }


def describe_host(device: str) -> dict[str, Any]:
    """What bears on speed, and on the last bits of a result."""
    return {
        "cpus": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "device": device,
        "bfloat16": has_bfloat16(device),
        "machine": platform.machine(),
        "python": platform.python_version(),
        "torch": torch.__version__,
    }


def _digest_of_sources() -> str:
    found = hashlib.sha256()
    for folder in _SOURCES:
        for path in sorted((ROOT / folder).rglob("*.py")):
            found.update(f"{path.relative_to(ROOT)}\0".encode())
            found.update(path.read_bytes())
    return found.hexdigest()


def _git(*words: str) -> str:
    try:
        result = subprocess.run(
            ["git", *words], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=True
        )
    except (OSError, subprocess.CalledProcessError):
        return ""
    return result.stdout.decode()
