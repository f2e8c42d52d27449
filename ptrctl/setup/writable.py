"""Whether a folder can hold a workspace, found out by trying."""

from __future__ import annotations

import mmap
import tempfile
from pathlib import Path

from recordings.errors import SystemSetupError
from recordings.files import DISK_FULL, map_error, take_lock


def require_writable(folder: Path) -> None:
    """Raise `SystemSetupError` if nothing could be written to `folder`, which need not exist yet,
    or if its files cannot be locked or mapped into memory.

    Permissions alone tell too little: a disk may be mounted read-only, or be full.
    """
    there = folder.absolute()
    while not there.exists():
        there = there.parent
    try:
        with tempfile.TemporaryFile(dir=there) as file:
            file.write(b"0" * 4096)
            file.flush()
            take_lock(file.fileno(), folder)
            mmap.mmap(file.fileno(), 0).close()
    except OSError as problem:
        unmapped = map_error(problem, folder)
        if unmapped is not None:
            raise unmapped from problem
        if problem.errno in DISK_FULL:
            raise SystemSetupError(
                f"The disk of `{folder.absolute()}` is full.",
                "Profile, recordings and checkpoints are written to the workspace.",
                "Make room on the disk, or name another folder with `--workspace`.",
            ) from problem
        raise SystemSetupError(
            f"`{folder.absolute()}` cannot be written: {problem.strerror}.",
            "Profile, recordings and checkpoints are written to the workspace.",
            f"Run `sudo chown $USER {there}` (or remount its disk for writing), or name another "
            "folder with `--workspace`.",
        ) from problem
