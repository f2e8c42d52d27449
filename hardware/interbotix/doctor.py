"""What `ptrctl doctor` and `ptrctl setup` find out about ROS and the arm's node; moves nothing."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from hardware.checks import Finding, Health
from hardware.install import how_to_install
from hardware.interbotix.ros import ROS_1, ROS_PYTHON
from hardware.interbotix.settings import InterbotixSettings
from hardware.interbotix.vendor import SERVICES, launch_command
from hardware.kinds import Discovered

ROS_FOLDER = Path("/opt/ros")
LIST_WITHIN_S = 5.0
SERVE = "/usr/bin/python3 -m hardware.remote.serve interbotix"


def check(settings: InterbotixSettings) -> Sequence[Finding]:
    """Findings in the order in which they have to be mended."""
    distro = os.environ.get("ROS_DISTRO", "")
    findings = [_sourced(distro)]
    if distro:
        findings.append(_python(distro))
    findings += [_package(distro), _solver()]
    if distro:
        findings.append(_node(settings, distro))
    return findings


def discover() -> Sequence[Discovered]:
    """Nodes of Interbotix arms that run now."""
    distro = os.environ.get("ROS_DISTRO", "")
    ending = "/get_robot_info"
    names = [service[1 : -len(ending)] for service in services(distro) if service.endswith(ending)]
    return [
        Discovered(f"Interbotix node /{name} (ROS {distro})", {"robot_name": name})
        for name in names
    ]


def services(distro: str) -> Sequence[str]:
    """Names of the ROS services that are offered now, asked by ROS's own command."""
    program = "rosservice" if distro in ROS_1 else "ros2"
    if not distro or shutil.which(program) is None:
        return []
    command = ["rosservice", "list"] if distro in ROS_1 else ["ros2", "service", "list"]
    try:
        answer = subprocess.run(
            command, capture_output=True, text=True, timeout=LIST_WITHIN_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return []
    return answer.stdout.split()


def _sourced(distro: str) -> Finding:
    if distro:
        return Finding("ROS", Health.OK, f"ROS {distro} is sourced")
    installed = sorted(folder.name for folder in ROS_FOLDER.glob("*"))
    if installed:
        fix = f"`source {ROS_FOLDER}/{installed[-1]}/setup.bash`, then the Interbotix workspace's"
        return Finding("ROS", Health.FAIL, "installed, but not sourced in this terminal", fix)
    return Finding(
        "ROS",
        Health.FAIL,
        "not installed on this machine",
        "Serve the arm on the machine that has ROS (docs/arms/interbotix.md), and set "
        '`name = "remote"` under [robot] in ptrctl.toml here',
    )


def _python(distro: str) -> Finding:
    here = sys.version_info[:2]
    wanted = ROS_PYTHON.get(distro)
    words = f"this is Python {here[0]}.{here[1]}"
    if wanted is None or wanted == here:
        return Finding("Python of ROS", Health.OK, words)
    return Finding(
        "Python of ROS",
        Health.FAIL,
        f"{words}; the packages of ROS {distro} are for {wanted[0]}.{wanted[1]}",
        f'Type `{SERVE}` on this machine, and set `name = "remote"` under [robot] in ptrctl.toml',
    )


def _package(distro: str) -> Finding:
    name = "interbotix_xs_modules"
    try:
        found = importlib.util.find_spec(name) is not None
    except (ImportError, ValueError):
        found = False
    if found:
        return Finding(name, Health.OK, "can be imported")
    return Finding(
        name,
        Health.FAIL,
        "cannot be imported by this Python",
        "Install the Interbotix X-series workspace (xsarm_amd64_install.sh -d "
        f"{distro or '<distribution>'}), then `source ~/interbotix_ws/"
        f"{'devel' if distro in ROS_1 else 'install'}/setup.bash`",
    )


def _solver() -> Finding:
    if importlib.util.find_spec("modern_robotics") is not None:
        return Finding("modern_robotics", Health.OK, "can be imported")
    fix = how_to_install("interbotix", "modern-robotics")
    return Finding("modern_robotics", Health.FAIL, "is missing", fix)


def _node(settings: InterbotixSettings, distro: str) -> Finding:
    name, generation = settings.name, 1 if distro in ROS_1 else 2
    offered = set(services(distro))
    missing = [service for service in SERVICES if f"/{name}/{service}" not in offered]
    if not missing:
        return Finding(f"node /{name}", Health.OK, "runs and offers its services")
    found = "does not run" if len(missing) == len(SERVICES) else f"lacks {', '.join(missing)}"
    command = launch_command(generation, settings.robot_model, name)
    return Finding(f"node /{name}", Health.FAIL, found, f"Type `{command}` in another terminal")
