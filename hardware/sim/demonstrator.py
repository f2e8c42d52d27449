"""A scripted operator of the simulated arm: noisy, mostly successful, realistically wrong."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from hardware.sim import kitchen as kitchens
from hardware.sim.catalogue import CONTAINERS, OBJECTS
from hardware.sim.tasks import Verb
from hardware.sim.world import SimWorld, drop_spot
from recordings.records import (
    ACTION_HIGH,
    ACTION_LOW,
    GRIPPER,
    Decision,
    EpisodeInfo,
    FloatArray,
    Observation,
)

FAILURES = ("missed_grasp", "early_release", "wrong_place", "play")
"""What can be asked to go wrong: closing beside the thing; letting go on the way; putting it
down beside the target; wandering about."""

APPROACH_M = 0.075
LIFT_M = 0.085
GRASP_LOWEST_M = 0.016
POSE_GAIN = 0.9


class ScriptedDemonstrator:
    """Does the world's task from ground truth, within the action limits of a human operator.

    Args:
        world: The simulated world, asked for its truth at every step.
        noise: 0 perfect, 1 a hasty operator: scales jitter on every action, offsets of
            waypoints and variation of speed.
        failure: One of `FAILURES`, or "" to try to succeed.

    Raises:
        ValueError: Unknown failure, or noise out of 0..2.
    """

    name = "scripted"

    def __init__(self, world: SimWorld, noise: float = 0.5, failure: str = "") -> None:
        if failure and failure not in FAILURES:
            raise ValueError(f"no failure `{failure}`; there are {', '.join(FAILURES)}")
        if not 0.0 <= noise <= 2.0:
            raise ValueError(f"noise is {noise}; it lies in 0..2")
        self._world = world
        self._noise = noise
        self.failure = failure
        self._rng = np.random.default_rng(0)
        self._script: Iterator[FloatArray] = iter(())
        self._state = np.zeros(7)

    def begin(self, info: EpisodeInfo) -> None:
        """Start the script anew; its randomness follows from the episode's seed."""
        self._rng = np.random.default_rng([info.seed or 0, self._world.kitchen.seed, 7])
        noise = self._noise
        self._speed_m = 0.05 * self._rng.uniform(1.0 - 0.35 * min(noise, 1.0), 1.0)
        self._sloppiness_m = self._rng.normal(0.0, 0.002 * noise, 2)
        self._script = self._choose_script()

    def act(self, observation: Observation) -> Decision:
        """The next action, (7,); done when the script has ended."""
        self._state = observation.state
        action = next(self._script, None)
        if action is None:
            return Decision(np.array([0, 0, 0, 0, 0, 0, observation.state[GRIPPER]]), done=True)
        noisy = action.copy()
        noisy[:3] += self._rng.normal(0.0, 0.0025 * self._noise, 3)
        noisy[3:6] += self._rng.normal(0.0, 0.01 * self._noise, 3)
        return Decision(np.clip(noisy, ACTION_LOW, ACTION_HIGH))

    # ---- scripts ------------------------------------------------------------------------------

    def _choose_script(self) -> Iterator[FloatArray]:
        if self.failure == "play":
            return self._play()
        if not self._world.task.object:
            return self._move_front()
        return self._pick_and_place()

    def _towards(self, goal_m: FloatArray, yaw_rad: float, gripper: float) -> FloatArray:
        """One action towards a pose, slowed to this operator's speed."""
        motion = POSE_GAIN * (goal_m - self._state[:3])
        length = float(np.abs(motion).max())
        if length > self._speed_m:
            motion *= self._speed_m / length
        turn = np.array([0.0, 0.0, yaw_rad]) - self._state[3:6]
        return np.concatenate([motion, np.clip(POSE_GAIN * turn, -0.2, 0.2), [gripper]])

    def _go(
        self, goal_m: FloatArray, yaw_rad: float, gripper: float, within_m: float, most: int = 12
    ) -> Iterator[FloatArray]:
        for _ in range(most):
            if np.linalg.norm(goal_m - self._state[:3]) < within_m:
                return
            yield self._towards(goal_m, yaw_rad, gripper)

    def _stay(self, steps: int, yaw_rad: float, gripper: float) -> Iterator[FloatArray]:
        here = self._state[:3].copy()
        for _ in range(steps):
            yield self._towards(here, yaw_rad, gripper)

    def _pick_and_place(self) -> Iterator[FloatArray]:
        world, task = self._world, self._world.task
        kind = OBJECTS[task.object]
        miss = np.zeros(2)
        if self.failure == "missed_grasp":
            angle = self._rng.uniform(-np.pi, np.pi)
            miss = self._rng.uniform(0.035, 0.06) * np.array([np.cos(angle), np.sin(angle)])
        for _ in range(3):
            thing = world.object_position_m(task.object)
            yaw = world.object_yaw_rad(task.object) if kind.elongated else 0.0
            yaw = float(np.clip((yaw + np.pi / 2) % np.pi - np.pi / 2, -0.9, 0.9))
            over = np.array([*(thing[:2] + miss + self._sloppiness_m), thing[2]])
            above = over + [0.0, 0.0, APPROACH_M]
            yield from self._go(above, yaw, 1.0, 0.022)
            down = np.array([over[0], over[1], max(thing[2] - 0.002, GRASP_LOWEST_M)])
            yield from self._go(down, yaw, 1.0, 0.008)
            yield from self._stay(2, yaw, 0.0)
            lifted = self._state[:3] + [0.0, 0.0, LIFT_M]
            yield from self._go(lifted, yaw, 0.0, 0.03, most=4)
            if self.failure == "missed_grasp" or world.pads_touching(task.object) == 2:
                break
            yield from self._stay(1, yaw, 1.0)
        yield from self._carry()

    def _carry(self) -> Iterator[FloatArray]:
        world, task = self._world, self._world.task
        start = world.container_position_m(task.container)
        kind = CONTAINERS[task.container]
        if task.verb is Verb.PUT:
            place, height = start[:2] + 2 * self._sloppiness_m, kind.wall_m
        else:
            place, height = drop_spot(start) + 2 * self._sloppiness_m, 0.0
        if self.failure == "wrong_place":
            away = np.array([-0.3, -np.sign(place[1] or 1.0)])
            place = place + 0.12 * away / np.linalg.norm(away)
        # What is held hangs from the fingers: its own centre goes to the place.
        held = world.object_position_m(task.object)[:2] - self._state[:2]
        if np.linalg.norm(held) < 0.03:
            place = place - held
        high = np.array([*place, 0.03 + height + 0.045])
        if self.failure == "early_release":
            halfway = 0.5 * (self._state[:3] + high)
            yield from self._go(halfway, 0.0, 0.0, 0.03)
        else:
            yield from self._go(high, 0.0, 0.0, 0.02)
            low = np.array([*place, 0.022 + min(height, 0.02)])
            yield from self._go(low, 0.0, 0.0, 0.012, most=5)
        yield from self._stay(2, 0.0, 1.0)
        yield from self._go(self._state[:3] + [0.0, 0.0, 0.09], 0.0, 1.0, 0.03, most=3)
        yield from self._stay(3, 0.0, 1.0)

    def _move_front(self) -> Iterator[FloatArray]:
        world, what = self._world, self._world.task.container
        opening = world.task.verb is Verb.OPEN
        offset = np.array([*self._sloppiness_m, 0.0])
        if self.failure == "missed_grasp":
            offset[1] += self._rng.choice([-1, 1]) * self._rng.uniform(0.03, 0.05)
        knob = world.knob_position_m(what) + offset
        yield from self._go(knob + [-0.005, 0.0, 0.075], 0.0, 1.0, 0.02)
        yield from self._go(knob + [0.0, 0.0, -0.004], 0.0, 1.0, 0.010)
        yield from self._stay(2, 0.0, 0.0)
        whole = kitchens.DRAWER_TRAVEL_M if what == "drawer" else 0.85
        share = 0.4 if self.failure in ("early_release", "wrong_place") else 1.0
        begun = world.openings()[what]
        goal = whole if opening else -0.01
        goal = begun + (goal - begun) * share
        slip = self._state[:3] - world.knob_position_m(what)
        for _ in range(14):
            now = world.openings()[what]
            if abs(goal - now) < (0.008 if what == "drawer" else 0.06) or self._lost(what):
                break
            ahead = 0.045 if what == "drawer" else 0.38
            wanted = now + float(np.clip(goal - now, -ahead, ahead))
            yield self._towards(self._knob_at(what, wanted) + slip, 0.0, 0.0)
        yield from self._stay(2, 0.0, 1.0)
        yield from self._go(self._state[:3] + [-0.01, 0.0, 0.08], 0.0, 1.0, 0.03, most=3)
        yield from self._stay(2, 0.0, 1.0)

    def _lost(self, what: str) -> bool:
        gap = np.linalg.norm(self._world.knob_position_m(what) - self._state[:3])
        return bool(gap > 0.06) and not self.failure

    def _knob_at(self, what: str, opening: float) -> FloatArray:
        """Where the knob will be at an opening in m (drawer) or rad (door)."""
        now = self._world.knob_position_m(what)
        turn = opening - self._world.openings()[what]
        if what == "drawer":
            return now - [turn, 0.0, 0.0]
        hinge = np.array(self._world.model.body("door").pos)
        angle = turn * self._world.kitchen.drawer_side
        c, s = np.cos(angle), np.sin(angle)
        arm = (now - hinge)[:2]
        return np.array([*(hinge[:2] + [c * arm[0] - s * arm[1], s * arm[0] + c * arm[1]]), now[2]])

    def _play(self) -> Iterator[FloatArray]:
        low, high = np.array([0.19, -0.15, 0.02]), np.array([0.34, 0.15, 0.16])
        while True:
            goal, gripper = self._rng.uniform(low, high), float(self._rng.integers(2))
            yield from self._go(goal, float(self._rng.uniform(-0.5, 0.5)), gripper, 0.02, most=8)
            yield from self._stay(1, 0.0, float(self._rng.integers(2)))
