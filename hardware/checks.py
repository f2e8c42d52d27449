"""The result of looking at a device or a machine without moving anything."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from pathlib import Path

UDEV_RULES_PATH = Path("/etc/udev/rules.d/70-ptrctl.rules")
"""Where the rules of `ptrctl doctor --print-udev-rules` belong: below 73, where the person at the
machine is given what is tagged `uaccess`."""


class Health(enum.Enum):
    """How a check came out. Only FAIL keeps ptrctl from working."""

    OK = "ok"
    ABSENT = "not there"
    WARN = "warning"
    FAIL = "FAIL"


@dataclass(frozen=True)
class Finding:
    """The result of one check.

    Args:
        name: What was looked at.
        health: How it came out. ABSENT is for what not everybody needs.
        found: In words.
        fix: What to type or change; empty if nothing.
    """

    name: str
    health: Health
    found: str
    fix: str = ""
