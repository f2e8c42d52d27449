"""The order of `ptrctl setup`: which questions are open, and what their answers change.

Every question is also a flag. Without a terminal nothing is asked.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

from hardware.modules import SIMULATED, USUAL_CAMERA
from hardware.registry import Cell, camera_kind
from hardware.robot import WorkspaceBox
from ptrctl.cells import check_rate, make_arm, make_cell
from ptrctl.profile import Profile
from ptrctl.setup import questions
from ptrctl.setup.device_choice import (
    TEST_PATTERN,
    arm_options,
    brought_cameras,
    camera_in_words,
    found_arms,
    found_cameras,
    is_ours,
    parse_cameras,
    settings_of,
)
from ptrctl.terminal import console
from ptrctl.workspace import check_folder_name
from recordings.errors import PtrctlError, UsageError

Corner = questions.Corner
Pose = questions.Pose


@dataclass(frozen=True)
class SetupFlags:
    """What the command line answers; None and () leave the question open.

    Args:
        robot: Arm, by name.
        options: `KEY=VALUE` settings of the arm.
        port, address: The same for the settings that most arms have.
        tasks: Task names; the first is the default.
        kitchen: Seed of the simulated kitchen.
        cameras: `NAME=KIND,KEY=VALUE,...` or `NAME`, see `parse_cameras`.
        image_size, rate: Of the pictures in pixels; control steps a second.
        box_low, box_high: Corners of the workspace box.
        start_pose: Where episodes begin.
    """

    robot: str | None = None
    options: tuple[str, ...] = ()
    port: str | None = None
    address: str | None = None
    tasks: tuple[str, ...] = ()
    kitchen: int | None = None
    cameras: tuple[str, ...] = ()
    image_size: int | None = None
    rate: float | None = None
    box_low: Corner | None = None
    box_high: Corner | None = None
    start_pose: Pose | None = None

    def gives(self, *names: str) -> bool:
        """Whether any of these flags was given."""
        assert {field.name for field in fields(self)} >= set(names)
        return any(getattr(self, name) not in (None, ()) for name in names)


@dataclass(frozen=True)
class Question:
    """A question of the wizard.

    Args:
        flag: What answers it on the command line.
        given: The fields of `SetupFlags` that do; any of them is enough.
        applies: Whether it makes sense for the arm.
        ask: Asks; from the profile so far to the profile with the answer.
    """

    flag: str
    given: tuple[str, ...]
    applies: Callable[[Profile], bool]
    ask: Callable[[Profile], Profile]


def ask(profile: Profile, flags: SetupFlags, *, take_defaults: bool) -> Profile:
    """The profile with every open question answered.

    Args:
        profile: Its values are the defaults.
        flags: Answers from the command line.
        take_defaults: Ask nothing.

    Raises:
        PtrctlError: A flag does not fit, or an arm or camera cannot be found.
        UsageError: Questions are open, and there is nobody to ask.
        KeyboardInterrupt: The operator pressed Ctrl-C.
    """
    profile = _with_flags(profile, flags)
    questions_open = [question for question in QUESTIONS if not flags.gives(*question.given)]
    if take_defaults:
        return _with_defaults(profile)
    applying = [question for question in questions_open if question.applies(profile)]
    if applying and not console.is_interactive():
        raise UsageError(
            "There is no terminal to ask questions on.",
            f"Not answered yet: {', '.join(question.flag for question in applying)}.",
            "Add those flags, or `--yes` to take the defaults.",
        )
    for question in questions_open:
        if question.applies(profile):
            profile = question.ask(profile)
    return replace(profile, task=profile.some_task)


def _with_flags(profile: Profile, flags: SetupFlags) -> Profile:
    profile = profile.with_flags(
        robot=flags.robot,
        kitchen_seed=flags.kitchen,
        image_size=flags.image_size,
        control_rate_hz=flags.rate,
        workspace_low_m=flags.box_low,
        workspace_high_m=flags.box_high,
        start_pose=flags.start_pose,
    )
    for task in flags.tasks:
        check_folder_name(task, "--task")
    if flags.tasks:
        task, *further = flags.tasks
        if further or (profile.tasks and task not in profile.tasks):
            named = dict.fromkeys((*flags.tasks, *(() if further else profile.tasks)))
            profile = profile.with_flags(tasks=tuple(named))
        profile = profile.with_flags(task=task)
    options = arm_options(profile.robot, flags.options, flags.port, flags.address)
    if options:
        profile = profile.with_flags(robot_options={**profile.robot_options, **options})
    cameras, chosen = parse_cameras(flags.cameras)
    if cameras and profile.robot == SIMULATED:
        raise UsageError(
            f"A camera was defined for the arm {SIMULATED}.",
            "The simulated arm has its own, which is only chosen by its name.",
            "Leave the definition out, or choose a real arm with `--robot`.",
        )
    if profile.robot == SIMULATED:
        profile = replace(profile, cameras={})
    if cameras:
        profile = profile.with_flags(cameras=cameras)
        if chosen is None and profile.camera not in cameras:
            chosen = next(iter(cameras))
    return profile.with_flags(camera=chosen)


def _with_defaults(profile: Profile) -> Profile:
    """Without questions: what the profile says, else the one thing that was found."""
    profile = replace(profile, task=profile.some_task)
    if not is_ours(profile.robot):
        return profile
    known = profile.robot_options
    arms = [arm for arm in found_arms(profile.robot) if not set(arm.options) <= set(known)]
    if len(arms) > 1:
        raise UsageError(
            f"There are {len(arms)} of this arm: {'; '.join(arm.words for arm in arms)}.",
            "With `--yes` nobody is asked which one is meant.",
            "Add `--option KEY=VALUE` (or `--port`, `--address`), or leave `--yes` out.",
        )
    for arm in arms:
        console.note(f"Found: {arm.words}.")
        profile = profile.with_flags(robot_options={**arm.options, **known})
    if profile.cameras:
        return profile
    own = brought_cameras(profile)
    if own:
        return profile if profile.camera in own else profile.with_flags(camera=own[0])
    return _with_found_camera(profile)


def _with_found_camera(profile: Profile) -> Profile:
    found = [(kind, camera) for kind, camera in found_cameras() if kind != TEST_PATTERN]
    if not found:
        raise UsageError(
            "No camera was found.",
            "A policy needs at least one.",
            f"Plug one in, or add `--camera {USUAL_CAMERA}={TEST_PATTERN}` to try the arm without.",
        )
    if len(found) > 1:
        raise UsageError(
            f"Several cameras were found: {'; '.join(one.words for _, one in found)}.",
            "With `--yes` nobody is asked which one is meant.",
            f"Add `--camera {USUAL_CAMERA}=KIND,KEY=VALUE`, or leave `--yes` out.",
        )
    kind, camera = found[0]
    console.note(f"Found: {camera.words}.")
    cameras = {USUAL_CAMERA: {"kind": kind, **camera.options}}
    return profile.with_flags(cameras=cameras, camera=USUAL_CAMERA)


def _ask_robot(profile: Profile) -> Profile:
    robot = questions.ask_robot(profile)
    if robot == SIMULATED:
        profile = replace(profile, cameras={})
    return profile.answered(robot=robot)


def _ask_options(profile: Profile) -> Profile:
    """Asks again until an arm can be made of the answer."""
    while True:
        options = questions.ask_found(profile, found_arms(profile.robot))
        if options is None:
            kind = settings_of(profile.robot)
            options = questions.ask_settings(kind, profile.robot_options)
        answered = profile.answered(robot_options=options)
        try:
            brought_cameras(answered)
        except PtrctlError as problem:
            console.warn(str(problem))
            continue
        return answered


def _ask_task(profile: Profile) -> Profile:
    profile = profile.answered(task=questions.ask_task(profile))
    return profile.answered(tasks=questions.ask_further_tasks(profile))


def _ask_cameras(profile: Profile) -> Profile:
    if not is_ours(profile.robot):
        names = sorted(_cell(profile).station.cameras)
        return profile.answered(camera=questions.ask_policy_camera(profile, names))
    own = brought_cameras(profile)
    if own and questions.confirm(f"Use the arm's own cameras ({', '.join(own)})?"):
        profile = profile.answered(cameras={})
        return profile.answered(camera=questions.ask_policy_camera(profile, own))
    cameras: dict[str, Mapping[str, Any]] = {}
    while not cameras:
        kept, new, one_more = questions.ask_cameras(profile, found_cameras())
        cameras.update(kept)
        if one_more:
            new.append(_typed_camera())
        for number, (words, values) in enumerate(new, start=1):
            title = f"Camera {number} of {len(new)}: {words}"
            name = _seen_and_named(title, values, list(cameras), profile.image_size)
            if name:
                cameras[name] = values
    names = list(cameras)
    profile = profile.answered(cameras=cameras)
    if len(names) == 1:
        return profile.answered(camera=names[0])
    return profile.answered(camera=questions.ask_policy_camera(profile, names))


def _typed_camera() -> tuple[str, dict[str, Any]]:
    name = questions.ask_camera_kind()
    kind = camera_kind(name).settings
    values = {"kind": name, **(questions.ask_settings(kind, {}) if fields(kind) else {})}
    return camera_in_words(values), values


def _seen_and_named(
    title: str, values: dict[str, Any], taken: list[str], image_size: int
) -> str | None:
    """The camera's name, after a look at its picture; None if it shall not be used."""
    from ptrctl.setup.camera_preview import show_camera

    console.note("Opening the camera ...")
    if not show_camera(title, "preview", values, image_size) and not questions.confirm(
        "Use it all the same?", default=False
    ):
        return None
    return questions.ask_camera_name(title, taken)


def _ask_rate(profile: Profile) -> Profile:
    if not is_ours(profile.robot):
        own_hz = _cell(profile).station.robot.features.control_rate_hz
        return profile.answered(control_rate_hz=questions.ask_only_rate(own_hz))
    while True:
        profile = profile.answered(control_rate_hz=questions.ask_rate(profile))
        # Of the arm alone: whatever else does not fit is not mended by another rate.
        features = make_arm(profile).features
        try:
            check_rate(profile, features)
        except UsageError as problem:
            console.warn(str(problem))
            continue
        return profile


def _ask_box(profile: Profile) -> Profile:
    own = _own_box(profile)
    while True:
        source = questions.ask_box_source(profile, own)
        if source == questions.KEEP:
            return profile
        if source == questions.OWN:
            return profile.answered(workspace_low_m=None, workspace_high_m=None)
        if source == questions.TYPE:
            low, high = questions.ask_box(profile, own)
            return profile.answered(workspace_low_m=low, workspace_high_m=high)
        jogged = _jogged(profile, wants_box=True)
        if jogged is not None and jogged.box is not None:
            corners = [(float(x), float(y), float(z)) for x, y, z in jogged.box]
            return profile.answered(workspace_low_m=corners[0], workspace_high_m=corners[1])


def _ask_start_pose(profile: Profile) -> Profile:
    _without_place(profile)  # What does not fit here is not mended by another start pose.
    while True:
        source = questions.ask_start_pose_source(profile)
        pose = profile.start_pose
        if source == questions.OWN:
            pose = None
        elif source == questions.TYPE:
            pose = questions.ask_start_pose(profile)
        elif source == questions.JOG:
            jogged = _jogged(profile, wants_box=False)
            if jogged is None or jogged.pose is None:
                continue
            x, y, z, roll, pitch, yaw = (float(value) for value in jogged.pose)
            pose = (x, y, z, roll, pitch, yaw)
        answered = profile.answered(start_pose=pose)
        try:
            _cell(answered)
        except UsageError as problem:
            console.warn(str(problem))
            continue
        return answered


def _jogged(profile: Profile, *, wants_box: bool) -> Any:
    from ptrctl.setup.jogging import jog

    question = "The arm goes to its start pose first. Is the space around it free?"
    free = questions.confirm(question, default=profile.robot == SIMULATED)
    return jog(profile, wants_box=wants_box) if free else None


def _own_box(profile: Profile) -> WorkspaceBox:
    return _without_place(profile).station.robot.features.workspace


def _without_place(profile: Profile) -> Cell:
    """The cell with the arm's own workspace box and start pose; see `_cell`."""
    return _cell(replace(profile, workspace_low_m=None, workspace_high_m=None, start_pose=None))


def _cell(profile: Profile) -> Cell:
    """Not connected. Its task means nothing here."""
    box_only = replace(profile, tasks=())
    return make_cell(box_only, task=profile.some_task, realtime=False)


def _always(profile: Profile) -> bool:
    return True


def _simulated(profile: Profile) -> bool:
    return profile.robot == SIMULATED


def _has_settings(profile: Profile) -> bool:
    return is_ours(profile.robot) and bool(fields(settings_of(profile.robot)))


def _real(profile: Profile) -> bool:
    return is_ours(profile.robot)


QUESTIONS = (
    Question("--robot", ("robot",), _always, _ask_robot),
    Question("--option", ("options", "port", "address"), _has_settings, _ask_options),
    Question("--task", ("tasks",), _always, _ask_task),
    Question(
        "--kitchen",
        ("kitchen",),
        _simulated,
        lambda profile: profile.answered(kitchen_seed=questions.ask_kitchen(profile)),
    ),
    Question("--camera", ("cameras",), _always, _ask_cameras),
    Question(
        "--image-size",
        ("image_size",),
        _always,
        lambda profile: profile.answered(image_size=questions.ask_image_size(profile)),
    ),
    Question("--rate", ("rate",), _always, _ask_rate),
    Question("--box-low, --box-high", ("box_low", "box_high"), _always, _ask_box),
    Question("--start-pose", ("start_pose",), _real, _ask_start_pose),
)
