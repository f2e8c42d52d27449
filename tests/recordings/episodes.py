"""Synthetic episodes for the tests."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from recordings.codec import ImageCodec
from recordings.records import (
    ACTION_HIGH,
    ACTION_LOW,
    EndReason,
    EpisodeEnd,
    EpisodeInfo,
    Frame,
    ImageArray,
    Label,
    Observation,
    Outcome,
    Score,
    Step,
)
from recordings.writer import EpisodeWriter

SUCCESS = Label(Outcome.SUCCESS, "", "simulator")
FAILURE = Label(Outcome.FAILURE, "missed_grasp", "operator")


def picture(index: int, size: int = 24) -> ImageArray:
    """A smooth picture that differs for every index, (size, size, 3) uint8."""
    coarse = np.random.default_rng(index).integers(0, 256, (4, 4, 3), dtype=np.uint8)
    return np.asarray(Image.fromarray(coarse).resize((size, size), Image.Resampling.BICUBIC))


def make_info(episode_id: str = "e0", **changes: Any) -> EpisodeInfo:
    """An episode of one camera, `front`."""
    fields: dict[str, Any] = {
        "episode_id": episode_id,
        "kind": "demo",
        "task": "put_carrot_on_plate",
        "robot": {"name": "sim-wx250s", "serial": "none"},
        "cameras": {"front": {"kind": "simulated", "height": 24, "width": 24}},
        "control_rate_hz": 5.0,
        "decided_by": "scripted",
        "seed": 7,
        "scene": {"kitchen": 3},
        "code_version": "0.1.0",
        "created_at": "2025-01-01T00:00:00+00:00",
    }
    return EpisodeInfo(**{**fields, **changes})


def make_observation(
    index: int, cameras: Sequence[str] = ("front",), size: int = 24, seed: int = 0
) -> Observation:
    """Observation `index` of an episode at 5 Hz."""
    state = np.linspace(0.1, 0.7, 7) + 0.01 * index
    time_s = 100.0 + 0.2 * index
    frames = {
        camera: Frame(picture(1000 * seed + 10 * index + k, size), time_s - 0.02, time_s - 0.01)
        for k, camera in enumerate(cameras)
    }
    return Observation(frames, state, time_s)


def make_step(
    index: int, cameras: Sequence[str] = ("front",), size: int = 24, seed: int = 0, **changes: Any
) -> Step:
    """Step `index`, judged, with an intervention at every third and one extra."""
    observation = make_observation(index, cameras, size, seed)
    action = np.array([0.06, 0.0, -0.01, 0.0, 0.1, 0.0, 1.0])
    fields: dict[str, Any] = {
        "index": index,
        "observation": observation,
        "action": action,
        "sent_action": np.clip(action, ACTION_LOW, ACTION_HIGH) - 1e-4 * index,
        "interventions": ("step_clamp",) if index % 3 == 0 else (),
        "decided_s": observation.time_s + 0.01,
        "applied_s": observation.time_s + 0.02,
        "overrun_s": 0.05 if index == 1 else 0.0,
        "score": Score(False, min(1.0, index / 10), "reached"),
        "extras": {"q": float(index)},
    }
    return Step(**{**fields, **changes})


def make_end(steps: int, *, final: bool = True, **changes: Any) -> EpisodeEnd:
    """An end at the time limit, or a fault without a final observation."""
    fields: dict[str, Any] = {
        "reason": EndReason.TIME_LIMIT if final else EndReason.FAULT,
        "final_observation": make_observation(steps) if final else None,
        "fault": "" if final else "The bus is dead.",
        "steps": steps,
        "overruns": 1,
        "worst_overrun_s": 0.05,
        "interventions": {"step_clamp": (steps + 2) // 3},
        "final_score": Score(False, 0.5, "reached"),
        "duration_s": 0.2 * steps,
    }
    return EpisodeEnd(**{**fields, **changes})


def record(
    folder: Path,
    episode_id: str = "e0",
    *,
    steps: int = 4,
    label: Label = SUCCESS,
    final: bool = True,
    cameras: Sequence[str] = ("front",),
    size: int = 24,
    seed: int = 0,
    codec: ImageCodec = "jpeg",
    **info: Any,
) -> Path:
    """A finished recording."""
    sizes = {camera: {"height": size, "width": size} for camera in cameras}
    writer = EpisodeWriter(folder, make_info(episode_id, cameras=sizes, **info), image_codec=codec)
    for index in range(steps):
        writer.append(make_step(index, cameras, size, seed))
    end = make_end(
        steps,
        final=final,
        final_observation=make_observation(steps, cameras, size, seed) if final else None,
    )
    return writer.finish(end, label)
