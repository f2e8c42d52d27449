"""A task that a tiny network learns in seconds: move towards the dot in the picture."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from policies.labelled_pictures import LabelledPictures, labels_of
from policies.labelling import Hand
from recordings.records import GRIPPER

CAMERA = "over_shoulder"


@dataclass(frozen=True)
class SyntheticData:
    """The attributes of a packed dataset that learning uses."""

    images: Mapping[str, npt.NDArray[np.uint8]]
    states: npt.NDArray[np.float32]
    frame: npt.NDArray[np.int64]
    actions: npt.NDArray[np.float32]
    task: npt.NDArray[np.int32]
    episode: npt.NDArray[np.int32]
    step: npt.NDArray[np.int32]
    length: npt.NDArray[np.int32]
    success: npt.NDArray[np.bool_]
    unlabelled: npt.NDArray[np.bool_]
    episode_ids: tuple[str, ...]
    scenes: tuple[str, ...]
    tasks: tuple[str, ...]
    cameras: tuple[str, ...] = (CAMERA,)
    image_size: int = 32
    digest: str = "synthetic"
    control_rate_hz: float = 5.0


def picture(place: npt.NDArray[np.floating], size: int) -> npt.NDArray[np.uint8]:
    """A grey picture with a red dot at `place`, (2,) in -1..1."""
    image = np.full((size, size, 3), 90, np.uint8)
    column, row = ((place + 1) / 2 * (size - 5) + 1).astype(int)
    image[row : row + 3, column : column + 3] = (230, 30, 30)
    return image


def episode(
    rng: np.random.Generator, steps: int, size: int, *, success: bool = True
) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    """Pictures (N+1), states (N+1, 7) and actions (N, 7) of one episode.

    A success moves by 4 cm times the dot's place; a failure moves the other way. The gripper
    closes half-way, which the height tells, 10 cm times the dot's place away.
    """
    place = rng.uniform(-0.9, 0.9, size=2)
    images = np.stack([picture(place, size)] * (steps + 1))
    states = rng.normal(0, 0.05, size=(steps + 1, 7)).astype(np.float32)
    states[:, 2] = 0.03 * np.arange(steps + 1)
    states[steps // 2, :2] = 0.1 * place
    actions = np.zeros((steps, 7), np.float32)
    actions[:, :2] = 0.04 * place * (1 if success else -1)
    actions[: steps // 2, GRIPPER] = 1.0
    return images, states, actions


def dot_data(
    episodes: int = 40,
    steps: int = 6,
    size: int = 32,
    *,
    seed: int = 0,
    tasks: tuple[str, ...] = ("reach_dot",),
    failures: float = 0.0,
    unlabelled: float = 0.0,
) -> SyntheticData:
    """A dataset of the dot task."""
    rng = np.random.default_rng(seed)
    images, states, actions, success, silent = [], [], [], [], []
    for index in range(episodes):
        good = index >= failures * episodes
        piece = episode(rng, steps, size, success=good)
        images.append(piece[0])
        states.append(piece[1])
        actions.append(piece[2])
        success.append(good)
        silent.append(index >= (1 - unlabelled) * episodes)
    count = np.arange(episodes, dtype=np.int32)
    return SyntheticData(
        images={CAMERA: np.concatenate(images)},
        states=np.concatenate(states),
        frame=(count[:, None] * (steps + 1) + np.arange(steps)).ravel().astype(np.int64),
        actions=np.concatenate(actions),
        task=np.repeat(count % len(tasks), steps).astype(np.int32),
        episode=np.repeat(count, steps),
        step=np.tile(np.arange(steps, dtype=np.int32), episodes),
        length=np.full(episodes * steps, steps, np.int32),
        success=np.repeat(np.array(success), steps),
        unlabelled=np.repeat(np.array(silent), steps),
        episode_ids=tuple(f"dots {index}" for index in range(episodes)),
        scenes=tuple(f"place {index // 3}" for index in range(episodes)),
        tasks=tasks,
        image_size=size,
        digest=f"dots-{episodes}-{steps}-{size}-{seed}",
    )


def pictures_of_episode(
    images: np.ndarray, task: int, success: bool, hand: Hand = Hand.UNKNOWN
) -> LabelledPictures:
    """One finished episode of N steps from its N + 1 pictures (N+1, S, S, 3)."""
    count = len(images)
    return LabelledPictures(
        (images,),
        np.arange(count),
        np.full(count, task, np.int64),
        labels_of(count, count - 1, success),
        np.zeros(count, np.int64),
        np.array([success]),
        np.full(count, hand, np.int8),
    )
