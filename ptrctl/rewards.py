"""Who says whether an attempt succeeded: the simulator, the operator, or a classifier of pictures.

Evaluation always takes the truth where there is one. Practice may do without: a reward that is
made of pictures works on an arm that nobody judges.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal, Protocol

import numpy as np

from hardware.loop import Decider, Judge
from hardware.registry import Cell
from ptrctl.operator.operators import STOPPED, Operator, Verdict, judged
from recordings.errors import RobotError, UsageError
from recordings.records import (
    GRIPPER,
    Decision,
    EndReason,
    EpisodeEnd,
    EpisodeInfo,
    ImageArray,
    Label,
    Observation,
    Outcome,
    hold_action,
)

if TYPE_CHECKING:
    from policies.classifier import SuccessClassifier, SuccessDetector
    from policies.tasks import TaskSlots

RewardName = Literal["judge", "operator", "classifier"]

PROBABILITY = "success_probability"
"""Name of the classifier's answer among what is kept with every step."""

NOBODY_TO_ASK = "the classifier is uncertain and nobody can be asked"
"""Reason of a trial that counts as a failure and is learned from not at all."""


class Reward(Protocol):
    """Ends and labels the attempts of a session."""

    def check(self, cell: Cell, operator: Operator) -> None:
        """Raise `UsageError` if it could not label an attempt."""
        ...

    def judge(self, cell: Cell) -> Judge | None:
        """What the control loop may ask after every step."""
        ...

    def watch(self, decider: Decider, cell: Cell) -> Decider:
        """The decider of the next attempt; it may end it."""
        ...

    def verdict(self, cell: Cell, end: EpisodeEnd, operator: Operator) -> Verdict:
        """What becomes of an attempt that no fault has ended."""
        ...

    def completed(self, image: ImageArray, tasks: Sequence[str]) -> list[float] | None:
        """How likely it is that a picture shows each task done; None if it cannot tell."""
        ...


class GroundTruth:
    """The simulator where it judges, else the operator."""

    def check(self, cell: Cell, operator: Operator) -> None:
        if self.judge(cell) is None and not operator.can_label:
            raise UsageError(
                "Nobody can say whether a trial succeeded.",
                "On hardware the operator labels each trial with a key.",
                "Run this in a terminal.",
            )

    def judge(self, cell: Cell) -> Judge | None:
        return cell.judge

    def watch(self, decider: Decider, cell: Cell) -> Decider:
        return decider

    def verdict(self, cell: Cell, end: EpisodeEnd, operator: Operator) -> Verdict:
        if self.judge(cell) is None:
            # Where the operator judges, a key that says success or failure also ends the attempt.
            return operator.verdict(end)
        return Verdict(judged(end))

    def completed(self, image: ImageArray, tasks: Sequence[str]) -> list[float] | None:
        return None


class OperatorReward(GroundTruth):
    """The operator, also where a simulator could judge."""

    def judge(self, cell: Cell) -> Judge | None:
        return None


class ClassifierReward:
    """A classifier of pictures; uncertain attempts are asked of the operator if there is one.

    Args:
        classifier: Trained on the tasks that will be tried.
        tasks: Its task slots.
        camera: The one that it looks through.
    """

    def __init__(self, classifier: SuccessClassifier, tasks: TaskSlots, camera: str) -> None:
        self.classifier = classifier
        self.tasks = tasks
        self.camera = camera
        self._detector: SuccessDetector | None = None

    def check(self, cell: Cell, operator: Operator) -> None:
        self.tasks.slot(cell.task)

    def judge(self, cell: Cell) -> Judge | None:
        return None

    def watch(self, decider: Decider, cell: Cell) -> Decider:
        from policies.classifier import SuccessDetector

        self._detector = SuccessDetector(self.classifier, self.tasks.slot(cell.task))
        return _Watched(decider, self._detector, self.camera)

    def verdict(self, cell: Cell, end: EpisodeEnd, operator: Operator) -> Verdict:
        detector = self._detector
        assert detector is not None, "watch() comes first"
        if end.reason is EndReason.OPERATOR_STOP:
            # A key that says success or failure ends an attempt too.
            return operator.verdict(end) if operator.can_label else Verdict(STOPPED)
        if end.reason is EndReason.TIME_LIMIT and end.final_observation is not None:
            last = end.final_observation
            detector.update(_picture(last, self.camera), float(last.state[GRIPPER]))
        if detector.believed:
            return Verdict(Label(Outcome.SUCCESS, "", "classifier"))
        surest = f"success seen with probability {detector.surest:.2f}"
        if not detector.uncertain:
            return Verdict(Label(Outcome.FAILURE, surest, "classifier"))
        if operator.can_label:
            operator.ask_again(f"The classifier is uncertain ({surest}): did the trial succeed?")
            return operator.verdict(end)
        return Verdict(Label(Outcome.FAILURE, NOBODY_TO_ASK, "classifier"))

    def completed(self, image: ImageArray, tasks: Sequence[str]) -> list[float] | None:
        return [self.classifier.probability(image, self.tasks.slot(task)) for task in tasks]


class _Watched:
    """A policy whose attempt ends when the detector believes in success."""

    def __init__(self, decider: Decider, detector: SuccessDetector, camera: str) -> None:
        self._decider = decider
        self._detector = detector
        self._camera = camera

    @property
    def name(self) -> str:
        return self._decider.name

    def begin(self, info: EpisodeInfo) -> None:
        self._decider.begin(info)

    def act(self, observation: Observation) -> Decision:
        opening = float(observation.state[GRIPPER])
        if self._detector.update(_picture(observation, self._camera), opening):
            return Decision(np.asarray(hold_action(opening), np.float64), done=True)
        decision = self._decider.act(observation)
        self._detector.command(float(decision.action[GRIPPER]))
        extras = {**decision.extras, PROBABILITY: self._detector.last}
        return dataclasses.replace(decision, extras=extras)


def _picture(observation: Observation, camera: str) -> ImageArray:
    if camera not in observation.frames:
        raise RobotError(
            f"The classifier looks through the camera `{camera}`, which gave no picture.",
            f"There are pictures of {', '.join(observation.frames) or 'no camera'}.",
            "Check the cameras with `ptrctl doctor`.",
        )
    return observation.frames[camera].image
