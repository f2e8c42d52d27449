"""The operator's folder: where things lie in it, and the profile `ptrctl.toml`."""

from __future__ import annotations

import dataclasses
import difflib
import os
import shlex
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

from recordings.errors import UsageError
from recordings.schema import EPISODE_SUFFIX, JOURNAL_SUFFIX, QUARANTINE_FOLDER

PROFILE_NAME = "ptrctl.toml"
DEFAULT_ROBOT = "sim-wx250s"
DEFAULT_TASK = "put_carrot_on_plate"
MANY_NAMES = 12
BUILT_IN = "built-in default"


@dataclass(frozen=True)
class Workspace:
    """A folder with a plain layout; nothing in it is created before it is needed.

    Args:
        root: The folder.
    """

    root: Path

    @property
    def profile_path(self) -> Path:
        """`ptrctl.toml`."""
        return self.root / PROFILE_NAME

    def demos(self, task: str) -> Path:
        """Where the demonstrations of a task lie, one file an episode."""
        return self.root / "demos" / task

    def checkpoint(self, name: str) -> Path:
        """The folder of one checkpoint."""
        return self.root / "checkpoints" / name

    def trials(self, session: str) -> Path:
        """The folder of one session of scored trials."""
        return self.root / "trials" / session

    @property
    def reports(self) -> Path:
        """Where reports are written."""
        return self.root / "reports"

    def episode_folders(self) -> list[Path]:
        """Every folder below `demos` and `trials` with episodes, finished or not, sorted."""
        return sorted(
            {
                file.parent
                for kind in ("demos", "trials")
                for pattern in (f"*{EPISODE_SUFFIX}", f".*{JOURNAL_SUFFIX}")
                for file in (self.root / kind).rglob(pattern)
                if file.parent.name != QUARANTINE_FOLDER
            }
        )

    def demonstrated_tasks(self) -> list[str]:
        """The tasks with a folder of demonstrations, sorted."""
        return sorted(path.name for path in (self.root / "demos").glob("*") if path.is_dir())

    def said(self, path: Path) -> str:
        """A path as the operator would type it: relative to the present folder if below it."""
        relative = os.path.relpath(path)
        return str(path) if relative.startswith("..") else relative

    def flag(self) -> str:
        """` --workspace ...` for a next command, empty for the current folder."""
        same = self.root.resolve() == Path.cwd().resolve()
        return "" if same else f" --workspace {shlex.quote(self.said(self.root))}"


def open_workspace(root: Path) -> Workspace:
    """The workspace at `root`, which need not exist yet.

    Raises:
        UsageError: `root` is a file.
    """
    if root.exists() and not root.is_dir():
        raise UsageError(
            f"The workspace `{root}` is a file.",
            "A workspace is a folder.",
            "Name a folder with `--workspace`, or leave the option out to use the current one.",
        )
    return Workspace(root)


@dataclass(frozen=True)
class Profile:
    """What `ptrctl.toml` says: the arm, the camera, the scene.

    Args:
        robot: Name in the registry of arms.
        task: What commands work on when `--task` is left out; None for no default.
        kitchen_seed: Which simulated kitchen.
        control_rate_hz: Steps a second.
        camera: Name of the camera that policies look through.
        image_size: Edge of the recorded square pictures in pixels.
        workspace_low_m, workspace_high_m: Corners (x, y, z) of the workspace box in the base
            frame; None takes the arm's own.
        sources: Field name to where its value came from.
    """

    robot: str = DEFAULT_ROBOT
    task: str | None = None
    kitchen_seed: int = 0
    control_rate_hz: float = 5.0
    camera: str = "over_shoulder"
    image_size: int = 128
    workspace_low_m: tuple[float, float, float] | None = None
    workspace_high_m: tuple[float, float, float] | None = None
    sources: Mapping[str, str] = field(default_factory=dict, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "sources", MappingProxyType(dict(self.sources)))
        _require(0.5 <= self.control_rate_hz <= 50, "robot.control_rate_hz", "0.5 to 50 Hz", self)
        _require(32 <= self.image_size <= 640, "camera.image_size", "32 to 640 pixels", self)
        _require(self.kitchen_seed >= 0, "scene.kitchen_seed", "0 or more", self)
        low, high = self.workspace_low_m, self.workspace_high_m
        if (low is None) != (high is None) or (
            low and high and not all(a < b for a, b in zip(low, high, strict=True))
        ):
            raise UsageError(
                f"The workspace box runs from {low} to {high}.",
                "Both corners are needed, and low must be below high on every axis.",
                "Run `ptrctl setup` with `--box-low X Y Z --box-high X Y Z`, or correct "
                f"[workspace_box] in {PROFILE_NAME}.",
            )

    def source(self, name: str) -> str:
        """Where a field's value came from."""
        return self.sources.get(name, BUILT_IN)

    def with_flags(self, **flags: Any) -> Profile:
        """The profile with the flags that were given (not None) in place of its own values.

        Args:
            flags: Field name to value; the source becomes "--<name>".
        """
        given = {name: value for name, value in flags.items() if value is not None}
        named = {name: f"--{_FLAGS.get(name, name).replace('_', '-')}" for name in given}
        return dataclasses.replace(self, **given, sources={**self.sources, **named})

    def answered(self, **answers: Any) -> Profile:
        """The profile with the operator's answers in place of its own values."""
        sources = {**self.sources, **dict.fromkeys(answers, "your answer")}
        return dataclasses.replace(self, **answers, sources=sources)

    def described(self) -> list[tuple[str, Any, str]]:
        """(key in the file, value, source) of everything that is set."""
        return [
            (f"{table}.{key}", getattr(self, name), self.source(name))
            for table, key, name, _, _ in _LAYOUT
            if getattr(self, name) is not None
        ]

    def task_or_fail(self) -> str:
        """The task to work on.

        Raises:
            UsageError: No task was named.
        """
        if self.task is None:
            raise UsageError(
                "No task was named.",
                f"Neither `--task` nor the `task` of {PROFILE_NAME} is set.",
                "Add `--task NAME`, for example `--task put_carrot_on_plate`; "
                "`ptrctl setup --list-tasks` lists the simulator's.",
            )
        return self.task


_FLAGS = {
    "kitchen_seed": "kitchen",
    "control_rate_hz": "rate",
    "workspace_low_m": "box-low",
    "workspace_high_m": "box-high",
}
"""Field name to the flag's name, where they differ."""


def _require(holds: bool, key: str, range_in_words: str, profile: Profile) -> None:
    if not holds:
        value = getattr(profile, key.split(".")[1])
        raise UsageError(
            f"`{key}` is {value}.",
            f"It must be {range_in_words}.",
            f"Correct {PROFILE_NAME}, or run `ptrctl setup` again.",
        )


def check_name(name: str, known: Iterable[str], what: str, flag: str) -> str:
    """`name` if it is known, else an error that offers the nearest names.

    Raises:
        UsageError: The name is not among `known`.
    """
    names = sorted(known)
    if name in names:
        return name
    near = difflib.get_close_matches(name, names, n=3, cutoff=0.5)
    if near:
        try_next = f"Did you mean {' or '.join(f'`{flag} {other}`' for other in near)}?"
    else:
        try_next = f"Choose one of them with `{flag}`." if names else f"Leave `{flag}` out."
    known = ", ".join(names) if len(names) <= MANY_NAMES else f"{len(names)}, not listed here"
    raise UsageError(
        f"There is no {what} named `{name}`.",
        f"The {what}s are: {known}." if names else f"There is no {what} yet.",
        try_next,
    )


# (table, key) in the file, field of Profile, type, comment written above it.
_LAYOUT: tuple[tuple[str, str, str, type, str], ...] = (
    ("robot", "name", "robot", str, "The arm. sim-wx250s is the simulated WidowX 250s."),
    ("robot", "control_rate_hz", "control_rate_hz", float, "Steps a second; Bridge uses 5."),
    ("session", "task", "task", str, "The task that commands use when --task is left out."),
    ("scene", "kitchen_seed", "kitchen_seed", int, "Which simulated kitchen."),
    ("camera", "name", "camera", str, "The camera that policies look through."),
    ("camera", "image_size", "image_size", int, "Edge of the recorded pictures, in pixels."),
    (
        "workspace_box",
        "low_m",
        "workspace_low_m",
        tuple,
        "Where the gripper may be: x (ahead), y (left), z (up), metres in the arm's base frame.",
    ),
    ("workspace_box", "high_m", "workspace_high_m", tuple, ""),
)


def load_profile(workspace: Workspace) -> Profile:
    """The workspace's profile, or the built-in one (the simulator) if there is none.

    Raises:
        UsageError: The file is not TOML, or holds an unknown key or a value of a wrong type.
    """
    import tomlkit
    from tomlkit.exceptions import TOMLKitError

    path = workspace.profile_path
    if not path.exists():
        return Profile()
    try:
        tables = tomlkit.parse(path.read_text(encoding="utf-8")).unwrap()
    except (TOMLKitError, UnicodeDecodeError) as problem:
        raise UsageError(
            f"`{path}` is not valid TOML: {problem}.",
            "",
            "Correct that line, or run `ptrctl setup` to write the file anew.",
        ) from problem
    places = {(table, key): (name, kind) for table, key, name, kind, _ in _LAYOUT}
    values: dict[str, Any] = {}
    for table, content in tables.items():
        keys = content if isinstance(content, dict) else {"": content}
        for key, value in keys.items():
            if (table, key) not in places:
                known = [f"{t}.{k}" for t, k in places]
                written = f"{table}.{key}".rstrip(".")
                near = difflib.get_close_matches(written, known, n=1)
                raise UsageError(
                    f"`{path}` sets `{written}`, which ptrctl does not know.",
                    f"Known keys: {', '.join(known)}.",
                    f"Did you mean `{near[0]}`?" if near else "Remove that line.",
                )
            name, kind = places[table, key]
            values[name] = _typed(value, kind, f"{table}.{key}", path)
    return Profile(**values, sources=dict.fromkeys(values, PROFILE_NAME))


def _typed(value: Any, kind: type, key: str, path: Path) -> Any:
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if kind is float and number:
        return float(value)
    if kind is tuple and isinstance(value, list) and len(value) == 3:
        return tuple(_typed(item, float, key, path) for item in value)
    if kind in (str, int) and isinstance(value, kind) and not isinstance(value, bool):
        return value
    words = {str: "a text", int: "a whole number", float: "a number", tuple: "three numbers"}
    raise UsageError(
        f"`{path}` sets `{key}` to {value!r}.",
        f"It must be {words[kind]}.",
        "Correct that line, or run `ptrctl setup` to write the file anew.",
    )


def save_profile(workspace: Workspace, profile: Profile) -> Path:
    """Write `ptrctl.toml` with a comment for every value, replacing it in one step."""
    import tomlkit

    toml = tomlkit.document()
    toml.add(tomlkit.comment("The profile of this workspace, read by every ptrctl command."))
    toml.add(tomlkit.comment("Written by `ptrctl setup`; change it by hand as you like."))
    tables: dict[str, Any] = {}
    for table, key, name, _, comment in _LAYOUT:
        value = getattr(profile, name)
        if value is None:
            continue
        if table not in tables:
            tables[table] = tomlkit.table()
        if comment:
            tables[table].add(tomlkit.comment(comment))
        tables[table].add(key, list(value) if isinstance(value, tuple) else value)
    for table, content in tables.items():
        toml.add(tomlkit.nl())
        toml.add(table, content)
    workspace.root.mkdir(parents=True, exist_ok=True)
    temporary = workspace.profile_path.with_name(f".{PROFILE_NAME}.new")
    with temporary.open("w", encoding="utf-8") as file:
        file.write(tomlkit.dumps(toml))
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(workspace.profile_path)
    return workspace.profile_path
