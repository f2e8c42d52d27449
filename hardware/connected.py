"""Arms and cameras as context managers: connected inside, disconnected after."""

from __future__ import annotations

from abc import ABC, abstractmethod
from types import TracebackType
from typing import TypeVar

from hardware.robot import RobotFeatures
from recordings.errors import RobotError

T = TypeVar("T", bound="Connected")


class Connected(ABC):
    """Base of whatever connects and disconnects."""

    @abstractmethod
    def connect(self) -> None:
        """See `Robot.connect` and `Camera.connect`."""

    @abstractmethod
    def disconnect(self) -> None:
        """See `Robot.disconnect` and `Camera.disconnect`."""

    def __enter__(self: T) -> T:
        self.connect()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.disconnect()


class ConnectedArm(Connected):
    """Base of arms that refuse what needs a connection while there is none."""

    _connected: bool

    @property
    @abstractmethod
    def features(self) -> RobotFeatures:
        """See `Robot.features`."""

    def _require_connection(self) -> None:
        if not self._connected:
            raise RobotError(
                f"The arm {self.features.name} is not connected.",
                "Connect before use.",
                "Run the command again.",
            )
