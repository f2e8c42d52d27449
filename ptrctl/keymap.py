"""What keys mean: tables that the panel shows and that the operator's side obeys.

No letter both moves the arm and decides over an episode, so a key that is still held when an
episode ends can do no harm.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass


class Command(enum.Enum):
    """What the operator can ask for, besides moving the arm."""

    START = "start"
    STOP = "stop"
    PAUSE = "pause"
    SUCCESS = "success"
    FAILURE = "failure"
    LATER = "label later"
    DISCARD = "discard"
    REDO = "redo"
    QUIT = "quit"


class Moment(enum.Enum):
    """What is going on; decides which commands work."""

    READY = "ready to start"
    RUNNING = "running"
    PAUSED = "paused"
    LABEL = "waiting for a label"
    REASON = "why did it fail?"
    TEXT = "type the reason"
    BUSY = "busy"


@dataclass(frozen=True)
class CommandKey:
    """A letter, the command behind it, what the panel says, and when it works."""

    key: str
    command: Command
    words: str
    moments: frozenset[Moment]


_R, _U, _P, _L = Moment.READY, Moment.RUNNING, Moment.PAUSED, Moment.LABEL
COMMAND_KEYS: tuple[CommandKey, ...] = (
    CommandKey("s", Command.START, "start", frozenset({_R})),
    CommandKey("y", Command.SUCCESS, "success", frozenset({_U, _P, _L})),
    CommandKey("f", Command.FAILURE, "failure", frozenset({_U, _P, _L})),
    CommandKey("x", Command.STOP, "stop, then label", frozenset({_U, _P})),
    CommandKey("p", Command.PAUSE, "pause", frozenset({_U})),
    CommandKey("p", Command.PAUSE, "go on", frozenset({_P})),
    CommandKey("z", Command.LATER, "label later", frozenset({_L})),
    CommandKey("d", Command.DISCARD, "discard", frozenset({_L})),
    CommandKey("r", Command.REDO, "discard and redo", frozenset({_L})),
    CommandKey("q", Command.QUIT, "quit", frozenset({_R, _U, _P, _L})),
)

FAILURE_REASONS: dict[str, str] = {
    "m": "missed_grasp",
    "d": "dropped",
    "w": "wrong_place",
    "c": "collision",
    "t": "too_slow",
    "o": "",
}
"""Letter to reason; "o" (other) lets the operator type one, Enter gives none."""


@dataclass(frozen=True)
class Motion:
    """A key that moves the gripper along one axis of the action.

    Args:
        keys: Names of the keys, the letter first.
        axis: Index into the action, 0..5.
        sign: Direction.
        words: What the panel says.
    """

    keys: tuple[str, ...]
    axis: int
    sign: float
    words: str


MOTIONS: tuple[Motion, ...] = (
    Motion(("i", "up"), 0, +1.0, "ahead"),
    Motion(("k", "down"), 0, -1.0, "back"),
    Motion(("j", "left"), 1, +1.0, "left"),
    Motion(("l", "right"), 1, -1.0, "right"),
    Motion(("u", "page-up"), 2, +1.0, "up"),
    Motion(("n", "page-down"), 2, -1.0, "down"),
    Motion(("c",), 3, +1.0, "roll +"),
    Motion(("v",), 3, -1.0, "roll -"),
    Motion(("t",), 4, +1.0, "pitch +"),
    Motion(("g",), 4, -1.0, "pitch -"),
    Motion(("w",), 5, +1.0, "turn left"),
    Motion(("e",), 5, -1.0, "turn right"),
)
GRIPPER_KEY = "o"
HOLD_KEY = "space"


@dataclass(frozen=True)
class Speed:
    """How far one control period moves while a key is held.

    Args:
        key: Selects it.
        words: Its name.
        step_m, step_rad: Displacement a period.
        single_steps: Each press moves exactly one period, for fine work; otherwise the half
            second until the keyboard repeats is bridged and the motion is smooth.
    """

    key: str
    words: str
    step_m: float
    step_rad: float
    single_steps: bool = False


SPEEDS: tuple[Speed, ...] = (
    Speed("1", "fine", 0.01, 0.05, single_steps=True),
    Speed("2", "normal", 0.02, 0.10),
    Speed("3", "fast", 0.05, 0.25),
)
DEFAULT_SPEED = SPEEDS[1]


def arm_keys() -> list[tuple[str, str]]:
    """The keys that move the arm, opposite directions together, in the order to show them."""
    shown = [
        (f"{ahead.keys[0]} {back.keys[0]}", f"{ahead.words}, {back.words}")
        for ahead, back in zip(MOTIONS[0::2], MOTIONS[1::2], strict=True)
    ]
    speeds = " ".join(speed.key for speed in SPEEDS), ", ".join(speed.words for speed in SPEEDS)
    return [*shown, (GRIPPER_KEY, "open or close"), (HOLD_KEY, "hold"), speeds]


def commands_at(moment: Moment) -> list[CommandKey]:
    """The command keys that work now, in the order to show them."""
    return [binding for binding in COMMAND_KEYS if moment in binding.moments]


def command_for(key: str, moment: Moment) -> Command | None:
    """The command that a key gives now, if any."""
    for binding in commands_at(moment):
        if binding.key == key:
            return binding.command
    return None


def motion_for(key: str) -> Motion | None:
    """The motion that a key gives, if any."""
    return next((motion for motion in MOTIONS if key in motion.keys), None)


def moves_the_arm(key: str) -> bool:
    """Whether the keyboard teleoperator listens to this key."""
    return (
        key in (GRIPPER_KEY, HOLD_KEY)
        or motion_for(key) is not None
        or any(speed.key == key for speed in SPEEDS)
    )
