"""The served arm, guarded: what may reach it, and what happens when nobody speaks any more.

No socket here, so that every rule can be tried with a clock of one's own. All methods are called
by one thread.

Runs on Python 3.8: it is part of `hardware.remote.serve`.
"""

from __future__ import annotations

import enum
from collections import Counter, deque
from collections.abc import Callable
from contextlib import suppress

import numpy as np

from hardware.faults import MissedDeadline, MotionStopped, MotorFault, TorqueOff
from hardware.loop import Judge
from hardware.remote.motion import Motion, unexpected
from hardware.remote.options import ServeOptions
from hardware.remote.pictures import Pictures
from hardware.robot import RobotState, ShouldStop, Stop, never_stop
from hardware.station import Station
from recordings.errors import PtrctlError, RobotError
from recordings.records import ACTION_SIZE, FloatArray, Frame, Score

END_OF_MOTION_S = 3.0
"""A cancelled motion ends within this: drivers ask once a control period, then hold."""
MOTION_SILENCE_S = 1.0
"""Motions between episodes are slow and their way was checked: they outlast a longer silence."""
TOLERANCE = 1e-6
KEPT_FAULTS = 20


class Mood(enum.Enum):
    """What the arm is doing, as far as the server knows."""

    STILL = "still"
    DRIVEN = "driven"
    MOVING = "moving by itself"
    SILENCED = "held: its client fell silent"
    LOCKED = "held by the operator beside it"
    NOT_HELD = "NOT HELD: the arm does not confirm it"


class GuardedArm:
    """Passes commands on to an arm under rules that do not trust the network.

    A command is refused when it is malformed, larger than one step, older than a control period,
    or when the arm moves by itself; all others pass the safety envelope, whatever the client did.
    After a command the next one has to come within two control periods, or the arm is held and
    further commands are refused until the client holds it or starts anew.

    Args:
        station: Arm, cameras, envelope and clock; not yet connected.
        options: When to act without being asked.
    """

    def __init__(self, station: Station, options: ServeOptions) -> None:
        features = station.robot.features
        period_s = 1.0 / features.control_rate_hz
        self.station = station
        self.silence_s = options.silent_periods * period_s
        self.stale_s = options.stale_periods * period_s
        self.commands = 0
        self.command_s: float | None = None
        self.silences = 0
        self.refused: Counter[str] = Counter()
        self.faults: deque[str] = deque(maxlen=KEPT_FAULTS)
        self.may_be_up = False
        self.stopped = False
        """A hold that somebody asked for, or a fault, came last: it shall not move unasked."""
        self._robot = station.robot
        self._clock = station.clock
        self._pictures = Pictures(station.cameras)
        self._picture_wait_s = None if features.simulated else max(period_s, 0.2)
        self._due_s: float | None = None
        self._hold_again_s: float | None = None
        self._silenced = False
        self._locked = False
        self._motion: Motion | None = None

    def connect(self) -> None:
        """Connect cameras and arm; moves nothing of a real arm."""
        self._pictures.connect()
        try:
            self._robot.connect()
        except BaseException:
            self._pictures.disconnect()
            raise

    def disconnect(self) -> None:
        """Leave the arm as it is; call `hold` first."""
        try:
            self._pictures.disconnect()
        finally:
            # Whatever a camera says: the arm has to be given back.
            self._robot.disconnect()

    # ---- what happens by itself ---------------------------------------------------------------

    @property
    def mood(self) -> Mood:
        if self._motion is not None and self._motion.running:
            return Mood.MOVING
        if self._hold_again_s is not None:
            return Mood.NOT_HELD
        if self._locked:
            return Mood.LOCKED
        if self._silenced:
            return Mood.SILENCED
        return Mood.STILL if self._due_s is None else Mood.DRIVEN

    @property
    def motion_words(self) -> str:
        """What the arm is doing by itself, "" if nothing."""
        return self._motion.words if self._motion is not None and self._motion.running else ""

    def tick(self) -> None:
        """Enforce the dead-man rule; called between any two messages, and all the time."""
        if self._motion is not None and not self._motion.running:
            self._note_end(self._motion)
            if self._motion.by_itself:
                self._motion = None  # Nobody else waits for it.
        now_s = self._clock.now_s()
        if self._due_s is not None and now_s > self._due_s:
            self._silenced = True
            self.silences += 1
            self._hold_or_note()
        elif (
            self._hold_again_s is not None
            and now_s > self._hold_again_s
            # A motion has the robot to itself, and ends in a hold.
            and not self.motion_words
        ):
            self._hold_or_note()

    def lock(self, locked: bool) -> None:
        """The operator beside the arm holds it, or gives it free again."""
        if locked and not self._locked:
            self._locked = self.stopped = True
            if self.motion_words:
                self.cancel()  # The motion ends in a hold.
            else:
                self._hold_or_note()
        self._locked = locked

    def watched(self) -> None:
        """Whoever asked for the motion asks whether it is over. Nothing else keeps it going: a
        heart beats on where the thread that would stop the arm hangs."""
        if self._motion is not None:
            self._motion.heard()

    def abandoned(self) -> None:
        """The client has left or is gone: whatever moves is held."""
        if self._motion is not None and self._motion.running:
            self._motion.cancel()
        if self._due_s is not None:
            self._hold_or_note()

    def taken(self) -> None:
        """A client takes control: what the server did by itself is over when this returns.

        Raises:
            MotorFault: It goes on.
        """
        self._end_motion()
        self._silenced = False

    def _hold_or_note(self) -> None:
        """Hold; if the arm does not confirm it, say so and try again a control period later."""
        self._due_s = None
        try:
            self._robot.stop(Stop.HOLD)
            self._hold_again_s = None
        except TorqueOff:
            self._hold_again_s = None  # Nothing drives it.
        except Exception as error:  # Whatever it was, the next attempt may succeed.
            self.note_fault(error if isinstance(error, PtrctlError) else unexpected(error))
            self._hold_again_s = self._clock.now_s() + self.silence_s / 2

    def note_fault(self, error: PtrctlError, *, stops: bool = True) -> None:
        """Keep a fault for the panel; unless it only says that the client vanished, it `stops`."""
        self.stopped = self.stopped or stops
        if not self.faults or self.faults[-1] != str(error):
            self.faults.append(str(error))

    # ---- what a client may ask ----------------------------------------------------------------

    def observe(self) -> tuple[dict[str, Frame], RobotState]:
        """Newest pictures and state."""
        self._require_rest()
        wait_s = self._picture_wait_s
        if wait_s is not None and self._due_s is not None:
            # The loop waits with us, and the dead-man rule with it.
            wait_s = max(0.0, min(wait_s, self._due_s - self._clock.now_s()))
        with _Faults(self):
            return self._pictures.read(wait_s), self._robot.read_state()

    def read_state(self) -> RobotState:
        self._require_rest()
        with _Faults(self):
            return self._robot.read_state()

    @property
    def commanded_state(self) -> FloatArray:
        return self._robot.commanded_state

    def reachable(self, target_state: FloatArray) -> bool:
        self._require_rest()
        with _Faults(self):
            return self._robot.reachable(target_state)

    def apply(self, action: FloatArray, asked_s: float) -> FloatArray:
        """One step of an episode; returns what was sent.

        Args:
            action: (7,) as in `Robot.apply`.
            asked_s: When the client sent it, on this clock.

        Raises:
            MissedDeadline: It is too old, or the arm was held since the last one.
            RobotError: It is no action, or too large; or the arm reports a fault.
        """
        now_s = self._clock.now_s()
        self._require_free()
        self._require_fresh(asked_s)
        if self._silenced:
            self.refused["after silence"] += 1
            raise MissedDeadline(
                f"No command came for {self.silence_s:.2g} s, so the arm was held.",
                "The server holds the arm when its client or the network falls silent.",
                "Start a new episode; if it happens again, run `ptrctl doctor` for the round trip.",
            )
        envelope = self.station.safety
        largest = np.array([envelope.max_step_m] * 3 + [envelope.max_step_rad] * 3) + TOLERANCE
        if (
            action.shape != (ACTION_SIZE,)
            or not np.isfinite(action).all()
            or (np.abs(action[:6]) > largest).any()
        ):
            self.refused["too large"] += 1
            raise RobotError(
                f"An action of {np.round(action, 3).tolist()} reached the server.",
                f"A step is at most {envelope.max_step_m} m and {envelope.max_step_rad} rad.",
                "Install the same ptrctl on both machines: the client should have limited it.",
            )
        # Before it is sent: of a command that fails it is not known whether the arm has heard it.
        self.may_be_up = True
        # Somebody who pauses sends actions that move nothing.
        self.stopped = self.stopped and not action[:6].any()
        self._due_s = now_s + self.silence_s
        with _Faults(self):
            safe = envelope.check(action, self._robot)
            # What needed no change is passed on to the bit, free of the envelope's rounding.
            sent = self._robot.apply(safe.action if safe.interventions else action)
        self.commands += 1
        self.command_s = now_s
        return sent

    def hold(self) -> None:
        """Hold, from any state; returns when the arm confirms it.

        Raises:
            RobotError: It does not.
        """
        self.stopped = True
        self._end_motion()
        self._silenced = False
        self._due_s, self._hold_again_s = None, self._clock.now_s() + self.silence_s / 2
        with _Faults(self):
            self._robot.stop(Stop.HOLD)
        self._hold_again_s = None

    def let_go(self, asked_s: float) -> None:
        """Torque off: the arm drops, from any state but the lock of the operator beside it."""
        self._require_unlocked()
        self._require_fresh(asked_s)
        self._end_motion()
        self._due_s, self._hold_again_s, self._silenced = None, None, False
        with _Faults(self):
            self._robot.stop(Stop.TORQUE_OFF)
        self.may_be_up = False

    def start(self, seed: int | None, asked_s: float) -> None:
        """Open anew the cameras that have failed, and begin to move to the start; `motion_ended`
        tells when it is there."""
        self._require_fresh(asked_s)

        def move(should_stop: ShouldStop) -> None:
            # Opening a camera takes seconds, in which the client has to be answered.
            if not self._pictures.reopen(should_stop):
                with suppress(TorqueOff):
                    self._robot.stop(Stop.HOLD)
                raise MotionStopped("The motion was stopped before it began; the arm stands still.")
            self._robot.move_to_start(seed=seed, should_stop=should_stop)

        self._begin("moving to the start", move)
        self.may_be_up = True

    def park(self, asked_s: float | None = None) -> None:
        """Begin to park; without `asked_s` by the server's own decision."""
        if asked_s is not None:
            self._require_fresh(asked_s)

        def move(should_stop: ShouldStop) -> None:
            self._robot.stop(Stop.PARK, should_stop=should_stop)
            self.may_be_up = False

        self._begin("parking", move, watched=asked_s is not None)

    def cancel(self) -> None:
        """Ask the motion to stop."""
        self.stopped = True
        if self._motion is not None:
            self._motion.cancel()

    def motion_ended(self) -> bool:
        """Whether the last motion is over.

        Raises:
            PtrctlError: As it ended, once.
        """
        motion = self._motion
        if motion is None:
            return True
        if motion.running:
            return False
        self._note_end(motion)
        self._motion = None
        if motion.error is not None:
            raise motion.error
        return True

    def _note_end(self, motion: Motion) -> None:
        """Once for each motion that is over: does the arm stand?"""
        if motion.noted:
            return
        motion.noted = True
        if motion.error is None or isinstance(motion.error, MotionStopped):
            # There or stopped on the way: either way the arm has confirmed that it stands.
            self._hold_again_s = None
        else:
            self.note_fault(motion.error, stops=not motion.deserted)
            # Its own hold may have failed as well.
            self._hold_again_s = self._clock.now_s()

    def judged(self, judge: Judge) -> Score:
        """The score now; the judge looks at the world that the arm moves in."""
        self._require_rest()
        return judge.score()

    def end(self, *, park: bool, should_stop: ShouldStop = never_stop) -> Stop:
        """Hold, unless nothing drives the arm, and park if asked and not told to stop already, as
        the last thing before `disconnect`.

        Returns:
            How the arm is left; TORQUE_OFF where nothing drove it.

        Raises:
            RobotError: The arm does not confirm it.
        """
        reached = Stop.HOLD
        try:
            self.hold()
        except TorqueOff:
            reached = Stop.TORQUE_OFF
        if park and not should_stop():
            self._robot.stop(Stop.PARK, should_stop=should_stop)
            reached = Stop.PARK
        return reached

    def _begin(
        self, words: str, move: Callable[[ShouldStop], None], *, watched: bool = True
    ) -> None:
        if self._motion is not None and self._motion.cancelled:
            self._end_motion()
        self._require_free()
        self._due_s, self._silenced, self.stopped = None, False, False
        silence_s = max(self.silence_s, MOTION_SILENCE_S) if watched else None
        self._motion = Motion(words, move, self._clock, silence_s)

    def _end_motion(self) -> None:
        """Cancel a motion and wait until it is over.

        Raises:
            MotorFault: It goes on.
        """
        if self._motion is None:
            return
        self._motion.cancel()
        if not self._motion.join(END_OF_MOTION_S):
            raise MotorFault(
                f"The arm was told to stop {self._motion.words} and goes on.",
                f"It stops within {END_OF_MOTION_S:g} s.",
                "Support the arm and switch its power off.",
            )
        self._note_end(self._motion)

    def _require_rest(self) -> None:
        if self.motion_words:
            raise RobotError(
                f"The arm is {self.motion_words}.",
                "Commands are taken when it is there.",
                "Wait, or stop it.",
            )

    def _require_free(self) -> None:
        """The arm is at rest, and the operator beside it lets it move."""
        self._require_rest()
        self._require_unlocked()

    def _require_unlocked(self) -> None:
        if self._locked:
            raise MotionStopped(
                "The operator beside the arm holds it.",
                "It takes no command until it is given free there.",
                "Ask the operator to press p in `ptrctl serve-robot`, then start again.",
            )

    def _require_fresh(self, asked_s: float) -> None:
        age_s = self._clock.now_s() - asked_s
        if abs(age_s) > self.stale_s:
            self.refused["stale"] += 1
            raise MissedDeadline(
                f"A command was {age_s:.2g} s old when it arrived.",
                f"Commands older than {self.stale_s:.2g} s are refused.",
                "Run `ptrctl doctor`: it measures round trip and clock offset.",
            )


class _Faults:
    """A fault of arm or camera makes the arm hold at once, before the client hears of it."""

    def __init__(self, arm: GuardedArm) -> None:
        self._arm = arm

    def __enter__(self) -> None: ...

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if error is None:
            return
        if isinstance(error, Exception):
            fault = error if isinstance(error, PtrctlError) else unexpected(error)
            self._arm.note_fault(fault)
        if self._arm._due_s is not None:
            self._arm._hold_or_note()
