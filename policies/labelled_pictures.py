"""Pictures of recorded episodes with what they show: the task done, not done, or neither."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from policies.replay import TransitionData
from policies.tasks import TaskSlots
from recordings.errors import RecordingError
from recordings.images import resize_image
from recordings.records import ImageArray

DONE, NOT_DONE, UNSURE = 1, 0, -1

PICTURES_OF_SUCCESS = 2
"""An episode ends once the task has been done for two control periods."""

UNSURE_PICTURES = 2
"""Just before, the thing is being let go of: nobody could say what such a picture shows."""


def labels_of(pictures: int, length: int, success: bool) -> npt.NDArray[np.int8]:
    """What the first `pictures` of the length + 1 pictures of an episode of `length` steps show.

    Returns:
        (pictures,) int8: `DONE` in the last pictures of a success, `UNSURE` in those just before,
        else `NOT_DONE`; a failure never shows the task done.
    """
    labels = np.full(length + 1, NOT_DONE, np.int8)
    if success:
        labels[-(PICTURES_OF_SUCCESS + UNSURE_PICTURES) :] = UNSURE
        labels[-PICTURES_OF_SUCCESS:] = DONE
    return labels[:pictures]


@dataclass(frozen=True, eq=False)
class LabelledPictures:
    """F pictures of E episodes, whole episodes after one another.

    Args:
        images: (F, S, S, 3) uint8.
        tasks: (F,) int64 task slots.
        labels: (F,) int8, `DONE`, `NOT_DONE` or `UNSURE`.
        episode: (F,) int64, 0 to E - 1, rising.
        success: (E,) bool, how each episode ended.
    """

    images: ImageArray
    tasks: npt.NDArray[np.int64]
    labels: npt.NDArray[np.int8]
    episode: npt.NDArray[np.int64]
    success: npt.NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def episodes(self) -> int:
        """E."""
        return len(self.success)

    @property
    def task_of_episode(self) -> npt.NDArray[np.int64]:
        """(E,) task slots."""
        first = np.searchsorted(self.episode, np.arange(self.episodes))
        return self.tasks[first]

    def of_episodes(self, keep: npt.NDArray[np.bool_]) -> LabelledPictures:
        """Those of some episodes, (E,) bool."""
        chosen = keep[self.episode]
        number = np.cumsum(keep) - 1
        return LabelledPictures(
            self.images[chosen],
            self.tasks[chosen],
            self.labels[chosen],
            number[self.episode[chosen]],
            self.success[keep],
        )

    def ends_only(self) -> LabelledPictures:
        """Of successes only the pictures that show the task done; failures whole.

        For a classifier that may see how a task ends and not how it is done.
        """
        keep = ~self.success[self.episode] | (self.labels == DONE)
        return LabelledPictures(
            self.images[keep],
            self.tasks[keep],
            self.labels[keep],
            self.episode[keep],
            self.success,
        )


def pictures_of_episode(
    images: ImageArray, task: int, success: bool, image_size: int
) -> LabelledPictures:
    """One finished episode of N steps from its N + 1 pictures (N+1, H, W, 3) uint8; resized."""
    count = len(images)
    return LabelledPictures(
        np.stack([resize_image(image, image_size) for image in images]),
        np.full(count, task, np.int64),
        labels_of(count, count - 1, success),
        np.zeros(count, np.int64),
        np.array([success]),
    )


def pictures_of_packed(data: TransitionData, slots: TaskSlots, camera: str) -> LabelledPictures:
    """All labelled episodes of a packed dataset; pictures are copied into memory.

    Raises:
        RecordingError: The dataset lacks the camera, or has no labelled episode.
        CheckpointError: It has a task without a slot.
    """
    if camera not in data.images:
        raise RecordingError(
            f"The recordings have no camera `{camera}`.",
            f"Their cameras are {', '.join(data.cameras)}.",
            "Check the recordings with `ptrctl data list`.",
        )
    parts = []
    episode = np.asarray(data.episode)
    starts = np.flatnonzero(np.diff(episode, prepend=-1))
    for start, end in zip(starts, np.append(starts[1:], len(episode)), strict=True):
        if data.unlabelled[start]:
            continue
        first, count = int(data.frame[start]), end - start + 1
        success = bool(data.success[start])
        parts.append(
            LabelledPictures(
                np.asarray(data.images[camera][first : first + count]),
                np.full(count, slots.slot(data.tasks[data.task[start]]), np.int64),
                labels_of(count, int(data.length[start]), success),
                np.zeros(count, np.int64),
                np.array([success]),
            )
        )
    if not parts:
        raise RecordingError(
            "The recordings have no labelled episode.",
            "Telling success from failure is learned from episodes with a label.",
            "Label them with `ptrctl data label`.",
        )
    return join(parts)


def join(parts: Sequence[LabelledPictures]) -> LabelledPictures:
    """Several sets as one, in order."""
    first = np.cumsum([0, *(part.episodes for part in parts)])
    return LabelledPictures(
        np.concatenate([part.images for part in parts]),
        np.concatenate([part.tasks for part in parts]),
        np.concatenate([part.labels for part in parts]),
        np.concatenate([part.episode + start for part, start in zip(parts, first, strict=False)]),
        np.concatenate([part.success for part in parts]),
    )
