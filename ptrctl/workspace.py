"""The operator's folder: where things lie in it."""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path

from ptrctl.files import only_one
from recordings.errors import UsageError, nearest
from recordings.files import walk
from recordings.schema import EPISODE_SUFFIX, JOURNAL_SUFFIX, QUARANTINE_FOLDER

PROFILE_NAME = "ptrctl.toml"
MANY_NAMES = 12
WORKSPACE_VARIABLE = "PTRCTL_WORKSPACE"


@dataclass(frozen=True)
class Workspace:
    """A folder with a plain layout; nothing in it is created before it is needed.

    Args:
        root: The folder.
    """

    root: Path

    @property
    def profile_path(self) -> Path:
        """`ptrctl.toml`."""
        return self.root / PROFILE_NAME

    def demos(self, task: str) -> Path:
        """Where the demonstrations of a task lie, one file an episode."""
        return self.root / "demos" / task

    def checkpoint(self, name: str) -> Path:
        """The folder of one checkpoint."""
        return self.root / "checkpoints" / name

    def trials(self, session: str) -> Path:
        """The folder of one session of scored trials."""
        return self.root / "trials" / session

    def session_holding(self, path: Path) -> str:
        """The session of scored or practice trials that a file belongs to; "" for none."""
        trials = self.trials("").resolve()
        inside = path.resolve().is_relative_to(trials)
        return path.resolve().relative_to(trials).parts[0] if inside else ""

    @property
    def reports(self) -> Path:
        """Where reports are written."""
        return self.root / "reports"

    def alone_in(self, folder: Path, instead: str) -> AbstractContextManager[None]:
        """Keep the same command out of one of these folders while this one writes there.

        Args:
            folder: The workspace's own, or one below it.
            instead: What they shall do, see `files.only_one`.

        Raises:
            UsageError: Another one is at work there.
        """
        name = "+".join(folder.relative_to(self.root).parts) or "workspace"
        busy = f"Another ptrctl is at work in {self.said(folder)}."
        return only_one(self.root / ".cache" / "locks" / f"{name}.lock", busy, instead)

    def episode_folders(self) -> list[Path]:
        """Every folder below `demos` and `trials` with episodes, finished or not, sorted."""
        return [*episode_folders_in(self.root / "demos"), *episode_folders_in(self.root / "trials")]

    def demonstrated_tasks(self) -> list[str]:
        """The tasks with a folder of demonstrations, sorted."""
        return sorted(path.name for path in (self.root / "demos").glob("*") if path.is_dir())

    def said(self, path: Path) -> str:
        """A path as the operator would type it: relative to the present folder if below it."""
        relative = os.path.relpath(path)
        return str(path) if relative.startswith("..") else relative

    def flag(self) -> str:
        """` --workspace ...` for a next command, empty where it would mean this one without it."""
        # A variable that names another folder would win over the current one.
        meant = Path(os.environ.get(WORKSPACE_VARIABLE) or ".")
        same = self.root.resolve() == meant.resolve()
        return "" if same else f" --workspace {shlex.quote(self.said(self.root))}"


def open_workspace(root: Path) -> Workspace:
    """The workspace at `root`, which need not exist yet.

    Raises:
        UsageError: `root` is a file.
    """
    if root.exists() and not root.is_dir():
        raise UsageError(
            f"The workspace `{root}` is a file.",
            "A workspace is a folder.",
            "Name a folder with `--workspace`, or leave the option out to use the current one.",
        )
    return Workspace(root)


def episode_folders_in(folder: Path) -> list[Path]:
    """A folder and those below it that hold episodes, finished or not, sorted; damaged ones that
    were set aside do not count, unless their folder is the one that was named.
    """
    return sorted(
        below
        for below, files in walk(folder)
        if below == folder or below.name != QUARANTINE_FOLDER
        if any(
            fnmatch(file, pattern)
            for file in files
            for pattern in (f"*{EPISODE_SUFFIX}", f".*{JOURNAL_SUFFIX}")
        )
    )


def existing_folder(folder: Path, try_next: str) -> Path:
    """`folder`, in which episodes are looked for.

    Args:
        try_next: What to type if it is not there.

    Raises:
        UsageError: There is none.
    """
    if not folder.is_dir():
        raise UsageError(
            f"There is no folder `{folder}`.", "A folder of episodes is needed.", try_next
        )
    return folder


def check_folder_name(name: str, flag: str, *, taken: Iterable[str] = ()) -> str:
    """`name` if one new folder of the workspace can be called so.

    Args:
        flag: With which it was given.
        taken: Names that mean something else.

    Raises:
        UsageError: It is a path, or taken.
    """
    if name in taken:
        raise UsageError(
            f"`{flag} {name}` means something else.",
            f"Names that are taken: {', '.join(taken)}.",
            f"Choose another one with `{flag}`.",
        )
    if name in ("", ".", "..") or "/" in name or "\0" in name:
        raise UsageError(
            f"`{flag} {name}` is a path or nothing.",
            "It should be the name of one folder in the workspace.",
            f"Choose a plain name with `{flag}`, and the workspace with `--workspace`.",
        )
    return name


def check_name(name: str, known: Iterable[str], what: str, flag: str) -> str:
    """`name` if it is known, else an error that offers the nearest names.

    Raises:
        UsageError: The name is not among `known`.
    """
    names = sorted(known)
    if name in names:
        return name
    near = nearest(name, names, count=3, alike=0.5)
    if near:
        try_next = f"Did you mean {' or '.join(f'`{flag} {other}`' for other in near)}?"
    else:
        try_next = f"Choose one of them with `{flag}`." if names else f"Leave `{flag}` out."
    known = ", ".join(names) if len(names) <= MANY_NAMES else f"{len(names)}, not listed here"
    raise UsageError(
        f"There is no {what} named `{name}`.",
        f"The {what}s are: {known}." if names else f"There is no {what} yet.",
        try_next,
    )
