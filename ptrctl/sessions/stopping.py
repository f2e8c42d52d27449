"""Puts `ptrctl stop` together: stops a real arm, and tells what its motors say afterwards."""

from __future__ import annotations

from pathlib import Path

from hardware.faults import MotionStopped
from hardware.robot import RobotFeatures, Stop
from ptrctl.cells import make_arm
from ptrctl.next_command import next_command, parking_command, scene_flags
from ptrctl.operator.at_the_arm import at_rest
from ptrctl.operator.holding import how_to_hold, watching
from ptrctl.profile import Profile, load_profile
from ptrctl.setup.questions import confirm
from ptrctl.terminal import console
from ptrctl.workspace import Workspace, open_workspace
from recordings.errors import UsageError


def stop_arm(folder: Path, robot: str | None, kind: str, *, yes: bool) -> bool:
    """Connect to the arm alone, stop it, and show the outcome.

    Args:
        folder: Of the workspace.
        robot: Instead of the profile's arm.
        kind: "hold", "park" or "torque-off".
        yes: The arm is supported; nobody is asked before it lets go.

    Returns:
        False if the operator did not want it to let go.

    Raises:
        UsageError: The arm is simulated, or there is nobody to ask.
        RobotError: It cannot be reached, or its motors do not confirm the stop.
    """
    workspace = open_workspace(folder)
    profile = _arm_of(workspace, robot)
    arm, wanted = make_arm(profile), Stop(kind.replace("-", "_"))
    if arm.features.simulated:
        raise UsageError(
            f"The arm {arm.features.name} is simulated.",
            "It stops when its program ends.",
            "Name a real arm with `--robot`, or run `ptrctl setup`.",
        )
    if wanted is Stop.TORQUE_OFF and not yes and not _may_let_go(arm.features):
        console.note("Nothing was done.")
        console.document({"declined": True})
        return False
    if wanted is Stop.PARK:
        console.note(f"The arm goes to where it parks. {how_to_hold()}")
    reached = wanted
    with arm, watching() as should_stop:
        try:
            arm.stop(wanted, should_stop=should_stop)
        except MotionStopped:
            reached = Stop.HOLD
    words = at_rest(reached, arm.features, parking_command(workspace, profile))
    console.outcome_panel(
        "The arm has confirmed it",
        {"arm": arm.features.name, "now": words},
        next_command=next_command("doctor", workspace, robot=scene_flags(profile).get("robot")),
        data={"robot": arm.features.name, "stop": kind, "state": words},
    )
    return True


def _arm_of(workspace: Workspace, robot: str | None) -> Profile:
    """What the profile says of the arm; a slip elsewhere in the file must not keep it moving."""
    try:
        return load_profile(workspace, only="robot").with_flags(robot=robot)
    except UsageError as problem:
        if robot is None:
            raise
        console.warn(f"{problem.found} The arm {robot} is taken as it is by default.")
        return Profile().with_flags(robot=robot)


def _may_let_go(features: RobotFeatures) -> bool:
    if not features.releases_torque:
        return True  # It says itself that it cannot, and holds.
    if not console.is_interactive():
        raise UsageError(
            "There is nobody to ask whether the arm is supported.",
            "An arm without torque may drop.",
            "Support it and add `--yes`.",
        )
    then = "only its brakes hold the arm" if features.brakes else "the arm drops"
    with console.asking():
        return confirm(f"Without torque {then}. Is it supported by hand?", default=False)
