"""Tells a display about practice: trials, updates, and what a success classifier sees."""

from __future__ import annotations

from collections.abc import Callable

from hardware.loop import Subscriber
from ptrctl.rewards import PROBABILITY
from ptrctl.sessions.trial_session import reporter
from ptrctl.terminal.dashboard import Display
from ptrctl.workflows.improve import ImproveEvent, Phase
from ptrctl.workflows.practice_learning import Learned, Learning
from recordings.records import Step


class ShowsProbability(Subscriber):
    """Tells a display what a success classifier says about each picture."""

    def __init__(self, shown: Display) -> None:
        self._shown = shown

    def on_step(self, step: Step) -> None:
        if PROBABILITY in step.extras:
            self._shown.figures({"success": step.extras[PROBABILITY]})


def telling(shown: Display) -> Callable[[ImproveEvent], None]:
    """Tells a display about practice and selection."""
    phase = ""
    trials = reporter(shown, lambda: f"{phase} ")

    def tell(event: ImproveEvent) -> None:
        nonlocal phase
        if isinstance(event, Phase):
            phase = event.name
        elif isinstance(event, Learning):
            if event.apart:
                # The pace of trials says nothing of the time that many updates take.
                shown.advance(event.done, event.total, "updates of learning")
            else:
                words = f"learning: {event.done} of {event.total} updates"
                shown.advance(event.trial + 1, event.trials, words)
        elif isinstance(event, Learned):
            shown.figures(event.metrics)
        else:
            trials(event)

    return tell
