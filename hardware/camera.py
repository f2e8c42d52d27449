"""What every camera offers: the `Camera` protocol."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Protocol, runtime_checkable

from recordings.records import Frame


@dataclass(frozen=True)
class CameraFeatures:
    """Known before connecting: the name used in recordings and the picture's size."""

    name: str
    height: int
    width: int


@runtime_checkable
class Camera(Protocol):
    """A source of RGB pictures."""

    @property
    def features(self) -> CameraFeatures:
        """Known before connecting."""
        ...

    @property
    def identity(self) -> Mapping[str, Any]:
        """Kind, serial number, settings, for recordings."""
        ...

    def connect(self) -> None:
        """Open the camera; does nothing if it is open, and opens it anew after a fault.

        Raises:
            RobotError: It is missing or does not work.
        """
        ...

    def disconnect(self) -> None:
        """Safe to call twice."""
        ...

    def read(self) -> Frame:
        """The newest picture. Raises `RobotError` if it is stale or the camera is gone."""
        ...

    def __enter__(self) -> Camera: ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None: ...
