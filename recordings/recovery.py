"""What becomes of episodes whose recording was cut off."""

from __future__ import annotations

import enum
import os
import pwd
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from recordings.draft import EpisodeDraft, draft_from_entries
from recordings.episode_file import write_episode_file
from recordings.errors import RecordingError
from recordings.files import storage_error, sync_folder, take_lock
from recordings.journal import JournalContents, read_journal, same_file
from recordings.labels import label_path
from recordings.reader import read_summary
from recordings.schema import EPISODE_SUFFIX, JOURNAL_SUFFIX, QUARANTINE_FOLDER


class Fate(enum.Enum):
    """What recovery did with a leftover.

    RECOVERED made a finished recording of it. QUARANTINED moved it away, since no episode can be
    made of it. ALREADY_FINISHED deleted it, since its recording is there and whole. LEFT_ALONE
    touched nothing, since it belongs to another user, who may still be recording.
    """

    RECOVERED = "recovered"
    QUARANTINED = "quarantined"
    ALREADY_FINISHED = "already finished"
    LEFT_ALONE = "left alone"


@dataclass(frozen=True)
class Recovered:
    """One leftover and what became of it.

    Args:
        episode_id: Its episode.
        fate: What was done.
        path: The recording, the file in quarantine, or the leftover itself.
        steps: How many steps were saved.
        reason: In a sentence.
    """

    episode_id: str
    fate: Fate
    path: Path
    steps: int
    reason: str


def leftovers(folder: Path) -> list[Path]:
    """The journals of unfinished episodes that no living process holds and that are ours to
    write, oldest first."""
    found = []
    for path in _journals(folder):
        if not _other_owner(path):
            with _taken(path) as ours:
                if ours:
                    found.append(path)
    return found


def _journals(folder: Path) -> list[Path]:
    return sorted(folder.glob(f".*{JOURNAL_SUFFIX}"))


def _other_owner(path: Path) -> str:
    """Which other user has a file that is not ours to write; "" if it is ours, or gone."""
    try:
        owner = path.stat().st_uid
    except FileNotFoundError:
        return ""
    if owner == os.geteuid() or os.access(path, os.W_OK):
        return ""
    try:
        return pwd.getpwuid(owner).pw_name
    except KeyError:
        return str(owner)


def recover(folder: Path) -> list[Recovered]:
    """Save what can be saved of every unfinished episode in a folder.

    An episode that was cut off becomes a recording that ends with the fault "interrupted" after
    its last whole step, unlabelled. One that had ended keeps its end, and its label if one had
    been given. Episodes that a living process is recording are left alone, and so are those of
    another user that are not ours to write, which is told. Running it again does nothing.

    Raises:
        RecordingError: The disk is full or refuses; leftovers not yet treated stay as they are.
        SystemSetupError: The file system has no locks; likewise.
    """
    treated = [
        _left_alone(path, owner) for path in _journals(folder) if (owner := _other_owner(path))
    ]
    for path in leftovers(folder):
        with _taken(path) as ours:
            if ours:
                try:
                    treated.append(_treat(path))
                except OSError as error:
                    raise storage_error(
                        error, f"{path} could not be recovered", "It stays where it is."
                    ) from error
    return treated


@contextmanager
def _taken(path: Path) -> Iterator[bool]:
    """Whether this process now holds the journal's lock; released at the end of the block."""
    try:
        descriptor = os.open(path, os.O_RDWR)
    except FileNotFoundError:
        yield False
        return
    try:
        try:
            take_lock(descriptor, path, wait=False)
            ours = same_file(descriptor, path)
        except BlockingIOError:
            ours = False
        yield ours
    finally:
        os.close(descriptor)


def _episode_id(path: Path) -> str:
    return path.name.removeprefix(".").removesuffix(JOURNAL_SUFFIX)


def _left_alone(path: Path, owner: str) -> Recovered:
    name = _episode_id(path)
    reason = (
        f"Episode `{name}` belongs to the user `{owner}`, who is recording it or can save it with "
        "`ptrctl data recover`."
    )
    return Recovered(name, Fate.LEFT_ALONE, path, 0, reason)


def _treat(path: Path) -> Recovered:
    name = _episode_id(path)
    destination = path.with_name(name + EPISODE_SUFFIX)
    journal = read_journal(path)
    try:
        draft = draft_from_entries(path, journal.entries, recovered=True)
        if os.path.lexists(destination):
            return _already_there(path, name, destination, draft, journal)
        write_episode_file(draft, destination)
    except (RecordingError, ValueError) as error:
        # Whatever is wrong with one leftover, the others are saved.
        return _quarantine(path, name, str(error))
    words = _what_was_saved(draft, journal)
    if journal.entries_after:
        kept = _move_to_quarantine(path, name, JOURNAL_SUFFIX)
        words += f" It is damaged in the middle, so {kept} keeps all of it."
    else:
        path.unlink()
    return Recovered(name, Fate.RECOVERED, destination, len(draft.steps), words)


def _already_there(
    path: Path, name: str, destination: Path, draft: EpisodeDraft, journal: JournalContents
) -> Recovered:
    """The recording was finished, and the process died before it put the journal out of the way."""
    try:
        summary = read_summary(destination)
    except RecordingError as error:
        return _quarantine(path, name, f"{destination.name} is damaged: {error.found}")
    if summary.info.episode_id != name or summary.steps != len(draft.steps):
        return _quarantine(path, name, f"{destination.name} is a different episode.")
    if journal.entries_after:
        saved = f"{destination.name} holds the {summary.steps} steps before the damage."
        return _quarantine(path, name, f"It is damaged in the middle; {saved}")
    path.unlink()
    reason = f"Episode `{name}` had been finished; its temporary file was deleted."
    return Recovered(name, Fate.ALREADY_FINISHED, destination, summary.steps, reason)


def _quarantine(path: Path, name: str, reason: str) -> Recovered:
    target = _move_to_quarantine(path, name, JOURNAL_SUFFIX)
    return Recovered(name, Fate.QUARANTINED, target, 0, reason)


def set_aside(path: Path) -> Path:
    """Move a damaged recording, and its label file if there is one, into quarantine.

    Returns:
        Where the recording lies now; nothing is deleted.
    """
    label = label_path(path)
    if label.exists():
        _move_to_quarantine(label, path.stem, label.name.removeprefix(path.stem))
    return _move_to_quarantine(path, path.stem, path.suffix)


def _move_to_quarantine(path: Path, name: str, suffix: str) -> Path:
    folder = path.parent / QUARANTINE_FOLDER
    folder.mkdir(exist_ok=True)
    target, count = folder / f"{name}{suffix}", 1
    while target.exists():
        count += 1
        target = folder / f"{name}-{count}{suffix}"
    path.rename(target)
    sync_folder(folder)
    sync_folder(path.parent)
    return target


def _what_was_saved(draft: EpisodeDraft, journal: JournalContents) -> str:
    name, steps = draft.info.episode_id, len(draft.steps)
    torn = journal.lost_bytes and not journal.entries_after
    cut = " The last entry was cut off." if torn else ""
    kinds = {entry.kind for entry in journal.entries}
    if "label" in kinds:
        return f"Episode `{name}` was complete and labelled ({steps} steps).{cut}"
    if "end" in kinds:
        return f"Episode `{name}` was complete ({steps} steps) but had no label.{cut}"
    return f"Episode `{name}` was interrupted after {steps} steps.{cut}"
