"""`ptrctl data`: looking after recordings."""

from __future__ import annotations

import enum
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from ptrctl.commands.generate import generate
from ptrctl.options import ImageSizeOption, JsonOption, WorkspaceOption
from ptrctl.terminal.help_page import ReadableCommand
from recordings.errors import RecordingError

data = typer.Typer(no_args_is_help=True, help="List, show, label, verify and measure recordings.")
command = partial(data.command, cls=ReadableCommand)
command()(generate)

OfTaskOption = Annotated[
    str | None,
    typer.Option(
        "--task", "-t", help="Only demonstrations of this task.", show_default="all episodes"
    ),
]
FolderOption = Annotated[
    Path | None,
    typer.Option("--folder", help="Folder of episodes.", show_default="the whole workspace"),
]
EpisodeArgument = Annotated[
    str, typer.Argument(help="Path, identifier or unique part of one, or `last`.")
]


class OutcomeWord(str, enum.Enum):
    """What the operator may say of an episode."""

    SUCCESS = "success"
    FAILURE = "failure"
    UNLABELLED = "unlabelled"


@command("list")
def list_command(
    task: OfTaskOption = None,
    folder: FolderOption = None,
    workspace: WorkspaceOption = Path(),
    json: JsonOption = False,
) -> None:
    """List the episodes."""
    from ptrctl.sessions.data import list_episodes

    list_episodes(workspace, task=task, folder=folder)


@command()
def show(
    episode: EpisodeArgument = "last",
    png: Annotated[
        Path | None, typer.Option("--png", help="Also write all pictures as one PNG.")
    ] = None,
    workspace: WorkspaceOption = Path(),
    json: JsonOption = False,
) -> None:
    """Show an episode: what is known about it, its first and its last picture."""
    from ptrctl.sessions.data import show_episode

    show_episode(workspace, episode, png)


@command()
def label(
    episode: EpisodeArgument,
    outcome: Annotated[OutcomeWord, typer.Argument(help="What became of it.")],
    reason: Annotated[str, typer.Option("--reason", help="Why.")] = "",
    workspace: WorkspaceOption = Path(),
    json: JsonOption = False,
) -> None:
    """Change an episode's label; its pictures are not touched, and earlier labels are kept."""
    from ptrctl.sessions.data import label_episode
    from recordings.records import Outcome

    label_episode(workspace, episode, Outcome(outcome.value), reason)


@command()
def verify(
    task: OfTaskOption = None,
    folder: FolderOption = None,
    quarantine: Annotated[
        bool, typer.Option("--quarantine", help="Move damaged episodes out of the way.")
    ] = False,
    workspace: WorkspaceOption = Path(),
    json: JsonOption = False,
) -> None:
    """Look for defects in the recordings; exits with 4 if one should not be trained on.

    Commands that need every episode of a folder work again once damaged ones are in quarantine, a
    folder beside them; nothing is deleted.
    """
    from ptrctl.sessions.data import verify_recordings

    if not verify_recordings(workspace, task=task, folder=folder, quarantine=quarantine):
        raise typer.Exit(RecordingError.exit_code)


@command()
def stats(
    task: OfTaskOption = None,
    folder: FolderOption = None,
    workspace: WorkspaceOption = Path(),
    json: JsonOption = False,
) -> None:
    """Measure the recordings: labels, lengths, late periods, safety interventions, saturation."""
    from ptrctl.sessions.data import measure_recordings

    measure_recordings(workspace, task=task, folder=folder)


@command()
def recover(
    folder: FolderOption = None,
    workspace: WorkspaceOption = Path(),
    json: JsonOption = False,
) -> None:
    """Recover what a killed session left over; nothing is deleted."""
    from ptrctl.sessions.data import recover_recordings

    recover_recordings(workspace, folder)


@command()
def excerpt(
    source: Annotated[Path, typer.Argument(help="Folder of episodes.")],
    *,
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for the copies.")],
    successes_per_task: Annotated[
        int, typer.Option("--successes-per-task", min=0, help="Successes of each task, at most.")
    ] = 2,
    failures_per_task: Annotated[
        int, typer.Option("--failures-per-task", min=0, help="Failures of each task, at most.")
    ] = 0,
    image_size: ImageSizeOption = 64,
    json: JsonOption = False,
) -> None:
    """Copy some episodes of every task with small pictures, to rehearse them later."""
    from ptrctl.sessions.data import make_excerpt

    make_excerpt(
        source,
        out,
        successes_per_task=successes_per_task,
        failures_per_task=failures_per_task,
        image_size=image_size,
    )
