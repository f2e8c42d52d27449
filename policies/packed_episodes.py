"""The labelled episodes of packed recordings, for all that learn from them."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from recordings.errors import RecordingError

FEWEST_PLACES = 20
"""With fewer, an episode's place says little of how it went: all places see both outcomes."""


class TransitionData(Protocol):
    """What of `recordings.packed.PackedDataset` is used here."""

    @property
    def images(self) -> Mapping[str, npt.NDArray[np.uint8]]: ...
    @property
    def states(self) -> npt.NDArray[np.float32]: ...
    @property
    def frame(self) -> npt.NDArray[np.int64]: ...
    @property
    def actions(self) -> npt.NDArray[np.float32]: ...
    @property
    def task(self) -> npt.NDArray[np.int32]: ...
    @property
    def episode(self) -> npt.NDArray[np.int32]: ...
    @property
    def step(self) -> npt.NDArray[np.int32]: ...
    @property
    def length(self) -> npt.NDArray[np.int32]: ...
    @property
    def success(self) -> npt.NDArray[np.bool_]: ...
    @property
    def unlabelled(self) -> npt.NDArray[np.bool_]: ...
    @property
    def episode_ids(self) -> tuple[str, ...]: ...
    @property
    def scenes(self) -> tuple[str, ...]: ...
    @property
    def tasks(self) -> tuple[str, ...]: ...
    @property
    def cameras(self) -> tuple[str, ...]: ...
    @property
    def image_size(self) -> int: ...
    @property
    def digest(self) -> str: ...
    @property
    def control_rate_hz(self) -> float: ...


@dataclass(frozen=True, eq=False)
class LabelledEpisodes:
    """Where E episodes lie among the transitions.

    Args:
        starts: (E,) int64, the first transition of each.
        ends: (E,) int64, the one after the last.
        scenes: Where each took place.
    """

    starts: npt.NDArray[np.int64]
    ends: npt.NDArray[np.int64]
    scenes: tuple[str, ...]

    @property
    def groups(self) -> list[int]:
        """A number for each, the same within a place unless there are but a few places.

        It follows from the place alone: the same in every selection of episodes, and as if drawn
        by lot; of a few places, from the place and the episode's number. Counted up it would tell
        tasks apart, which take turns in prior data.
        """
        if len(set(self.scenes)) < FEWEST_PLACES:
            return [by_lot(f"{scene} {number}") for number, scene in enumerate(self.scenes)]
        return [by_lot(scene) for scene in self.scenes]


def by_lot(text: str) -> int:
    """0 to 2^56 - 1, the same for the same text and as if drawn by lot."""
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=7).digest(), "little")


def check_finite(data: TransitionData) -> None:
    """Refuse what would spread through all weights.

    Raises:
        RecordingError: A labelled episode has a state or an action that is not finite.
    """
    states = np.all(np.isfinite(data.states), axis=1)
    sound = states[data.frame] & states[data.frame + 1] & np.all(np.isfinite(data.actions), axis=1)
    broken = data.episode[~(sound | data.unlabelled)]
    if len(broken):
        raise RecordingError(
            f"The episode {data.episode_ids[broken[0]]} has a state or an action that is not "
            "finite.",
            "Learning needs numbers.",
            "Find all such episodes with `ptrctl data verify --folder FOLDER`; `--quarantine` "
            "moves them away.",
        )


def labelled_episodes(data: TransitionData, camera: str) -> LabelledEpisodes:
    """The episodes with a label.

    Args:
        camera: Whose pictures will be wanted.

    Raises:
        RecordingError: The data lack the camera, have no labelled episode, or are not finite.
    """
    if camera not in data.images:
        raise RecordingError(
            f"The recordings have no camera `{camera}`.",
            f"Their cameras are {', '.join(data.cameras)}.",
            "Check the recordings with `ptrctl data list`.",
        )
    episode = np.asarray(data.episode)
    starts = np.flatnonzero(np.diff(episode, prepend=-1))
    ends = np.append(starts[1:], len(episode))
    labelled = ~np.asarray(data.unlabelled)[starts]
    if not labelled.any():
        raise RecordingError(
            "The recordings have no labelled episode.",
            "Learning needs episodes labelled success or failure.",
            "Label them with `ptrctl data label`.",
        )
    check_finite(data)
    starts, ends = starts[labelled], ends[labelled]
    return LabelledEpisodes(starts, ends, tuple(data.scenes[data.episode[at]] for at in starts))
