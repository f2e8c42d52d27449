"""The driver on the vendor's own, unmodified code, over stubs of rospy and rclpy.

Set PTRCTL_INTERBOTIX_ROS1 and PTRCTL_INTERBOTIX_ROS2 to checkouts of interbotix_ros_toolboxes
(branches noetic, and humble or jazzy). They run in processes of their own, since the vendor's
lifecycle is a matter of the whole process.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.hardware.interbotix.child import assert_motions, python38, run_fault, run_motions

FOLDERS = {
    1: (
        "interbotix_xs_toolbox/interbotix_xs_modules/src",
        "interbotix_common_toolbox/interbotix_common_modules/src",
    ),
    2: (
        "interbotix_xs_toolbox/interbotix_xs_modules",
        "interbotix_common_toolbox/interbotix_common_modules",
    ),
}
SPEED = 2.0
"""A fifth of a second without joint_states is a fault: a loaded machine needs it to be long."""
pytestmark = pytest.mark.slow


@pytest.fixture(params=[1, 2])
def vendor(request) -> tuple[int, list[Path]]:
    generation: int = request.param
    variable = f"PTRCTL_INTERBOTIX_ROS{generation}"
    if not os.environ.get(variable):
        pytest.skip(f"set {variable} to a checkout of interbotix_ros_toolboxes to run this")
    folders = [Path(os.environ[variable]) / folder for folder in FOLDERS[generation]]
    for folder in folders:
        assert folder.is_dir(), f"{variable}: there is no {folder}"
    return generation, folders


def test_the_vendors_own_code_moves_the_arm_as_every_arm_must_move(vendor, tmp_path) -> None:
    generation, folders = vendor
    done = run_motions(tmp_path, generation, SPEED, vendor=folders)
    assert_motions(done)
    assert Path(done["vendor"]).is_relative_to(folders[0])


def test_the_vendors_code_for_noetic_runs_in_noetics_python(vendor, tmp_path) -> None:
    generation, folders = vendor
    if generation == 2:
        pytest.skip("Humble and Jazzy bring Python 3.10 and 3.12")
    done = run_motions(tmp_path, generation, SPEED, vendor=folders, python=python38())
    assert done["python"] == [3, 8]
    assert_motions(done)


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        ("die", "LostConnection"),
        ("overload", "MotorFault"),
        ("freeze", "LostConnection"),
        ("heat", "MotorFault"),
    ],
)
def test_a_fault_is_told_through_the_vendors_own_code(vendor, tmp_path, fault, kind) -> None:
    generation, folders = vendor
    done = run_fault(tmp_path, generation, SPEED, fault, vendor=folders)
    assert done["kind"] == kind
    # Only a lost arm cannot confirm that it holds.
    assert done["hold"] == ("LostConnection" if kind == "LostConnection" else "")
