"""The one place that judges whether a camera's pictures can be trusted."""

from __future__ import annotations

import numpy as np

from hardware.faults import CameraFault
from recordings.records import ImageArray

MAX_AGE_S = 0.5
"""Default age beyond which a picture is no basis for an action: 2.5 control periods at 5 Hz."""
FROZEN_AFTER_S = 1.0
"""Default time for which a picture may stay the same to the last bit. A real sensor has noise."""

_MIN_REPEATS = 5
_BACKWARDS_S = 0.1
_SAMPLES_PER_EDGE = 32
_FLAT_LEVELS = 8
_CABLE = "Check its cable and power, then run `ptrctl doctor`."


class PictureWatch:
    """Hears of every picture of one camera and raises as soon as something is wrong.

    A reader thread gives it every picture that arrives; a camera without one, such as a server's,
    gives it each picture that it fetches. `check_age` belongs into `read`.

    Args:
        name: The camera's, for messages.
        height, width: What every picture must have, in pixels, before resizing.
        max_age_s: Oldest picture that `check_age` passes.
        frozen_after_s: How long pictures with new stamps may stay identical, blank or without any
            colour; 0 never complains, for a simulated or drawn scene.
        fps: Pictures a second; None if unknown, and frame numbers may then jump.
    """

    def __init__(
        self,
        name: str,
        height: int,
        width: int,
        *,
        max_age_s: float = MAX_AGE_S,
        frozen_after_s: float = FROZEN_AFTER_S,
        fps: float | None = None,
    ) -> None:
        self._name = name
        self._shape = (height, width, 3)
        self._max_age_s = max_age_s
        self._fps = fps
        self._last: tuple[int | None, float, float] | None = None
        self._image: ImageArray | None = None
        self._same = _Patience(frozen_after_s)
        self._poor = _Patience(frozen_after_s)

    def see(
        self, image: ImageArray, captured_s: float, arrived_s: float, number: int | None = None
    ) -> None:
        """Judge one picture against those before it.

        Args:
            image: (H, W, 3) uint8 RGB, not changed afterwards.
            captured_s, arrived_s: As in `Frame`.
            number: The source's frame number; the same number again is the same picture again.

        Raises:
            CameraFault: Wrong size; a number or stamp that went back or jumped; the same pixels,
                a blank picture or one without colour for too long.
        """
        if image.shape != self._shape or image.dtype != np.uint8:
            raise self._fault(
                f"delivers pictures of {_size(image.shape)} and type {image.dtype}",
                f"It was set to {_size(self._shape)} with 8 bits a colour.",
                "Correct its `width` and `height` in ptrctl.toml, or its own settings.",
            )
        if self._last is not None:
            if number is not None and number == self._last[0]:
                return
            self._check_order(number, captured_s, arrived_s)
        self._last = (number, captured_s, arrived_s)
        self._check_content(image, arrived_s)

    def check_age(self, captured_s: float, arrived_s: float, now_s: float) -> None:
        """Judge the newest picture at the moment it is used.

        Raises:
            CameraFault: No picture has arrived for too long, or what arrives is old.
        """
        age_s = now_s - captured_s
        if age_s <= self._max_age_s:
            return
        if now_s - arrived_s > arrived_s - captured_s:
            raise self._fault(
                f"has stalled: its newest picture is {age_s:.2f} s old, and none has come since",
                f"The limit is {self._max_age_s:g} s.",
                _CABLE,
            )
        raise self._fault(
            f"is late: its newest picture was taken {age_s:.2f} s ago and came only now",
            f"The limit is {self._max_age_s:g} s.",
            "Lower its resolution or rate, or give it a USB controller of its own; then run "
            "`ptrctl doctor`.",
        )

    def _check_order(self, number: int | None, captured_s: float, arrived_s: float) -> None:
        assert self._last is not None
        last_number, last_captured_s, last_arrived_s = self._last
        if captured_s < last_captured_s - _BACKWARDS_S:
            raise self._fault(
                f"went back in time by {last_captured_s - captured_s:.2f} s",
                "Each picture is newer than the one before.",
                _CABLE,
            )
        if number is None or last_number is None:
            return
        if number < last_number:
            raise self._fault(
                f"restarted: picture {number} came after picture {last_number}",
                "Frame numbers count up.",
                _CABLE,
            )
        if self._fps is not None:
            passed_s = max(captured_s - last_captured_s, arrived_s - last_arrived_s)
            # The one before may have come late, as late as is allowed.
            possible = 5 + 1.5 * self._fps * (passed_s + self._max_age_s)
            if number - last_number > possible:
                raise self._fault(
                    f"jumped from picture {last_number} to picture {number} in {passed_s:.2f} s",
                    f"It was set to {self._fps:g} pictures a second.",
                    _CABLE,
                )

    def _check_content(self, image: ImageArray, arrived_s: float) -> None:
        step = max(1, min(self._shape[:2]) // _SAMPLES_PER_EDGE)
        sample = image[::step, ::step]
        before, self._image = self._image, image
        # Comparing a sample first makes the usual case, a changed picture, nearly free.
        same = (
            before is not None
            and np.array_equal(sample, before[::step, ::step])
            and np.array_equal(image, before)
        )
        if same_s := self._same.exhausted(same, arrived_s):
            raise self._fault(
                f"is frozen: its picture has not changed by one bit for {same_s:.1f} s",
                "A real picture always has some noise.",
                f"{_CABLE} A drawn or simulated scene needs `frozen_after_s = 0`.",
            )
        flat = bool((sample.max(axis=(0, 1)) - sample.min(axis=(0, 1)) < _FLAT_LEVELS).all())
        grey = bool((sample == sample[..., :1]).all())
        if poor_s := self._poor.exhausted(flat or grey, arrived_s):
            mean = ", ".join(f"{level:.0f}" for level in sample.mean(axis=(0, 1)))
            raise self._fault(
                f"has shown {'one plain colour' if flat else 'no colour'} for {poor_s:.1f} s "
                f"(mean red, green, blue: {mean})",
                "It should show the scene in colour.",
                "Take off the lens cap, switch on the light, or choose the colour camera instead "
                "of the infrared one with `ptrctl setup`.",
            )

    def _fault(self, found: str, expected: str, try_next: str) -> CameraFault:
        return CameraFault(f"The camera {self._name} {found}.", expected, try_next)


class _Patience:
    """How long something has been so: long enough only after some time and some pictures."""

    def __init__(self, limit_s: float) -> None:
        self._limit_s = limit_s
        self._since_s = 0.0
        self._times = 0

    def exhausted(self, so: bool, now_s: float) -> float:
        """Seconds for which it has been so, once that is too long; until then 0."""
        if not so:
            self._times = 0
            self._since_s = now_s
            return 0.0
        if self._times == 0:
            self._since_s = now_s
        self._times += 1
        lasted_s = now_s - self._since_s
        return lasted_s if 0 < self._limit_s < lasted_s and self._times >= _MIN_REPEATS else 0.0


def _size(shape: tuple[int, ...]) -> str:
    return f"{shape[1]} x {shape[0]}" if len(shape) == 3 and shape[2] == 3 else f"shape {shape}"
