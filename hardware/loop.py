"""The one control loop behind recording, trials and improvement."""

from __future__ import annotations

import enum
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np

from hardware.faults import MissedDeadline
from hardware.robot import Stop
from hardware.safety import NOT_FINITE
from hardware.station import Station
from recordings.errors import PtrctlError, RobotError
from recordings.records import (
    GRIPPER,
    Decision,
    EndReason,
    EpisodeEnd,
    EpisodeInfo,
    Observation,
    Score,
    Step,
    hold_action,
)

__all__ = [
    "SUCCESS_STEPS",
    "ControlLoop",
    "Decider",
    "Decision",
    "EpisodeListener",
    "Judge",
    "Signal",
    "Subscriber",
]

SUCCESS_STEPS = 2
"""Successful scores one after the other that make an episode a success, and end it."""
SETTLE_PERIODS = 2.0
"""An arm that cannot be asked has come to rest by itself after this many control periods."""


class Decider(Protocol):
    """A teleoperator, a policy or a scripted demonstrator."""

    @property
    def name(self) -> str:
        """For recordings: "keyboard", "scripted", "policy:<digest>"."""
        ...

    def begin(self, info: EpisodeInfo) -> None:
        """Called before the first step of an episode."""
        ...

    def act(self, observation: Observation) -> Decision:
        """Called once a control period."""
        ...


class EpisodeListener(Protocol):
    """What the loop asks of those it tells; `Subscriber` does nothing of it by default."""

    def on_begin(self, info: EpisodeInfo) -> None: ...

    def on_step(self, step: Step) -> None: ...

    def on_pause(self, observation: Observation) -> None: ...

    def on_end(self, end: EpisodeEnd) -> None: ...


class Subscriber:
    """Hears of everything that happens in an episode. Override what matters.

    A subscriber that raises stops the arm and ends the episode; it must be quick, since it runs
    inside the control period.
    """

    def on_begin(self, info: EpisodeInfo) -> None:
        """The arm is at its start pose and the episode begins."""

    def on_step(self, step: Step) -> None:
        """A control period is over."""

    def on_pause(self, observation: Observation) -> None:
        """A control period passed in which the operator had paused the arm, and it held."""

    def on_end(self, end: EpisodeEnd) -> None:
        """The episode is over and the arm holds still. Called once, after faults too."""


class Signal(enum.Enum):
    """What the operator wants at this moment."""

    RUN = "run"
    PAUSE = "pause"
    STOP = "stop"


@runtime_checkable
class Judge(Protocol):
    """Scores the present scene against the task's criterion."""

    def score(self) -> Score:
        """The score now."""
        ...


@dataclass
class ControlLoop:
    """Runs episodes on a station at a fixed rate.

    Periods start at multiples of the period on the station's clock. A period that begins late is
    an overrun: it is counted and reported, and the schedule moves on rather than rushing to
    catch up. A loop that falls too far behind is a fault (`MissedDeadline`): what it would send
    is out of date. Any fault stops the arm (hold) before anybody is told.

    Args:
        station: Connected.
        rate_hz: Control rate.
        subscribers: Told of every event, in this order.
        signal: Asked once a period what the operator wants.
        overrun_tolerance_s: A period counts as late beyond this.
        deadline_periods: Being this many control periods late, or sending what was decided on an
            observation that old, is a fault.
        late_in_a_row: So many periods one after the other, each late by half a period or more,
            are a fault: the loop cannot keep its rate.
    """

    station: Station
    rate_hz: float
    subscribers: Sequence[EpisodeListener] = ()
    signal: Callable[[], Signal] = lambda: Signal.RUN
    overrun_tolerance_s: float = 0.01
    deadline_periods: float = 5.0
    late_in_a_row: int = 10

    def run_episode(
        self,
        info: EpisodeInfo,
        decider: Decider,
        *,
        max_steps: int,
        judge: Judge | None = None,
        success_steps: int | None = SUCCESS_STEPS,
    ) -> EpisodeEnd:
        """Run one episode; the arm is at its start pose already.

        Args:
            info: Told to subscribers.
            decider: Chooses the actions.
            max_steps: Time limit in steps.
            judge: Scores every step, if anybody can.
            success_steps: End after this many consecutive successful scores; None never ends
                on success.

        Returns:
            The end, faults included: a fault is an outcome here, not an exception.

        Raises:
            PtrctlError, OSError, KeyboardInterrupt, ...: From the decider or a subscriber. The
                arm is stopped and `on_end` called (reason FAULT) first.
        """
        run = _Run(self, info, decider, max_steps, judge, success_steps)
        try:
            return run.run()
        except BaseException as error:
            run.fail(error)
            raise


def _in_words(error: BaseException) -> str:
    return str(error) if isinstance(error, PtrctlError) else f"{type(error).__name__}: {error}"


class _Run:
    """The bookkeeping of one episode."""

    def __init__(
        self,
        loop: ControlLoop,
        info: EpisodeInfo,
        decider: Decider,
        max_steps: int,
        judge: Judge | None,
        success_steps: int | None,
    ) -> None:
        self.loop = loop
        self.info = info
        self.decider = decider
        self.max_steps = max_steps
        self.judge = judge
        self.success_steps = success_steps
        self.steps = 0
        self.overruns = 0
        self.worst_overrun_s = 0.0
        self.late_in_a_row = 0
        self.period_s = 1.0 / loop.rate_hz
        self.interventions: Counter[str] = Counter()
        self.last_score: Score | None = None
        self.successes_in_a_row = 0
        self.started_s = self.due_s = loop.station.clock.now_s()
        self.paused = False
        self.begun: list[EpisodeListener] = []
        self.finished = False

    def run(self) -> EpisodeEnd:
        clock = self.loop.station.clock
        for subscriber in self.loop.subscribers:
            # One whose on_begin fails half-way still hears on_end, to clean up.
            self.begun.append(subscriber)
            subscriber.on_begin(self.info)
        self.decider.begin(self.info)
        self.started_s = self.due_s = clock.now_s()
        while True:
            late_s = max(0.0, clock.now_s() - self.due_s)
            if late_s > self.loop.overrun_tolerance_s:
                self.overruns += 1
                self.worst_overrun_s = max(self.worst_overrun_s, late_s)
                self.due_s = clock.now_s()
            else:
                late_s = 0.0
            try:
                self.check_deadline(late_s)
                end = self.one_period(late_s)
            except RobotError as error:
                end = self.fail(error)
            if end is not None:
                return end
            self.due_s += self.period_s
            clock.wait_until_s(self.due_s)

    def check_deadline(self, late_s: float) -> None:
        late = late_s >= self.period_s / 2
        self.late_in_a_row = self.late_in_a_row + 1 if late else 0
        if late_s > self.loop.deadline_periods * self.period_s:
            found = f"The control loop was {late_s:.1f} s late."
        elif self.late_in_a_row >= self.loop.late_in_a_row:
            found = f"The control loop was late {self.late_in_a_row} periods in a row."
        else:
            return
        raise MissedDeadline(
            found,
            f"It runs at {self.loop.rate_hz:g} Hz.",
            "Close other programs, or let the policy run on a faster machine "
            "(docs/arms/remote.md).",
        )

    def fail(self, error: BaseException) -> EpisodeEnd:
        """The arm stops first; what the fault was is told afterwards."""
        fault = _in_words(error)
        try:
            self.loop.station.stop(Stop.HOLD)
        except Exception as problem:  # Whatever it is, the listeners have to hear of the end.
            # What was sent last is carried out within a period, whoever answers or not.
            clock = self.loop.station.clock
            clock.wait_until_s(clock.now_s() + SETTLE_PERIODS * self.period_s)
            found = problem.found if isinstance(problem, PtrctlError) else _in_words(problem)
            same = isinstance(error, RobotError) and error.found == found
            fault += " The arm did not confirm that it holds" + ("." if same else f": {found}")
        return self.finish(EndReason.FAULT, None, fault=fault)

    def one_period(self, late_s: float) -> EpisodeEnd | None:
        station = self.loop.station
        asked_s = station.clock.now_s()
        signal = self.loop.signal()
        observation = station.observe()
        if signal is Signal.STOP:
            return self.finish(EndReason.OPERATOR_STOP, observation)
        if self.successes_in_a_row and self.successes_in_a_row == self.success_steps:
            return self.finish(EndReason.SUCCESS, observation)
        if self.steps >= self.max_steps:
            return self.finish(EndReason.TIME_LIMIT, observation)
        if signal is Signal.PAUSE:
            self.pause(observation)
            return None

        decision = self.decider.act(observation)
        decided_s = station.clock.now_s()
        self.check_age(decided_s - observation.time_s)
        if decided_s - asked_s > self.period_s:
            # So slowly that the operator may have spoken meanwhile.
            signal = self.loop.signal()
            if signal is Signal.STOP:
                return self.finish(EndReason.OPERATOR_STOP, observation)
            if signal is Signal.PAUSE:
                self.pause(observation)
                return None
        if decision.done:
            return self.finish(EndReason.DECIDER_DONE, observation)
        self.paused = False
        action = np.asarray(decision.action, dtype=np.float64)
        sent = station.apply(action)
        if NOT_FINITE in sent.interventions:
            raise RobotError(
                f"{self.decider.name} asked for an action that is not seven finite numbers."
            )
        self.last_score = self.judge.score() if self.judge else None
        succeeded = self.last_score is not None and self.last_score.success
        self.successes_in_a_row = self.successes_in_a_row + 1 if succeeded else 0
        self.interventions.update(sent.interventions)
        step = Step(
            index=self.steps,
            observation=observation,
            action=action,
            sent_action=sent.action,
            interventions=sent.interventions,
            decided_s=decided_s,
            applied_s=station.clock.now_s(),
            overrun_s=late_s,
            score=self.last_score,
            extras=decision.extras,
        )
        self.steps += 1
        for subscriber in self.loop.subscribers:
            subscriber.on_step(step)
        return None

    def pause(self, observation: Observation) -> None:
        station = self.loop.station
        if self.paused:
            station.apply(hold_action(float(station.robot.commanded_state[GRIPPER])))
        else:
            # Where the arm is, not where it was sent: a blocked one would go on pushing, and jump
            # when it is freed.
            station.stop(Stop.HOLD)
            self.paused = True
            self.due_s = station.clock.now_s()
        for subscriber in self.loop.subscribers:
            subscriber.on_pause(observation)

    def check_age(self, age_s: float) -> None:
        if age_s > self.loop.deadline_periods * self.period_s:
            raise MissedDeadline(
                f"{self.decider.name} took {age_s:.1f} s to decide.",
                f"An action is sent at most {self.loop.deadline_periods:g} control periods after "
                "the observation that it answers.",
                "Close other programs, or let the policy run on a faster machine "
                "(docs/arms/remote.md).",
            )

    def finish(
        self, reason: EndReason, observation: Observation | None, fault: str = ""
    ) -> EpisodeEnd:
        if reason is not EndReason.FAULT:
            self.loop.station.stop(Stop.HOLD)
        end = EpisodeEnd(
            reason=reason,
            final_observation=observation,
            fault=fault,
            steps=self.steps,
            overruns=self.overruns,
            worst_overrun_s=self.worst_overrun_s,
            interventions=dict(self.interventions),
            final_score=self.last_score,
            duration_s=self.loop.station.clock.now_s() - self.started_s,
        )
        if not self.finished:
            self.finished = True
            with ExitStack() as each:  # Also behind one that fails, as on a full disk.
                for subscriber in reversed(self.begun):
                    each.callback(subscriber.on_end, end)
        return end
