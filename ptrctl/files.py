"""Small files that must survive a kill at any moment: plans, trial lines, results, locks."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from recordings.errors import RecordingError, UsageError
from recordings.files import replace_file, sync_folder, take_lock

HALVES = "backslashreplace"
"""Half of a character, as a terminal of another encoding types it, is written out as an escape; in
JSON it is read back as it was."""


def write_text(path: Path, text: str) -> None:
    """Replace a file in one step: after a kill it holds the old text or the new, never a mix."""
    path.parent.mkdir(parents=True, exist_ok=True)
    replace_file(path, text.encode(errors=HALVES))


def write_json(path: Path, value: Mapping[str, Any]) -> None:
    """`write_text` of indented JSON."""
    write_text(path, json.dumps(value, indent=2, ensure_ascii=False) + "\n")


def read_json(path: Path) -> dict[str, Any]:
    """A JSON object from a file.

    Raises:
        RecordingError: The file is missing, truncated or holds something else.
    """
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise RecordingError(
            f"{path} cannot be read: {error}.",
            "It should be a JSON file that ptrctl wrote.",
            "Restore it from a copy, or start anew in another place or under another name.",
        ) from error
    if not isinstance(value, dict):
        raise RecordingError(
            f"{path} holds a {type(value).__name__}.",
            "It should hold a JSON object that ptrctl wrote.",
            "Restore it from a copy, or start anew in another place or under another name.",
        )
    return value


def append_json_line(path: Path, value: Mapping[str, Any]) -> None:
    """Add one line and wait until it is on the disk."""
    path.parent.mkdir(parents=True, exist_ok=True)
    created = not path.exists()
    with path.open("a", encoding="utf-8", errors=HALVES) as file:
        file.write(json.dumps(value, ensure_ascii=False) + "\n")
        file.flush()
        os.fsync(file.fileno())
    if created:
        sync_folder(path.parent)


def read_json_lines(path: Path) -> list[dict[str, Any]]:
    """All complete lines; a last line that a kill cut off is removed from the file.

    Raises:
        RecordingError: A line other than a torn last one is not a JSON object.
    """
    if not path.exists():
        return []
    text = path.read_bytes()
    complete = text[: text.rfind(b"\n") + 1]
    if len(complete) < len(text):
        with path.open("r+b") as file:
            file.truncate(len(complete))
            os.fsync(file.fileno())
    lines: list[dict[str, Any]] = []
    for number, line in enumerate(complete.splitlines(), start=1):
        try:
            value = json.loads(line)
        except ValueError:
            value = None
        if not isinstance(value, dict):
            raise RecordingError(
                f"Line {number} of {path} is damaged.",
                "Every line should be a JSON object that ptrctl wrote.",
                "Remove that line with an editor; the trial that it held will be run again.",
            )
        lines.append(value)
    return lines


@contextmanager
def only_one(lock: Path, busy: str, instead: str) -> Iterator[None]:
    """Hold a lock on a file, made if missing; it goes with the process, however that ends.

    Args:
        busy: What another process is doing that holds it, a sentence.
        instead: What to do then, beside waiting, a command or flag in words.

    Raises:
        UsageError: Another process holds it.
        SystemSetupError: The file system has no locks.
    """
    lock.parent.mkdir(parents=True, exist_ok=True)
    with lock.open("w") as file:
        try:
            take_lock(file.fileno(), lock, wait=False)
        except BlockingIOError as error:
            raise UsageError(
                busy, "One at a time works in a folder.", f"Wait for it, or {instead}."
            ) from error
        yield


def count_lines(folder: Path) -> int:
    """How many lines the logs (`*.jsonl`) below a folder hold; 0 if there is none."""
    return sum(len(read_json_lines(path)) for path in folder.rglob("*.jsonl"))
