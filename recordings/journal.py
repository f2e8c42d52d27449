"""The temporary file of an episode while it happens: an append-only journal.

HDF5 metadata cannot be trusted after SIGKILL, and its single-writer mode knows no variable-length
data. So an episode is first written as a sequence of entries, each with its length and checksum:
whatever is cut off in the middle of an entry, all entries before it stay readable. The HDF5 file
is made from the journal in one go when the episode ends, or by recovery after a crash.

An entry is `magic, length of the JSON text, length of the data, CRC-32 of both`, the JSON text
(UTF-8) and the data (encoded pictures).
"""

from __future__ import annotations

import json
import os
import struct
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from recordings.files import take_lock, write_fully
from recordings.json_form import to_json

_MAGIC = b"PTRJ"
_HEADER = struct.Struct("<4sIII")


@dataclass(frozen=True)
class Entry:
    """One entry.

    Args:
        kind: "info", "step", "pause", "end" or "label".
        fields: Its JSON object.
        data: Its bytes.
    """

    kind: str
    fields: dict[str, Any]
    data: bytes


@dataclass(frozen=True)
class JournalContents:
    """What could be read.

    Args:
        entries: Every whole entry before the first damaged one.
        lost_bytes: Bytes from the first damaged entry to the end of the file.
        entries_after: Whole entries behind the damage: none where a kill cut off the last one.
    """

    entries: tuple[Entry, ...]
    lost_bytes: int
    entries_after: int = 0


class Journal:
    """An open journal, locked by this process as long as it lives.

    The lock (`flock`) goes with the process: after SIGKILL, recovery can take it. Who may recover
    it beside its owner is the umask's matter.
    """

    def __init__(self, path: Path) -> None:
        """Create `path`.

        Raises:
            FileExistsError: Somebody is recording, or recorded, an episode of that name.
            OSError: The folder is not writable or the disk is full.
            SystemSetupError: The file system has no locks; nothing is left behind.
        """
        self.path = path
        self._length = 0
        self._descriptor = self._create_locked()
        while not same_file(self._descriptor, path):
            # A recovery running at this moment took the empty file away before it was locked.
            self.close()
            self._descriptor = self._create_locked()

    def _create_locked(self) -> int:
        descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o666)
        try:
            take_lock(descriptor, self.path)
        except BaseException:
            os.close(descriptor)
            self.path.unlink()
            raise
        return descriptor

    @property
    def closed(self) -> bool:
        return self._descriptor < 0

    def append(self, kind: str, fields: dict[str, Any], data: bytes = b"") -> None:
        """Add one entry. It survives SIGKILL at once, a power cut after `sync`.

        Raises:
            OSError: The entry is not in the journal; those before it are.
        """
        text = to_json({"kind": kind, **fields}).encode()
        checksum = zlib.crc32(data, zlib.crc32(text))
        header = _HEADER.pack(_MAGIC, len(text), len(data), checksum)
        try:
            write_fully(self._descriptor, header + text + data)
        except OSError:
            # Cutting off needs no room, so that the next entry follows a whole one.
            os.ftruncate(self._descriptor, self._length)
            os.lseek(self._descriptor, self._length, os.SEEK_SET)
            raise
        self._length += len(header) + len(text) + len(data)

    def sync(self) -> None:
        """Make everything so far survive a power cut."""
        os.fsync(self._descriptor)

    def close(self) -> None:
        """Close and unlock; the file stays. Safe to call twice."""
        if not self.closed:
            os.close(self._descriptor)
            self._descriptor = -1

    def remove(self) -> None:
        """Delete the file, then close and unlock."""
        self.path.unlink()
        self.close()


def same_file(descriptor: int, path: Path) -> bool:
    """Whether an open file still has this name."""
    try:
        return os.path.samestat(os.fstat(descriptor), os.stat(path))
    except FileNotFoundError:
        return False


def read_journal(path: Path) -> JournalContents:
    """Read every whole entry. Pictures are in the entries, so this needs the file's size in memory.

    Raises:
        OSError: The file cannot be read.
    """
    contents = path.read_bytes()
    entries: list[Entry] = []
    position = 0
    while True:
        entry, after = _entry_at(contents, position)
        if entry is None:
            lost = len(contents) - position
            return JournalContents(tuple(entries), lost, _whole_after(contents, position + 1))
        entries.append(entry)
        position = after


def _whole_after(contents: bytes, position: int) -> int:
    """How many whole entries there are from a position on that is within an entry."""
    count = 0
    while (position := contents.find(_MAGIC, position)) >= 0:
        entry, after = _entry_at(contents, position)
        count += entry is not None
        position = position + 1 if entry is None else after
    return count


def _entry_at(contents: bytes, position: int) -> tuple[Entry | None, int]:
    body = position + _HEADER.size
    if body > len(contents):
        return None, position
    magic, text_length, data_length, checksum = _HEADER.unpack_from(contents, position)
    end = body + text_length + data_length
    if magic != _MAGIC or end > len(contents) or zlib.crc32(contents[body:end]) != checksum:
        return None, position
    fields = json.loads(contents[body : body + text_length])
    return Entry(fields.pop("kind"), fields, contents[body + text_length : end]), end
