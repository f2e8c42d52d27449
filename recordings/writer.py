"""Writing episodes while they happen."""

from __future__ import annotations

import os
import secrets
from datetime import datetime, timezone
from pathlib import Path
from types import TracebackType
from typing import Any

from recordings.checks import ObservationChecks, check_info
from recordings.codec import CODECS, ImageCodec, encode_image
from recordings.draft import (
    EpisodeDraft,
    begin_entry,
    draft_from_entries,
    end_entry,
    label_entry,
    step_entry,
)
from recordings.episode_file import info_attributes, write_episode_file
from recordings.errors import RecordingError
from recordings.files import storage_error
from recordings.journal import Journal, read_journal
from recordings.records import (
    EpisodeEnd,
    EpisodeInfo,
    ImageArray,
    Label,
    Observation,
    Step,
)
from recordings.schema import EPISODE_SUFFIX, JOURNAL_SUFFIX


def new_episode_id() -> str:
    """A name that is unique, sorts by time and is safe as a file name."""
    now = datetime.now(timezone.utc)
    return f"{now:%Y%m%dT%H%M%S}_{now.microsecond:06d}_{secrets.token_hex(2)}"


def journal_path(folder: Path, episode_id: str) -> Path:
    """Where an episode is while it happens: a hidden file."""
    return folder / f".{episode_id}{JOURNAL_SUFFIX}"


def episode_path(folder: Path, episode_id: str) -> Path:
    """Where an episode is once it counts."""
    return folder / f"{episode_id}{EPISODE_SUFFIX}"


class EpisodeWriter:
    """Writes one episode, step by step.

    Every step is in a journal (`.<episode_id>.partial`) as soon as `append` returns, so that
    SIGKILL loses none; every `flush_every` steps it is forced to the disk, so that a power cut
    loses at most that many. `finish` turns the journal into `<episode_id>.h5`. As a context
    manager, leaving without `finish` or `discard` keeps the journal for `recovery.recover`.

    Args:
        folder: Made if missing.
        info: Its cameras are those of every step.
        image_codec: "jpeg" or "png" (lossless).
        jpeg_quality: 1..100.
        flush_every: Steps between two fsyncs, at least 1.

    Raises:
        RecordingError: An episode of that name exists, or the folder cannot be written.
    """

    def __init__(
        self,
        folder: Path,
        info: EpisodeInfo,
        *,
        image_codec: ImageCodec = "jpeg",
        jpeg_quality: int = 95,
        flush_every: int = 5,
    ) -> None:
        if image_codec not in CODECS:
            raise ValueError(f"image_codec is {image_codec!r}, not one of {CODECS}")
        if not 1 <= jpeg_quality <= 100:
            raise ValueError(f"jpeg_quality is {jpeg_quality}, not within 1..100")
        if flush_every < 1:
            raise ValueError(f"flush_every is {flush_every}, not at least 1")
        check_info(info)
        info_attributes(info)
        self.folder = folder
        self.info = info
        self.image_codec: ImageCodec = image_codec
        self.jpeg_quality = jpeg_quality
        self.flush_every = flush_every
        self.steps = 0
        self._checks = ObservationChecks(info)
        self._ended = False
        self._journal = self._open_journal()

    @property
    def closed(self) -> bool:
        """Finished, discarded, or given up after the disk refused."""
        return self._journal.closed

    def append(self, step: Step) -> None:
        """Keep one step.

        Raises:
            RecordingError: The step does not fit the episode, or the disk is full.
        """
        self._check_open()
        self._checks.check_step(step, self.steps)
        fields, data = step_entry(step, self._encode)
        self._add("step", fields, data, sync=(self.steps + 1) % self.flush_every == 0)
        self.steps += 1

    def pause(self) -> None:
        """Keep the fact that one control period passed without a step."""
        self._check_open()
        self._add("pause", {}, sync=False)

    def end(self, end: EpisodeEnd) -> None:
        """Keep how the episode ended; from now on only a label is missing.

        Raises:
            RecordingError: The final observation does not fit, or the disk is full.
        """
        self._check_open()
        if end.final_observation is not None:
            self._checks.check_observation(end.final_observation, "The final observation")
        fields, data = end_entry(end, self._encode)
        self._add("end", fields, data, sync=True)
        self._ended = True

    def label(self, label: Label) -> Path:
        """Finish an episode that has ended; returns the recording's path.

        Raises:
            RecordingError: There is no step, or the disk is full; what was recorded is kept.
        """
        assert self._ended, "label comes after end"
        if self.steps == 0:
            raise RecordingError(
                f"Episode `{self.info.episode_id}` has no step.",
                "A recording has at least one.",
                "Discard it and record again.",
            )
        self._add("label", label_entry(label), sync=True)
        destination = episode_path(self.folder, self.info.episode_id)
        try:
            draft = self._read_back()
            write_episode_file(draft, destination)
            self._journal.remove()
        except OSError as error:
            self._journal.close()
            raise self._storage_error(error) from error
        return destination

    def _read_back(self) -> EpisodeDraft:
        """What the journal holds, if it is all that was written."""
        path = self._journal.path
        contents = read_journal(path)
        draft = draft_from_entries(path, contents.entries, recovered=False)
        whole = contents.entries[-1].kind == "label" and not contents.lost_bytes
        if whole and len(draft.steps) == self.steps:
            return draft
        self._journal.close()
        raise RecordingError(
            f"{path} reads back differently from what was written: {len(draft.steps)} of "
            f"{self.steps} steps.",
            "A disk returns what it was given.",
            "Check the disk, then run `ptrctl data recover`: nothing was deleted.",
        )

    def finish(self, end: EpisodeEnd, label: Label) -> Path:
        """`end` and `label` in one."""
        self.end(end)
        return self.label(label)

    def discard(self) -> None:
        """Delete what was recorded."""
        if not self._journal.closed:
            self._journal.remove()

    def close(self) -> None:
        """Leave the journal for `recovery.recover`. Does nothing after `finish`."""
        self._journal.close()

    def __enter__(self) -> EpisodeWriter:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _open_journal(self) -> Journal:
        name, path = self.info.episode_id, journal_path(self.folder, self.info.episode_id)
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            journal = Journal(path)
        except FileExistsError as error:
            raise _name_taken(name, path) from error
        except OSError as error:
            raise self._storage_error(error) from error
        # The journal's name is ours from here on, so nobody else can finish this episode.
        if os.path.lexists(episode_path(self.folder, name)):
            journal.remove()
            raise _name_taken(name, episode_path(self.folder, name))
        self._journal = journal
        self._add("info", begin_entry(self.info, self.image_codec), sync=True)
        return journal

    def _add(self, kind: str, fields: dict[str, Any], data: bytes = b"", *, sync: bool) -> None:
        try:
            self._journal.append(kind, fields, data)
            if sync:
                self._journal.sync()
        except OSError as error:
            self._journal.close()
            raise self._storage_error(error) from error

    def _storage_error(self, error: OSError) -> RecordingError:
        name = self.info.episode_id
        kept = (
            f"Its {self.steps} steps so far are kept in "
            f"{journal_path(self.folder, name)}; it does not count as finished."
            if self.steps
            else "None of its steps had been recorded."
        )
        doing = f"Episode `{name}` could not be written"
        return storage_error(error, doing, kept, "run `ptrctl data recover`")

    def _encode(self, image: ImageArray) -> bytes:
        return encode_image(image, self.image_codec, self.jpeg_quality)

    def _check_open(self) -> None:
        if self._journal.closed or self._ended:
            raise RecordingError(
                f"Episode `{self.info.episode_id}` is closed.",
                "Steps go to an open episode.",
                "Begin a new episode.",
            )


def _name_taken(episode_id: str, path: Path) -> RecordingError:
    return RecordingError(
        f"Episode `{episode_id}` exists already: {path}.",
        "Recordings are never overwritten.",
        "Choose another name, or run `ptrctl data recover` if it is left over from a crash.",
    )


class EpisodeRecorder:
    """Records the control loop's episodes; fits `hardware.loop.Subscriber`.

    After an episode it waits for `label` or `discard`; until then the episode is complete on the
    disk but does not count, and a crash leaves it for recovery as unlabelled.

    Args:
        folder: Where recordings go.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._writer: EpisodeWriter | None = None
        self._ended = False

    @property
    def waiting(self) -> bool:
        """An episode has ended and waits for `label` or `discard`."""
        return self._ended and self._writer is not None and not self._writer.closed

    @property
    def steps(self) -> int:
        """Steps of the episode under way or waiting; 0 if there is none."""
        return 0 if self._writer is None else self._writer.steps

    def on_begin(self, info: EpisodeInfo) -> None:
        """Open the episode. One that still waits for a label is finished as unlabelled.

        Raises:
            RecordingError: It cannot be opened.
        """
        if self.waiting and self.steps:
            self.label(Label())
        self.discard()
        self._writer = EpisodeWriter(self.folder, info)

    def on_step(self, step: Step) -> None:
        """Keep a step."""
        assert self._writer is not None, "on_step comes after on_begin"
        self._writer.append(step)

    def on_pause(self, observation: Observation) -> None:
        """Keep the fact of a pause; its observation is not part of any transition."""
        assert self._writer is not None, "on_pause comes after on_begin"
        self._writer.pause()

    def on_end(self, end: EpisodeEnd) -> None:
        """Keep the end. Does nothing if the episode never began or could not be written."""
        if self._writer is not None and not self._writer.closed:
            self._writer.end(end)
            self._ended = True

    def label(self, label: Label) -> Path:
        """Finish the waiting episode; returns the recording's path.

        Raises:
            RecordingError: No episode waits, it has no step, or the disk is full.
        """
        if self._writer is None or not self.waiting:
            raise RecordingError(
                "No episode waits for a label.",
                "A label is given after an episode has ended.",
                "Run `ptrctl data label` to change the label of a finished episode.",
            )
        path = self._writer.label(label)
        self._writer = None
        self._ended = False
        return path

    def discard(self) -> None:
        """Delete the episode under way or waiting, if any."""
        if self._writer is not None:
            self._writer.discard()
            self._writer = None
            self._ended = False

    def close(self) -> None:
        """Leave an episode under way or waiting to recovery."""
        if self._writer is not None:
            self._writer.close()
            self._writer = None
            self._ended = False
