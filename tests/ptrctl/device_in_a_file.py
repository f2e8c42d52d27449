"""A teleoperator that a test holds in its hands: it says what the newest line of a file says."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from hardware.faults import LostConnection
from hardware.kinds import Discovered, TeleoperatorKind
from hardware.settings import setting
from hardware.teleoperator import NORMAL, Button, Rate, Speed, TeleopReading


@dataclass(frozen=True)
class FileSettings:
    """Where the file is."""

    path: str = setting("", "One line of JSON for each change; without the file it is unplugged.")


class DeviceInAFile:
    """A `Teleoperator`."""

    name = "in-a-file"
    hint = ""

    def __init__(self, settings: FileSettings) -> None:
        self.speed: Speed = NORMAL
        self._path = Path(settings.path)
        self._seen = 0

    def connect(self) -> None:
        self.begin()

    def disconnect(self) -> None: ...

    def begin(self) -> None:
        self._seen = len(self._lines())

    def read(self) -> TeleopReading:
        lines = self._lines()
        news = [json.loads(line) for line in lines[self._seen :]]
        self._seen = len(lines)
        newest = json.loads(lines[-1]) if lines else {}
        return TeleopReading(
            time.monotonic(),
            newest.get("engaged", False),
            Rate(np.array(newest.get("rate", [0.0] * 6))),
            pressed=tuple(Button(name) for new in news for name in new.get("pressed", ())),
        )

    def _lines(self) -> list[str]:
        try:
            text = self._path.read_text()
        except FileNotFoundError as problem:
            raise LostConnection(
                "The device is gone.", "It is plugged in.", "Plug it in again."
            ) from problem
        # A line without its end is still being written.
        return text[: text.rfind("\n") + 1].splitlines()


KIND = TeleoperatorKind(
    name="in-a-file",
    summary="a file, for tests",
    settings=FileSettings,
    make=DeviceInAFile,
    discover=lambda: [Discovered("a file")],
    check=lambda settings: [],
)
