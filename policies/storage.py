"""Tensors in files that are whole or not there: write aside, sync, rename."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from recordings.errors import CheckpointError
from recordings.files import replace_file

STUMBLES = (ArithmeticError, AttributeError, LookupError, RuntimeError, TypeError, ValueError)
"""What reading values that are damaged, or another program's, raises."""

COPY_AGAIN = "Copy the checkpoint again, or train another with `ptrctl finetune --name NAME`."
BEGIN_ANEW = "Begin anew: a training with `--name NAME`, practice with `--session NAME`."


def write_file(path: Path, content: bytes) -> None:
    """Write a whole file; after a crash there is the old one or the new one.

    Raises:
        CheckpointError: The disk is full or cannot be written.
    """
    try:
        replace_file(path, content)
    except OSError as error:
        raise CheckpointError(
            f"`{path}` could not be written: {error.strerror}.",
            "Earlier files are as they were.",
            "Make room on the disk, then run the same command again; `ptrctl doctor` shows "
            "how much is left.",
        ) from error


def write_tensors(path: Path, tensors: Mapping[str, Tensor], notes: Mapping[str, Any]) -> None:
    """Write tensors and JSON-able notes as one safetensors file."""
    write_file(path, save(dict(tensors), metadata={"json": json.dumps(notes)}))


def read_tensors(
    path: Path, try_next: str = COPY_AGAIN
) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Read what `write_tensors` wrote.

    Args:
        path: The file.
        try_next: What to do if it is damaged.

    Raises:
        CheckpointError: The file is missing or damaged.
    """
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        notes: dict[str, Any] = dict(json.loads(metadata.get("json", "{}")))
    except (OSError, SafetensorError, *STUMBLES) as error:
        raise CheckpointError(
            f"`{path}` cannot be read: {error}.",
            "It should be a whole safetensors file.",
            try_next,
        ) from error
    return tensors, notes


@contextmanager
def complete_state(path: Path) -> Iterator[None]:
    """Around taking up a state: what it lacks, or what does not fit, is told as an error.

    Raises:
        CheckpointError: A tensor is missing, as in a state that an earlier version wrote, or is
            damaged.
    """
    try:
        yield
    except STUMBLES as error:
        problem = f"lacks {error}" if isinstance(error, KeyError) else f"does not fit: {error}"
        raise CheckpointError(
            f"`{path}` {problem}.",
            "A state that this version of ptrctl wrote was expected; nothing was changed.",
            BEGIN_ANEW,
        ) from error


def file_sha256(path: Path) -> str:
    """Hex digest of a file's content."""
    return hashlib.sha256(path.read_bytes()).hexdigest()
