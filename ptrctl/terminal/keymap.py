"""What keys mean: tables that the panel shows and that the operator's side obeys.

No letter both moves the arm and decides over an episode, so a key that is still held when an
episode ends can do no harm.
"""

from __future__ import annotations

import enum
from collections.abc import Sequence
from dataclasses import dataclass

from hardware.teleoperator import NORMAL, SPEEDS, Button, Speed


class Command(enum.Enum):
    """What the operator can ask for, besides moving the arm."""

    START = "start"
    STOP = "stop"
    RESUME = "go on"
    SUCCESS = "success"
    FAILURE = "failure"
    LATER = "label later"
    DISCARD = "discard"
    REDO = "redo"
    QUIT = "quit"
    HOLD = "hold the arm"


class Moment(enum.Enum):
    """What is going on; decides which commands work."""

    MOVE = "ready for the start pose"
    MOVING = "moving to the start pose"
    PARKING = "parking"
    READY = "ready to start"
    RUNNING = "running"
    PAUSED = "the arm holds"
    LABEL = "waiting for a label"
    VERDICT = "waiting for a verdict"
    REASON = "why did it fail?"
    TEXT = "type the reason"
    BUSY = "busy"


@dataclass(frozen=True)
class CommandKey:
    """A key, the command behind it, what the panel says, and when it works."""

    key: str
    command: Command
    words: str
    moments: frozenset[Moment]


HOLD_KEYS = ("space", "escape")
"""Hold the arm at any moment in which it may move; they never do anything else."""

_R, _U, _P, _L = Moment.READY, Moment.RUNNING, Moment.PAUSED, Moment.LABEL
_V = Moment.VERDICT  # of a trial, which is counted, run again, or ends the session
COMMAND_KEYS: tuple[CommandKey, ...] = (
    CommandKey("s", Command.START, "move to the start pose", frozenset({Moment.MOVE})),
    CommandKey("s", Command.START, "start", frozenset({_R})),
    CommandKey("y", Command.SUCCESS, "success", frozenset({_U, _P, _L, _V})),
    CommandKey("f", Command.FAILURE, "failure", frozenset({_U, _P, _L, _V})),
    CommandKey("x", Command.STOP, "stop, then label", frozenset({_U, _P})),
    *(
        CommandKey(key, Command.HOLD, "hold", frozenset({_U, Moment.MOVING, Moment.PARKING}))
        for key in HOLD_KEYS
    ),
    CommandKey("p", Command.RESUME, "go on", frozenset({_P})),
    CommandKey("z", Command.LATER, "label later", frozenset({_L})),
    CommandKey("d", Command.DISCARD, "discard", frozenset({_L})),
    CommandKey("r", Command.REDO, "discard and redo", frozenset({_L})),
    CommandKey("r", Command.REDO, "run it again", frozenset({_V})),
    CommandKey("q", Command.QUIT, "quit", frozenset({Moment.MOVE, _R, _U, _P, _L, _V})),
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
SPEED_KEYS: dict[str, Speed] = {str(number): speed for number, speed in enumerate(SPEEDS, start=1)}
"""Key to the speed level that it selects, of the keyboard and of any other device."""
DEFAULT_SPEED = NORMAL


def arm_keys() -> list[tuple[str, str]]:
    """The keys that move the arm, opposite directions together, in the order to show them."""
    shown = [
        (f"{ahead.keys[0]} {back.keys[0]}", f"{ahead.words}, {back.words}")
        for ahead, back in zip(MOTIONS[0::2], MOTIONS[1::2], strict=True)
    ]
    return [*shown, (GRIPPER_KEY, "open or close"), speed_keys()]


def speed_keys() -> tuple[str, str]:
    """The keys that choose a speed level, and the levels."""
    return " ".join(SPEED_KEYS), ", ".join(speed.words for speed in SPEED_KEYS.values())


def commands_at(moment: Moment) -> list[CommandKey]:
    """The command keys that work now, in the order to show them."""
    return [binding for binding in COMMAND_KEYS if moment in binding.moments]


def command_keys_at(moment: Moment) -> list[tuple[str, str]]:
    """(keys, words) of the commands that work now, keys of one command together."""
    shown: dict[str, str] = {}
    for binding in commands_at(moment):
        key = _SHORT.get(binding.key, binding.key)
        shown[binding.words] = f"{shown[binding.words]} {key}" if binding.words in shown else key
    return [(keys, words) for words, keys in shown.items()]


_SHORT = {"escape": "esc"}


def keys_shown(moment: Moment) -> list[tuple[str, str]]:
    """(keys, words) for the panel: commands, or answers where a question is asked."""
    if moment is Moment.REASON:
        reasons = ((key, words.replace("_", " ")) for key, words in FAILURE_REASONS.items())
        return [*((key, words or "other") for key, words in reasons), ("enter", "no reason")]
    if moment is Moment.TEXT:
        return [("enter", "done"), ("backspace", "delete")]
    return command_keys_at(moment)


def command_for(key: str, moment: Moment) -> Command | None:
    """The command that a key gives now, if any."""
    for binding in commands_at(moment):
        if binding.key == key:
            return binding.command
    return None


BUTTON_COMMANDS: dict[Button, tuple[Command, ...]] = {
    Button.START: (Command.START,),
    Button.STOP: (Command.STOP, Command.HOLD),
    Button.PAUSE: (Command.HOLD, Command.RESUME),
    Button.SUCCESS: (Command.SUCCESS,),
    Button.FAILURE: (Command.FAILURE,),
    Button.DISCARD: (Command.DISCARD,),
    Button.REDO: (Command.REDO,),
}
"""What the buttons of a device mean, the first that works at the moment."""


def command_for_buttons(pressed: Sequence[Button], moment: Moment) -> Command | None:
    """The first command that works now among those that the pressed buttons ask for, if any."""
    works = {binding.command for binding in commands_at(moment)}
    wanted = [command for button in pressed for command in BUTTON_COMMANDS[button]]
    return next((command for command in wanted if command in works), None)


def motion_for(key: str) -> Motion | None:
    """The motion that a key gives, if any."""
    return next((motion for motion in MOTIONS if key in motion.keys), None)


def moves_the_arm(key: str) -> bool:
    """Whether the keyboard teleoperator listens to this key."""
    return key == GRIPPER_KEY or motion_for(key) is not None or key in SPEED_KEYS
