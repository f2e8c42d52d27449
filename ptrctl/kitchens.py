"""Which simulated kitchen a task was demonstrated in."""

from __future__ import annotations

from pathlib import Path

from ptrctl.profile import Profile
from ptrctl.terminal import console
from ptrctl.workspace import Workspace
from recordings.dataset import EpisodeFolder
from recordings.errors import RecordingError
from recordings.reader import read_summary


def demonstrated_kitchens(demos: Path) -> list[int]:
    """The kitchens that the readable recordings of a folder show, sorted; none of a real arm's."""
    kitchens = set()
    for path in EpisodeFolder(demos).paths() if demos.is_dir() else ():
        try:
            kitchens.add(read_summary(path).info.scene.get("kitchen"))
        except RecordingError:
            continue  # Whoever trains on it says what is wrong.
    return sorted(kitchen for kitchen in kitchens if isinstance(kitchen, int))


def kitchen_flag(profile: Profile, demos: Path) -> dict[str, int]:
    """`--kitchen` for a next command, where the demonstrations show another than the profile's."""
    kitchens = demonstrated_kitchens(demos)
    if len(kitchens) == 1 and profile.kitchen_seed not in kitchens:
        return {"kitchen": kitchens[0]}
    return {}


def warn_of_another_kitchen(workspace: Workspace, profile: Profile, task: str, what: str) -> None:
    """Say so if something is done in a kitchen that the demonstrations do not show.

    Args:
        what: In words, such as "the trials run".
    """
    kitchens = demonstrated_kitchens(workspace.demos(task))
    if kitchens and profile.kitchen_seed not in kitchens:
        shown = f"kitchen{'s' if len(kitchens) > 1 else ''} {', '.join(map(str, kitchens))}"
        console.warn(
            f"The demonstrations show {shown}, and {what} in kitchen {profile.kitchen_seed}. "
            f"Add `--kitchen {kitchens[0]}` for the same one."
        )
