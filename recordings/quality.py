"""Figures that tell good demonstrations from poor ones, by task."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from recordings.dataset import EpisodeFolder, count_outcomes
from recordings.reader import EpisodeSummary, read_episode
from recordings.records import ACTION_HIGH, GRIPPER, FloatArray, Outcome

SATURATED = 0.99
"""An action component at this share of its limit counts as saturated."""


@dataclass(frozen=True)
class TaskQuality:
    """Figures of one task's episodes.

    Args:
        task: Its name.
        outcomes: Episodes by outcome.
        recovered: Episodes put together after an interruption.
        steps: In all episodes.
        shortest, longest: Steps of an episode.
        overruns: Periods that began late.
        interventions: Safety rule to number of steps.
        saturation: Share, 0..1, of motion components (x, y, z, roll, pitch, yaw) wanted at or
            beyond their limits.
    """

    task: str
    outcomes: Mapping[Outcome, int]
    recovered: int
    steps: int
    shortest: int
    longest: int
    overruns: int
    interventions: Mapping[str, int]
    saturation: float

    @property
    def episodes(self) -> int:
        return sum(self.outcomes.values())

    @property
    def mean_steps(self) -> float:
        return self.steps / self.episodes


def quality(folder: Path) -> list[TaskQuality]:
    """Figures of a folder's recordings, a row for each task, by name.

    Raises:
        RecordingError: There is no such folder, or a recording cannot be read.
    """
    by_task: dict[str, list[_Figures]] = {}
    for path in EpisodeFolder(folder).paths():
        episode = read_episode(path)
        # Not the episode itself: a folder's pictures may not fit into memory.
        figures = _Figures(episode.summary, episode.actions[:, :GRIPPER])
        by_task.setdefault(episode.info.task, []).append(figures)
    return [_task_quality(task, by_task[task]) for task in sorted(by_task)]


@dataclass(frozen=True)
class _Figures:
    summary: EpisodeSummary
    motion: FloatArray


def _task_quality(task: str, episodes: Sequence[_Figures]) -> TaskQuality:
    summaries = [episode.summary for episode in episodes]
    lengths = [summary.steps for summary in summaries]
    interventions: Counter[str] = Counter()
    for summary in summaries:
        interventions.update(summary.end.interventions)
    motion = np.concatenate([episode.motion for episode in episodes])
    return TaskQuality(
        task=task,
        outcomes=count_outcomes(summaries),
        recovered=sum(summary.recovered for summary in summaries),
        steps=sum(lengths),
        shortest=min(lengths),
        longest=max(lengths),
        overruns=sum(summary.end.overruns for summary in summaries),
        interventions=dict(interventions),
        saturation=float(np.mean(np.abs(motion) >= SATURATED * ACTION_HIGH[:GRIPPER])),
    )
