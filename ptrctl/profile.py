"""The profile `ptrctl.toml`: which arm, cameras and scene a workspace is about."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

from hardware.limits import check_box, check_camera_name, check_picture_edge, check_pose, check_rate
from hardware.modules import (
    ARM_MODULES,
    CAMERA_MODULES,
    SIMULATED,
    TELEOPERATOR_MODULES,
    USUAL_CAMERA,
)
from ptrctl.files import write_text
from ptrctl.workspace import PROFILE_NAME, Workspace, check_folder_name
from recordings.errors import UsageError, nearest

DEFAULT_TASK = "put_carrot_on_plate"
BUILT_IN = "built-in default"


@dataclass(frozen=True)
class Profile:
    """What `ptrctl.toml` says: the arm, the camera, the scene.

    Args:
        robot: Name in the registry of arms.
        task: What commands work on when `--task` is left out; None for no default.
        tasks: All task names of the workspace, the default among them; empty allows any.
        kitchen_seed: Which simulated kitchen.
        control_rate_hz: Steps a second.
        camera: Name of the camera that policies look through.
        image_size: Edge of the recorded square pictures in pixels.
        workspace_low_m, workspace_high_m: Corners (x, y, z) of the workspace box in the base
            frame; None takes the arm's own.
        start_pose: Where episodes begin on a real arm: x, y, z in m, roll, pitch, yaw in rad
            relative to gripper-down; None takes the arm's own.
        robot_options: The real arm's settings, key to value.
        cameras: Name to settings ("kind" among them) of each camera of a real cell.
        teleoperator: The device with which a person drives the arm, by name.
        teleoperator_options: Its settings, key to value.
        sources: Field name to where its value came from.
    """

    robot: str = SIMULATED
    task: str | None = None
    tasks: tuple[str, ...] = ()
    kitchen_seed: int = 0
    control_rate_hz: float = 5.0
    camera: str = USUAL_CAMERA
    image_size: int = 128
    workspace_low_m: tuple[float, float, float] | None = None
    workspace_high_m: tuple[float, float, float] | None = None
    start_pose: tuple[float, float, float, float, float, float] | None = None
    robot_options: Mapping[str, Any] = field(default_factory=dict)
    cameras: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    teleoperator: str = "keyboard"
    teleoperator_options: Mapping[str, Any] = field(default_factory=dict)
    sources: Mapping[str, str] = field(default_factory=dict, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "sources", MappingProxyType(dict(self.sources)))
        check_rate("robot.control_rate_hz", self.control_rate_hz, _CORRECT)
        check_picture_edge("camera.image_size", self.image_size, _CORRECT)
        if self.kitchen_seed < 0:
            raise UsageError(
                f"`scene.kitchen_seed` is {self.kitchen_seed}.", "It must be 0 or more.", _CORRECT
            )
        if self.start_pose is not None:
            check_pose("robot.start_pose", self.start_pose, _CORRECT)
        self._check_cameras()
        low, high = self.workspace_low_m, self.workspace_high_m
        if low is not None and high is not None:
            check_box("workspace_box", low, high, _CORRECT_BOX)
        elif low is not None or high is not None:
            raise UsageError(
                f"The workspace box runs from {low} to {high}.",
                "Both corners are needed.",
                _CORRECT_BOX,
            )

    def _check_cameras(self) -> None:
        for name, settings in self.cameras.items():
            check_camera_name(name, _CORRECT)
            if not isinstance(settings.get("kind"), str):
                raise UsageError(
                    f"`cameras.{name}` names no kind of camera.",
                    'Every camera has one, for example `kind = "realsense"`.',
                    f"Add that line to {PROFILE_NAME}, or run `ptrctl setup` again.",
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
        return self._for_arm(given.get("robot"))._replaced(given, named)

    def answered(self, **answers: Any) -> Profile:
        """The profile with the operator's answers in place of its own values."""
        sources = dict.fromkeys(answers, "your answer")
        return self._for_arm(answers.get("robot"))._replaced(answers, sources)

    def _replaced(self, values: Mapping[str, Any], sources: Mapping[str, str]) -> Profile:
        return dataclasses.replace(self, **values, sources={**self.sources, **sources})

    def _for_arm(self, robot: str | None) -> Profile:
        """The profile without what only fits the arm that it names, if another is wanted."""
        if robot is None or robot == self.robot:
            return self
        kept = {name: value for name, value in self.sources.items() if name not in _OF_ONE_ARM}
        return dataclasses.replace(
            self,
            robot_options={},
            start_pose=None,
            workspace_low_m=None,
            workspace_high_m=None,
            sources=kept,
        )

    def described(self) -> list[tuple[str, Any, str]]:
        """(key in the file, value, source) of everything that is set and matters."""
        return [
            (f"{table}.{key}".rstrip("."), getattr(self, name), self.source(name))
            for table, key, name, _, _ in _LAYOUT
            if self._sets(table, name)
        ]

    def _sets(self, table: str, name: str) -> bool:
        kitchen_of_a_real_arm = table == "scene" and self.robot in ARM_MODULES
        return getattr(self, name) not in (None, {}, ()) and not kitchen_of_a_real_arm

    @property
    def some_task(self) -> str:
        """A task for what works alike with any: the default one, else one of this workspace."""
        return self.task or (*self.tasks, DEFAULT_TASK)[0]

    def task_or_fail(self) -> str:
        """The task to work on.

        Raises:
            UsageError: No task was named, or nothing can be called so.
        """
        if self.task is None:
            raise UsageError(
                "No task was named.",
                f"Neither `--task` nor the `task` of {PROFILE_NAME} is set.",
                "Add `--task NAME`, for example `--task put_carrot_on_plate`; "
                "`ptrctl setup --list-tasks` lists the simulator's.",
            )
        return check_folder_name(self.task, "--task")


_OF_ONE_ARM = ("robot_options", "start_pose", "workspace_low_m", "workspace_high_m")

_FLAGS = {
    "kitchen_seed": "kitchen",
    "control_rate_hz": "rate",
    "workspace_low_m": "box-low",
    "workspace_high_m": "box-high",
    "robot_options": "option",
    "teleoperator": "demonstrator",
    "teleoperator_options": "demonstrator-option",
    "cameras": "camera",
    "tasks": "task",
}
"""Field name to the flag's name, where they differ."""

_CORRECT = f"Correct {PROFILE_NAME}, or run `ptrctl setup` again."
_CORRECT_BOX = (
    "Run `ptrctl setup` with `--box-low X Y Z --box-high X Y Z`, or correct [workspace_box] in "
    f"{PROFILE_NAME}."
)

# (table, key) in the file, field of Profile, type, comment written above it.
_LAYOUT: tuple[tuple[str, str, str, type, str], ...] = (
    ("robot", "name", "robot", str, "The arm. sim-wx250s is the simulated WidowX 250s."),
    ("robot", "control_rate_hz", "control_rate_hz", float, "Steps a second; Bridge uses 5."),
    (
        "robot",
        "start_pose",
        "start_pose",
        tuple,
        "Where episodes begin: x y z in m, then roll, pitch, yaw in rad from gripper-down.",
    ),
    ("robot", "options", "robot_options", dict, "Settings of this kind of arm."),
    ("session", "task", "task", str, "The task that commands use when --task is left out."),
    ("session", "tasks", "tasks", list, "All tasks of this workspace; another --task is refused."),
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
    ("cameras", "", "cameras", dict, "Each camera of a real cell: its kind and settings."),
    (
        "teleoperator",
        "kind",
        "teleoperator",
        str,
        "With what a person drives the arm: keyboard, spacemouse, gamepad, leader ...",
    ),
    ("teleoperator", "options", "teleoperator_options", dict, "Settings of this device."),
)


def load_profile(workspace: Workspace, *, only: str | None = None) -> Profile:
    """The workspace's profile, or the built-in one (the simulator) if there is none.

    Args:
        only: Read this table alone, whatever is in the others.

    Raises:
        UsageError: The file cannot be read, is not TOML, or holds an unknown key or a value of a
            wrong type.
    """
    import tomlkit
    from tomlkit.exceptions import TOMLKitError

    path = workspace.profile_path
    try:
        if not path.exists():
            return Profile()
        tables = tomlkit.parse(path.read_text(encoding="utf-8")).unwrap()
    except OSError as problem:
        raise UsageError(
            f"`{path}` cannot be read: {problem.strerror or problem}.",
            "",
            "Make it a file that you may read, or name another folder with `--workspace`.",
        ) from problem
    except (TOMLKitError, UnicodeDecodeError) as problem:
        raise UsageError(
            f"`{path}` is not valid TOML: {problem}.",
            "",
            "Correct that line, or run `ptrctl setup` to write the file anew.",
        ) from problem
    places = {f"{table}.{key}".rstrip("."): (name, kind) for table, key, name, kind, _ in _LAYOUT}
    values: dict[str, Any] = {}
    if only is not None:
        tables = {only: tables.get(only, {})}
    for key, value in _flattened(tables, places):
        if key not in places:
            near = nearest(key, places)
            raise UsageError(
                f"`{path}` sets `{key}`, which ptrctl does not know.",
                f"Known keys: {', '.join(places)}.",
                f"Did you mean `{near[0]}`?" if near else "Remove that line.",
            )
        name, kind = places[key]
        values[name] = _typed(value, kind, key, path)
    return Profile(**values, sources=dict.fromkeys(values, PROFILE_NAME))


def _flattened(tables: Mapping[str, Any], known: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """(dotted key, value) of everything, except inside tables that are values themselves."""
    for table, content in tables.items():
        if isinstance(content, dict) and table not in known:
            yield from ((f"{table}.{key}", value) for key, value in content.items())
        else:
            yield table, content


_LENGTHS = {"robot.start_pose": 6}
_CORNER = 3


def _typed(value: Any, kind: type, key: str, path: Path) -> Any:
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    length = _LENGTHS.get(key, _CORNER)
    if kind is float and number:
        return float(value)
    if kind is tuple and isinstance(value, list) and len(value) == length:
        return tuple(_typed(item, float, key, path) for item in value)
    if kind is list and isinstance(value, list):
        return tuple(_typed(item, str, key, path) for item in value)
    if key == "cameras" and isinstance(value, dict):
        return {name: _typed(item, dict, f"{key}.{name}", path) for name, item in value.items()}
    if kind in (str, int, dict) and isinstance(value, kind) and not isinstance(value, bool):
        return value
    words = {
        str: "a text",
        int: "a whole number",
        float: "a number",
        tuple: f"{length} numbers",
        list: "a list of texts",
        dict: "a table",
    }
    raise UsageError(
        f"`{path}` sets `{key}` to {value!r}.",
        f"It must be {words[kind]}.",
        "Correct that line, or run `ptrctl setup` to write the file anew.",
    )


def _setting_helps(table: str, profile: Profile, settings: Mapping[str, Any]) -> Mapping[str, str]:
    """What each setting in a table means; nothing for kinds that are not ours."""
    from hardware.registry import arm_kind, camera_kind
    from hardware.settings import setting_helps
    from hardware.teleoperators.registry import teleoperator_kind

    if table == "robot" and profile.robot in ARM_MODULES:
        return setting_helps(arm_kind(profile.robot).settings)
    if table == "cameras" and settings["kind"] in CAMERA_MODULES:
        return setting_helps(camera_kind(settings["kind"]).settings)
    if table == "teleoperator" and profile.teleoperator in TELEOPERATOR_MODULES:
        return setting_helps(teleoperator_kind(profile.teleoperator).settings)
    return {}


def _settings_table(settings: Mapping[str, Any], helps: Mapping[str, str], comment: str) -> Any:
    """A table with a comment above each setting, and the ones that are not set as comments."""
    import tomlkit

    table = tomlkit.table()
    table.add(tomlkit.comment(comment))
    for key, value in settings.items():
        if helps.get(key):
            table.add(tomlkit.comment(helps[key]))
        table.add(key, value)
    unset = [key for key in helps if key not in settings]
    if unset:
        table.add(tomlkit.comment("Not set here, so at their defaults:"))
    for key in unset:
        table.add(tomlkit.comment(f"  {key}: {helps[key]}"))
    return table


def save_profile(workspace: Workspace, profile: Profile) -> Path:
    """Write `ptrctl.toml` with a comment for every value, replacing it in one step.

    Raises:
        UsageError: A value holds half of a character, which TOML cannot.
    """
    import tomlkit

    toml = tomlkit.document()
    toml.add(tomlkit.comment("The profile of this workspace, read by every ptrctl command."))
    toml.add(tomlkit.comment("Written by `ptrctl setup`; change it by hand as you like."))
    tables: dict[str, Any] = {}
    for table, key, name, _, comment in _LAYOUT:
        value = getattr(profile, name)
        if not profile._sets(table, name):
            continue
        if table not in tables:
            tables[table] = tomlkit.table()
        if not isinstance(value, Mapping):
            if comment:
                tables[table].add(tomlkit.comment(comment))
            tables[table].add(key, list(value) if isinstance(value, tuple) else value)
            continue
        for inner, settings in (value if not key else {key: value}).items():
            helps = _setting_helps(table, profile, settings)
            tables[table].add(inner, _settings_table(settings, helps, comment))
    for table, content in tables.items():
        toml.add(tomlkit.nl())
        toml.add(table, content)
    text = tomlkit.dumps(toml)
    try:
        text.encode()
    except UnicodeEncodeError as problem:
        line = text.split("\n")[text.count("\n", 0, problem.start)]
        raise UsageError(
            f"`{line}` holds half of a character.",
            f"{PROFILE_NAME} holds whole ones, in UTF-8.",
            "Give that value again, in a terminal with UTF-8.",
        ) from problem
    write_text(workspace.profile_path, text)
    return workspace.profile_path
