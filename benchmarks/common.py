"""What several benchmarks need: commands as an operator types them, locks, tables."""

from __future__ import annotations

import fcntl
import json
import os
import subprocess
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any


def ptrctl(workspace: Path, *words: str, threads: int | None = None) -> dict[str, Any]:
    """Run a command in a workspace and return its JSON document; a refusal has an "error".

    Args:
        threads: Of its sums; a run is repeated exactly only with as many. None leaves the choice
            to the command.
    """
    program = Path(sys.executable).with_name("ptrctl")
    command = [str(program), *words, "--workspace", str(workspace), "--json"]
    more = {} if threads is None else {"OMP_NUM_THREADS": str(threads)}
    result = subprocess.run(
        command, stdout=subprocess.PIPE, check=False, env={**os.environ, **more}
    )
    document: dict[str, Any] = json.loads(result.stdout)
    return document


def require_done(document: dict[str, Any]) -> dict[str, Any]:
    """The document of a command that did what it was told; ends the program otherwise."""
    if "error" in document:
        raise SystemExit(document["error"]["found"])
    return document


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Wait until nobody else holds the lock; it goes with the process."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def markdown_table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table for the docs."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
