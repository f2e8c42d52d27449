"""Whether a folder can be written, found out by trying."""

from __future__ import annotations

import tempfile
from pathlib import Path

from recordings.errors import SystemSetupError
from recordings.files import DISK_FULL


def require_writable(folder: Path) -> None:
    """Raise `SystemSetupError` if nothing could be written to `folder`, which need not exist yet.

    Permissions alone tell too little: a disk may be mounted read-only, or be full.
    """
    there = folder.absolute()
    while not there.exists():
        there = there.parent
    try:
        with tempfile.TemporaryFile(dir=there) as file:
            file.write(b"0" * 4096)
            file.flush()
    except OSError as problem:
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
