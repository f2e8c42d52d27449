"""Pictures of recorded episodes with what they show: the task done, not done, or neither."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from policies.labelling import Hand, hand_of_episode
from policies.packed_episodes import TransitionData, labelled_episodes
from policies.tasks import TaskSlots
from recordings.records import GRIPPER, ImageArray

DONE, NOT_DONE, UNSURE = 1, 0, -1

USUAL_SUCCESSES = 0.95
"""With fewer successes after a grasp, or after letting go, a task can be done without: all of ten
demonstrations, and of hundreds of prior successes all but the lucky ones (at most 1.7 % of those
that put or take)."""

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
        images: (M, S, S, 3) uint8 each, where the pictures lie, others among them; maybe mapped.
        rows: (F,) int64, which they are, counted through all of `images`.
        tasks: (F,) int64 task slots.
        labels: (F,) int8, `DONE`, `NOT_DONE` or `UNSURE`.
        episode: (F,) int64, 0 to E - 1, rising.
        success: (E,) bool, how each episode ended.
        hand: (F,) int8, how far the gripper has come, see `Hand`.
    """

    images: tuple[ImageArray, ...]
    rows: npt.NDArray[np.int64]
    tasks: npt.NDArray[np.int64]
    labels: npt.NDArray[np.int8]
    episode: npt.NDArray[np.int64]
    success: npt.NDArray[np.bool_]
    hand: npt.NDArray[np.int8]

    def __len__(self) -> int:
        return len(self.labels)

    def at(self, chosen: slice | npt.NDArray[np.int64]) -> ImageArray:
        """Pictures (B, S, S, 3) uint8, copied; only these are read."""
        rows = self.rows[chosen]
        pictures = np.empty((len(rows), *self.images[0].shape[1:]), np.uint8)
        first = 0
        for images in self.images:
            here = (first <= rows) & (rows < first + len(images))
            pictures[here] = images[rows[here] - first]
            first += len(images)
        return pictures

    @property
    def episodes(self) -> int:
        """E."""
        return len(self.success)

    @property
    def task_of_episode(self) -> npt.NDArray[np.int64]:
        """(E,) task slots."""
        first = np.searchsorted(self.episode, np.arange(self.episodes))
        return self.tasks[first]

    @property
    def steps_left(self) -> npt.NDArray[np.int64]:
        """(F,) how many pictures of the same episode follow."""
        last = np.searchsorted(self.episode, np.arange(self.episodes), side="right") - 1
        left: npt.NDArray[np.int64] = last[self.episode] - np.arange(len(self))
        return left

    def of_episodes(self, keep: npt.NDArray[np.bool_]) -> LabelledPictures:
        """Those of some episodes, (E,) bool; no picture is copied."""
        chosen = keep[self.episode]
        number = np.cumsum(keep) - 1
        return LabelledPictures(
            self.images,
            self.rows[chosen],
            self.tasks[chosen],
            self.labels[chosen],
            number[self.episode[chosen]],
            self.success[keep],
            self.hand[chosen],
        )

    def ends_only(self) -> LabelledPictures:
        """Of successes only the pictures that show the task done; failures whole.

        For a classifier that may see how a task ends and not how it is done.
        """
        failed = ~self.success[self.episode]
        keep = failed | (self.labels == DONE)
        return LabelledPictures(
            self.images,
            self.rows[keep],
            self.tasks[keep],
            self.labels[keep],
            self.episode[keep],
            self.success,
            np.where(failed, self.hand, np.int8(Hand.UNKNOWN))[keep],
        )

    def needed_hand(self, task: int | None = None) -> Hand:
        """How far the gripper has come at least in nearly every known success.

        Args:
            task: A slot; None for all tasks.

        Returns:
            `UNKNOWN` where no such success is known from its beginning.
        """
        hand = self.hand[(self.labels == DONE) & ((self.tasks == task) | (task is None))]
        hand = hand[hand != Hand.UNKNOWN]
        if not len(hand):
            return Hand.UNKNOWN
        for needed in (Hand.LET_GO, Hand.HELD):
            if (hand >= needed).mean() >= USUAL_SUCCESSES:
                return needed
        return Hand.EMPTY


def pictures_of_packed(data: TransitionData, slots: TaskSlots, camera: str) -> LabelledPictures:
    """All labelled episodes of a packed dataset; its pictures stay where they are.

    Raises:
        RecordingError: The dataset lacks the camera, or has no labelled episode.
        CheckpointError: It has a task without a slot.
    """
    episodes = labelled_episodes(data, camera)
    starts = episodes.starts
    # One picture more than transitions.
    counts = episodes.ends - starts + 1
    success = np.asarray(data.success[starts])
    labels = [
        labels_of(count, int(data.length[start]), bool(data.success[start]))
        for start, count in zip(starts, counts, strict=True)
    ]
    frames = [data.frame[start] + np.arange(n) for start, n in zip(starts, counts, strict=True)]
    hand = [
        hand_of_episode(data.actions[start : start + n - 1, GRIPPER], data.states[frame, GRIPPER])
        for start, n, frame in zip(starts, counts, frames, strict=True)
    ]
    tasks = [slots.slot(data.tasks[data.task[start]]) for start in starts]
    return LabelledPictures(
        (data.images[camera],),
        np.concatenate(frames),
        np.repeat(np.array(tasks, np.int64), counts),
        np.concatenate(labels),
        np.repeat(np.arange(len(starts)), counts),
        success,
        np.concatenate(hand),
    )


def join(parts: Sequence[LabelledPictures]) -> LabelledPictures:
    """Several sets as one, in order; no picture is copied."""
    first = np.cumsum([0, *(part.episodes for part in parts)])
    first_row = np.cumsum([0, *(sum(map(len, part.images)) for part in parts)])
    return LabelledPictures(
        tuple(images for part in parts for images in part.images),
        np.concatenate([part.rows + start for part, start in zip(parts, first_row, strict=False)]),
        np.concatenate([part.tasks for part in parts]),
        np.concatenate([part.labels for part in parts]),
        np.concatenate([part.episode + start for part, start in zip(parts, first, strict=False)]),
        np.concatenate([part.success for part in parts]),
        np.concatenate([part.hand for part in parts]),
    )
