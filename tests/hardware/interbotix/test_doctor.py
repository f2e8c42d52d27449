"""What doctor says of ROS, of Python and of the node."""

from __future__ import annotations

import sys

import pytest

from hardware.checks import Health
from hardware.interbotix import KIND, doctor
from hardware.interbotix.settings import InterbotixSettings
from hardware.interbotix.vendor import SERVICES
from tests.hardware.peers import open_peer

HERE = next(name for name, python in doctor.ROS_PYTHON.items() if python != sys.version_info[:2])


@pytest.fixture
def ros(monkeypatch):
    """Whether ROS is sourced, which distribution, and which services it lists."""

    def say(distro: str, services: list[str]) -> dict[str, doctor.Finding]:
        monkeypatch.setenv("ROS_DISTRO", distro)
        monkeypatch.setattr(doctor, "services", lambda distro: services)
        return {finding.name: finding for finding in KIND.check(InterbotixSettings())}

    return say


def test_without_ros_it_points_to_the_remote_server(monkeypatch, tmp_path) -> None:
    monkeypatch.delenv("ROS_DISTRO", raising=False)
    monkeypatch.setattr(doctor, "ROS_FOLDER", tmp_path)
    finding = KIND.check(InterbotixSettings())[0]
    assert finding.health is Health.FAIL
    assert 'name = "remote"' in finding.fix


def test_ros_that_is_not_sourced_gets_the_line_to_type(monkeypatch, tmp_path) -> None:
    monkeypatch.delenv("ROS_DISTRO", raising=False)
    (tmp_path / "humble").mkdir()
    monkeypatch.setattr(doctor, "ROS_FOLDER", tmp_path)
    finding = KIND.check(InterbotixSettings())[0]
    assert finding.fix.startswith(f"`source {tmp_path}/humble/setup.bash`")


def test_a_python_other_than_the_distributions_gets_the_server_to_type(ros) -> None:
    finding = ros(HERE, [])["Python of ROS"]
    assert finding.health is Health.FAIL
    assert f"are for {doctor.ROS_PYTHON[HERE][0]}.{doctor.ROS_PYTHON[HERE][1]}" in finding.found
    assert "/usr/bin/python3 -m hardware.remote.serve interbotix" in finding.fix


def test_the_right_python_is_right(ros, monkeypatch) -> None:
    monkeypatch.setitem(doctor.ROS_PYTHON, "humble", sys.version_info[:2])
    assert ros("humble", [])["Python of ROS"].health is Health.OK


def test_a_missing_workspace_and_a_present_one(ros) -> None:
    missing = ros("noetic", [])["interbotix_xs_modules"]
    assert missing.health is Health.FAIL
    assert "devel/setup.bash" in missing.fix
    with open_peer("interbotix-ros1"):
        assert ros("noetic", [])["interbotix_xs_modules"].health is Health.OK


@pytest.mark.parametrize(("distro", "launch"), [("noetic", "roslaunch"), ("humble", "ros2 launch")])
def test_a_node_that_does_not_run_gets_its_launch_line(ros, distro, launch) -> None:
    finding = ros(distro, ["/rosout/get_loggers"])["node /wx250s"]
    assert finding.health is Health.FAIL
    assert finding.found == "does not run"
    assert f"{launch} interbotix_xsarm_control" in finding.fix


def test_a_node_that_runs_is_well(ros) -> None:
    offered = [f"/wx250s/{service}" for service in SERVICES]
    assert ros("humble", offered)["node /wx250s"].health is Health.OK
    lacking = ros("humble", offered[1:])["node /wx250s"]
    assert lacking.found == "lacks set_operating_modes"


def test_running_nodes_are_discovered(ros) -> None:
    ros("humble", ["/wx250s/get_robot_info", "/arm1/wx250s/get_robot_info", "/rosout"])
    found = KIND.discover()
    assert [one.options for one in found] == [
        {"robot_name": "wx250s"},
        {"robot_name": "arm1/wx250s"},
    ]


def test_without_ros_there_is_nothing_to_discover(monkeypatch) -> None:
    monkeypatch.delenv("ROS_DISTRO", raising=False)
    assert KIND.discover() == []


def test_a_ros_command_that_hangs_or_is_missing_lists_nothing(monkeypatch, tmp_path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert doctor.services("humble") == []
    program = tmp_path / "ros2"
    program.write_text("#!/bin/sh\nread forever < /dev/zero\n")
    program.write_text("#!/bin/sh\nwhile :; do :; done\n")
    program.chmod(0o755)
    monkeypatch.setattr(doctor, "LIST_WITHIN_S", 0.1)
    assert doctor.services("humble") == []
    program.write_text("#!/bin/sh\necho /wx250s/get_robot_info\n")
    monkeypatch.setattr(doctor, "LIST_WITHIN_S", 5.0)
    assert doctor.services("humble") == ["/wx250s/get_robot_info"]
