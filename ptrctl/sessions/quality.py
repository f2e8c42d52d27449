"""Looking for defects in recordings, as `ptrctl data verify` does."""

from __future__ import annotations

from pathlib import Path

from ptrctl.episodes import recordings_in
from ptrctl.next_command import next_command
from ptrctl.quality_views import problem_data, problems_table
from ptrctl.terminal import console
from ptrctl.workspace import open_workspace
from recordings.recovery import set_aside
from recordings.verification import DAMAGED_LABEL, Problem, verify_episode


def run_verification(
    root: Path, *, task: str | None, folder: Path | None, quarantine: bool
) -> bool:
    """Verify, show the outcome, and move damaged episodes away if so asked; False if there are
    damaged ones left. One with a damaged label file alone stays: its recording is whole.

    Raises:
        RecordingError: The folder named holds no episode.
        UsageError: It does not exist, or the task named has no demonstrations.
    """
    place = open_workspace(root)
    paths = recordings_in(place, folder, task)
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
