"""The simulated arm as a gymnasium environment; importing this module registers it.

gymnasium.make("hardware.sim.environment:ptrctl/WidowX-v0", task="open_drawer")
"""

from __future__ import annotations

from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces

from hardware.loop import SUCCESS_STEPS
from hardware.registry import CellRequest, make_sim_cell
from recordings.records import (
    ACTION_HIGH,
    ACTION_LOW,
    CONTROL_RATE_HZ,
    STATE_SIZE,
    ImageArray,
    Observation,
)

ENVIRONMENT_ID = "ptrctl/WidowX-v0"
TIME_LIMIT_STEPS = 50


class WidowXEnv(gymnasium.Env[dict[str, Any], np.ndarray[Any, Any]]):
    """One task in one toy kitchen, behind the same safety envelope as every arm.

    Observation: "image" (S, S, 3) uint8 RGB; "state" (7,) float32 as in `recordings.records`.
    Action: (7,) float32 within the action limits. Reward: 1 on success, else 0; success
    terminates. `info` holds success, progress, stage and safety interventions.

    Args:
        task: Task name.
        kitchen_seed: Which kitchen.
        image_size: Edge S of the picture.
        render_mode: "rgb_array" draws 640x480 for people.
    """

    metadata: dict[str, Any] = {  # noqa: RUF012  (gymnasium declares it so)
        "render_modes": ["rgb_array"],
        "render_fps": int(CONTROL_RATE_HZ),
    }

    def __init__(
        self,
        task: str = "put_carrot_on_plate",
        kitchen_seed: int = 0,
        image_size: int = 128,
        render_mode: str | None = None,
    ) -> None:
        self.render_mode = render_mode
        self._cell = make_sim_cell(
            CellRequest(task=task, kitchen_seed=kitchen_seed, realtime=False, image_size=image_size)
        )
        self.observation_space = spaces.Dict(
            {
                "image": spaces.Box(0, 255, (image_size, image_size, 3), np.uint8),
                "state": spaces.Box(-np.inf, np.inf, (STATE_SIZE,), np.float32),
            }
        )
        self.action_space = spaces.Box(
            ACTION_LOW.astype(np.float32), ACTION_HIGH.astype(np.float32), dtype=np.float32
        )
        self._open = False
        self._successes_in_a_row = 0

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        """Lay out the scene; the same seed lays out the same one."""
        super().reset(seed=seed)
        if not self._open:
            self._cell.station.__enter__()
            self._open = True
        start_seed = seed if seed is not None else int(self.np_random.integers(2**31))
        self._cell.start(start_seed)
        self._successes_in_a_row = 0
        return self._seen(self._cell.station.observe()), {"start_seed": start_seed}

    def step(
        self, action: np.ndarray[Any, Any]
    ) -> tuple[dict[str, Any], float, bool, bool, dict[str, Any]]:
        """One control period of 0.2 s."""
        sent = self._cell.station.apply(np.asarray(action, dtype=np.float64))
        assert self._cell.judge is not None
        score = self._cell.judge.score()
        self._successes_in_a_row = self._successes_in_a_row + 1 if score.success else 0
        succeeded = self._successes_in_a_row >= SUCCESS_STEPS
        info = {
            "success": succeeded,
            "progress": score.progress,
            "stage": score.stage,
            "interventions": sent.interventions,
        }
        seen = self._seen(self._cell.station.observe())
        return seen, float(succeeded), succeeded, False, info

    def render(self) -> ImageArray | None:
        """A 480x640 picture for people."""
        if self.render_mode != "rgb_array" or self._cell.view is None:
            return None
        return self._cell.view(480, 640)

    def close(self) -> None:
        """Free the renderer."""
        if self._open:
            self._cell.station.__exit__(None, None, None)
            self._open = False

    def _seen(self, observation: Observation) -> dict[str, Any]:
        frame = next(iter(observation.frames.values()))
        return {"image": frame.image, "state": observation.state.astype(np.float32)}


if ENVIRONMENT_ID not in gymnasium.registry:
    gymnasium.register(
        ENVIRONMENT_ID,
        entry_point=f"{__name__}:{WidowXEnv.__name__}",
        max_episode_steps=TIME_LIMIT_STEPS,
    )
