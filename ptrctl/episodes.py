"""Finding episodes by what an operator types, and what an operator sees of them."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from ptrctl.terminal.console import duration
from ptrctl.terminal.halfblocks import HalfBlocks
from ptrctl.workspace import (
    WORKSPACE_VARIABLE,
    Workspace,
    check_name,
    episode_folders_in,
    existing_folder,
)
from recordings.dataset import EpisodeFolder
from recordings.errors import RecordingError, UsageError
from recordings.reader import Episode, EpisodeSummary, read_summary
from recordings.records import ImageArray, Label, Outcome

NEWEST = "last"
_FEW_COLUMNS = 90
"""Below it an episode has two lines in a list."""
OUTCOME_STYLES = {Outcome.SUCCESS: "green", Outcome.FAILURE: "red", Outcome.UNLABELLED: "yellow"}


def folders_in(workspace: Workspace, folder: Path | None, task: str | None) -> list[Path]:
    """Of a folder that is named, of a task's demonstrations, or of the workspace: all folders
    that hold episodes.

    Raises:
        RecordingError: The folder named holds no episode.
        UsageError: It or the workspace does not exist, the task named has no demonstrations, or
            folder and task are named.
    """
    if folder is not None and task is not None:
        raise UsageError(
            f"Both `--folder {folder}` and `--task {task}` were given.",
            "A task means the folder of its demonstrations in the workspace.",
            "Leave one of them out.",
        )
    if folder is not None:
        otherwise = "Leave `--folder` out to look through the whole workspace."
        found = episode_folders_in(existing_folder(folder, otherwise))
        if not found:
            raise RecordingError(
                f"There is no episode in {folder}, nor in a folder below it.",
                "A folder of episodes is needed.",
                otherwise,
            )
        return found
    # A misspelt workspace would hold no episode, and so none that is damaged.
    existing_folder(
        workspace.root,
        f"Correct `--workspace` or {WORKSPACE_VARIABLE}; without both the current folder is used.",
    )
    if task is not None:
        check_name(task, workspace.demonstrated_tasks(), "demonstrated task", "--task")
        return [workspace.demos(task)]
    return workspace.episode_folders()


def recordings_in(workspace: Workspace, folder: Path | None, task: str | None) -> list[Path]:
    """The recordings of `folders_in`.

    Raises:
        RecordingError: The folder named holds no episode.
        UsageError: It does not exist, or the task named has no demonstrations.
    """
    folders = folders_in(workspace, folder, task)
    return [path for one in folders for path in EpisodeFolder(one).paths()]


def find_recording(workspace: Workspace, name: str) -> Path:
    """The recording that an operator means.

    Args:
        workspace: Searched for names.
        name: A path, an episode's identifier or a unique part of one, or "last".

    Raises:
        RecordingError: There is none.
        UsageError: There are several.
    """
    if Path(name).is_file():
        return Path(name)
    every = recordings_in(workspace, None, None)
    if not every:
        raise RecordingError(
            "This workspace holds no episode.",
            f"Looked below `{workspace.root / 'demos'}` and `{workspace.root / 'trials'}`.",
            "Record some with `ptrctl record`, or name another folder with `--workspace`.",
        )
    if name == NEWEST:
        return max(every, key=lambda path: path.name)
    found = [path for path in every if name in path.stem]
    if not found:
        raise RecordingError(
            f"There is no episode `{name}`.",
            f"The newest is `{max(path.stem for path in every)}`.",
            "Run `ptrctl data list` to see all.",
        )
    if len(found) > 1:
        raise UsageError(
            f"{len(found)} episodes match `{name}`.",
            f"The first are {', '.join(str(path) for path in found[:3])}.",
            "Type more of the identifier, or the path of one.",
        )
    return found[0]


def label_in_words(label: Label) -> Text:
    """The label with its reason and its source."""
    text = Text(label.outcome.value, style=OUTCOME_STYLES[label.outcome])
    if label.reason:
        text.append(f": {label.reason}", style="default")
    if label.labelled_by:
        text.append(f" ({label.labelled_by})", style="dim")
    return text


Read = EpisodeSummary | RecordingError
"""What is known of a recording, or why it cannot be read."""


def summary_or_problem(path: Path) -> Read:
    """The summary, or why there is none: one damaged file must not hide the others."""
    try:
        return read_summary(path)
    except RecordingError as problem:
        return problem


def list_table(read: Mapping[Path, Read], columns: int) -> RenderableType:
    """One row an episode; in a narrow terminal two lines, so that nothing is cut.

    Args:
        read: Of each recording, by its path.
        columns: Of the terminal.
    """
    rows = [(path.stem, *_row(path, found)) for path, found in read.items()]
    if columns < _FEW_COLUMNS:
        lines = []
        for name, task, label, steps, actor in rows:
            details = f"{task}, {steps} steps by {actor}" if steps else task
            lines.append(Text.assemble(name, "  ", label, "\n  ", (details, "dim")))
        return Group(*lines)
    table = Table(box=None, padding=(0, 1), header_style="bold")
    table.add_column("episode", no_wrap=True, overflow="fold")
    table.add_column("task", overflow="fold")
    table.add_column("label", min_width=10, overflow="fold")
    table.add_column("steps", justify="right")
    table.add_column("by", overflow="fold")
    for row in rows:
        table.add_row(*row)
    return table


def total_in_words(read: Collection[Read]) -> str:
    """ "12 episodes: 10 success, 2 failure, 0 unlabelled"."""
    known = [found.label.outcome for found in read if isinstance(found, EpisodeSummary)]
    counts = [f"{known.count(outcome)} {outcome.value}" for outcome in Outcome]
    if len(known) < len(read):
        counts.append(f"{len(read) - len(known)} unreadable")
    return f"{len(read)} episode{'' if len(read) == 1 else 's'}: {', '.join(counts)}"


def _row(path: Path, read: Read) -> tuple[str, Text, str, str]:
    """Task, label, steps and who acted; of an unreadable one where it lies."""
    if isinstance(read, RecordingError):
        return str(path.parent), Text("unreadable", style="bold red"), "", ""
    label = label_in_words(replace(read.label, labelled_by=""))
    return read.info.task, label, str(read.steps), read.info.decided_by


def as_data(summary: EpisodeSummary) -> dict[str, object]:
    """A summary for JSON."""
    info, label, end = summary.info, summary.label, summary.end
    return {
        "episode_id": info.episode_id,
        "path": str(summary.path),
        "kind": info.kind,
        "task": info.task,
        "decided_by": info.decided_by,
        "seed": info.seed,
        "scene": info.scene,
        "created_at": info.created_at,
        "label": {
            "outcome": label.outcome.value,
            "reason": label.reason,
            "labelled_by": label.labelled_by,
        },
        "steps": summary.steps,
        "duration_s": end.duration_s,
        "end": end.reason.value,
        "fault": end.fault,
        "overruns": end.overruns,
        "interventions": dict(end.interventions),
        "recovered": summary.recovered,
        "size_bytes": summary.size_bytes,
    }


def describe(episode: Episode) -> list[tuple[str, object]]:
    """Name and value of what an operator wants to know of an episode."""
    summary, info = episode.summary, episode.info
    end = summary.end
    acted = ", ".join(f"{rule} {count}" for rule, count in end.interventions.items())
    rows: list[tuple[str, object]] = [
        ("task", info.task),
        ("label", label_in_words(summary.label)),
        ("kind", f"{info.kind}, driven by {info.decided_by}"),
        ("steps", f"{summary.steps} in {duration(end.duration_s)}, ended by {end.reason.value}"),
        ("late periods", f"{end.overruns}, worst {end.worst_overrun_s * 1000:.0f} ms"),
        ("safety", acted or "no intervention"),
        ("arm", _in_words(info.robot)),
        *([("scene", _in_words(info.scene))] if info.scene else []),
        ("recorded", f"{info.created_at}, ptrctl {info.code_version}"),
    ]
    if end.fault:
        rows.append(("fault", end.fault))
    if summary.recovered:
        rows.append(("recovered", "put together after an interruption"))
    return rows


def _in_words(facts: Mapping[str, Any]) -> str:
    """ "name dynamixel, motors 1 2 3: XM430-W350": equal values of a table stand together."""
    words = []
    for key, value in facts.items():
        if isinstance(value, Mapping):
            names: dict[str, list[str]] = {}
            for name, part in value.items():
                names.setdefault(str(part), []).append(str(name))
            words.append(f"{key} " + "; ".join(f"{' '.join(n)}: {p}" for p, n in names.items()))
        else:
            words.append(f"{key} {value}")
    return ", ".join(words)


def first_and_last(episode: Episode, columns: int, rows: int) -> Table:
    """The first and the last picture of the first camera, side by side."""
    camera = next(iter(episode.cameras))
    grid = Table.grid(padding=(0, 2))
    width = (columns - 2) // 2
    pictures = [episode.image(camera, index) for index in (0, -1)]
    grid.add_row(*(HalfBlocks(picture, width, rows) for picture in pictures))
    grid.add_row(Text("first", style="dim"), Text("last", style="dim"))
    return grid


def contact_sheet(episode: Episode, columns: int = 8, most: int = 48) -> ImageArray:
    """The episode's pictures as one, row by row, evenly chosen if there are more than `most`.

    Returns:
        (H, W, 3) uint8; one block of rows for each camera.
    """
    blocks = []
    for camera, track in episode.cameras.items():
        chosen = np.unique(np.linspace(0, len(track) - 1, min(most, len(track))).astype(int))
        pictures = [episode.image(camera, index) for index in chosen.tolist()]
        blank = np.full_like(pictures[0], 255)
        pictures += [blank] * (-len(pictures) % columns)
        rows = [np.hstack(pictures[i : i + columns]) for i in range(0, len(pictures), columns)]
        blocks.append(np.vstack(rows))
    width = max(block.shape[1] for block in blocks)
    padded = [
        np.pad(block, ((0, 0), (0, width - block.shape[1]), (0, 0)), constant_values=255)
        for block in blocks
    ]
    return np.vstack(padded)


def save_png(path: Path, image: ImageArray) -> None:
    """Write a picture.

    Raises:
        OSError: It cannot be written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(image).save(path, format="PNG")
