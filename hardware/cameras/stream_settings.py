"""What the settings of every camera that streams have in common."""

from __future__ import annotations


class StreamSettings:
    """Base of settings that say what is expected of a stream; see `PictureWatch`.

    No dataclass itself: the fields of one that is come before those of its subclasses, and which
    camera is meant comes first in a profile.
    """

    width: int
    height: int
    fps: int
    warm_up_s: float
    max_age_s: float
    frozen_after_s: float

    def __post_init__(self) -> None:
        if min(self.width, self.height, self.fps) <= 0:
            raise ValueError("width, height and fps are greater than 0")
        if self.warm_up_s < 0 or self.frozen_after_s < 0 or self.max_age_s <= 0:
            raise ValueError("warm_up_s and frozen_after_s are 0 or more, max_age_s more than 0")
