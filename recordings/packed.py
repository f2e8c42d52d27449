"""Recordings packed for training: uniform random transitions from data larger than memory.

Every picture is decoded and resized once into a flat file that is mapped into memory. The system
keeps the pages that are used and drops others, so the data may be larger than memory. The files
hold what was recorded; labels are read anew each time, so changing a label costs nothing.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from recordings.dataset import EpisodeFolder
from recordings.errors import RecordingError
from recordings.frame_store import (
    EpisodePlace,
    Float32Array,
    FrameStore,
    create_store,
    fill_store,
    new_store_folder,
    open_store,
)
from recordings.images import RESIZE_ROUTINE
from recordings.json_form import to_json
from recordings.reader import EpisodeSummary, read_summary
from recordings.records import ImageArray, Outcome

PACK_VERSION = 1


@dataclass(frozen=True, eq=False, repr=False)
class PackedDataset:
    """Transitions over mapped pictures. F frames, T transitions, E episodes, S pixels.

    Args:
        images: Camera to (F, S, S, 3) uint8, RGB, mapped.
        states: (F, 7) float32, mapped, see `records.STATE_NAMES`.
        frame: (T,) int64, row of o_t in images and states; o_{t+1} is the row after it.
        actions: (T, 7) float32, the action really sent, see `records.ACTION_NAMES`.
        task: (T,) int32, index into `tasks`.
        episode: (T,) int32, index into the per-episode fields.
        step: (T,) int32, 0-based within the episode.
        length: (T,) int32, steps of the transition's episode.
        success, unlabelled: (T,) bool, the outcome of the transition's episode.
        episode_ids, seeds, outcomes: E values each.
        scenes: E texts, the same for episodes that were recorded in the same place.
        episode_tasks: (E,) int32, index into `tasks`.
        tasks: Sorted names.
        cameras: Keys of `images`.
        image_size: S.
        digest: Of contents, labels and selection, hexadecimal.
        control_rate_hz: Of all episodes.
    """

    images: Mapping[str, ImageArray]
    states: Float32Array
    frame: npt.NDArray[np.int64]
    actions: Float32Array
    task: npt.NDArray[np.int32]
    episode: npt.NDArray[np.int32]
    step: npt.NDArray[np.int32]
    length: npt.NDArray[np.int32]
    success: npt.NDArray[np.bool_]
    unlabelled: npt.NDArray[np.bool_]
    episode_ids: tuple[str, ...]
    seeds: tuple[int | None, ...]
    outcomes: tuple[Outcome, ...]
    scenes: tuple[str, ...]
    episode_tasks: npt.NDArray[np.int32]
    tasks: tuple[str, ...]
    cameras: tuple[str, ...]
    image_size: int
    digest: str
    control_rate_hz: float

    def __len__(self) -> int:
        """T, the number of transitions."""
        return len(self.frame)

    def __repr__(self) -> str:
        size = self.image_size
        return (
            f"PackedDataset({len(self.episode_ids)} episodes, {len(self)} transitions, "
            f"images={{{', '.join(self.cameras)}: ({len(self.states)}, {size}, {size}, 3) uint8}}, "
            f"tasks={self.tasks}, digest={self.digest[:12]!r})"
        )

    def select(self, episodes: npt.NDArray[np.bool_]) -> PackedDataset:
        """The transitions of some episodes; frames and per-episode fields are shared, not copied.

        Args:
            episodes: (E,) bool, which to keep.
        """
        assert episodes.shape == (len(self.episode_ids),), "one truth value an episode"
        kept = episodes[self.episode]
        fields = ("frame", "actions", "task", "episode", "step", "length", "success", "unlabelled")
        return replace(
            self,
            digest=_digest([self.digest, np.flatnonzero(episodes)]),
            **{name: getattr(self, name)[kept] for name in fields},
        )


def pack(
    folders: Sequence[Path],
    cache_folder: Path,
    image_size: int,
    cameras: Sequence[str] | None = None,
    *,
    progress: Callable[[int, int], None] | None = None,
    workers: int = 1,
) -> PackedDataset:
    """Pack the finished recordings of some folders, or reuse what was packed before.

    Args:
        folders: Folders of recordings, in this order.
        cache_folder: Each set of recordings gets a folder in it, named by its digest.
        image_size: Edge of the square pictures, pixels.
        cameras: None takes those that every episode has.
        progress: Called with (episodes done, episodes); not called when nothing is to do.
        workers: Processes. With more than one, the calling script needs the usual
            `if __name__ == "__main__"`.

    Raises:
        RecordingError: A folder holds no episode, one cannot be read or lacks a camera, control
            rates differ, or the disk is full.
    """
    paths = [path for folder in folders for path in EpisodeFolder(folder).some_paths()]
    summaries = [read_summary(path) for path in paths]
    names = _common_cameras(summaries, cameras)
    rate = _common_rate(summaries)
    places = _places(summaries)
    contents = _digest(
        [PACK_VERSION, RESIZE_ROUTINE, image_size, names, [s.content_hash for s in summaries]]
    )
    destination = cache_folder / contents
    if not destination.is_dir():
        with new_store_folder(destination) as folder:
            frames = sum(summary.frames for summary in summaries)
            create_store(folder, names, image_size, frames, sum(p.transitions for p in places))
            fill_store(folder, names, image_size, places, workers=workers, progress=progress)
    store = open_store(destination, names)
    return _dataset(
        summaries, places, store, cameras=names, image_size=image_size, contents=contents, rate=rate
    )


def _dataset(
    summaries: Sequence[EpisodeSummary],
    places: Sequence[EpisodePlace],
    store: FrameStore,
    *,
    cameras: tuple[str, ...],
    image_size: int,
    contents: str,
    rate: float,
) -> PackedDataset:
    tasks = tuple(sorted({summary.info.task for summary in summaries}))
    outcomes = tuple(summary.label.outcome for summary in summaries)
    episode_tasks = np.array([tasks.index(s.info.task) for s in summaries], dtype=np.int32)
    transitions = [place.transitions for place in places]
    episode = np.repeat(np.arange(len(places), dtype=np.int32), transitions)
    step = np.concatenate([np.arange(count, dtype=np.int32) for count in transitions])
    first = np.array([place.first_frame for place in places], dtype=np.int64)
    length = np.array([summary.steps for summary in summaries], dtype=np.int32)
    success = np.array([outcome is Outcome.SUCCESS for outcome in outcomes])
    unlabelled = np.array([outcome is Outcome.UNLABELLED for outcome in outcomes])
    ids = tuple(summary.info.episode_id for summary in summaries)
    return PackedDataset(
        images=store.images,
        states=store.states,
        frame=first[episode] + step,
        actions=np.array(store.actions),
        task=episode_tasks[episode],
        episode=episode,
        step=step,
        length=length[episode],
        success=success[episode],
        unlabelled=unlabelled[episode],
        episode_ids=ids,
        seeds=tuple(summary.info.seed for summary in summaries),
        outcomes=outcomes,
        scenes=tuple(_scene(summary) for summary in summaries),
        episode_tasks=episode_tasks,
        tasks=tasks,
        cameras=cameras,
        image_size=image_size,
        digest=_digest([contents, ids, [outcome.value for outcome in outcomes]]),
        control_rate_hz=rate,
    )


def _scene(summary: EpisodeSummary) -> str:
    """Where nothing is known of the scene, what was recorded in one day shares a place."""
    info = summary.info
    return to_json(info.scene) if info.scene else info.created_at[:10]


def _places(summaries: Sequence[EpisodeSummary]) -> list[EpisodePlace]:
    places: list[EpisodePlace] = []
    frame = transition = 0
    for summary in summaries:
        # A transition needs o_{t+1}: without a final observation the last step has none.
        transitions = summary.frames - 1
        places.append(EpisodePlace(summary.path, frame, transition, transitions))
        frame += summary.frames
        transition += transitions
    return places


def _common_cameras(
    summaries: Sequence[EpisodeSummary], wanted: Sequence[str] | None
) -> tuple[str, ...]:
    common = set.intersection(*(set(summary.info.cameras) for summary in summaries))
    names = tuple(sorted(common)) if wanted is None else tuple(wanted)
    for summary in summaries:
        missing = sorted(set(names) - set(summary.info.cameras))
        if missing or not names:
            raise RecordingError(
                f"{summary.path} has the cameras {', '.join(sorted(summary.info.cameras))}.",
                f"{', '.join(missing)} among them." if missing else "All episodes share a camera.",
                "Leave this episode out, or train from random weights through a camera that all "
                "have, which `ptrctl setup --camera NAME` chooses.",
            )
    return names


def _common_rate(summaries: Sequence[EpisodeSummary]) -> float:
    first = summaries[0]
    for summary in summaries:
        if summary.info.control_rate_hz != first.info.control_rate_hz:
            raise RecordingError(
                f"{summary.path} was recorded at {summary.info.control_rate_hz} Hz.",
                f"{first.path} was recorded at {first.info.control_rate_hz} Hz.",
                "Train on episodes of one control rate.",
            )
    return first.info.control_rate_hz


def _digest(value: object) -> str:
    return hashlib.sha256(to_json(value).encode()).hexdigest()
