"""A folder of finished recordings."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from recordings.errors import RecordingError
from recordings.files import walk
from recordings.reader import EpisodeSummary, read_summary
from recordings.records import Outcome
from recordings.schema import EPISODE_SUFFIX


@dataclass(frozen=True)
class EpisodeFolder:
    """The finished recordings of one folder, oldest first; hidden temporary files do not count.

    Args:
        path: The folder.

    Raises:
        RecordingError: There is no such folder.
    """

    path: Path

    def __post_init__(self) -> None:
        if not Path(self.path).is_dir():
            raise RecordingError(
                f"There is no folder {self.path}.",
                "A folder of recordings is needed.",
                "Run `ptrctl record` to make one.",
            )

    def paths(self) -> list[Path]:
        """The recordings, by name; names sort by time."""
        found = Path(self.path).glob(f"*{EPISODE_SUFFIX}")
        return sorted(path for path in found if not path.name.startswith("."))

    def some_paths(self) -> list[Path]:
        """The same, and at least one.

        Raises:
            RecordingError: There is none.
        """
        paths = self.paths()
        if not paths:
            below = sorted(
                folder
                for folder, files in walk(Path(self.path))
                if any(file.endswith(EPISODE_SUFFIX) for file in files)
            )
            raise RecordingError(
                f"There is no finished episode in {self.path}.",
                "At least one is needed.",
                f"Name a folder that holds episodes itself, such as `{below[0]}`."
                if below
                else "Run `ptrctl record` first.",
            )
        return paths

    def summaries(self) -> list[EpisodeSummary]:
        """What every recording says of itself.

        Raises:
            RecordingError: One cannot be read.
        """
        return [read_summary(path) for path in self.paths()]

    def counts(self) -> dict[Outcome, int]:
        """Number of episodes by outcome; every outcome is there."""
        return count_outcomes(self.summaries())


def count_outcomes(summaries: Sequence[EpisodeSummary]) -> dict[Outcome, int]:
    """Number of episodes by outcome; every outcome is there."""
    counts = Counter(summary.label.outcome for summary in summaries)
    return {outcome: counts[outcome] for outcome in Outcome}
