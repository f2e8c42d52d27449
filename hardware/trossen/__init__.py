"""WidowX AI, the arm that Trossen Robotics sells today, through its driver `trossen-arm`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from hardware.camera import Camera
from hardware.checks import Finding
from hardware.kinds import ArmKind, ArmRequest, Discovered
from hardware.robot import Robot
from hardware.settings import setting
from hardware.trossen.widowx_ai import DEFAULT_ADDRESS, END_EFFECTORS


@dataclass(frozen=True)
class TrossenSettings:
    """How to reach the arm's controller, and when to stop."""

    address: str = setting(DEFAULT_ADDRESS, "IP address of the arm's controller.")
    end_effector: str = setting(
        END_EFFECTORS[0], f"What is mounted on the arm: {', '.join(END_EFFECTORS)}."
    )
    timeout_s: float = setting(3.0, "How long connecting, or any question over TCP, may take.")
    max_silence_s: float = setting(
        0.1, "The connection counts as lost when the controller sends nothing for so long."
    )
    effort_share: float = setting(
        0.9, "A joint that needs more than this share of its greatest effort is overloaded,"
    )
    overload_s: float = setting(0.5, "if it needs it for so many seconds.")
    max_temperature_c: float = setting(75.0, "A motor or its electronics may be so hot.")
    clear_error: bool = setting(
        False, "Clear the controller's error on connecting; set it only after finding the cause."
    )

    def __post_init__(self) -> None:
        if self.end_effector not in END_EFFECTORS:
            raise ValueError(
                f"end_effector is {self.end_effector!r}; known: {', '.join(END_EFFECTORS)}"
            )
        for name in ("timeout_s", "max_silence_s", "overload_s", "max_temperature_c"):
            if not 0.0 < getattr(self, name) < 1000.0:
                raise ValueError(f"{name} is {getattr(self, name)}; it is above 0")
        if not 0.0 < self.effort_share <= 1.0:
            raise ValueError(f"effort_share is {self.effort_share}; it is above 0, at most 1")


def _make(settings: TrossenSettings, request: ArmRequest) -> tuple[Robot, Sequence[Camera]]:
    from hardware.trossen.arm import TrossenArm

    return TrossenArm(settings, request), []


def _discover() -> Sequence[Discovered]:
    from hardware.trossen.doctor import discover

    return discover()


def _check(settings: TrossenSettings) -> Sequence[Finding]:
    from hardware.trossen.doctor import check

    return check(settings)


KIND = ArmKind(
    name="trossen",
    summary="WidowX AI, over Ethernet, with trossen-arm",
    settings=TrossenSettings,
    make=_make,
    discover=_discover,
    check=_check,
)
