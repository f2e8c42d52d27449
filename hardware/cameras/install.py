"""What to type where a camera's library is missing. Runs on Python 3.8."""

from __future__ import annotations

import sys

OLDEST_PYTHON = (3, 10)
"""Of ptrctl. An older one can only serve an arm and its cameras, from a checkout."""


def how_to_install(extra: str, package: str) -> str:
    """By ptrctl's extra, or by the library's own package where ptrctl cannot be installed."""
    wanted = f"'ptrctl[{extra}]'" if sys.version_info >= OLDEST_PYTHON else package
    return f"Run `pip install {wanted}`."
