"""What `ptrctl doctor` and `ptrctl setup` find out about a WidowX AI; nothing moves."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Sequence
from contextlib import closing

from hardware.checks import Finding, Health
from hardware.kinds import Discovered
from hardware.trossen import TrossenSettings, widowx_ai
from hardware.trossen.controller import NO_ERROR, Controller, load_driver
from hardware.trossen.widowx_ai import TCP_PORT
from recordings.errors import PtrctlError, SystemSetupError

KNOCK_S = 0.5
WARM_SHARE = 0.8
"""Of the greatest temperature, from which on the arm is called warm."""


def discover() -> Sequence[Discovered]:
    """The arm at its default address, if this machine is on that network at all.

    Only opens and closes a TCP connection; the vendor's own search speaks to every address of
    the network, and to arms that are at work.
    """
    address = widowx_ai.DEFAULT_ADDRESS
    if not _is_near(address) or _knock(address):
        return []
    return [Discovered(f"WidowX AI at {address}", {"address": address})]


def check(settings: TrossenSettings) -> Sequence[Finding]:
    """Driver, network, versions, errors and temperatures. Connecting brakes a holding arm."""
    try:
        load_driver()
    except SystemSetupError as problem:
        return [_failed("trossen driver", problem)]
    address = settings.address
    refused = _knock(address)
    if refused:
        return [
            Finding(
                "trossen network",
                Health.FAIL,
                f"{address} does not take connections on TCP port {TCP_PORT}: {refused}",
                "Check the arm's power and Ethernet cable. This machine needs an address in the "
                f"arm's network (192.168.1.1 for the default); try `ping {address}`.",
            )
        ]
    findings = [Finding("trossen network", Health.OK, f"the controller listens at {address}")]
    with closing(Controller(settings)) as controller:
        try:
            controller.open()
            findings += _look(controller, settings)
        except PtrctlError as problem:
            findings.append(_failed("trossen controller", problem))
    return findings


def _look(controller: Controller, settings: TrossenSettings) -> list[Finding]:
    versions = controller.versions()
    error = controller.error()
    hottest = float(controller.sample().temperatures_c.max())
    warm = hottest > WARM_SHARE * settings.max_temperature_c
    return [
        Finding(
            "trossen versions",
            Health.OK,
            f"driver {versions['driver']}, firmware {versions['firmware']}",
        ),
        Finding("trossen error", Health.OK, "none")
        if error == NO_ERROR
        else Finding(
            "trossen error",
            Health.FAIL,
            error,
            "Remove the cause, support the arm, switch its power off and on.",
        ),
        Finding(
            "trossen temperature",
            Health.WARN if warm else Health.OK,
            f"the hottest part is at {hottest:.0f} degrees Celsius; the limit is "
            f"{settings.max_temperature_c:g}",
            "Let the arm park and cool down." if warm else "",
        ),
    ]


def _failed(name: str, problem: PtrctlError) -> Finding:
    return Finding(name, Health.FAIL, f"{problem.found} {problem.expected}", problem.try_next)


def _knock(address: str) -> str:
    """Why no connection can be made, empty if it can."""
    try:
        socket.create_connection((address, TCP_PORT), timeout=KNOCK_S).close()
    except OSError as problem:
        return str(problem)
    return ""


def _is_near(address: str) -> bool:
    """Whether this machine has an address in the same /24 network; sends nothing."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect((address, TCP_PORT))
            own = probe.getsockname()[0]
        except OSError:
            return False
    return ipaddress.ip_address(own) in ipaddress.ip_network(f"{address}/24", strict=False)
