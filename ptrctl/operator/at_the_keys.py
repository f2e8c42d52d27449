"""An operator who reads the panel and presses keys: starts episodes, stops them, says what became
of them, at the keyboard that drives the arm or while somebody else drives it.
"""

from __future__ import annotations

from collections.abc import Callable

from hardware.faults import CameraFault
from hardware.loop import Signal
from hardware.teleoperation import TeleoperatedDecider
from hardware.teleoperator import Button
from ptrctl.operator.interrupts import Interrupts
from ptrctl.operator.operators import UNLABELLED, Verdict, judged
from ptrctl.operator.teleoperator import KeyboardTeleoperator
from ptrctl.terminal.keymap import (
    FAILURE_REASONS,
    HOLD_KEYS,
    SPEED_KEYS,
    Command,
    Moment,
    arm_keys,
    command_for,
    command_for_buttons,
    keys_shown,
    moves_the_arm,
    speed_keys,
)
from ptrctl.terminal.keys import Key, KeySource
from ptrctl.terminal.panels import LivePanel
from recordings.errors import RobotError
from recordings.records import EpisodeEnd, Label, Observation, Outcome

KEY_WAIT_S = 0.1


WHAT_COMES_NEXT = (
    "After your answer the arm lets go of what it holds and goes to its start pose, or parks."
)


class AtTheKeys:
    """An operator who reads the panel and presses keys.

    Args:
        keys: Where keys come from.
        panel: Shows the moment, the keys that work, and what was pressed in vain.
        interrupts: A signal ends the episode under way and quits, asking nothing more.
        teleoperator: Gets the keys that move the arm; None if somebody else drives it.
        device: Another device that drives the arm; its buttons work like keys.
        ask: Labels come from the operator; otherwise from the simulator, unless the operator
            pressed a label key during the episode.
        wait_for_start: Each episode waits for the start key, also where a policy drives the arm:
            on hardware somebody lays out the scene.
        ask_to_move: The first motion, and each after one that was stopped, waits for the start
            key: a real arm does not begin just because the command was typed.
    """

    can_label = True

    def __init__(
        self,
        keys: KeySource,
        panel: LivePanel,
        interrupts: Interrupts,
        teleoperator: KeyboardTeleoperator | None = None,
        *,
        device: TeleoperatedDecider | None = None,
        ask: bool = True,
        wait_for_start: bool = False,
        ask_to_move: bool = False,
    ) -> None:
        self._keys = keys
        self._panel = panel
        self._interrupts = interrupts
        self._teleoperator = teleoperator
        self._device = device
        self._ask = ask
        by_hand = teleoperator is not None or device is not None
        self._wait_for_start = wait_for_start or by_hand
        # A policy's episode here is a trial of a plan: it is never dropped or judged later.
        self._at_the_end = Moment.VERDICT if wait_for_start and not by_hand else Moment.LABEL
        self._ask_to_move = ask_to_move
        self._asks_from_then_on = ask_to_move
        self._quit = False
        self.has_moved = False
        """The arm was let go to its start pose."""
        self.stopped = False
        """A fault or the operator stopped the arm, and nobody has let it move since."""
        self._paused = False
        self._said: Command | None = None
        self._why = ""
        """Why the arm was stopped, until the operator has decided what comes next."""

    @property
    def wants_to_quit(self) -> bool:
        return self._quit or self._interrupts.requested

    def may_move(self, observe: Callable[[], Observation]) -> bool:
        if self._ask_to_move and not self._started(
            Moment.MOVE, lambda: self._look_if_possible(observe)
        ):
            return False
        self._ask_to_move = False
        self._show(Moment.MOVING)
        if self.wants_to_quit:
            return False
        self.has_moved, self.stopped = True, False
        return True

    def halt(self) -> bool:
        for key in self._keys.poll():
            if key.name in HOLD_KEYS:
                return True
            self._in_vain(key)
        button = command_for_buttons(self._buttons(), Moment.MOVING)
        return self._interrupts.requested or button is Command.HOLD

    def held(self, why: str) -> None:
        self.stopped = True
        self.ask_again(why)

    def ask_again(self, why: str) -> None:
        self._ask_to_move = self._asks_from_then_on
        self._why = self._panel.view.message = why
        self._show(Moment.BUSY)

    def parking(self) -> None:
        """The arm is about to park; show which keys stop it."""
        self._show(Moment.PARKING)

    def ready(self, observe: Callable[[], Observation]) -> bool:
        self._paused, self._said = False, None
        self._look(observe)
        if self.wants_to_quit:
            return False
        if self._wait_for_start and not self._started(Moment.READY, lambda: self._look(observe)):
            return False
        self._show(Moment.RUNNING)
        return True

    def _look(self, observe: Callable[[], Observation]) -> None:
        self._panel.see(observe())
        self._panel.refresh()

    def _look_if_possible(self, observe: Callable[[], Observation]) -> None:
        try:
            self._look(observe)
        except CameraFault as fault:
            # Before a motion a picture is but a help, and the motion opens the camera anew.
            self._panel.view.message = self._panel.view.message or fault.found
            self._panel.refresh()

    def _started(self, moment: Moment, look: Callable[[], None]) -> bool:
        """Wait for the start key; False if the operator quits instead."""
        while not self.wants_to_quit:
            command = self._next_command(moment, look)
            if command is Command.QUIT:
                self._quit = True
            elif command is Command.START:
                return True
        return False

    def signal(self) -> Signal:
        for key in self._keys.poll():
            self._press(key)
        command = command_for_buttons(self._buttons(), self._moment)
        if command is not None:
            self._command(command)
        if self._interrupts.requested or self._said is not None:
            return Signal.STOP
        return Signal.PAUSE if self._paused else Signal.RUN

    def verdict(self, end: EpisodeEnd) -> Verdict:
        if end.fault:
            # The device itself may be gone; after a fault the keys alone decide.
            self._device = None
            self._why = self._panel.view.message = f"The arm was stopped: {end.fault}"
        while not self._interrupts.requested:
            command, self._said = self._said, None
            if command in (Command.STOP, Command.QUIT):
                self._quit = self._quit or command is Command.QUIT
                if not self._ask:
                    # Cut short it says nothing of whoever acted.
                    return UNLABELLED
                command = None
            if command is None and not self._ask:
                return Verdict(judged(end))
            if command is None:
                if self._asks_from_then_on and not self._why:
                    self._panel.view.message = WHAT_COMES_NEXT
                command = self._next_command(self._at_the_end)
            verdict = self._obey(command)
            if verdict is not None:
                self._show(Moment.BUSY)
                return verdict
        return UNLABELLED

    def _obey(self, command: Command | None) -> Verdict | None:
        """The verdict behind a command at the label prompt; None asks again."""
        if command is Command.SUCCESS:
            return Verdict(Label(Outcome.SUCCESS, labelled_by="operator"))
        if command is Command.FAILURE:
            reason = self._reason()
            return Verdict(Label(Outcome.FAILURE, reason, labelled_by="operator"))
        if command is Command.LATER:
            return UNLABELLED
        if command is Command.DISCARD:
            return Verdict(None)
        if command is Command.REDO:
            return Verdict(None, redo=True)
        if command is Command.QUIT:
            self._quit = True
            return UNLABELLED
        return None

    def _press(self, key: Key) -> None:
        """A key while an episode runs."""
        command = command_for(key.name, self._moment)
        if command is not None:
            self._command(command)
        elif self._teleoperator is not None and moves_the_arm(key.name):
            self._teleoperator.press(key)
            self._panel.view.rows["speed"] = self._teleoperator.speed.words
        elif self._device is not None and key.name in SPEED_KEYS:
            self._device.device.speed = SPEED_KEYS[key.name]
        else:
            self._in_vain(key)

    @property
    def _moment(self) -> Moment:
        """While an episode runs."""
        return Moment.PAUSED if self._paused else Moment.RUNNING

    def _command(self, command: Command) -> None:
        """A command while an episode runs."""
        self._panel.view.message = ""
        if command in (Command.HOLD, Command.RESUME):
            self._paused = command is Command.HOLD
            if self._teleoperator is not None:
                self._teleoperator.begin()
            self._show(self._moment)
        else:
            # Whoever holds the arm and quits wants to look at it as it is.
            self.stopped |= command is Command.QUIT and self._paused
            self._said = command

    def _buttons(self) -> list[Button]:
        """What was pressed on the device since the last call; shows how it stands."""
        if self._device is None:
            return []
        pressed = self._device.episode_buttons()
        rows = self._panel.view.rows
        rows["engaged"], rows["speed"] = self._device.engaged, self._device.speed.words
        return pressed

    def _buttons_if_there(self) -> list[Button]:
        """The same while somebody is asked: a device that goes then must not cost the answer."""
        try:
            return self._buttons()
        except RobotError as problem:
            self._device = None
            self._panel.view.rows["engaged"] = "no: the device is gone"
            self._why = self._panel.view.message = f"{problem.found} Go on with the keys."
            self._panel.refresh()
            return []

    def _next_command(
        self, moment: Moment, look: Callable[[], None] = lambda: None
    ) -> Command | None:
        """Wait for a command key; None after a signal. A lost terminal quits."""
        self._show(moment)
        while not self._interrupts.requested:
            look()
            for key in self._wait():
                command = command_for(key.name, moment)
                if command is not None:
                    self._panel.view.message = self._why = ""
                    return command
                # A motion key may still be held from the episode that has just ended.
                if not moves_the_arm(key.name):
                    self._in_vain(key)
            asked = moment is self._at_the_end
            pressed = self._buttons_if_there() if asked else self._buttons()
            command = command_for_buttons(pressed, moment)
            if command is not None:
                self._panel.view.message = self._why = ""
                return command
        return None

    def _reason(self) -> str:
        """Why the episode failed: a letter from the table, or typed; "" for no reason, which is
        also what a second press of the device's button means."""
        self._show(Moment.REASON)
        while not self._interrupts.requested:
            for key in self._wait():
                if key.name == "enter":
                    return ""
                if key.name in FAILURE_REASONS:
                    return FAILURE_REASONS[key.name] or self._typed_reason()
                if not moves_the_arm(key.name):
                    self._in_vain(key)
            if Button.FAILURE in self._buttons_if_there():
                return ""
        return ""

    def _typed_reason(self) -> str:
        text = ""
        while not self._interrupts.requested:
            self._panel.view.message = f"Reason: {text}▏"
            self._show(Moment.TEXT)
            for key in self._wait():
                if key.name == "enter":
                    self._panel.view.message = ""
                    return text.strip()
                if key.name == "backspace":
                    text = text[:-1]
                elif key.name == "space" or len(key.name) == 1:
                    text += " " if key.name == "space" else key.name
        return text.strip()

    def _wait(self) -> list[Key]:
        try:
            return self._keys.wait(KEY_WAIT_S)
        except EOFError:
            self._interrupts.request()
            return []

    def _in_vain(self, key: Key) -> None:
        vain = f"The key `{key.name}` does nothing now."
        words = "Nothing moves the arm now." if key.name in HOLD_KEYS else vain
        self._panel.view.message = f"{words} {self._why}".rstrip()
        self._panel.refresh()

    def _show(self, moment: Moment) -> None:
        view = self._panel.view
        view.moment = moment
        driving = self._teleoperator is not None and moment in (Moment.READY, Moment.RUNNING)
        view.arm_keys = arm_keys() if driving else ()
        if self._device is not None and moment is Moment.RUNNING:
            view.arm_keys = [speed_keys()]
        view.keys = keys_shown(moment)
        self._panel.refresh()
