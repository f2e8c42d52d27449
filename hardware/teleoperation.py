"""Drives an arm by a device: readings of a `Teleoperator` to actions of a `Decider`."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from types import TracebackType

import numpy as np

from hardware.hand import HandFollower
from hardware.teleoperator import (
    EPISODE_BUTTONS,
    FINE,
    SPEEDS,
    Button,
    HandPose,
    Rate,
    Speed,
    Teleoperator,
    TeleopReading,
)
from recordings.errors import RobotError
from recordings.records import (
    CONTROL_RATE_HZ,
    GRIPPER,
    Decision,
    EpisodeInfo,
    FloatArray,
    Observation,
    hold_action,
)

STALE_AFTER_S = 0.3
"""A reading older than this moves nothing."""
PAUSE_PERIODS = 1.5
"""After this many control periods without an action (a pause, in which the arm has stopped where it
was), the clutch counts as pressed anew."""
SHORTEST_PAUSE_S = 0.1
"""Nobody pauses for less, and a period that comes late is none."""
OPENING_DEAD_BAND = 0.05
"""A gripper opening that changes by less than this is noise."""
OPENING_ENDS = 0.04
"""An opening this near to an end is that end."""


class TeleoperatedDecider:
    """A `Decider` behind which a person holds a device; a context manager that connects it.

    Without a pressed clutch or fresh data nothing moves and the gripper holds. It drives by one
    device only, so two can never be enabled at once.

    Args:
        device: Not yet connected.
        commanded_state: The arm's (7,) pose last commanded, to which actions are added.
        now_s: The clock of the device's readings.
    """

    def __init__(
        self,
        device: Teleoperator,
        commanded_state: Callable[[], FloatArray],
        now_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self.device = device
        self._commanded_state = commanded_state
        self._now_s = now_s
        self._hand = HandFollower()
        self._gripper = 1.0
        self._opening_seen: float | None = None
        self._pressed: list[Button] = []
        self._acted_s: float | None = None
        self._pause_s = PAUSE_PERIODS / CONTROL_RATE_HZ
        self._slowed = 1.0
        self._engaged = False
        self._words = "waiting"

    @property
    def name(self) -> str:
        return self.device.name

    @property
    def speed(self) -> Speed:
        return self.device.speed

    @property
    def engaged(self) -> str:
        """Whether the device drives the arm, and if not, why; for the panel."""
        why = self._hand.problem if self._engaged else self._words
        return f"no: {why}" if why else "yes"

    def __enter__(self) -> TeleoperatedDecider:
        self.device.connect()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.device.disconnect()

    def begin(self, info: EpisodeInfo) -> None:
        """Start with an open gripper, a clutch yet to be pressed and no button waiting."""
        self.device.begin()
        self._release()
        self._pressed.clear()
        self._gripper = 1.0
        self._acted_s = None
        self._pause_s = max(PAUSE_PERIODS / info.control_rate_hz, SHORTEST_PAUSE_S)
        # A speed level is a speed: in shorter periods its steps are smaller.
        self._slowed = min(1.0, CONTROL_RATE_HZ / info.control_rate_hz)

    def act(self, observation: Observation) -> Decision:
        """The action (7,) that the person asks for now.

        Raises:
            LostConnection: The device is gone.
            RobotError: It says something that is not finite.
        """
        now_s = self._now_s()
        if self._acted_s is not None and now_s - self._acted_s > self._pause_s:
            self._release()
            # Whatever was done to the handle meanwhile, the gripper goes on holding what it holds.
            self._gripper = float(self._commanded_state()[GRIPPER])
        self._acted_s = now_s
        reading = self.device.read()
        motion = self._take(reading)
        if motion is None:
            return Decision(hold_action(self._gripper))
        displacement = self._displacement(motion)
        if self._hand.problem:
            # A leader arm that falls must not open the gripper.
            self._opening_seen = None
        else:
            self._follow_opening(reading.opening)
        action = hold_action(self._gripper)
        action[:6] = displacement
        return Decision(action)

    def episode_buttons(self) -> list[Button]:
        """The buttons about the episode that were pressed since the last call.

        May be called at any moment; what the device says about motion is left for `act`.
        """
        motion = self._take(self.device.read())
        if isinstance(motion, HandPose):
            self._hand.look(motion, self._commanded_state()[:6])
        pressed = [button for button in self._pressed if button in EPISODE_BUTTONS]
        self._pressed.clear()
        return pressed

    def _take(self, reading: TeleopReading) -> Rate | HandPose | None:
        """Obey buttons; the motion wanted, None if nothing may move."""
        self._require_finite(reading)
        self._pressed += reading.pressed
        stale = self._now_s() - reading.received_s > STALE_AFTER_S
        self._engaged = reading.engaged and not stale
        self._words = "no fresh data" if stale else reading.words or "press the clutch"
        for button in reading.pressed:
            if button in (Button.SLOWER, Button.FASTER):
                self._change_speed(1 if button is Button.FASTER else -1)
            elif button is Button.GRIPPER and self._engaged:
                self._gripper = 1.0 - round(self._gripper)
        if not self._engaged:
            self._release()
            return None
        return reading.motion

    def _displacement(self, motion: Rate | HandPose) -> FloatArray:
        speed = self._at_this_rate(self.device.speed)
        if isinstance(motion, Rate):
            steps = np.repeat([speed.step_m, speed.step_rad], 3)
            scaled: FloatArray = np.clip(motion.values, -1.0, 1.0) * steps
            return scaled
        return self._hand.displacement(
            motion, self._commanded_state()[:6], speed, self._now_s(), self._at_this_rate(FINE)
        )

    def _at_this_rate(self, level: Speed) -> Speed:
        return replace(
            level, step_m=level.step_m * self._slowed, step_rad=level.step_rad * self._slowed
        )

    def _release(self) -> None:
        self._engaged = False
        self._hand.release()
        self._opening_seen = None

    def _follow_opening(self, opening: float | None) -> None:
        """Follow a gripper handle once it moves, so that engaging drops nothing."""
        if opening is None:
            return
        if opening < OPENING_ENDS:
            opening = 0.0
        elif opening > 1.0 - OPENING_ENDS:
            opening = 1.0
        if self._opening_seen is None:
            self._opening_seen = opening
        elif abs(opening - self._opening_seen) > OPENING_DEAD_BAND:
            self._gripper = self._opening_seen = opening

    def _change_speed(self, by: int) -> None:
        index = SPEEDS.index(self.device.speed) + by
        self.device.speed = SPEEDS[int(np.clip(index, 0, len(SPEEDS) - 1))]

    def _require_finite(self, reading: TeleopReading) -> None:
        motion = reading.motion
        numbers = [motion.values] if isinstance(motion, Rate) else [motion.position_m]
        if isinstance(motion, HandPose):
            numbers.append(motion.rotation.ravel())
        opening = 0.0 if reading.opening is None else reading.opening
        if not np.isfinite(np.concatenate([*numbers, [opening]])).all():
            raise RobotError(
                f"The {self.device.name} sent a number that is not finite.",
                "Positions, angles and the gripper's opening are finite.",
                "Unplug it and plug it in again, then type the same command.",
            )
