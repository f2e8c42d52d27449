"""Checkpoints by name: the shipped one, those of the workspace, or any folder."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from policies.config import INFO_FILE
from ptrctl.files import read_json, write_json
from ptrctl.workspace import Workspace, check_name
from recordings.errors import CheckpointError, RecordingError, UsageError

if TYPE_CHECKING:
    from policies.checkpoint import Checkpoint

PRETRAINED = "pretrained"
RECOMMENDED_FILE = "recommended.json"
REHEARSAL = "rehearsal"
"""Folder with a little of the data that a checkpoint was pre-trained on: beside its weights, or in
the folder of its name."""
TRAINING = "training"
"""Folder below `checkpoints/<name>` in which the name is trained."""


def shipped_folder() -> Path:
    """Where the checkpoint that comes with ptrctl lies."""
    import policies

    return Path(policies.__path__[0]) / "shipped" / "ptr-widowx-sim"


def find_checkpoint(workspace: Workspace, name: str) -> Path:
    """The folder of a checkpoint.

    Args:
        workspace: Its `checkpoints/<name>` holds a checkpoint, or training runs of which one
            checkpoint is recommended.
        name: "pretrained", a name in the workspace, or a path.

    Raises:
        UsageError: There is no such name; the nearest are offered.
        CheckpointError: The run of that name has not finished.
    """
    if name == PRETRAINED:
        return shipped_folder()
    folder = Path(name) if "/" in name else workspace.checkpoint(name)
    if (folder / INFO_FILE).exists():
        return folder
    if (folder / RECOMMENDED_FILE).exists():
        pointer = read_json(folder / RECOMMENDED_FILE)
        return folder / str(pointer.get("checkpoint", ""))
    if (folder / TRAINING).is_dir():
        raise CheckpointError(
            f"`{folder}` holds no finished checkpoint.",
            "A training run leaves one when it ends.",
            "Repeat the `ptrctl finetune` command that began it: it goes on where it stopped.",
        )
    if folder.is_dir():
        raise CheckpointError(
            f"`{folder}` holds no checkpoint of its own.",
            f"A checkpoint holds {INFO_FILE}; practice that was not kept leaves candidates below.",
            "Leave `--checkpoint` out, or name a checkpoint by its path.",
        )
    if "/" in name:
        raise UsageError(
            f"There is no folder `{name}`.",
            "A checkpoint named by a path is a folder that `ptrctl finetune` wrote.",
            "Correct the path, or name one of the workspace's with `--checkpoint NAME`.",
        )
    present = workspace.checkpoint("").iterdir() if workspace.checkpoint("").is_dir() else ()
    names = {PRETRAINED, *(path.name for path in present)}
    check_name(name, names, "checkpoint", "--checkpoint")
    raise CheckpointError(
        f"`{folder}` is not a checkpoint.",
        "A checkpoint is a folder that `ptrctl finetune` wrote.",
        "Name one with `--checkpoint`.",
    )


def is_taken(workspace: Workspace, name: str) -> bool:
    """Whether a name stands for a checkpoint, or will once its training has been repeated.

    Candidates of practice that was not kept leave it free.
    """
    folder = workspace.checkpoint(name)
    return any((folder / part).exists() for part in (INFO_FILE, RECOMMENDED_FILE, TRAINING))


def open_checkpoint(workspace: Workspace, name: str) -> Checkpoint:
    """Read the checkpoint of that name and check that it is whole.

    Raises:
        UsageError, CheckpointError: It is not there, or damaged.
    """
    from policies.checkpoint import load_checkpoint

    return load_checkpoint(find_checkpoint(workspace, name))


def comes_from_shipped(checkpoint: Checkpoint) -> bool:
    """Whether a checkpoint knows all that the shipped one knows."""
    from policies.checkpoint import load_checkpoint

    shipped = load_checkpoint(shipped_folder()).info.tasks.names
    return set(shipped) <= set(checkpoint.info.tasks.names)


def rehearsal_of(checkpoint: Checkpoint) -> tuple[Path, ...]:
    """What is mixed in where nobody names prior data: the checkpoint's own rehearsal set, else the
    shipped one if the checkpoint comes from that, else none."""
    named = [folder for folder in checkpoint.path.parents[:3] if recommended(folder)]
    for folder in (checkpoint.path, *named):
        if (folder / REHEARSAL).is_dir():
            return (folder / REHEARSAL,)
    shipped = shipped_folder() / REHEARSAL
    return (shipped,) if shipped.is_dir() and comes_from_shipped(checkpoint) else ()


def recommended(run: Path) -> dict[str, Any]:
    """What the name of the folder `run` stands for: "checkpoint", a path below it, with the facts
    that `recommend` was told; {} if the name is free or what it stood for cannot be found."""
    try:
        pointer = read_json(run / RECOMMENDED_FILE)
    except RecordingError:
        return {}
    current = pointer.get("checkpoint")
    here = isinstance(current, str) and (run / current / INFO_FILE).exists()
    return pointer if here else {}


def stands_for(run: Path, digest: str, below: str) -> bool:
    """Whether the name of the folder `run` is free, or stands for the checkpoint of that digest, or
    for one in its folder `below`."""
    pointer = recommended(run)
    return (
        not pointer
        or pointer["checkpoint"].startswith(f"{below}/")
        or pointer.get("digest") == digest
    )


def recommend(run: Path, checkpoint: Path, reason: str, **facts: Any) -> None:
    """Make `checkpoint` the one that the name of the folder `run` stands for.

    Args:
        run: `checkpoints/<name>`.
        checkpoint: A folder below it.
        reason: Why, in words; kept in the file.
        facts: Numbers behind the reason.
    """
    relative = checkpoint.relative_to(run)
    write_json(run / RECOMMENDED_FILE, {"checkpoint": str(relative), "reason": reason, **facts})
