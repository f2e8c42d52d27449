"""An operator beside an arm: panel and keys together, and what becomes of the arm at the end."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from hardware.faults import MotionStopped
from hardware.registry import Cell
from hardware.robot import RobotFeatures, Stop
from hardware.teleoperation import TeleoperatedDecider
from ptrctl.operator.at_the_keys import AtTheKeys
from ptrctl.operator.interrupts import Interrupts
from ptrctl.operator.teleoperator import KeyboardTeleoperator
from ptrctl.terminal import console
from ptrctl.terminal.panels import LivePanel, View
from recordings.errors import RobotError

PARK = "ptrctl stop --park"


def at_rest(kind: Stop, features: RobotFeatures, park: str = PARK) -> str:
    """How the arm is left after a confirmed stop, in words; `park` is the command that parks it."""
    if kind is Stop.PARK:
        off = "and its torque is off" if features.releases_torque else "under torque"
        return f"The arm is parked {off}."
    if kind is Stop.TORQUE_OFF:
        then = "Its joints are braked." if features.brakes else "It can be moved by hand."
        return f"The arm's torque is off. {then}"
    how = "braked" if features.brakes else "under torque"
    return f"The arm holds where it is, {how}. Park it with `{park}`."


@contextmanager
def at_the_arm(
    view: View,
    cell: Cell,
    interrupts: Interrupts,
    folder: Path,
    *,
    camera: str = "",
    teleoperator: KeyboardTeleoperator | None = None,
    device: TeleoperatedDecider | None = None,
    ask: bool = True,
    wait_for_start: bool = False,
    park: str = PARK,
) -> Iterator[tuple[LivePanel, AtTheKeys]]:
    """The live panel and the operator at the keys.

    A real arm asks before its first motion. At the end of a session that went well it parks,
    where Space or Esc stops it; after a signal, or stopped by a fault or the operator and not let
    go again, it holds. What it confirms is said; an arm that was never moved is left as it was.

    Args:
        view: What the panel shows.
        cell: Connected.
        interrupts: A signal ends the session.
        folder: Where recordings go.
        camera, teleoperator, device, ask, wait_for_start: See `LivePanel` and `AtTheKeys`.
        park: The command that parks the arm afterwards.
    """
    from ptrctl.terminal.keys import TerminalKeys

    real = not cell.station.robot.features.simulated
    operator: AtTheKeys | None = None
    parked = ""
    try:
        with TerminalKeys() as keys, console.live(whole_screen=True) as screen:
            panel = LivePanel(view, screen, folder, camera)
            operator = AtTheKeys(
                keys,
                panel,
                interrupts,
                teleoperator,
                device=device,
                ask=ask,
                wait_for_start=wait_for_start,
                ask_to_move=real,
            )
            yield panel, operator
            if real and operator.has_moved and not operator.stopped and not interrupts.requested:
                parked = at_rest(_park(cell, operator), cell.station.robot.features, park)
    finally:
        if real and operator is not None and operator.has_moved:
            console.note(parked or _held(cell, park))


def _held(cell: Cell, park: str) -> str:
    """What the arm itself says after an end that was not planned."""
    try:
        cell.station.stop(Stop.HOLD)
    except RobotError as problem:
        return f"The arm does not confirm that it holds: {problem.found} Look at it first."
    return at_rest(Stop.HOLD, cell.station.robot.features, park)


def _park(cell: Cell, operator: AtTheKeys) -> Stop:
    operator.parking()
    try:
        cell.station.stop(Stop.PARK, should_stop=operator.halt)
    except MotionStopped:
        return Stop.HOLD
    return Stop.PARK
