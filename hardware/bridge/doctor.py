"""Looks at a Bridge robot server without moving its arm."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Sequence

from hardware.bridge.camera import decode_full, decode_small
from hardware.bridge.client import BridgeClient, NotInitialised, Report
from hardware.bridge.settings import BridgeSettings
from hardware.bridge.wire import ProtocolError
from hardware.checks import Finding, Health
from hardware.clock import MonotonicClock
from hardware.faults import CameraFault, LostConnection
from hardware.kinds import Discovered
from hardware.tcp_ports import BRIDGE_PORT
from recordings.errors import RobotError

LOOPBACK = "127.0.0.1"
PROBE_S = 0.2
ANSWER_S = 1.0


def discover() -> Sequence[Discovered]:
    """A server on this machine, or at this end of a tunnel, at the usual port."""
    try:
        socket.create_connection((LOOPBACK, BRIDGE_PORT), PROBE_S).close()
    except OSError:
        return []
    client = BridgeClient(LOOPBACK, BRIDGE_PORT, MonotonicClock(), ANSWER_S)
    client.open()
    try:
        client.configuration()
    except RobotError:
        return []
    finally:
        client.close()
    words = f"Bridge robot server at {client.address}"
    return [Discovered(words, {"host": LOOPBACK, "port": BRIDGE_PORT})]


def check(settings: BridgeSettings) -> Sequence[Finding]:
    """Whether the server answers, speaks the same protocol, has an arm, and shows pictures."""
    client = BridgeClient(
        settings.host, settings.port, MonotonicClock(), max(settings.timeout_s, ANSWER_S)
    )
    client.open()
    try:
        return [*_answers(client, settings), _secrecy(settings)]
    finally:
        client.close()


def _answers(client: BridgeClient, settings: BridgeSettings) -> Sequence[Finding]:
    name = "bridge server"
    start = (
        f"On {settings.host}, run `python3 widowx_env_service.py --server`, and let port "
        f"{settings.port} through its firewall."
    )
    try:
        socket.create_connection((settings.host, settings.port), settings.timeout_s).close()
    except OSError as problem:
        found = f"nothing listens at {client.address} ({problem})"
        return [Finding(name, Health.FAIL, found, start)]
    try:
        told = client.configuration()["version"]
        findings = [Finding(name, Health.OK, f"{client.address}, protocol {told}")]
    except LostConnection:
        found = f"{client.address} accepts connections and does not answer"
        fix = (
            "It may be setting up its arm, for about 10 s, or its loop has ended, as happens when "
            "another client's numpy is newer than its own: restart it."
        )
        return [Finding(name, Health.FAIL, found, fix)]
    except ProtocolError as problem:
        health = Health.FAIL if settings.handshake else Health.WARN
        findings = [Finding(name, health, problem.found, problem.try_next)]
        if settings.handshake:
            return findings
    return [*findings, *_observation(client, settings)]


def _observation(client: BridgeClient, settings: BridgeSettings) -> Sequence[Finding]:
    arm, picture = "bridge arm", "bridge camera"
    try:
        report = client.observe()
    except NotInitialised as problem:
        return [Finding(arm, Health.WARN, "not initialised yet", problem.expected)]
    except RobotError as problem:
        return [Finding(arm, Health.FAIL, problem.found, problem.try_next)]
    x, y, z = report.state[:3]
    where = f"gripper at x {x:.3f}, y {y:.3f}, z {z:.3f} m, opening {report.state[6]:.2f}"
    took_ms = (report.arrived_s - report.asked_s) * 1000
    findings = [Finding(arm, Health.OK, f"{where}; answered within {took_ms:.0f} ms")]
    try:
        findings.append(Finding(picture, Health.OK, _size(report, settings)))
    except CameraFault as problem:
        findings.append(Finding(picture, Health.FAIL, problem.found, problem.try_next))
    return findings


def _size(report: Report, settings: BridgeSettings) -> str:
    full = settings.full_image
    image = decode_full(report.full_image) if full else decode_small(report.small_image)
    return f"{image.shape[1]}x{image.shape[0]} pixels"


def _secrecy(settings: BridgeSettings) -> Finding:
    """The server unpickles whatever it is sent, that is, runs any program it is sent."""
    name = "bridge network"
    try:
        local = ipaddress.ip_address(settings.host).is_loopback
    except ValueError:
        local = settings.host == "localhost"
    if local:
        return Finding(name, Health.OK, "reached on this machine or by a tunnel")
    return Finding(
        name,
        Health.WARN,
        f"whoever reaches {settings.host}:{settings.port} can run any program there",
        f"Keep it in a private network, or use `ssh -L {settings.port}:localhost:{settings.port} "
        f"{settings.host}` and set host to 127.0.0.1.",
    )
