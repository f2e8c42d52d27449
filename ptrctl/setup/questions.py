"""The questions of `ptrctl setup`, one prompt a function; Ctrl-C at any ends the command."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from hardware.kinds import Discovered
from hardware.limits import CONTROL_RATES_HZ, NAME, check_box, check_pose
from hardware.modules import ARM_MODULES, CAMERA_MODULES, SIMULATED, USUAL_CAMERA
from hardware.registry import arm_kind, camera_kind, robot_names
from hardware.robot import WorkspaceBox
from hardware.settings import parse_settings, setting_helps
from ptrctl.profile import Profile
from ptrctl.setup.device_choice import camera_in_words, in_words
from recordings.errors import PtrctlError, nearest

Corner = tuple[float, float, float]
"""x, y, z in m, in the arm's base frame."""
Pose = tuple[float, float, float, float, float, float]
"""x, y, z in m, roll, pitch, yaw in rad from gripper-down."""

KEEP, OWN, TYPE, JOG = "keep", "own", "type", "jog"
"""Ways to answer where the box or the start pose is."""


def ask_robot(profile: Profile) -> str:
    names = robot_names()
    default = profile.robot if profile.robot in names else names[0]
    width = max(len(name) for name in names)
    choices = {f"{name:{width}}  {_arm_summary(name)}": name for name in names}
    return str(_choose("Which arm?", choices, default))


def _arm_summary(name: str) -> str:
    if name == SIMULATED:
        return "the simulated WidowX 250s; needs nothing"
    return arm_kind(name).summary if name in ARM_MODULES else "from another package"


def ask_found(profile: Profile, found: Sequence[Discovered]) -> Mapping[str, Any] | None:
    """The settings of the arm that is meant; None to type them."""
    choices: dict[str, Mapping[str, Any] | None] = {}
    if profile.robot_options:
        choices[f"as before: {in_words(profile.robot_options)}"] = profile.robot_options
    for device in found:
        choices[device.words] = {**profile.robot_options, **device.options}
    if not profile.robot_options:
        choices["the usual settings"] = {}
    choices["type its settings"] = None
    answer: Mapping[str, Any] | None = _choose("Where is it?", choices)
    return answer


def ask_settings(kind: type[Any], present: Mapping[str, Any]) -> dict[str, Any]:
    """Settings, typed."""
    import questionary

    def parsed(text: str) -> dict[str, Any]:
        texts = [part.strip() for part in text.split(",") if part.strip()]
        return parse_settings(kind, texts, "settings")

    for key, words in setting_helps(kind).items():
        questionary.print(f"  {key}: {words}", style="fg:ansibrightblack")
    question = questionary.text(
        "Settings, as KEY=VALUE with commas between them?",
        default=in_words(present),
        validate=_valid(parsed),
    )
    return parsed(str(question.unsafe_ask()))


def ask_cameras(
    profile: Profile, found: Sequence[tuple[str, Discovered]]
) -> tuple[dict[str, dict[str, Any]], list[tuple[str, dict[str, Any]]], bool]:
    """Which cameras are used.

    Returns:
        Those kept from the profile by name, new ones as (words, settings), and whether one more
        shall be typed.
    """
    import questionary

    kept = {name: dict(values) for name, values in profile.cameras.items()}
    new = [
        (f"{kind}: {device.words}", {"kind": kind, **device.options})
        for kind, device in found
        if {"kind": kind, **device.options} not in kept.values()
    ]
    choices = [
        questionary.Choice(f"{name}: {camera_in_words(values)}", ("kept", name), checked=True)
        for name, values in kept.items()
    ]
    choices += [
        questionary.Choice(words, ("new", index), checked=not kept and index == 0)
        for index, (words, _) in enumerate(new)
    ]
    choices.append(questionary.Choice("another one; type its settings", ("type", 0)))
    question = questionary.checkbox(
        "Which cameras?",
        instruction="(space chooses, Enter goes on)",
        choices=choices,
        validate=lambda answers: bool(answers) or "A policy needs at least one.",
    )
    answers = question.unsafe_ask()
    names = [name for what, name in answers if what == "kept"]
    indices = [index for what, index in answers if what == "new"]
    return {name: kept[name] for name in names}, [new[i] for i in indices], ("type", 0) in answers


def ask_camera_kind() -> str:
    choices = {f"{name}: {camera_kind(name).summary}": name for name in sorted(CAMERA_MODULES)}
    return str(_choose("Which kind of camera?", choices))


def ask_camera_name(title: str, taken: Sequence[str]) -> str:
    """What a camera is called in recordings."""
    import questionary

    usual = (USUAL_CAMERA, "wrist", *(f"camera_{number}" for number in range(3, 20)))
    default = next(name for name in usual if name not in taken)

    def valid(text: str) -> bool | str:
        if text.strip() in taken:
            return "Another camera has this name."
        return bool(NAME.fullmatch(text.strip())) or "Small letters, digits and underscores."

    question = questionary.text(f"{title}. Its name?", default=default, validate=valid)
    return str(question.unsafe_ask()).strip()


def ask_policy_camera(profile: Profile, names: Sequence[str]) -> str:
    default = profile.camera if profile.camera in names else names[0]
    question = (
        "Which camera?" if profile.robot == SIMULATED else "Which one do policies look through?"
    )
    return str(_choose(question, {name: name for name in names}, default))


def ask_task(profile: Profile) -> str:
    import questionary

    from hardware.sim.tasks import all_task_names

    question = questionary.autocomplete(
        "Which task? (Tab lists them)",
        choices=[*profile.tasks, *(name for name in all_task_names() if name not in profile.tasks)],
        default=profile.some_task,
        validate=lambda text: _valid_task(profile, text.strip()),
    )
    return str(question.unsafe_ask()).strip()


def ask_further_tasks(profile: Profile) -> tuple[str, ...]:
    """All task names, the default one first; empty if there is only that."""
    import questionary

    def names(text: str) -> list[str]:
        return [name for name in text.replace(",", " ").split() if name != profile.task]

    def valid(text: str) -> bool | str:
        return next(
            (v for v in (_valid_task(profile, n) for n in names(text)) if v is not True), True
        )

    question = questionary.text(
        "Further tasks here? (spaces between them; empty: none)",
        default=" ".join(name for name in profile.tasks if name != profile.task),
        validate=valid,
    )
    further = list(dict.fromkeys(names(str(question.unsafe_ask()))))
    return (str(profile.task), *further) if further else ()


def _valid_task(profile: Profile, name: str) -> bool | str:
    if profile.robot != SIMULATED:
        return bool(NAME.fullmatch(name)) or "Small letters, digits and underscores."

    from hardware.sim.tasks import all_task_names

    if name in all_task_names():
        return True
    near = nearest(name, all_task_names(), count=3)
    return f"Did you mean {' or '.join(near)}?" if near else "Tab lists the tasks."


def ask_kitchen(profile: Profile) -> int:
    import questionary

    question = questionary.text(
        "Which simulated kitchen (seed)?",
        default=str(profile.kitchen_seed),
        validate=lambda text: text.isdecimal() or "Type a whole number from 0 up.",
    )
    return int(question.unsafe_ask())


def ask_image_size(profile: Profile) -> int:
    sizes = sorted({64, 96, 128, 256, profile.image_size})
    choices = {str(size): size for size in sizes}
    return int(_choose("Edge of the recorded pictures in pixels?", choices, profile.image_size))


def ask_only_rate(rate_hz: float) -> float:
    """An arm with one rate; the question shows it."""
    return float(_choose("Control rate in steps a second?", {f"{rate_hz:g}": rate_hz}))


def ask_rate(profile: Profile) -> float:
    import questionary

    low, high = CONTROL_RATES_HZ

    def valid(text: str) -> bool | str:
        try:
            return low <= float(text) <= high or f"Type {low:g} to {high:g}; Bridge has 5."
        except ValueError:
            return "Type a number."

    question = questionary.text(
        "Control rate in steps a second?", default=f"{profile.control_rate_hz:g}", validate=valid
    )
    return float(question.unsafe_ask())


def ask_box_source(profile: Profile, own: WorkspaceBox) -> str:
    choices = {}
    if profile.workspace_low_m is not None and profile.workspace_high_m is not None:
        words = numbers_in_words((*profile.workspace_low_m, *profile.workspace_high_m))
        choices[f"as before: {words}"] = KEEP
    choices[f"the arm's own: {numbers_in_words((*own.low_m, *own.high_m))}"] = OWN
    choices["type the corners"] = TYPE
    choices["jog to the corners with the keyboard"] = JOG
    return str(_choose("Workspace box (lowest x y z, highest x y z in m)?", choices))


def ask_box(profile: Profile, own: WorkspaceBox) -> tuple[Corner, Corner]:
    """Both corners, typed."""
    import questionary

    low = profile.workspace_low_m or own.low_m
    high = profile.workspace_high_m or own.high_m
    question = questionary.text(
        "Lowest x y z, then highest x y z, in m?",
        default=numbers_in_words((*low, *high)),
        validate=_valid(
            parse_box, "Type six numbers in m: the lowest x y z, then the highest x y z."
        ),
    )
    return parse_box(str(question.unsafe_ask()))


def parse_box(text: str) -> tuple[Corner, Corner]:
    """Two corners from six numbers.

    Raises:
        ValueError: They are not six.
        UsageError: They are no box.
    """
    a, b, c, d, e, f = (float(word) for word in text.replace(",", " ").split())
    low, high = (a, b, c), (d, e, f)
    check_box("workspace_box", low, high, "")
    return low, high


def ask_start_pose_source(profile: Profile) -> str:
    choices = {}
    if profile.start_pose is not None:
        choices[f"as before: {numbers_in_words(profile.start_pose)}"] = KEEP
    choices["the arm's own"] = OWN
    choices["type the pose"] = TYPE
    choices["jog there with the keyboard"] = JOG
    return str(_choose("Start pose, where episodes begin?", choices))


def ask_start_pose(profile: Profile) -> Pose:
    """The pose, typed."""
    import questionary

    question = questionary.text(
        "x y z in m, then roll pitch yaw in rad from gripper-down?",
        default=numbers_in_words(profile.start_pose or ()),
        validate=_valid(parse_pose, "Type six numbers: x y z in m, roll pitch yaw in rad."),
    )
    return parse_pose(str(question.unsafe_ask()))


def parse_pose(text: str) -> Pose:
    """A pose from six numbers.

    Raises:
        ValueError: They are not six.
        UsageError: They are out of range.
    """
    x, y, z, roll, pitch, yaw = (float(word) for word in text.replace(",", " ").split())
    pose = (x, y, z, roll, pitch, yaw)
    check_pose("robot.start_pose", pose, "")
    return pose


def confirm(question: str, *, default: bool = True) -> bool:
    """A question with yes or no."""
    import questionary

    return bool(questionary.confirm(question, default=default).unsafe_ask())


def numbers_in_words(values: Sequence[float]) -> str:
    """Numbers as they are typed."""
    return " ".join(f"{value:g}" for value in values)


def _choose(question: str, choices: Mapping[str, Any], default: Any = None) -> Any:
    """The value behind the words that the operator chooses."""
    import questionary

    # In a tuple, since questionary puts the words in the place of a value of None.
    listed = [questionary.Choice(words, value=(value,)) for words, value in choices.items()]
    wanted = None if default is None else (default,)
    at = next((one for one in listed if one.value == wanted), listed[0])
    return questionary.select(question, choices=listed, default=at).unsafe_ask()[0]


def _valid(parse: Callable[[str], object], words: str = "") -> Callable[[str], bool | str]:
    """A check of typed text: what `parse` refuses is asked again."""

    def valid(text: str) -> bool | str:
        try:
            parse(text)
        except PtrctlError as problem:
            return words or f"{problem.found} {problem.expected}"
        except ValueError:
            return words
        return True

    return valid
