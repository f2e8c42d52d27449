"""Puts `ptrctl serve-robot` together: the server in a thread of its own, and what is seen of it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

from hardware.faults import MotionStopped
from hardware.install import cannot_import
from hardware.robot import Stop
from ptrctl.cells import make_cell
from ptrctl.next_command import next_command, parking_command, scene_flags
from ptrctl.operator.at_the_arm import at_rest
from ptrctl.operator.interrupts import Interrupts
from ptrctl.profile import load_profile
from ptrctl.terminal import console
from ptrctl.terminal.keymap import HOLD_KEYS
from ptrctl.workspace import Workspace, open_workspace
from recordings.errors import UsageError

if TYPE_CHECKING:
    from rich.console import RenderableType

    from hardware.registry import Cell
    from hardware.remote.server import ArmServer
    from hardware.remote.status import ServerStatus

LOOK_EVERY_S = 0.1
REMOTE = "remote"


@dataclass(frozen=True)
class ServingOptions:
    """What the command line says beyond the profile; see `hardware.remote.options`."""

    host: str
    port: int
    token_file: Path | None
    park_after_s: float
    park_at_end: bool


def run_serving(folder: Path, flags: Mapping[str, Any], options: ServingOptions) -> None:
    """Serve until a signal comes, and show how it went.

    Raises:
        UsageError: The profile's arm is itself remote, or no token was chosen for other machines.
        SystemSetupError: The port is taken, or a package is missing.
        RobotError: The arm is missing, or does not confirm that it holds at the end.
    """
    workspace = open_workspace(folder)
    profile = load_profile(workspace).with_flags(**flags)
    if profile.robot == REMOTE:
        raise UsageError(
            "The profile's arm is itself on another machine.",
            "The arm is served by the machine that it is wired to.",
            "Run the command there, or name a local arm with `--robot`.",
        )
    # Only a simulator's judge asks what the task is.
    task = profile.some_task
    cell = make_cell(profile, task=task, realtime=True)
    server, token_file = _make_server(workspace, cell, options)
    run = _Run(server, cell, options, token_file)
    stop = run.until_interrupted()
    status, features = server.status(), cell.station.robot.features
    words = at_rest(stop, features, parking_command(workspace, profile))
    if features.simulated:
        words = "The simulated arm ends with its program."
    console.outcome_panel(
        "Serving has ended",
        {"arm": features.name, "now": words, **_counts(status)},
        next_command=next_command("doctor", workspace, robot=scene_flags(profile).get("robot")),
        data={
            "robot": features.name,
            "address": server.address,
            "parked": stop is Stop.PARK,
            "commands": status.commands,
            "silences": status.silences,
            "refused": dict(status.refused),
            "clipped": dict(status.clipped),
            "faults": list(status.faults),
        },
    )


def _make_server(
    workspace: Workspace, cell: Cell, options: ServingOptions
) -> tuple[ArmServer, Path | None]:
    try:
        from hardware.remote.options import ServeOptions
        from hardware.remote.server import ArmServer
    except ImportError as missing:
        raise cannot_import(missing, "Serving an arm", "remote", "msgpack", "pyzmq") from missing
    from hardware.remote.tokens import FILE_NAME, server_token

    chosen = options.token_file or ""
    token, file = server_token(options.host, chosen, workspace.root / FILE_NAME)
    try:
        serve = ServeOptions(options.host, options.port, park_after_s=options.park_after_s)
    except ValueError as problem:
        raise UsageError(f"{problem}.", "", "Correct `--port` or `--park-after`.") from problem
    return ArmServer(cell.station, token, serve, cell.judge, cell.task), file


class _Signals(Interrupts):
    """Only notes signals and raises nothing: none may come between the arm and its hold."""

    def __init__(self) -> None:
        super().__init__()
        self.insisted = False
        """Another one came after the end was requested."""

    def _handle(self, number: int, frame: FrameType | None) -> None:
        self.insisted = self.requested
        self.requested = True


class _Run:
    """One server, from start to end.

    The server's loop has a thread to itself: neither a slow terminal nor a signal that arrives in
    the middle of a stop may come between the arm and its dead-man rule.
    """

    def __init__(
        self, server: ArmServer, cell: Cell, options: ServingOptions, token_file: Path | None
    ) -> None:
        self._server = server
        self._cell = cell
        self._park_at_end = options.park_at_end
        self._token_file = token_file
        self._ready = threading.Event()
        self._end = threading.Event()
        self._stop_parking = threading.Event()
        self._done = threading.Event()
        """Not the thread's own end: in Python 3.10 to 3.12 a signal can make `Thread.join` and
        `is_alive` take a thread for ended that still runs."""
        self._signals = _Signals()
        self._problem: BaseException | None = None
        self._reached: Stop | None = None

    def _serve(self) -> None:
        try:
            self._reached = self._server.run(
                # Asked here, so that no terminal that hangs keeps a signal from the arm.
                lambda: self._end.is_set() or self._signals.requested,
                park_at_end=self._park_at_end,
                should_stop=self._stops_parking,
                ready=self._ready.set,
            )
        except BaseException as problem:  # told by `until_interrupted`, in the main thread
            self._problem = problem
        finally:
            self._done.set()

    def _stops_parking(self) -> bool:
        return self._stop_parking.is_set() or self._signals.insisted

    def until_interrupted(self) -> Stop:
        """Serve until a signal or `q`; a hold key or a second signal also stops the parking.

        Returns:
            How the arm is left.

        Raises:
            PtrctlError: What ended the server.
            KeyboardInterrupt: A second signal came before the arm was connected.
        """
        # Waited for below, but where it hangs while it connects.
        threading.Thread(target=self._serve, name="ptrctl server", daemon=True).start()
        with self._signals, ExitStack() as stack:
            try:
                look = self._watch(stack)
                while not self._is_over():
                    if look() or self._signals.requested:
                        self._end_now()
            finally:
                try:
                    self._end_now()
                finally:  # Whatever is wrong with the terminal.
                    while not self._is_over():
                        pass
        if isinstance(self._problem, MotionStopped) and self._stops_parking():
            return Stop.HOLD
        if self._problem is not None:
            raise self._problem
        assert self._reached is not None, "the server ended"
        return self._reached

    def _is_over(self) -> bool:
        """Whether the server has ended, after a moment."""
        over = self._done.wait(LOOK_EVERY_S)
        if not over and self._signals.insisted and not self._ready.is_set():
            # Connecting moves nothing, and then the server ends by itself.
            raise KeyboardInterrupt
        return over

    def _end_now(self) -> None:
        """Let the server hold the arm and end; the next signal stops its parking."""
        if self._end.is_set() or self._done.is_set():
            return
        self._signals.request()
        self._end.set()
        if not self._ready.is_set():
            self._stop_parking.set()  # Nobody wants an arm to move that he has not seen connected.
            console.note("This ends as soon as the arm is connected. Ctrl-C ends it at once.")
        elif self._park_at_end and not console.can_steer():
            console.note("The arm goes to where it parks. Ctrl-C holds it.")

    def _watch(self, stack: ExitStack) -> Callable[[], bool]:
        """What to call now and then; it tells whether the operator wants to end."""
        while not self._ready.wait(LOOK_EVERY_S):
            if self._done.is_set() or self._signals.requested:
                return lambda: True
        if not console.is_interactive():
            return self._tell()

        from ptrctl.terminal.keys import TerminalKeys

        keys = stack.enter_context(TerminalKeys())
        if console.can_draw():
            screen = stack.enter_context(console.live())
            screen.show(lambda columns, rows: self._panel(self._server.status()))
            tell: Callable[[], object] = screen.changed
        else:
            tell = self._tell()

        def look() -> bool:
            names = [key.name for key in keys.poll()]
            if any(name in HOLD_KEYS for name in names):
                # Once it ends there is nobody left to lock out, but the arm may be parking.
                (self._stop_parking.set if self._end.is_set() else self._lock)()
            elif "p" in names:
                self._server.locked = False
            tell()
            return "q" in names

        return look

    def _tell(self) -> Callable[[], bool]:
        from hardware.remote.status import Changes

        console.note(f"Serving {self._arm} on {self._server.address}; token: {self._token}.")
        changes = Changes("Ctrl-C, pressed twice," if self._park_at_end else "Ctrl-C")

        def look() -> bool:
            for words in changes.since(self._server.status()):
                console.note(words)
            return False

        return look

    def _lock(self) -> None:
        self._server.locked = True

    @property
    def _arm(self) -> str:
        return self._cell.station.robot.features.name

    @property
    def _ending(self) -> str:
        """What the arm does at the end, in words; "" before."""
        if not self._end.is_set():
            return ""
        if self._stops_parking() or not self._park_at_end:
            return "holds, then this ends"
        return "goes to where it parks, then this ends"

    @property
    def _keys(self) -> str:
        if self._end.is_set():
            return "Space hold"
        then = "parks" if self._park_at_end else "holds"
        return f"Space hold · p give free · q end (the arm {then})"

    @property
    def _token(self) -> str:
        return str(self._token_file or "from PTRCTL_TOKEN")

    def _panel(self, status: ServerStatus) -> RenderableType:
        from rich.panel import Panel
        from rich.table import Table
        from rich.text import Text

        from hardware.remote.status import what_is_ahead

        ahead = what_is_ahead(status, "Space")
        grid = Table.grid(padding=(0, 2))
        grid.add_column(style="bold", no_wrap=True)
        grid.add_column(overflow="fold")
        rows = {
            "arm": self._ending or status.motion or status.mood.value,
            "in control": _in_control(status),
            "commands": _commands(status),
            **_counts(status),
            **({"next": ahead} if ahead else {}),
            "address": self._server.address,
            "token": self._token,
            "keys": self._keys,
        }
        for name, words in rows.items():
            grid.add_row(name, Text(words))
        for fault in status.faults[-3:]:
            grid.add_row("fault", Text(fault, style="red"))
        calm = status.mood.name in ("STILL", "DRIVEN", "MOVING") and not ahead
        return Panel(
            grid,
            title=Text(f"ptrctl serve-robot · {self._arm}", style="bold"),
            title_align="left",
            border_style="green" if calm else "yellow",
            expand=False,
            padding=(0, 1),
        )


def _in_control(status: ServerStatus) -> str:
    if not status.client:
        return "nobody"
    trip = f", round trip {status.round_trip_s * 1000:.1f} ms" if status.round_trip_s else ""
    return f"{status.client} for {console.duration(status.connected_s)}{trip}"


def _commands(status: ServerStatus) -> str:
    if status.command_age_s is None:
        return "none yet"
    age = f"{status.command_age_s:.1f} s" if status.command_age_s < 60 else "over a minute"
    return f"{status.commands}, {status.rate_hz:.1f} a second, the last {age} ago"


def _counts(status: ServerStatus) -> dict[str, str]:
    """How often a rule acted; only those that did."""
    told = {"refused": status.refused, "clipped": status.clipped}
    rows = {
        name: ", ".join(f"{rule.replace('_', ' ')} {count}" for rule, count in counts.items())
        for name, counts in told.items()
        if counts
    }
    if status.silences:
        often = "once" if status.silences == 1 else f"{status.silences} times"
        rows["held"] = f"{often}, when the client fell silent"
    return rows
