"""Driving the arm by the keyboard to the corners of the workspace box, or to the start pose.

The arm moves through the ordinary control loop and safety envelope, inside a box that is somewhat
larger than the arm's own.
"""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from hardware.faults import MotionStopped
from hardware.loop import ControlLoop, Signal, Subscriber
from hardware.registry import Cell
from hardware.robot import Stop, WorkspaceBox
from hardware.teleoperation import TeleoperatedDecider
from hardware.teleoperator import FINE
from ptrctl.cells import make_cell
from ptrctl.operator.at_the_arm import at_rest
from ptrctl.operator.holding import how_to_hold, watching
from ptrctl.operator.interrupts import Interrupts
from ptrctl.operator.teleoperator import KeyboardTeleoperator
from ptrctl.profile import Profile
from ptrctl.terminal import console
from ptrctl.terminal.halfblocks import HalfBlocks
from ptrctl.terminal.keymap import HOLD_KEYS, SPEED_KEYS, arm_keys, moves_the_arm
from ptrctl.terminal.keys import Key, TerminalKeys
from ptrctl.terminal.screen import Screen
from ptrctl.workflows.attempt import new_episode_info
from recordings.errors import RobotError
from recordings.records import EndReason, FloatArray, Observation, Step

LOWER_MARGIN_M = (0.04, 0.15, 0.02)
UPPER_MARGIN_M = (0.10, 0.15, 0.15)
"""How much larger than the arm's own box the one is in which it is jogged."""
SMALLEST_EDGE_M = 0.02
LONGEST_STEPS = 36_000
"""Two hours at 5 Hz."""
PICTURE_ROWS = 6
"""A picture smaller than this is not worth its place."""


def outer_box(own: WorkspaceBox) -> WorkspaceBox:
    """The box for jogging around the arm's own."""
    low = np.subtract(own.low_m, LOWER_MARGIN_M)
    high = np.add(own.high_m, UPPER_MARGIN_M)
    return dataclasses.replace(
        own,
        low_m=(float(low[0]), float(low[1]), float(low[2])),
        high_m=(float(high[0]), float(high[1]), float(high[2])),
    )


@dataclass
class Jog:
    """What has been taken so far.

    Args:
        wants_box: Several points that span a box are wanted, otherwise one pose.
        points: (x, y, z) in m of each point taken.
        pose: (6,) taken; None until then.
        message: The last thing said.
        held: The operator holds the arm, until the next key that moves it.
        done: The operator has finished.
        cancelled: The operator has given up.
    """

    wants_box: bool
    points: list[FloatArray] = field(default_factory=list)
    pose: FloatArray | None = None
    message: str = ""
    held: bool = False
    done: bool = False
    cancelled: bool = False

    @property
    def box(self) -> tuple[FloatArray, FloatArray] | None:
        """Lowest and highest corner of what the points span, rounded to mm."""
        if not self.points:
            return None
        points = np.array(self.points)
        return np.round(points.min(axis=0), 3), np.round(points.max(axis=0), 3)

    def take(self, commanded: FloatArray, measured: FloatArray) -> None:
        """Take the point where the arm is, or the pose to which it was sent."""
        if not self.wants_box:
            self.pose, self.done = np.round(commanded[:6], 3), True
            return
        self.points.append(measured[:3].copy())
        self.message = f"Point {len(self.points)} taken."

    def drop(self) -> None:
        """Forget the last point."""
        self.message = "The last point is dropped." if self.points else "There is no point yet."
        del self.points[-1:]

    def finish(self) -> None:
        """Accept the box, if the points span one."""
        box = self.box
        if box is None or (box[1] - box[0]).min() < SMALLEST_EDGE_M:
            thin = "x y z" if box is None else _thin_axes(box)
            self.message = f"The points must differ by 2 cm or more in {thin}."
            return
        self.done = True


def _thin_axes(box: tuple[FloatArray, FloatArray]) -> str:
    edges = (box[1] - box[0]).tolist()
    return " ".join(name for name, edge in zip("xyz", edges, strict=True) if edge < SMALLEST_EDGE_M)


def jog(profile: Profile, *, wants_box: bool) -> Jog | None:
    """Let the operator drive the arm and take points or a pose.

    Args:
        profile: Its own box does not bind while jogging.
        wants_box: See `Jog`.

    Returns:
        What was taken; None if the operator has given up.

    Raises:
        KeyboardInterrupt: The operator pressed Ctrl-C; the arm holds.
        RobotError: The arm or a camera failed; the arm holds.
        UsageError: No panel can be shown; the arm was not moved.
    """
    console.require_panel("Driving to a place", "Keys move the arm, and a panel shows where it is.")
    free = dataclasses.replace(
        profile, workspace_low_m=None, workspace_high_m=None, start_pose=None
    )
    cell = make_cell(free, task=profile.some_task, realtime=True)
    cell.station.safety.workspace = outer_box(cell.station.robot.features.workspace)
    taken = Jog(wants_box)
    console.note(f"The arm goes to its start pose. {how_to_hold()}")
    with cell.station, Interrupts() as interrupts:
        with watching() as should_stop:  # Has a handler of its own for signals.
            try:
                cell.start(0, should_stop)
            except MotionStopped as stopped:
                console.note("The arm was stopped and holds. Nothing was written.")
                raise KeyboardInterrupt from stopped
        _drive(cell, taken, interrupts, profile.camera)
        if not cell.station.robot.features.simulated:
            console.note(at_rest(Stop.HOLD, cell.station.robot.features))
        if interrupts.requested:
            raise KeyboardInterrupt
    return None if taken.cancelled else taken


def _drive(cell: Cell, taken: Jog, interrupts: Interrupts, camera: str) -> None:
    keyboard = KeyboardTeleoperator()
    keyboard.speed = FINE
    robot = cell.station.robot
    decider = TeleoperatedDecider(keyboard, lambda: robot.commanded_state)
    with TerminalKeys() as keys, console.live(whole_screen=True) as screen, decider:
        panel = _Panel(taken, keyboard, screen, camera)

        def signal() -> Signal:
            for key in keys.poll():
                _press(key, taken, keyboard, cell)
            panel.refresh()
            if taken.done or taken.cancelled or interrupts.requested:
                return Signal.STOP
            return Signal.PAUSE if taken.held else Signal.RUN

        loop = ControlLoop(
            cell.station, robot.features.control_rate_hz, subscribers=(panel,), signal=signal
        )
        info = new_episode_info(cell, kind="setup", decided_by=decider.name, seed=0)
        end = loop.run_episode(info, decider, max_steps=LONGEST_STEPS, success_steps=None)
    if end.reason is EndReason.FAULT:
        raise RobotError(
            end.fault, "The arm was stopped.", "Look at the arm, then run `ptrctl setup` again."
        )
    if end.reason is EndReason.TIME_LIMIT:
        taken.cancelled = True


def _press(key: Key, taken: Jog, keyboard: KeyboardTeleoperator, cell: Cell) -> None:
    robot = cell.station.robot
    if key.name in HOLD_KEYS:
        keyboard.begin()
        taken.held, taken.message = True, "The arm holds."
    elif key.name == "enter":
        taken.take(robot.commanded_state, robot.read_state().state)
    elif key.name == "backspace" and taken.wants_box:
        taken.drop()
    elif key.name == "y" and taken.wants_box:
        taken.finish()
    elif key.name == "q":
        taken.cancelled = True
    elif key.name in SPEED_KEYS:
        keyboard.press(key)
    elif moves_the_arm(key.name):
        keyboard.press(key)
        taken.held, taken.message = False, ""
    else:
        taken.message = f"The key `{key.name}` does nothing here."


BOX_KEYS = (
    ("enter", "take this point"),
    ("backspace", "drop the last"),
    ("y", "done"),
    ("q", "back, without"),
    ("space esc", "hold"),
)
POSE_KEYS = (("enter", "take this pose"), ("q", "back, without"), ("space esc", "hold"))


class _Panel(Subscriber):
    """Shows where the arm is and what was taken."""

    def __init__(
        self, taken: Jog, keyboard: KeyboardTeleoperator, screen: Screen, camera: str
    ) -> None:
        self._taken = taken
        self._keyboard = keyboard
        self._screen = screen
        self._camera = camera
        self._lock = threading.Lock()
        self._seen: Observation | None = None
        self._rules: tuple[str, ...] = ()
        screen.show(self._draw)

    def refresh(self) -> None:
        self._screen.changed()

    def on_step(self, step: Step) -> None:
        self._see(step.observation, step.interventions)

    def on_pause(self, observation: Observation) -> None:
        self._see(observation, ())

    def _see(self, observation: Observation, rules: tuple[str, ...]) -> None:
        with self._lock:
            self._seen, self._rules = observation, rules
        self._screen.changed()

    def _draw(self, columns: int, rows: int) -> RenderableType:
        with self._lock:
            seen, rules = self._seen, self._rules
        own_keys = BOX_KEYS if self._taken.wants_box else POSE_KEYS
        keys = [line for some in (arm_keys(), own_keys) for line in _key_lines(some, columns - 4)]
        figures = self._figures(seen, rules)
        room = rows - 4 - len(keys)
        content: RenderableType = figures
        if seen is not None and seen.frames and room >= PICTURE_ROWS:
            frame = seen.frames.get(self._camera) or next(iter(seen.frames.values()))
            pair = Table.grid(padding=(0, 2))
            pair.add_row(HalfBlocks(frame.image, max(columns - 50, 12), room), figures)
            content = pair
        message = Text(self._taken.message, style="yellow", no_wrap=True, overflow="ellipsis")
        title = (
            "workspace box: jog to its corners"
            if self._taken.wants_box
            else "start pose: jog there"
        )
        return Panel(
            Group(content, *keys, message),
            title=Text(f"ptrctl setup · {title}", style="bold"),
            title_align="left",
            border_style="cyan",
            padding=(0, 1),
        )

    def _figures(self, seen: Observation | None, rules: Sequence[str]) -> Table:
        grid = Table.grid(padding=(0, 1))
        grid.add_column(style="dim", no_wrap=True)
        grid.add_column()
        grid.add_row("speed", self._keyboard.speed.words)
        if seen is not None:
            x, y, z, roll, pitch, yaw, _ = seen.state
            grid.add_row("x y z, m", f"{x:+.3f} {y:+.3f} {z:+.3f}")
            grid.add_row("r p y, rad", f"{roll:+.2f} {pitch:+.2f} {yaw:+.2f}")
        grid.add_row("safety", ", ".join(rules).replace("_", " ") or "no intervention")
        if self._taken.wants_box:
            grid.add_row("points", str(len(self._taken.points)))
            box = self._taken.box
            if box is not None:
                for name, corner in zip(("low", "high"), box, strict=True):
                    grid.add_row(name, " ".join(f"{value:+.3f}" for value in corner))
            grid.add_row("", "Go to where the arm may go at most:")
            grid.add_row("", "two opposite corners, or more points.")
        else:
            grid.add_row("", "Go to where episodes shall begin.")
        return grid


def _key_lines(pairs: Sequence[tuple[str, str]], columns: int) -> list[Text]:
    """Keys and what they do, as many to a line as fit."""
    lines = [Text(no_wrap=True)]
    for key, words in pairs:
        entry = Text.assemble((f" {key} ", "bold reverse"), f" {words}  ")
        if lines[-1].plain and lines[-1].cell_len + entry.cell_len > columns:
            lines.append(Text(no_wrap=True))
        lines[-1].append_text(entry)
    return lines
