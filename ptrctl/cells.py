"""From the profile to an arm that can be used: the one place where commands get their `Cell`."""

from __future__ import annotations

from dataclasses import replace

from hardware.clock import MonotonicClock
from hardware.kinds import ArmRequest
from hardware.modules import ARM_MODULES, SIMULATED
from hardware.registry import Cell, CellRequest, arm_kind
from hardware.registry import make_cell as make_cell_by_name
from hardware.robot import Robot, RobotFeatures
from hardware.safety import SafetyEnvelope
from hardware.settings import build_settings
from ptrctl.profile import Profile
from ptrctl.workspace import PROFILE_NAME, check_name
from recordings.errors import UsageError


def make_cell(profile: Profile, *, task: str, realtime: bool) -> Cell:
    """The arm, camera and scene that the profile names; not yet connected.

    Args:
        profile: Its workspace box, if set, replaces the arm's own.
        task: What is to be done.
        realtime: Run a simulated arm at the control rate instead of as fast as it can.

    Raises:
        UsageError: No such arm, kind of camera or task, or the profile does not fit the arm.
    """
    if profile.tasks and profile.robot != SIMULATED:
        # On a real arm nothing else would notice a misspelt name.
        check_name(task, profile.tasks, "task", "--task")
    request = CellRequest(
        task=task,
        kitchen_seed=profile.kitchen_seed,
        realtime=realtime,
        image_size=profile.image_size,
        control_rate_hz=profile.control_rate_hz,
        start_pose=profile.start_pose,
        robot_options=profile.robot_options,
        cameras=profile.cameras,
    )
    cell = make_cell_by_name(profile.robot, request)
    features = cell.station.robot.features
    check_rate(profile, features)
    if profile.start_pose is not None and profile.robot == SIMULATED:
        raise UsageError(
            f"A start pose is set for the arm {SIMULATED}.",
            "Its episodes begin where the seed of each says.",
            f"Remove `robot.start_pose` from {PROFILE_NAME}, leave `--start-pose` out, or choose a "
            "real arm with `--robot`.",
        )
    cameras = sorted(cell.station.cameras)
    if profile.camera not in cameras:
        raise UsageError(
            f"The profile's camera is `{profile.camera}`.",
            f"This cell has: {', '.join(cameras)}.",
            f"Run `ptrctl setup --camera {cameras[0]}`, or correct `camera.name` in "
            f"{PROFILE_NAME}.",
        )
    if profile.workspace_low_m is not None and profile.workspace_high_m is not None:
        cell.station.safety = SafetyEnvelope(
            replace(
                features.workspace,
                low_m=profile.workspace_low_m,
                high_m=profile.workspace_high_m,
            )
        )
    cell.station.check_start_pose(
        profile.start_pose,
        "Run `ptrctl setup` with a box around that point (`--box-low X Y Z --box-high X Y Z`) or, "
        f"for a real arm, with another start pose (`--start-pose`); or correct {PROFILE_NAME}.",
    )
    return cell


def make_arm(profile: Profile) -> Robot:
    """The profile's arm alone, to be stopped; not yet connected.

    Cameras, workspace box and start pose are left out: whatever is wrong with them must not keep
    anybody from stopping the arm.

    Raises:
        UsageError: No such arm, or its settings do not fit.
    """
    if profile.robot not in ARM_MODULES:
        # The simulated arm, or one from another package, which comes as a whole cell.
        cell = make_cell(profile, task=profile.some_task, realtime=True)
        return cell.station.robot
    kind = arm_kind(profile.robot)
    settings = build_settings(kind.settings, profile.robot_options, "robot.options")
    request = ArmRequest(MonotonicClock(), profile.control_rate_hz, image_size=profile.image_size)
    arm, _ = kind.make(settings, request)
    return arm


def check_rate(profile: Profile, features: RobotFeatures) -> None:
    """Raise `UsageError` if the arm runs at another control rate than the profile says."""
    if features.control_rate_hz != profile.control_rate_hz:
        raise UsageError(
            f"The profile's control rate is {profile.control_rate_hz:g} Hz.",
            f"The arm {features.name} runs at {features.control_rate_hz:g} Hz.",
            f"Run `ptrctl setup --rate {features.control_rate_hz:g}`, or correct "
            f"`robot.control_rate_hz` in {PROFILE_NAME}.",
        )
