"""What finished jobs left: one JSON line each, in a file that several processes append to."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmarks.common import locked
from benchmarks.ptr_bench.targets import ROLES, start_seeds
from ptrctl.files import append_json_line, read_json_lines
from recordings.json_form import to_json

Line = dict[str, Any]

LINES_FILE = "runs.jsonl"
_LOCK_FILE = ".runs.lock"

_COMMON = ("job", "kind", "code", "host", "finished_at", "wall_s")
_TRAINED = ("method", "regime", "seed", "config", "data", "checkpoint", "budget", "trainings")
FIELDS: Mapping[str, tuple[str, ...]] = {
    "demonstrations": (*_COMMON, "task", "kitchen", "seeds", "digest"),
    "pretraining": (*_COMMON, "regime", "seed", "config", "data", "checkpoint", "training"),
    "trials": (
        *_COMMON,
        *_TRAINED,
        "role",
        "task",
        "kitchen",
        "successes",
        "trials",
        "start_seeds",
        "outcomes",
        "stages",
        "ends",
        "steps",
    ),
}
"""What a line of each kind holds besides its own digest."""


def digest_of(value: object) -> str:
    """SHA-256 of a value's JSON."""
    return hashlib.sha256(to_json(value).encode()).hexdigest()


def append_line(folder: Path, line: Line) -> None:
    """Seal a line with its digest and add it; when this returns it is on the disk."""
    problem = problem_of(seal(line))
    assert not problem, problem
    with locked(folder / _LOCK_FILE):
        # Also removes what a kill left of a last line.
        read_json_lines(folder / LINES_FILE)
        append_json_line(folder / LINES_FILE, seal(line))


def read_lines(folder: Path) -> tuple[list[Line], list[str]]:
    """The lines that hold together, and what is wrong with each of the others, in words.

    Of several lines of one job the first counts: a second try cannot replace it.

    Raises:
        RecordingError: A line is not JSON.
    """
    if not (folder / LINES_FILE).exists():
        return [], []
    # A reader may not take half an appended line for a torn one.
    with locked(folder / _LOCK_FILE):
        lines = read_json_lines(folder / LINES_FILE)
    sound: dict[str, Line] = {}
    refused = []
    for number, line in enumerate(lines, start=1):
        problem = problem_of(line)
        if not problem and line["job"] in sound:
            problem = f"{line['job']} has a line already"
        if problem:
            refused.append(f"line {number}: {problem}")
        else:
            sound[line["job"]] = line
    return list(sound.values()), refused


def seal(line: Mapping[str, Any]) -> Line:
    """The line with the digest of everything else in it."""
    content = {name: value for name, value in line.items() if name != "line_digest"}
    return {**content, "line_digest": digest_of(content)}


def problem_of(line: Line) -> str:
    """What reveals that a line is not as it was written, "" if nothing does."""
    fields = FIELDS.get(line.get("kind", ""))
    if fields is None:
        return f"its kind is {line.get('kind')!r}"
    missing = [name for name in fields if name not in line]
    if missing:
        return f"it lacks {', '.join(missing)}"
    if line.get("line_digest") != seal(line)["line_digest"]:
        return "its contents are not those of its digest"
    return _problem_of_trials(line) if line["kind"] == "trials" else ""


def _problem_of_trials(line: Line) -> str:
    trials = line["trials"]
    if line["role"] not in ROLES:
        return f"its role is {line['role']!r}"
    if tuple(line["start_seeds"]) != start_seeds(line["role"], trials):
        return f"its start states are not those of {line['role']}"
    for name in ("outcomes", "stages", "ends", "steps"):
        if len(line[name]) != trials:
            return f"it has {len(line[name])} {name} of {trials} trials"
    if line["successes"] != sum(line["outcomes"]):
        return f"it counts {line['successes']} successes and lists {sum(line['outcomes'])}"
    spent = [training["updates"] for training in line["trainings"]]
    if line["budget"]["updates"] != sum(spent):
        return f"its budget has {line['budget']['updates']} updates, its trainings {sum(spent)}"
    return ""
