"""Who watches over the episodes: what an operator is asked, and what is done where nobody is there.

Somebody at the keys: `ptrctl.operator.at_the_keys`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from hardware.loop import Signal
from ptrctl.operator.interrupts import Interrupts
from recordings.records import EndReason, EpisodeEnd, Label, Observation, Outcome


@dataclass(frozen=True)
class Verdict:
    """What becomes of an episode that has ended.

    Args:
        label: Keep it with this label; None drops it.
        redo: Try the same start state again.
    """

    label: Label | None
    redo: bool = False


UNLABELLED = Verdict(Label())
STOPPED = Label(reason="stopped by the operator")


class Operator(Protocol):
    """Whoever watches over the episodes."""

    @property
    def can_label(self) -> bool:
        """Somebody is there who can say what became of an episode."""
        ...

    @property
    def wants_to_quit(self) -> bool:
        """No further episode shall begin."""
        ...

    def may_move(self, observe: Callable[[], Observation]) -> bool:
        """Whether the arm may move to its start pose now; waits for consent. False quits.

        Args:
            observe: See `ready`; a camera that fails meanwhile is opened anew by the motion.
        """
        ...

    def halt(self) -> bool:
        """Asked once a control period while the arm moves between episodes; True holds it."""
        ...

    def held(self, why: str) -> None:
        """The arm was stopped and holds; without consent nothing moves it, nor parks it."""
        ...

    def ask_again(self, why: str) -> None:
        """The next motion to the start pose needs consent again, though nothing went wrong."""
        ...

    def ready(self, observe: Callable[[], Observation]) -> bool:
        """Wait for the start of the next episode; False quits.

        Args:
            observe: What the cameras and the arm say now, while the scene is laid out.

        Raises:
            RobotError: From `observe`: the arm or a camera failed meanwhile.
        """
        ...

    def signal(self) -> Signal:
        """Asked once a control period while an episode runs."""
        ...

    def verdict(self, end: EpisodeEnd) -> Verdict:
        """What becomes of the episode. Silence leaves it unlabelled."""
        ...


def judged(end: EpisodeEnd) -> Label:
    """The label that the simulator's ground truth gives; none where it did not judge, or where
    the episode was cut short. A success that did not last long enough to end the episode is none.
    """
    if end.reason is EndReason.OPERATOR_STOP:
        return STOPPED
    if end.final_score is None or end.reason is EndReason.FAULT:
        return Label()
    if end.reason is EndReason.SUCCESS:
        return Label(Outcome.SUCCESS, labelled_by="simulator")
    reason = f"furthest stage: {end.final_score.stage or 'nothing'}"
    return Label(Outcome.FAILURE, reason, labelled_by="simulator")


class NobodyThere:
    """No terminal, or nothing to ask: episodes start by themselves and the simulator labels them.

    Args:
        interrupts: A signal ends the episode under way and quits.
    """

    def __init__(self, interrupts: Interrupts) -> None:
        self._interrupts = interrupts

    can_label = False

    @property
    def wants_to_quit(self) -> bool:
        return self._interrupts.requested

    def may_move(self, observe: Callable[[], Observation]) -> bool:
        return not self.wants_to_quit

    def halt(self) -> bool:
        return self.wants_to_quit

    def held(self, why: str) -> None: ...

    def ask_again(self, why: str) -> None: ...

    def ready(self, observe: Callable[[], Observation]) -> bool:
        return not self.wants_to_quit

    def signal(self) -> Signal:
        return Signal.STOP if self.wants_to_quit else Signal.RUN

    def verdict(self, end: EpisodeEnd) -> Verdict:
        # An episode that a signal cut short says nothing about the demonstrator.
        return UNLABELLED if self.wants_to_quit else Verdict(judged(end))
