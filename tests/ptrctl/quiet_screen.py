"""Stands for `ptrctl.terminal.screen.Screen` where nothing is to be seen."""

from __future__ import annotations

from typing import Any


class QuietScreen:
    def __init__(self) -> None:
        self.changes = 0

    def show(self, draw: Any) -> None: ...

    def changed(self) -> None:
        self.changes += 1
