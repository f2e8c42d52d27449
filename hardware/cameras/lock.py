"""Fixes a camera's exposure and white balance, so that every episode is seen alike.

Automatic exposure changes the picture when the arm moves through it, and a policy would have to
learn that. Many cameras do not tell which exposure their automatic chose (the colour sensor of a
RealSense D435 always answers with its last manual value), so after switching the automatic off
the value is searched at which the picture is as bright, and as warm, as it was.

Source: librealsense issues 2549 and 5035 (no exposure from the colour sensor's automatic).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from hardware.faults import CameraFault
from recordings.records import ImageArray

AUTO_EXPOSURE = "auto_exposure"
EXPOSURE = "exposure"
GAIN = "gain"
AUTO_WHITE_BALANCE = "auto_white_balance"
WHITE_BALANCE = "white_balance"
FRAME_RATE_MAY_DROP = "frame_rate_may_drop"
AUTO_FOCUS = "auto_focus"
FOCUS = "focus"

CLOSE_ENOUGH = 0.08
"""Relative difference in brightness or warmth that needs no search."""
NOT_MATCHED = 0.3
"""Relative difference that the operator must hear of."""
SEARCH_STEPS = 7


class Knobs(Protocol):
    """A camera's controls by the names above; automatics are 0 or 1, exposure is in 0.1 ms."""

    def has(self, name: str) -> bool: ...

    def get(self, name: str) -> float: ...

    def set(self, name: str, value: float) -> None: ...

    def limits(self, name: str) -> tuple[float, float]: ...


@dataclass(frozen=True)
class Wanted:
    """Values to fix; None lets the automatic choose once.

    Args:
        exposure: In units of 0.1 ms.
        gain: In the camera's own units.
        white_balance: In kelvin.
        focus: In the camera's own units.
    """

    exposure: int | None = None
    gain: int | None = None
    white_balance: int | None = None
    focus: int | None = None


def lock_picture(
    camera: str,
    knobs: Knobs,
    wanted: Wanted,
    warm_up: Callable[[], None],
    look: Callable[[], ImageArray],
    fps: float,
) -> dict[str, Any]:
    """Fix exposure, gain, white balance and focus; returns what they are, for recordings.

    Args:
        camera: Its name, for messages.
        knobs: Its controls.
        wanted: Values to fix.
        warm_up: Reads pictures until the automatics have settled.
        look: A picture that shows the newest settings.
        fps: Bounds the exposure, which cannot last longer than a picture.

    Returns:
        JSON values: each control's value (None if the camera lacks it), "chosen_by" and, where
        the fixed picture differs from the automatic's, "warning".

    Raises:
        CameraFault: The camera lacks a control that has a wanted value, or does not keep a value.
    """
    lock = _Lock(camera, knobs, look)
    if knobs.has(FRAME_RATE_MAY_DROP):
        lock.set(FRAME_RATE_MAY_DROP, 0)
    automatic = [
        (AUTO_EXPOSURE, EXPOSURE, wanted.exposure, _brightness),
        (AUTO_WHITE_BALANCE, WHITE_BALANCE, wanted.white_balance, _warmth),
        (AUTO_FOCUS, FOCUS, wanted.focus, None),
    ]
    for auto, name, value, _ in automatic:
        if knobs.has(auto):
            lock.set(auto, float(value is None))
        if value is not None:
            lock.set(name, value)
    if wanted.exposure is not None and wanted.gain is not None:
        lock.set(GAIN, wanted.gain)
    warm_up()

    warnings = []
    for auto, name, value, measure in automatic:
        if value is not None or not knobs.has(auto):
            continue
        target = measure(look()) if measure else 0.0
        lock.set(auto, 0)
        if name == EXPOSURE and wanted.gain is not None:
            # Not before: the automatic uses the gain as well, or gives up when it is set.
            lock.set(GAIN, wanted.gain)
        if measure and knobs.has(name):
            low, high = knobs.limits(name)
            high = min(high, 10_000 / fps) if name == EXPOSURE else high
            off_by = lock.match(name, (low, high), measure, target)
            if off_by > NOT_MATCHED:
                what = "brightness" if name == EXPOSURE else "colour"
                warnings.append(
                    f"with the automatic off, its {what} differs by {off_by:.0%} from before"
                )
    fixed: dict[str, Any] = {
        name: knobs.get(name) if knobs.has(name) else None
        for name in (EXPOSURE, GAIN, WHITE_BALANCE, FOCUS)
    }
    fixed["chosen_by"] = {
        name: "settings" if value is not None else "automatic, then locked"
        for _, name, value, _ in automatic
        if knobs.has(name)
    }
    if warnings:
        fixed["warning"] = "; ".join(warnings)
    return fixed


class _Lock:
    """Sets controls and verifies them; see `lock_picture`."""

    def __init__(self, camera: str, knobs: Knobs, look: Callable[[], ImageArray]) -> None:
        self._camera = camera
        self._knobs = knobs
        self._look = look

    def set(self, name: str, value: float) -> None:
        words = name.replace("_", " ")
        if not self._knobs.has(name):
            raise CameraFault(
                f"The camera {self._camera} has no control for {words}.",
                f"ptrctl.toml asks for {value:g}.",
                f"Remove `{name}` from the camera's table in ptrctl.toml.",
            )
        low, high = self._knobs.limits(name)
        if not low <= value <= high:
            raise CameraFault(
                f"The camera {self._camera} cannot set {words} to {value:g}.",
                f"Its range is {low:g} to {high:g}.",
                f"Correct `{name}` in the camera's table in ptrctl.toml.",
            )
        self._knobs.set(name, value)
        kept = self._knobs.get(name)
        # Cameras round to their own steps; a tenth is more than any step that matters. An
        # automatic is on or off.
        if abs(kept - value) > (0.1 * abs(value) + 1.0 if high > 1 else 0.0):
            raise CameraFault(
                f"The camera {self._camera} did not keep {words}: asked for {value:g}, it says "
                f"{kept:g}.",
                "A value that was set stays.",
                "Close other programs that use the camera, plug it in again, and run "
                "`ptrctl doctor`.",
            )

    def match(
        self,
        name: str,
        limits: tuple[float, float],
        measure: Callable[[ImageArray], float],
        target: float,
    ) -> float:
        """Bisect a control until a measure that grows with it is as wanted; returns how far off.

        The present value is tried first: cameras that keep what their automatic chose need no
        search.
        """
        best = float(np.clip(self._knobs.get(name), *limits))
        self.set(name, best)
        best_off = _relative(measure(self._look()), target)
        low, high = np.log(np.maximum(limits, 1.0))
        for _ in range(SEARCH_STEPS):
            if best_off <= CLOSE_ENOUGH:
                break
            middle = (low + high) / 2
            rounded = round(float(np.exp(middle)), -1 if name == WHITE_BALANCE else 0)
            value = float(np.clip(rounded, *limits))
            self.set(name, value)
            measured = measure(self._look())
            if _relative(measured, target) < best_off:
                best, best_off = value, _relative(measured, target)
            low, high = (middle, high) if measured < target else (low, middle)
        if self._knobs.get(name) != best:
            self.set(name, best)
        return best_off


def _relative(measured: float, target: float) -> float:
    return abs(measured - target) / max(target, 1e-6)


def _brightness(image: ImageArray) -> float:
    return float(image.mean()) + 1.0


def _warmth(image: ImageArray) -> float:
    red, _, blue = image.reshape(-1, 3).mean(axis=0)
    return float((red + 1.0) / (blue + 1.0))
