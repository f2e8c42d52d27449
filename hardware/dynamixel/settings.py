"""What can be set of the WidowX 250s on its servo bus."""

from __future__ import annotations

from dataclasses import dataclass, replace

from hardware.settings import setting

MAX_WATCHDOG_S = 2.54
WATCHDOG_PERIODS = 2.0
BAUD_RATES = (57600, 115200, 1000000, 2000000, 3000000, 4000000)


@dataclass(frozen=True)
class DynamixelSettings:
    """Settings of the arm, see the help of each."""

    port: str = setting(
        "", "The U2D2's port, best by /dev/serial/by-id/...; empty takes the only one there is."
    )
    baud_rate: int = setting(1_000_000, "Baud rate of the motors; Interbotix ships 1000000.")
    max_temperature_c: float = setting(
        65.0, "A motor hotter than this stops the arm, before it switches itself off at 72 or 80."
    )
    max_current_fraction: float = setting(
        0.75, "A joint that pushes harder than this part of its stall current stops the arm."
    )
    over_current_samples: int = setting(5, "After so many readings in a row.")
    homing_offsets: bool = setting(
        False, "The motors' homing offsets are right: they correct horns that are mounted turned."
    )
    watchdog_s: float = setting(
        0.5,
        "Motors stop by themselves after so long a silence, two control periods at least; 0 "
        "switches that off.",
    )
    gripper_force: float = setting(0.4, "Part of its full power with which the gripper moves.")
    gripper_holding_force: float = setting(
        0.25, "Part of its full power with which the gripper holds what it has grasped."
    )
    guardian: bool = setting(
        True, "Park the arm when the program that drives it dies without a word."
    )
    guardian_wait_s: float = setting(10.0, "How long the arm holds before it is parked.")

    def __post_init__(self) -> None:
        if self.baud_rate not in BAUD_RATES:
            raise ValueError(f"baud_rate is {self.baud_rate}, not one of {BAUD_RATES}")
        for name, low, high in (
            ("max_temperature_c", 40.0, 71.0),
            ("max_current_fraction", 0.1, 1.0),
            ("over_current_samples", 1, 50),
            ("gripper_force", 0.1, 1.0),
            ("gripper_holding_force", 0.05, 1.0),
            ("guardian_wait_s", 0.0, 3600.0),
        ):
            value = getattr(self, name)
            if not low <= value <= high:
                raise ValueError(f"{name} is {value}, not within {low} to {high}")
        if self.watchdog_s != 0.0 and not 0.1 <= self.watchdog_s <= MAX_WATCHDOG_S:
            raise ValueError(
                f"watchdog_s is {self.watchdog_s}, neither 0 nor within 0.1 to {MAX_WATCHDOG_S}"
            )

    def at_rate(self, control_rate_hz: float) -> DynamixelSettings:
        """These settings with a watchdog that lets a motion of a control period end: nobody speaks
        to the motors meanwhile."""
        if not self.watchdog_s:
            return self
        least_s = min(WATCHDOG_PERIODS / control_rate_hz, MAX_WATCHDOG_S)
        return replace(self, watchdog_s=max(self.watchdog_s, least_s))
