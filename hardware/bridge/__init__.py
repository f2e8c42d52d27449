"""The WidowX 250s of a lab that already runs a Bridge robot server (`widowx_env_service`)."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec

from hardware.bridge.settings import BridgeSettings
from hardware.camera import Camera
from hardware.checks import Finding, Health
from hardware.install import cannot_import
from hardware.kinds import ArmKind, ArmRequest, Discovered
from hardware.robot import Robot
from recordings.errors import SystemSetupError


def _missing() -> SystemSetupError | None:
    names = [name for name in ("lz4", "zmq") if find_spec(name) is None]
    problem = f"this Python lacks {' and '.join(names)}"
    return cannot_import(problem, "The arm `bridge`", "bridge", "lz4", "pyzmq") if names else None


def _make(settings: BridgeSettings, request: ArmRequest) -> tuple[Robot, Sequence[Camera]]:
    missing = _missing()
    if missing:
        raise missing
    from hardware.bridge.camera import BridgeCamera
    from hardware.bridge.client import BridgeClient
    from hardware.bridge.robot import BridgeRobot
    from hardware.kinematics import Kinematics

    client = BridgeClient(settings.host, settings.port, request.clock, settings.timeout_s)
    camera = BridgeCamera(
        settings.camera_name,
        client,
        settings.camera_topic,
        request.image_size,
        # One report serves the picture and the state of a control period, not of two.
        max_age_s=0.5 / request.control_rate_hz,
        frozen_after_s=settings.frozen_after_s,
        full_image=settings.full_image,
    )
    return BridgeRobot(settings, request, client, Kinematics()), [camera]


def _discover() -> Sequence[Discovered]:
    if _missing():
        return []
    from hardware.bridge import doctor

    return doctor.discover()


def _check(settings: BridgeSettings) -> Sequence[Finding]:
    missing = _missing()
    if missing:
        return [Finding("bridge packages", Health.FAIL, missing.found, missing.try_next)]
    from hardware.bridge import doctor

    return doctor.check(settings)


KIND = ArmKind(
    name="bridge",
    summary="WidowX 250s behind a BridgeData robot server (widowx_env_service)",
    settings=BridgeSettings,
    make=_make,
    discover=_discover,
    check=_check,
)
