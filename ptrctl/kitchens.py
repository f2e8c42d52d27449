"""Which simulated kitchen a task was demonstrated in."""

from __future__ import annotations

from pathlib import Path

from ptrctl import console
from ptrctl.profile import Profile
from ptrctl.workspace import Workspace
from recordings.dataset import EpisodeFolder
from recordings.errors import RecordingError
from recordings.reader import read_summary


def demonstrated_kitchen(demos: Path) -> int | None:
    """The one kitchen that all readable recordings of a folder show; None if there is no such."""
    if not demos.is_dir():
        return None
    kitchens = set()
    for path in EpisodeFolder(demos).paths():
        try:
            kitchens.add(read_summary(path).info.scene.get("kitchen"))
        except RecordingError:
            continue  # Whoever trains on it says what is wrong.
    only = kitchens.pop() if len(kitchens) == 1 else None
    return only if isinstance(only, int) else None


def kitchen_flag(profile: Profile, demos: Path) -> dict[str, int]:
    """`--kitchen` for a next command, where the demonstrations show another than the profile's."""
    kitchen = demonstrated_kitchen(demos)
    return {} if kitchen in (None, profile.kitchen_seed) else {"kitchen": kitchen}


def warn_of_another_kitchen(workspace: Workspace, profile: Profile, task: str) -> None:
    """Say so if trials will run in a kitchen that the demonstrations do not show."""
    kitchen = demonstrated_kitchen(workspace.demos(task))
    if kitchen not in (None, profile.kitchen_seed):
        console.warn(
            f"The demonstrations show kitchen {kitchen}, and the trials run in kitchen "
            f"{profile.kitchen_seed}. Add `--kitchen {kitchen}` for the same one."
        )
