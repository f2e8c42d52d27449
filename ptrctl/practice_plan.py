"""The plan of autonomous practice, frozen like that of scored trials."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from hardware.loop import SUCCESS_STEPS
from ptrctl.plan import StopRule, TrialPlan, session_name, stated_values
from ptrctl.rewards import RewardName

PRACTICE = "improve-"
"""With this the names of sessions of practice begin."""


@dataclass(frozen=True, kw_only=True)
class ImprovePlan:
    """What will be practised.

    Args:
        task: The task to get better at.
        backward: The task that undoes it; "" lays out the scene anew for every trial.
        trials: Number of practice trials.
        practice_seeds: Start states, one a trial.
        selection_seeds: Start states on which checkpoints are compared; disjoint from others.
        robot: The arm's name.
        kitchen_seed: The simulated kitchen; None on hardware.
        criterion: Success in words.
        checkpoint: Its name.
        checkpoint_digest: Where practice starts.
        updates_per_trial: Learning steps after each trial.
        candidate_every: Trials between two candidate checkpoints; the best of many measured on a
            few trials each is mostly the luckiest.
        noise_scale: Of exploration, in deviations that the policy has learned.
        max_steps: Time limit of a trial in control periods.
        success_steps: Consecutive successful scores that end a trial.
        seed: Of learning and exploration.
        reward: Who labels practice trials; checkpoints are always measured by the truth.
        stop_hopeless: When a practice trial is given up early; measuring always uses its time.
        created_at: UTC, ISO 8601.
        code_version: Version of ptrctl.
        begun_with: The flags of the command that began the session, to go on with.
    """

    task: str
    backward: str
    trials: int
    practice_seeds: tuple[int, ...]
    selection_seeds: tuple[int, ...]
    robot: str
    kitchen_seed: int | None
    criterion: str
    checkpoint: str
    checkpoint_digest: str
    updates_per_trial: int
    candidate_every: int = 20
    noise_scale: float
    max_steps: int
    success_steps: int = SUCCESS_STEPS
    seed: int = 0
    reward: RewardName = "judge"
    stop_hopeless: StopRule | None = None
    created_at: str = ""
    code_version: str = ""
    begun_with: Mapping[str, Any] = dataclasses.field(default_factory=dict)

    def __post_init__(self) -> None:
        if len(self.practice_seeds) != self.trials:
            raise ValueError(f"{len(self.practice_seeds)} start seeds for {self.trials} trials")
        if set(self.practice_seeds) & set(self.selection_seeds):
            raise ValueError("practice and selection must not share start states")
        if self.updates_per_trial < 0 or self.candidate_every < 1 or not self.selection_seeds:
            raise ValueError("updates_per_trial, candidate_every or selection_seeds is too small")

    @property
    def session_name(self) -> str:
        """The same for the same start in the same place, unless the operator names it."""
        turns = "-backward" if self.backward else ""
        return PRACTICE + session_name(self.task, self.kitchen_seed, self.checkpoint_digest) + turns

    def to_json(self) -> dict[str, Any]:
        """A JSON object."""
        values = stated_values(dataclasses.asdict(self))
        if self.reward == "judge":
            # As it always was written, so that earlier sessions go on.
            del values["reward"]
        return {
            **values,
            "practice_seeds": list(self.practice_seeds),
            "selection_seeds": list(self.selection_seeds),
        }

    def selection_plan(self, digest: str) -> TrialPlan:
        """The scored trials of one checkpoint on the selection start states."""
        return TrialPlan(
            task=self.task,
            criterion=self.criterion,
            trials=len(self.selection_seeds),
            start_seeds=self.selection_seeds,
            robot=self.robot,
            kitchen_seed=self.kitchen_seed,
            checkpoint=self.checkpoint,
            checkpoint_digest=digest,
            max_steps=self.max_steps,
            success_steps=self.success_steps,
            test="selection between checkpoints; never used for claims",
            created_at=self.created_at,
            code_version=self.code_version,
        )
