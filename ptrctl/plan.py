"""The plan of a set of trials: written before the first trial, and not changed after it."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hardware.loop import SUCCESS_STEPS
from ptrctl.files import read_json, write_json
from recordings.errors import RecordingError, UsageError

PLAN_VERSION = 1
PLAN_FILE = "plan.json"
_RULE = "stop_hopeless"
_BEGUN = "begun_with"
_OPTIONAL: dict[str, Any] = {_RULE: None, _BEGUN: {}}
"""Fields that are written only where they say something, as plans from before them do not."""
_MAY_DIFFER = ("created_at", "checkpoint", _BEGUN)
TRIALS_FILE = "trials.jsonl"
PRACTICE_FOLDER = "practice"
"""In a session of practice, its trials' own."""
_OF_TRIALS = (TRIALS_FILE, PRACTICE_FOLDER, "selection-*")
"""What a session's folder holds once trials have been run."""


def session_name(task: str, kitchen_seed: int | None, digest: str) -> str:
    """The same for the same policy in the same place: a repeated command finds its session.

    Args:
        task: What is tried.
        kitchen_seed: Of the simulated kitchen; None on hardware.
        digest: Of the policy's checkpoint.
    """
    kitchen = "" if kitchen_seed is None else f"-kitchen{kitchen_seed}"
    return f"{task}{kitchen}-{digest[:8]}"


@dataclass(frozen=True)
class StopRule:
    """When a trial is given up before its time limit, and counts as a failure.

    Args:
        below: The chance of success under which a trial is hopeless, 0..1.
        meter: Digest of the calibration that says the chance.
        in_a_row: Control periods one after the other below it.
    """

    below: float
    meter: str
    in_a_row: int = 3

    def __post_init__(self) -> None:
        if not 0.0 < self.below < 1.0:
            raise UsageError(
                f"Trials were to be stopped below a chance of {self.below:g}.",
                "A chance lies between 0 and 1.",
                "Give one such as `--stop-hopeless 0.05`, or leave the option out.",
            )

    def __str__(self) -> str:
        return (
            f"counts as a failure once the meter {self.meter[:12]} says a chance below "
            f"{self.below:g} in {self.in_a_row} periods in a row"
        )


@dataclass(frozen=True)
class TrialPlan:
    """What will be tried, from which start states, judged how.

    Args:
        task: The task's name.
        criterion: The success criterion in words.
        trials: Number of trials that count, fixed beforehand.
        start_seeds: One start state a trial, in the order of the trials.
        robot: The arm's name in the profile ("sim-wx250s").
        kitchen_seed: The simulated kitchen; None on hardware.
        checkpoint: The checkpoint's name, for people.
        checkpoint_digest: What is really compared.
        max_steps: Time limit of a trial in control periods.
        success_steps: Consecutive successful scores that end a trial.
        policy_mode: "deterministic" or "stochastic".
        test: The test that was planned, in words.
        compare_with: The session whose trials are the other half of the pairs; "" for none.
        stop_hopeless: When a trial is given up early; None lets every trial use its time.
        created_at: UTC, ISO 8601.
        code_version: Version of ptrctl.
        begun_with: The flags of the command that began the session, to go on with.
    """

    task: str
    criterion: str
    trials: int
    start_seeds: tuple[int, ...]
    robot: str
    kitchen_seed: int | None
    checkpoint: str
    checkpoint_digest: str
    max_steps: int
    success_steps: int = SUCCESS_STEPS
    policy_mode: str = "deterministic"
    test: str = "95 % Wilson interval; the number of trials is fixed beforehand"
    compare_with: str = ""
    stop_hopeless: StopRule | None = None
    created_at: str = ""
    code_version: str = ""
    begun_with: Mapping[str, Any] = dataclasses.field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.trials < 1:
            raise UsageError(
                f"A plan of {self.trials} trials was asked for.",
                "At least one trial is needed.",
                "Give a number with `--trials`, for example `--trials 50`.",
            )
        if len(self.start_seeds) != self.trials:
            raise ValueError(f"{len(self.start_seeds)} start seeds for {self.trials} trials")
        if len(set(self.start_seeds)) != self.trials:
            raise ValueError("start seeds must differ from each other")
        if self.max_steps < 1 or self.success_steps < 1:
            raise ValueError("max_steps and success_steps must be at least 1")
        if self.policy_mode not in ("deterministic", "stochastic"):
            raise ValueError(f"unknown policy mode {self.policy_mode!r}")

    @property
    def session_name(self) -> str:
        """Of its trials, unless the operator names them."""
        return session_name(self.task, self.kitchen_seed, self.checkpoint_digest)

    def to_json(self) -> dict[str, Any]:
        """A JSON object; `from_json` turns it back."""
        values = stated_values(dataclasses.asdict(self))
        return {"plan_version": PLAN_VERSION, **values, "start_seeds": list(self.start_seeds)}

    @staticmethod
    def from_json(value: dict[str, Any], source: Path) -> TrialPlan:
        """The plan in a JSON object.

        Args:
            value: From `to_json`.
            source: The file that it came from, for the error.

        Raises:
            RecordingError: The object is not a plan of this version, or its values do not fit
                together.
        """
        values = dict(value)
        version = values.pop("plan_version", None)
        known = {field.name for field in dataclasses.fields(TrialPlan)}
        if version != PLAN_VERSION or {*values, *_OPTIONAL} != known:
            raise RecordingError(
                f"{source} holds a trial plan of version {version} with the fields "
                f"{', '.join(sorted(values))}.",
                f"This ptrctl reads version {PLAN_VERSION}.",
                "Read it with the ptrctl that wrote it, or choose another `--session`.",
            )
        try:
            values["start_seeds"] = tuple(values["start_seeds"])
            values[_RULE] = StopRule(**values[_RULE]) if _RULE in values else None
            return TrialPlan(**values)
        except (UsageError, TypeError, ValueError) as problem:
            raise RecordingError(
                f"{source} holds a plan that does not fit together: {problem}.",
                "A plan is as it was before the first trial.",
                "Put it back from a copy, or choose another `--session`.",
            ) from problem


def stated_values(values: dict[str, Any]) -> dict[str, Any]:
    """A plan's values as JSON, but for those that say nothing."""
    return {
        name: value
        for name, value in values.items()
        if name not in _OPTIONAL or value != _OPTIONAL[name]
    }


def freeze_plan(plan: TrialPlan, folder: Path) -> TrialPlan:
    """Write the plan into a session's folder, or check that the same plan is there already.

    Returns:
        The plan in force: the earlier one (with its creation time) when the session goes on.

    Raises:
        UsageError: The session was begun under another plan.
    """
    freeze_same(plan.to_json(), folder)
    return load_plan(folder)


def freeze_same(plan: Mapping[str, Any], folder: Path) -> None:
    """Write a plan as a JSON object into a session's folder, or check that it is there already.

    Raises:
        UsageError: The session was begun under another plan.
        RecordingError: What is there cannot be read.
    """
    path = folder / PLAN_FILE
    if path.exists():
        check_same(read_json(path), plan, folder.name)
    else:
        refuse_lost_plan(folder)
        write_json(path, plan)


def refuse_lost_plan(folder: Path) -> None:
    """Raise `UsageError` if a session's folder holds trials and not their plan: nobody knows any
    more which policy they were of."""
    trials = [path.name for name in _OF_TRIALS for path in sorted(folder.glob(name))]
    if trials:
        raise UsageError(
            f"{folder} holds {', '.join(trials)} without {PLAN_FILE}.",
            "Trials count for the plan that was frozen before them.",
            f"Put {PLAN_FILE} back from a copy, or start anew with `--session NEW_NAME`.",
        )


def check_same(
    frozen: Mapping[str, Any],
    now: Mapping[str, Any],
    session: str,
    anew: str = "add `--session NEW_NAME`",
) -> None:
    """Compare two plans as JSON objects; what may differ are the time of creation, the flags that
    it was begun with, and what the checkpoint is called, for its digest says which it is.

    Args:
        session: What it is called.
        anew: How to begin another.

    Raises:
        UsageError: Anything else differs; every difference is named.
    """
    words = "; ".join(
        f"{name} was {_short(frozen.get(name))} and is now {_short(now.get(name))}"
        for name in {**frozen, **now}
        if name not in _MAY_DIFFER and frozen.get(name) != now.get(name)
    )
    if words:
        raise UsageError(
            f"The session {session} was begun under another plan: {words}.",
            "A plan does not change after its first trial.",
            f"Repeat the command as it was to go on, or {anew} to start anew.",
        )


def load_plan(folder: Path) -> TrialPlan:
    """The plan of a session.

    Raises:
        RecordingError: There is none, or it cannot be read.
    """
    path = folder / PLAN_FILE
    if not path.exists():
        raise RecordingError(
            f"{folder} holds no {PLAN_FILE}.",
            "The folder of an evaluation holds the plan of its trials.",
            "Run `ptrctl evaluate` first, or name a folder under trials/.",
        )
    return TrialPlan.from_json(read_json(path), path)


def _short(value: object) -> str:
    if isinstance(value, list) and len(value) > 1:
        return f"{len(value)} start states from {value[0]}"
    text = str(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
