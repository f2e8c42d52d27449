"""What `ptrctl data` does with recordings: list, show, label, verify, measure, recover, excerpt."""

from __future__ import annotations

from pathlib import Path

from ptrctl import episodes
from ptrctl.next_command import next_command
from ptrctl.quality_views import problem_data, problems_table, quality_data, quality_table
from ptrctl.terminal import console
from ptrctl.workspace import Workspace, existing_folder, open_workspace
from recordings.excerpt import excerpt
from recordings.labels import label_path, relabel
from recordings.quality import quality
from recordings.reader import read_episode, read_summary
from recordings.records import Label, Outcome
from recordings.recovery import Fate, recover, set_aside
from recordings.verification import DAMAGED_LABEL, Problem, verify_episode


def list_episodes(root: Path, *, task: str | None, folder: Path | None) -> None:
    """List the recordings; as JSON those that cannot be read apart.

    Raises:
        RecordingError, UsageError: See `episodes.recordings_in`.
    """
    place = open_workspace(root)
    paths = episodes.recordings_in(place, folder, task)
    read = {path: episodes.summary_or_problem(path) for path in paths}
    if console.mode.json:
        known = [s for s in read.values() if not isinstance(s, Exception)]
        console.document(
            {
                "episodes": [episodes.as_data(summary) for summary in known],
                "unreadable": [str(p) for p, s in read.items() if isinstance(s, Exception)],
            }
        )
    elif read:
        console.show(episodes.list_table(read, console.results().width))
        console.note(f"{episodes.total_in_words(read.values())}.")
    else:
        _tell_how_to_begin(place)


def _tell_how_to_begin(place: Workspace) -> None:
    console.note(f"There is no episode yet. Record some with `ptrctl record{place.flag()}`.")


def show_episode(root: Path, episode: str, png: Path | None) -> None:
    """Show what is known of an episode, and its first and last picture.

    Args:
        root: Of the workspace.
        episode: See `episodes.find_recording`.
        png: Where to write all its pictures; None does not.

    Raises:
        RecordingError: There is none, or it is damaged.
        UsageError: There are several.
    """
    shown = read_episode(episodes.find_recording(open_workspace(root), episode))
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


def label_episode(root: Path, episode: str, outcome: Outcome, reason: str) -> None:
    """Change an episode's label, and say what does not change with it.

    Args:
        root: Of the workspace.
        episode: See `episodes.find_recording`.
        outcome: What became of it, says the operator.
        reason: Why.

    Raises:
        RecordingError: There is no such episode, or it is damaged.
        UsageError: There are several.
    """
    place = open_workspace(root)
    path = episodes.find_recording(place, episode)
    before = read_summary(path).label
    by = "" if outcome is Outcome.UNLABELLED else "operator"
    relabel(path, Label(outcome, reason, by))
    session = place.session_holding(path)
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


def verify_recordings(
    root: Path, *, task: str | None, folder: Path | None, quarantine: bool
) -> bool:
    """Verify, show the outcome, and move damaged episodes away if so asked; False if there are
    damaged ones left. One with a damaged label file alone stays: its recording is whole.

    Raises:
        RecordingError: The folder named holds no episode.
        UsageError: It does not exist, or the task named has no demonstrations.
    """
    place = open_workspace(root)
    paths = episodes.recordings_in(place, folder, task)
    problems: list[Problem] = []
    with console.progress("Verifying", len(paths)) as progress:
        for number, path in enumerate(paths, start=1):
            problems += verify_episode(path)
            progress.update(number)
    serious = {problem.path for problem in problems if problem.serious}
    if problems:
        console.show(problems_table(problems))
    spoilt = {one.path for one in problems if one.serious and one.kind != DAMAGED_LABEL}
    moved = [set_aside(path) for path in sorted(spoilt)] if quarantine else []
    left = serious - spoilt if quarantine else serious
    where = {"task": task, "folder": folder, "quarantine": True}
    title = "No episode is damaged" if paths else "There is no episode"
    if serious:
        title = "Some episodes are damaged" if left else "Damaged episodes were moved"
    console.outcome_panel(
        title,
        {
            "episodes": len(paths),
            "damaged": len(serious),
            "notes": sum(not problem.serious for problem in problems),
        },
        wrote=[place.said(path) for path in moved],
        next_command=next_command("data verify", place, **where) if spoilt and not moved else None,
        good=bool(paths) and not left,
        data={
            "episodes": len(paths),
            "damaged": [str(path) for path in sorted(serious)],
            "problems": [problem_data(problem) for problem in problems],
        },
    )
    return not left


def measure_recordings(root: Path, *, task: str | None, folder: Path | None) -> None:
    """Show labels, lengths, late periods, safety interventions and saturation.

    Raises:
        RecordingError, UsageError: See `episodes.folders_in`.
    """
    place = open_workspace(root)
    folders = episodes.folders_in(place, folder, task)
    rows = [(place.said(one), row) for one in folders for row in quality(one)]
    if rows:
        console.show(quality_table(rows, console.results().size.width))
    else:
        _tell_how_to_begin(place)
    console.document({"folders": [quality_data(*row) for row in rows]})


def recover_recordings(root: Path, folder: Path | None) -> None:
    """Recover what killed sessions left over, and show what became of each.

    Raises:
        RecordingError, UsageError: See `episodes.folders_in`.
    """
    place = open_workspace(root)
    found = [
        leftover for one in episodes.folders_in(place, folder, None) for leftover in recover(one)
    ]
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


def make_excerpt(
    source: Path, out: Path, *, successes_per_task: int, failures_per_task: int, image_size: int
) -> None:
    """Copy some episodes of every task with small pictures, see `recordings.excerpt`.

    Raises:
        RecordingError: An episode is damaged, or the disk is full.
        UsageError: There is no such folder.
    """
    existing_folder(source, "Name one, such as `demos/put_carrot_on_plate`.")
    outdated: list[Path] = []
    with console.progress("copying episodes", 0) as bar:
        count = excerpt(
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
