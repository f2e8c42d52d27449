"""Writing files so that a crash leaves the old one or the new one, never half of either."""

from __future__ import annotations

import errno
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

from recordings.errors import RecordingError, SystemSetupError

DISK_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
NO_FOLDER_SYNC = {errno.EINVAL, errno.ENOTSUP, errno.ENOSYS}
"""What a file system says that cannot sync folders."""
NO_LOCKS = {errno.ENOLCK, errno.ENOSYS, errno.ENOTSUP}
"""What a file system says that has no file locks."""


def write_fully(descriptor: int, data: bytes) -> None:
    """Write all of `data`; `os.write` may write less when the disk is nearly full."""
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]


def sync_folder(folder: Path) -> None:
    """Make renames and new names in a folder survive a power cut, if its file system can."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        # What was written is there: to refuse it would claim that it is not.
        if error.errno not in NO_FOLDER_SYNC:
            raise
    finally:
        os.close(descriptor)


def take_lock(descriptor: int, path: Path, *, wait: bool = True) -> None:
    """Hold the lock of an open file (`flock`) until it is closed or the process ends.

    Args:
        path: Its name, for the words.
        wait: Until whoever holds it has ended.

    Raises:
        BlockingIOError: Somebody holds it, and we do not wait.
        SystemSetupError: The file system has no locks.
    """
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno not in NO_LOCKS:
            raise
        raise SystemSetupError(
            f"The file system of {path.absolute()} has no file locks: {error.strerror}.",
            "By locks two commands keep out of each other's files.",
            "Choose a folder on a local disk with `--workspace`, or let this file system have "
            "locks (Lustre: mount it with `-o flock`; NFS: start rpc-statd).",
        ) from error


def map_error(error: OSError, path: Path) -> SystemSetupError | None:
    """Why files could not be mapped into memory, in words; None for another kind of error."""
    if error.errno == errno.ENODEV:
        return SystemSetupError(
            f"The file system of {path.absolute()} cannot map files into memory: {error.strerror}.",
            "Training maps the pictures that it has packed.",
            "Choose a folder on a local disk with `--workspace`.",
        )
    if error.errno == errno.ENOMEM:
        return SystemSetupError(
            f"There is not enough memory to map the files of {path.absolute()}.",
            "Training maps the pictures that it has packed; they need address space, not memory.",
            "Lift the limit (see `ulimit -v`), or train on fewer episodes.",
        )
    return None


def walk(folder: Path) -> Iterator[tuple[Path, list[str]]]:
    """A folder and all below it with the names of their files; links are followed, each folder is
    visited once."""
    seen = set()
    for name, below, files in os.walk(folder, followlinks=True):
        real = os.path.realpath(name)
        if real in seen:
            below.clear()
            continue
        seen.add(real)
        below.sort()
        yield Path(name), files


def write_temporary(path: Path, data: bytes) -> Path:
    """Write and fsync a hidden neighbour of `path`, to be renamed to it; returns the neighbour.

    Raises:
        OSError: Nothing is left behind.
    """
    temporary = path.with_name(f".{path.name}.tmp")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o666)
    try:
        write_fully(descriptor, data)
        os.fsync(descriptor)
    except BaseException:
        temporary.unlink()
        raise
    finally:
        os.close(descriptor)
    return temporary


def replace_file(path: Path, data: bytes) -> None:
    """Give `path` new contents, atomically and durably.

    Raises:
        OSError: The old file, if any, is untouched.
    """
    os.replace(write_temporary(path, data), path)
    sync_folder(path.parent)


def storage_error(
    error: OSError, doing: str, kept: str, then: str = "type the same command again"
) -> RecordingError:
    """A write that failed, in words.

    Args:
        error: What the system said.
        doing: A clause without a full stop ("Episode `x` could not be written").
        kept: What is safe, a sentence.
        then: What to do once there is room, a clause.
    """
    if error.errno in DISK_FULL:
        return RecordingError(
            f"{doing}: the disk is full.",
            kept,
            f"Make room on the disk, then {then}.",
        )
    reason = error.strerror or str(error)
    return RecordingError(
        f"{doing}: {reason}.",
        kept,
        f"Check the disk and the folder's permissions, then {then}.",
    )
