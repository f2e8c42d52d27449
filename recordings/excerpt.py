"""A small copy of a large dataset, to rehearse old tasks while learning a new one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from recordings.dataset import EpisodeFolder
from recordings.errors import RecordingError, UsageError
from recordings.images import resize_image
from recordings.reader import Episode, EpisodeSummary, read_episode, read_summary
from recordings.records import EpisodeInfo, Observation, Outcome
from recordings.recovery import leftovers, set_aside
from recordings.writer import EpisodeWriter, episode_path, journal_path


def excerpt(
    source: Path,
    folder: Path,
    *,
    successes_per_task: int,
    failures_per_task: int = 0,
    image_size: int,
    jpeg_quality: int = 90,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
    on_outdated: Callable[[Path], None] = lambda path: None,
) -> int:
    """Copy the first episodes of every task, with smaller pictures.

    A copy goes to quarantine, and its place is free for a new one, where its original was labelled
    otherwise or recorded anew under its name since.

    Args:
        source: Folder of episodes.
        folder: Receives the copies; those that it holds already are kept, also where the source
            does not hold their original.
        successes_per_task: At most so many successes of each task.
        failures_per_task: At most so many failures of each.
        image_size: Edge of the copies' square pictures, in pixels.
        jpeg_quality: Of the copies, 1..100.
        on_progress: Told (done, total).
        on_outdated: Told where a copy that was put into quarantine lies now.

    Returns:
        Number of episodes now in the folder.

    Raises:
        UsageError: The folder is the source, or holds copies with pictures of another size, or
            nothing was asked for.
        RecordingError: There is no such episode, or a file cannot be read or written.
    """
    if folder.resolve() == source.resolve():
        raise UsageError(
            f"{folder} is both the source and the excerpt.",
            "An excerpt is a folder of its own.",
            "Name another one with `--out`.",
        )
    most = {Outcome.SUCCESS: successes_per_task, Outcome.FAILURE: failures_per_task}
    if not any(most.values()):
        raise UsageError(
            "No success and no failure of any task was asked for.",
            "An excerpt takes at least one episode of a task.",
            "Say how many with `--successes-per-task` and `--failures-per-task`.",
        )
    chosen = []
    taken: Counter[tuple[str, Outcome]] = Counter()
    for summary in [read_summary(path) for path in EpisodeFolder(source).some_paths()]:
        copy = episode_path(folder, summary.info.episode_id)
        if copy.exists() and _is_outdated(copy, summary):
            on_outdated(set_aside(copy))
        kind = summary.info.task, summary.label.outcome
        if taken[kind] < most.get(summary.label.outcome, 0):
            taken[kind] += 1
            chosen.append(summary)
    if not chosen:
        wanted = " or ".join(outcome.value for outcome, count in most.items() if count)
        raise RecordingError(
            f"{source} holds no episode labelled {wanted}.",
            "An excerpt is made of labelled episodes.",
            "Look with `ptrctl data list`.",
        )
    for done, summary in enumerate(chosen, start=1):
        if not _is_copied(summary, folder, image_size):
            _copy(read_episode(summary.path), folder, image_size, jpeg_quality)
        on_progress(done, len(chosen))
    return len(EpisodeFolder(folder).paths())


def _is_copied(summary: EpisodeSummary, folder: Path, image_size: int) -> bool:
    """Whether the folder holds the episode; what a kill left of a copy is put out of the way."""
    copy = episode_path(folder, summary.info.episode_id)
    if not copy.exists():
        begun = journal_path(folder, summary.info.episode_id)
        if begun in leftovers(folder):
            begun.unlink()
        return False
    there = read_summary(copy)
    if there.recovered and there.label != summary.label:
        set_aside(copy)
        return False
    sizes = {identity["height"] for identity in there.info.cameras.values()}
    if sizes != {image_size}:
        raise UsageError(
            f"{copy} has pictures of {max(sizes)} pixels.",
            f"{image_size} were asked for, and all of an excerpt have one size.",
            f"Name another folder with `--out`, or add `--image-size {max(sizes)}`.",
        )
    return True


def _is_outdated(copy: Path, original: EpisodeSummary) -> bool:
    """Whether the original was labelled otherwise or recorded anew since."""
    there = read_summary(copy)
    relabelled = there.label.outcome is not original.label.outcome and not there.recovered
    return relabelled or not _is_of(there.info, original)


def _is_of(copy: EpisodeInfo, original: EpisodeSummary) -> bool:
    if copy.copy_of:
        return copy.copy_of == original.content_hash
    # Early copies do not say of what they are.
    return copy.created_at == original.info.created_at


def _copy(episode: Episode, folder: Path, image_size: int, jpeg_quality: int) -> None:
    info = replace(_resized(episode.info, image_size), copy_of=episode.summary.content_hash)
    steps = len(episode)
    paused = episode.paused_periods.tolist()
    with EpisodeWriter(folder, info, jpeg_quality=jpeg_quality, flush_every=steps) as writer:
        for index in range(steps):
            step = episode.step(index)
            _pause(writer, paused[index])
            writer.append(replace(step, observation=_smaller(step.observation, image_size)))
        end = episode.end
        if end.final_observation is not None:
            _pause(writer, paused[steps])
            end = replace(end, final_observation=_smaller(end.final_observation, image_size))
        writer.finish(end, episode.label)


def _pause(writer: EpisodeWriter, periods: int) -> None:
    for _ in range(periods):
        writer.pause()


def _resized(info: EpisodeInfo, size: int) -> EpisodeInfo:
    cameras = {
        name: {**identity, "height": size, "width": size} for name, identity in info.cameras.items()
    }
    return replace(info, cameras=cameras)


def _smaller(observation: Observation, size: int) -> Observation:
    frames = {
        name: replace(frame, image=resize_image(frame.image, size))
        for name, frame in observation.frames.items()
    }
    return replace(observation, frames=frames)
