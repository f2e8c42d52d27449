"""`ptrctl data`: looking after recordings."""

from __future__ import annotations

import enum
from pathlib import Path
from typing import Annotated

import typer

from ptrctl.commands.generate import generate
from ptrctl.options import JsonOption, WorkspaceOption
from ptrctl.terminal import console
from recordings.errors import RecordingError

data = typer.Typer(no_args_is_help=True, help="List, show, label, verify and measure recordings.")
data.command()(generate)

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


@data.command("list")
def list_episodes(
    task: OfTaskOption = None,
    folder: FolderOption = None,
    workspace: WorkspaceOption = Path(),
    json: JsonOption = False,
) -> None:
    """List the episodes."""
    from ptrctl.episodes import as_data, list_table, recordings_in, summary_or_problem
    from ptrctl.workspace import open_workspace

    place = open_workspace(workspace)
    paths = recordings_in(place, folder, task)
    if console.mode.json:
        read = {path: summary_or_problem(path) for path in paths}
        console.document(
            {
                "episodes": [as_data(s) for s in read.values() if not isinstance(s, Exception)],
                "unreadable": [str(p) for p, s in read.items() if isinstance(s, Exception)],
            }
        )
        return
    if paths:
        console.show(list_table(paths, console.results().width))
    else:
        console.note(f"There is no episode yet. Record some with `ptrctl record{place.flag()}`.")


@data.command()
def show(
    episode: EpisodeArgument = "last",
    png: Annotated[
        Path | None, typer.Option("--png", help="Also write all pictures as one PNG.")
    ] = None,
    workspace: WorkspaceOption = Path(),
    json: JsonOption = False,
) -> None:
    """Show an episode: what is known about it, its first and its last picture."""
    from ptrctl import episodes
    from ptrctl.workspace import open_workspace
    from recordings.reader import read_episode

    place = open_workspace(workspace)
    shown = read_episode(episodes.find_recording(place, episode))
    if png is not None:
        episodes.save_png(png, episodes.contact_sheet(shown))
    size = console.results().size
    if shown.cameras:
        console.show(episodes.first_and_last(shown, min(size.width, 100), 24))
    console.outcome_panel(
        shown.path.stem,
        episodes.describe(shown),
        wrote=[png] if png else [],
        data=episodes.as_data(shown.summary),
    )


@data.command()
def label(
    episode: EpisodeArgument,
    outcome: Annotated[OutcomeWord, typer.Argument(help="What became of it.")],
    reason: Annotated[str, typer.Option("--reason", help="Why.")] = "",
    workspace: WorkspaceOption = Path(),
    json: JsonOption = False,
) -> None:
    """Change an episode's label; its pictures are not touched, and earlier labels are kept."""
    from ptrctl.episodes import find_recording
    from ptrctl.workspace import open_workspace
    from recordings.labels import label_path, relabel
    from recordings.reader import read_summary
    from recordings.records import Label, Outcome

    place = open_workspace(workspace)
    path = find_recording(place, episode)
    before = read_summary(path).label
    by = "" if outcome is OutcomeWord.UNLABELLED else "operator"
    relabel(path, Label(Outcome(outcome.value), reason, by))
    session = place.session_of(path)
    if session:
        also = "" if "practice" in path.parts else " The value meter takes the new label."
        console.warn(
            f"What the session {session} has counted and learned keeps the verdict that was given "
            f"then.{also}"
        )
    console.outcome_panel(
        "The label is changed",
        {"episode": path.stem, "before": before.outcome.value, "now": outcome.value},
        wrote=[place.said(label_path(path))],
        next_command=f"ptrctl data stats{place.flag()}",
    )


@data.command()
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
    from ptrctl.sessions.quality import run_verification

    if not run_verification(workspace, task=task, folder=folder, quarantine=quarantine):
        raise typer.Exit(RecordingError.exit_code)


@data.command()
def stats(
    task: OfTaskOption = None,
    folder: FolderOption = None,
    workspace: WorkspaceOption = Path(),
    json: JsonOption = False,
) -> None:
    """Measure the recordings: labels, lengths, late periods, safety interventions, saturation."""
    from ptrctl.episodes import folders_in
    from ptrctl.quality_views import quality_data, quality_table
    from ptrctl.workspace import open_workspace
    from recordings.quality import quality

    place = open_workspace(workspace)
    folders = folders_in(place, folder, task)
    rows = [(place.said(one), row) for one in folders for row in quality(one)]
    if rows:
        console.show(quality_table(rows, console.results().size.width))
    else:
        console.note(f"There is no episode yet. Record some with `ptrctl record{place.flag()}`.")
    console.document({"folders": [quality_data(*row) for row in rows]})


@data.command()
def recover(
    folder: FolderOption = None,
    workspace: WorkspaceOption = Path(),
    json: JsonOption = False,
) -> None:
    """Recover what a killed session left over; nothing is deleted."""
    from ptrctl.episodes import folders_in
    from ptrctl.workspace import open_workspace
    from recordings.recovery import Fate
    from recordings.recovery import recover as recover_folder

    place = open_workspace(workspace)
    folders = folders_in(place, folder, None)
    found = [leftover for one in folders for leftover in recover_folder(one)]
    treated = [leftover for leftover in found if leftover.fate is not Fate.LEFT_ALONE]
    console.outcome_panel(
        f"{len(treated)} interrupted episodes were treated"
        if treated
        else f"No episode {'of yours ' if found else ''}was interrupted",
        [(leftover.fate.value, leftover.reason) for leftover in found],
        wrote=[place.said(leftover.path) for leftover in treated],
        next_command=f"ptrctl data list{place.flag()}" if treated else None,
        data={
            "recovered": [
                {
                    "episode_id": leftover.episode_id,
                    "fate": leftover.fate.value,
                    "path": str(leftover.path),
                    "steps": leftover.steps,
                    "reason": leftover.reason,
                }
                for leftover in found
            ]
        },
    )


@data.command()
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
    image_size: Annotated[
        int, typer.Option("--image-size", min=32, max=640, help="Edge of the pictures, pixels.")
    ] = 64,
    json: JsonOption = False,
) -> None:
    """Copy some episodes of every task with small pictures, to rehearse them later."""
    from ptrctl.next_command import next_command
    from ptrctl.workspace import Workspace, existing_folder
    from recordings.excerpt import excerpt as make_excerpt

    existing_folder(source, "Name one, such as `demos/put_carrot_on_plate`.")
    outdated: list[Path] = []
    with console.progress("copying episodes", 0) as bar:
        count = make_excerpt(
            source,
            out,
            successes_per_task=successes_per_task,
            failures_per_task=failures_per_task,
            image_size=image_size,
            on_progress=lambda done, total: bar.update(done, total=total),
            on_outdated=outdated.append,
        )
    rows: dict[str, object] = {"episodes": count, "pictures": f"{image_size}x{image_size}"}
    if outdated:
        rows["set aside"] = (
            f"{len(outdated)} earlier copies, now in {outdated[0].parent}: relabelled or recorded "
            "anew since"
        )
    console.outcome_panel(
        "The excerpt is complete",
        rows,
        wrote=[out],
        next_command=next_command("data stats", Workspace(Path()), folder=out),
        data={"episodes": count, "folder": str(out), "set_aside": [str(path) for path in outdated]},
    )
