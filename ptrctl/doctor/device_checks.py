"""What `ptrctl doctor` asks the profile's arm, cameras and teleoperator. Nothing moves."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from hardware.checks import Finding, Health
from hardware.kinds import ArmKind, CameraKind, TeleoperatorKind
from hardware.modules import ARM_MODULES, SIMULATED
from hardware.registry import arm_kind, camera_kind, robot_names
from hardware.settings import build_settings
from hardware.teleoperators.registry import PROFILE_TABLE, teleoperator_kind
from ptrctl.profile import Profile
from ptrctl.time_limit import within
from recordings.errors import PtrctlError

DEVICE_LIMIT_S = 45.0
"""A RealSense that does not start takes 15 s to say so."""


def check_arm(profile: Profile) -> Sequence[Finding]:
    """What the profile's kind of arm finds; errors and hanging are findings too."""
    name = profile.robot
    if name == SIMULATED:
        return [Finding(name, Health.OK, "Simulated: always there.")]
    if name not in ARM_MODULES and name in robot_names():
        words = "An arm from another package, which ptrctl cannot check."
        return [Finding(name, Health.ABSENT, words)]
    return _asked(name, lambda: arm_kind(name), profile.robot_options, "robot.options")


def check_camera(name: str, values: Mapping[str, Any]) -> Sequence[Finding]:
    """The same for one camera of the profile."""
    options = dict(values)
    kind = str(options.pop("kind"))
    return _asked(name, lambda: camera_kind(kind), options, f"cameras.{name}")


def check_teleoperator(profile: Profile) -> Sequence[Finding]:
    """The same for the device with which a person drives the arm; not for the keyboard."""
    name = profile.teleoperator
    options = profile.teleoperator_options
    return _asked(name, lambda: teleoperator_kind(name), options, PROFILE_TABLE)


def _asked(
    name: str,
    find: Callable[[], ArmKind | CameraKind | TeleoperatorKind],
    options: Mapping[str, Any],
    table: str,
) -> Sequence[Finding]:
    def ask() -> Sequence[Finding]:
        kind = find()
        return kind.check(build_settings(kind.settings, options, table))

    return examined(name, ask, DEVICE_LIMIT_S) or [
        Finding(name, Health.OK, "There is nothing to check.")
    ]


def examined(
    name: str, check: Callable[[], Sequence[Finding]], limit_s: float
) -> Sequence[Finding]:
    """What a check finds; that it fails or does not come back is a finding as well."""
    try:
        return within(limit_s, check)
    except PtrctlError as problem:
        words = f"{problem.found} {problem.expected}".strip()
        return [Finding(name, Health.FAIL, words, problem.try_next)]
    except TimeoutError:
        return [
            Finding(
                name,
                Health.FAIL,
                f"No answer within {limit_s:g} s.",
                "Unplug it, or switch its power off and on, then run `ptrctl doctor` again.",
            )
        ]
    except Exception as problem:  # a doctor that dies of what it finds helps nobody
        return [
            Finding(
                name,
                Health.FAIL,
                f"The check itself failed with {type(problem).__name__}: {problem}",
                "Run `ptrctl --debug doctor` and report the trace.",
            )
        ]
