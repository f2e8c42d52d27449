"""What is said where a package of one of ptrctl's extras is missing. Runs on Python 3.8."""

from __future__ import annotations

import sys

from recordings.errors import SystemSetupError

OLDEST_PYTHON = (3, 10)
"""Of ptrctl. An older one can only serve an arm and its cameras, from a checkout."""


def how_to_install(extra: str, *packages: str) -> str:
    """By ptrctl's extra, or by the packages themselves where ptrctl cannot be installed."""
    wanted = f"'ptrctl[{extra}]'" if sys.version_info >= OLDEST_PYTHON else " ".join(packages)
    return f"Run `pip install {wanted}`."


def cannot_import(problem: object, who: str, extra: str, *packages: str) -> SystemSetupError:
    """The error to raise where packages cannot be imported.

    Args:
        problem: Why.
        who: Who needs them, a singular: "The arm `dynamixel`".
        extra: Of ptrctl, that brings them.
        packages: By their names in the index.
    """
    several = len(packages) > 1
    return SystemSetupError(
        f"The package{'s' * several} {' and '.join(packages)} cannot be imported: {problem}.",
        f"{who} needs {'them' if several else 'it'}.",
        how_to_install(extra, *packages),
    )
