"""Arms and cameras for the wizard: what is there, and settings as an operator types them."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from hardware.clock import MonotonicClock
from hardware.kinds import ArmRequest, Discovered
from hardware.limits import check_camera_name
from hardware.modules import ARM_MODULES, CAMERA_MODULES
from hardware.registry import arm_kind, camera_kind
from hardware.settings import build_settings, parse_settings
from ptrctl.profile import Profile
from ptrctl.terminal import console
from ptrctl.time_limit import within
from recordings.errors import UsageError

DISCOVERY_LIMIT_S = 20.0
TEST_PATTERN = "test-pattern"


def is_ours(robot: str) -> bool:
    """Whether a real arm of that name has settings that we know."""
    return robot in ARM_MODULES


def settings_of(robot: str) -> type[Any]:
    """The settings dataclass of a real arm."""
    return arm_kind(robot).settings


def arm_options(
    robot: str, texts: Sequence[str], port: str | None, address: str | None
) -> dict[str, Any]:
    """The arm's settings from `--option`, `--port` and `--address`.

    Raises:
        UsageError: They do not fit the arm.
    """
    if not is_ours(robot):
        if texts or port or address:
            raise UsageError(
                f"The arm {robot} has no settings.",
                "`--option`, `--port` and `--address` are for real arms.",
                "Leave them out, or choose another arm with `--robot`.",
            )
        return {}
    kind = settings_of(robot)
    known = [field.name for field in dataclasses.fields(kind)]
    friendly = []
    for flag, value, keys in (
        ("--port", port, ("port",)),
        ("--address", address, ("address", "host")),
    ):
        if value is None:
            continue
        key = next((key for key in keys if key in known), None)
        if key is None:
            raise UsageError(
                f"`{flag}` was given, but the arm {robot} has no such setting.",
                f"Its settings: {', '.join(known) or 'none'}.",
                f"Leave `{flag}` out, or give one of these with `--option KEY=VALUE`.",
            )
        friendly.append(f"{key}={value}")
    return parse_settings(kind, [*texts, *friendly], "--option")


def parse_cameras(texts: Sequence[str]) -> tuple[dict[str, dict[str, Any]], str | None]:
    """`--camera` texts: `NAME=KIND,KEY=VALUE,...` defines a camera, `NAME` alone chooses one.

    Returns:
        Camera name to settings ("kind" first), and the name of the camera that policies look
        through, None if no text names one alone.

    Raises:
        UsageError: A text is neither, or settings do not fit their kind.
    """
    cameras: dict[str, dict[str, Any]] = {}
    chosen = None
    for text in texts:
        name, equals, description = text.partition("=")
        if not equals:
            chosen = text
            continue
        check_camera_name(name, f"Write for example `--camera over_shoulder={description}`.")
        kind, *settings = description.split(",")
        values = parse_settings(camera_kind(kind).settings, settings, f"--camera {name}={kind},")
        cameras[name] = {"kind": kind, **values}
    return cameras, chosen


def in_words(settings: Mapping[str, Any]) -> str:
    """Settings as they are typed: "kind=uvc,device=/dev/video0"."""
    return ",".join(
        f"{key}={str(value).lower() if isinstance(value, bool) else value}"
        for key, value in settings.items()
    )


def camera_in_words(settings: Mapping[str, Any]) -> str:
    """A camera as `--camera NAME=` wants it: "uvc,device=/dev/video0"."""
    others = {key: value for key, value in settings.items() if key != "kind"}
    return ",".join(part for part in (str(settings["kind"]), in_words(others)) if part)


def found_arms(robot: str) -> list[Discovered]:
    """What of this kind seems to be there."""
    return _found(robot, arm_kind(robot).discover)


def found_cameras() -> list[tuple[str, Discovered]]:
    """(kind, camera) of everything that seems to be plugged in, the test pattern last."""
    kinds = sorted(CAMERA_MODULES, key=lambda name: name == TEST_PATTERN)
    return [(kind, one) for kind in kinds for one in _found(kind, camera_kind(kind).discover)]


def _found(name: str, discover: Callable[[], Sequence[Discovered]]) -> list[Discovered]:
    """What a driver finds; one that fails or hangs finds nothing, and that is said."""
    try:
        return list(within(DISCOVERY_LIMIT_S, discover))
    except Exception as problem:  # the wizard goes on: the operator can type what was not found
        console.note(f"Looking for {name} failed: {problem}")
        return []


def brought_cameras(profile: Profile) -> list[str]:
    """The cameras that the profile's arm itself brings; a remote arm is asked.

    Raises:
        PtrctlError: The settings do not fit, a package is missing, or a server does not answer.
    """
    kind = arm_kind(profile.robot)
    settings = build_settings(kind.settings, profile.robot_options, "robot.options")
    request = ArmRequest(
        MonotonicClock(), profile.control_rate_hz, profile.start_pose, image_size=profile.image_size
    )
    _, cameras = kind.make(settings, request)
    return [camera.features.name for camera in cameras]
