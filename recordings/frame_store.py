"""Decoded, resized pictures and states of many episodes as flat files mapped into memory."""

from __future__ import annotations

import multiprocessing
import os
import secrets
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt

from recordings.errors import PtrctlError, RecordingError
from recordings.files import map_error, storage_error, sync_folder
from recordings.images import resize_image
from recordings.reader import read_episode
from recordings.records import ACTION_SIZE, STATE_SIZE, ImageArray

Float32Array = npt.NDArray[np.float32]


@dataclass(frozen=True)
class FrameStore:
    """Arrays in files, mapped into memory.

    Args:
        images: Camera to (F, S, S, 3) uint8.
        states: (F, 7) float32.
        actions: (T, 7) float32, as sent.
    """

    images: Mapping[str, ImageArray]
    states: Float32Array
    actions: Float32Array


@dataclass(frozen=True)
class EpisodePlace:
    """Where an episode goes.

    Args:
        path: The recording.
        first_frame: Its first row in images and states.
        first_transition: Its first row in actions.
        transitions: Its number of transitions.
    """

    path: Path
    first_frame: int
    first_transition: int
    transitions: int


def open_store(folder: Path, cameras: Sequence[str], *, writable: bool = False) -> FrameStore:
    """Map a store's files.

    Raises:
        RecordingError: A file is missing or damaged.
        SystemSetupError: The file system cannot map files, or there is too little memory for it.
    """
    mode: Literal["r+", "r"] = "r+" if writable else "r"
    try:
        arrays = [
            np.load(folder / name, mmap_mode=mode, allow_pickle=False)
            for name in [*map(_image_file, cameras), "states.npy", "actions.npy"]
        ]
    except (OSError, EOFError, ValueError) as error:
        unmapped = map_error(error, folder) if isinstance(error, OSError) else None
        raise unmapped or RecordingError(
            f"The packed data in {folder} cannot be read: {error}.",
            "It is a cache that is made from the recordings.",
            f"Delete {folder} and run the same command again.",
        ) from error
    return FrameStore(dict(zip(cameras, arrays[:-2], strict=True)), arrays[-2], arrays[-1])


def create_store(
    folder: Path, cameras: Sequence[str], image_size: int, frames: int, transitions: int
) -> FrameStore:
    """Make a store's files, all zero, with their room on the disk reserved.

    Raises:
        OSError: The disk has not enough room.
    """
    shapes: dict[str, tuple[tuple[int, ...], str]] = {
        _image_file(camera): ((frames, image_size, image_size, 3), "|u1") for camera in cameras
    }
    shapes["states.npy"] = ((frames, STATE_SIZE), "<f4")
    shapes["actions.npy"] = ((transitions, ACTION_SIZE), "<f4")
    for name, (shape, dtype) in shapes.items():
        np.lib.format.open_memmap(folder / name, mode="w+", dtype=np.dtype(dtype), shape=shape)
        # Without reserved room a full disk would kill the process (SIGBUS) while it fills a map.
        with open(folder / name, "r+b") as file:
            os.posix_fallocate(file.fileno(), 0, (folder / name).stat().st_size)
    return open_store(folder, cameras, writable=True)


@contextmanager
def new_store_folder(destination: Path) -> Iterator[Path]:
    """A temporary folder that becomes `destination` when the block succeeds, at once and whole.

    Raises:
        RecordingError: The disk is full or refuses; nothing is left behind.
        SystemSetupError: As for `open_store`; likewise.
    """
    try:
        destination.parent.mkdir(parents=True, exist_ok=True)
        # Not by tempfile, whose folders are for their owner alone: a workspace may be shared.
        temporary = destination.with_name(f".packing-{secrets.token_hex(8)}")
        temporary.mkdir()
    except OSError as error:
        raise _pack_error(error, destination) from error
    try:
        yield temporary
        for file in temporary.iterdir():
            _sync_file(file)
        _rename_unless_there(temporary, destination)
    except OSError as error:
        raise _pack_error(error, destination) from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def fill_store(
    folder: Path,
    cameras: Sequence[str],
    image_size: int,
    places: Sequence[EpisodePlace],
    *,
    workers: int,
    progress: Callable[[int, int], None] | None,
) -> None:
    """Decode every episode into its place.

    Args:
        folder: From `create_store`.
        cameras, image_size: As for `create_store`.
        places: Rows that do not overlap.
        workers: Processes; 1 works in this one.
        progress: Called with (episodes done, episodes).

    Raises:
        RecordingError: A recording cannot be read.
    """
    packer = _Packer(folder, tuple(cameras), image_size)
    if workers == 1:
        _report(map(packer, places), len(places), progress)
        return
    # Spawned, not forked: the caller may have threads (torch) that a fork would leave hanging.
    with multiprocessing.get_context("spawn").Pool(workers) as pool:
        _report(pool.imap_unordered(packer, places, chunksize=4), len(places), progress)


def _report(done: Iterator[None], total: int, progress: Callable[[int, int], None] | None) -> None:
    for count, _ in enumerate(done, start=1):
        if progress is not None:
            progress(count, total)


class _Packer:
    """Puts one episode into the store; each process maps the store once."""

    def __init__(self, folder: Path, cameras: tuple[str, ...], image_size: int) -> None:
        self.folder = folder
        self.cameras = cameras
        self.image_size = image_size
        self.store: FrameStore | None = None

    def __getstate__(self) -> dict[str, object]:
        return {**self.__dict__, "store": None}

    def __call__(self, place: EpisodePlace) -> None:
        if self.store is None:
            self.store = open_store(self.folder, self.cameras, writable=True)
        episode = read_episode(place.path)
        frames = slice(place.first_frame, place.first_frame + len(episode.states))
        self.store.states[frames] = episode.states
        transitions = slice(place.first_transition, place.first_transition + place.transitions)
        self.store.actions[transitions] = episode.sent_actions[: place.transitions]
        for camera in self.cameras:
            rows = self.store.images[camera][frames]
            for index in range(len(rows)):
                rows[index] = resize_image(episode.image(camera, index), self.image_size)


def _image_file(camera: str) -> str:
    return f"images-{camera}.npy"


def _sync_file(path: Path) -> None:
    with open(path, "r+b") as file:
        os.fsync(file.fileno())


def _rename_unless_there(temporary: Path, destination: Path) -> None:
    try:
        temporary.rename(destination)
    except OSError:
        # Another process made the same store meanwhile; both are equal, so theirs will do.
        if not destination.is_dir():
            raise
    sync_folder(destination.parent)


def _pack_error(error: OSError, destination: Path) -> PtrctlError:
    return map_error(error, destination) or storage_error(
        error, f"Packed data could not be written to {destination}", "The recordings are untouched."
    )
