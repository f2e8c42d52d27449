"""Giving up trials that the value meter holds to be hopeless, where the operator allows it."""

from __future__ import annotations

from hardware.loop import Decider
from ptrctl.plan import StopRule
from recordings.records import Decision, EpisodeEnd, EpisodeInfo, Label, Observation, Outcome

LABELLED_BY = "meter"


class StopsWhenHopeless:
    """A policy that is done once its chance of success has been too low for long enough.

    The periods that led to it are carried out and recorded, so that the rule can be checked
    afterwards. Without a calibrated chance nothing is ever given up.

    Args:
        policy: Keeps `extras["chance"]` where its meter is calibrated.
        rule: When to give up.
    """

    def __init__(self, policy: Decider, rule: StopRule) -> None:
        self._policy = policy
        self._rule = rule
        self._low_in_a_row = 0
        self._last: Decision | None = None
        self.gave_up = False
        """It has ended the latest episode."""

    @property
    def name(self) -> str:
        """The policy's."""
        return self._policy.name

    def begin(self, info: EpisodeInfo) -> None:
        """Forget the last episode."""
        self._low_in_a_row, self._last, self.gave_up = 0, None, False
        self._policy.begin(info)

    def act(self, observation: Observation) -> Decision:
        """The policy's action, or the end."""
        if self._last is not None and self._low_in_a_row >= self._rule.in_a_row:
            self.gave_up = True
            return Decision(action=self._last.action, done=True)
        self._last = self._policy.act(observation)
        low = self._last.extras.get("chance", 1.0) < self._rule.below
        self._low_in_a_row = self._low_in_a_row + 1 if low else 0
        return self._last

    def label(self, end: EpisodeEnd) -> Label:
        """What an episode that was given up counts as."""
        reason = f"stopped as hopeless at step {end.steps}"
        return Label(Outcome.FAILURE, reason, LABELLED_BY)
