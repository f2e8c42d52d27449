"""The value meter: what a critic's value has meant for the success of past trials.

A critic's Q orders states; how likely success is from there is another question, and trials answer
it. The map is a logistic regression on Q and on the share of the time limit that has gone by, with
four numbers, and it never falls as Q rises. On trials of two fine-tuned checkpoints its held-out
calibration error was 0.03, that of isotonic regression on Q alone 0.06 and 0.08
(docs/value-meter.md).
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from policies.meter_scores import Figure, FloatArray, TrialValues, calibration_error, value_figures
from policies.storage import STUMBLES, write_file
from recordings.errors import CheckpointError

METER_FILE = "meter.json"
METER_VERSION = 1

FEWEST_TRIALS = 20
FEWEST_OF_EACH = 4
"""Below this many trials, or successes or failures, no map is fitted and nothing looks like one. So
many of a task itself it takes until trials of that may be given up."""

FEWEST_OF_A_TASK = 4
"""Below this many trials of a task the map is fitted without them and says nothing about it."""

_FOLDS = 5
_REGULARISATION = 0.1
_FARTHEST = 3.0
"""Values beyond this many deviations from the mean say no more than those there."""


@dataclass(frozen=True)
class Meter:
    """From a critic's value and the step to a chance of success.

    Args:
        checkpoint: Digest of the checkpoint whose critic it reads.
        tasks: Tasks of the trials that it was fitted on; it says nothing about others.
        max_steps: Their time limit in control periods; with another it says nothing.
        q_mean, q_deviation: Of the values, in the units of Q.
        begin: (intercept, slope) of the log odds on the standardised value at step 0.
        end: The same at the time limit; between the two both change linearly.
        trials: Number of trials that it was fitted on.
        successes: How many of them succeeded.
        figures: How well it foretells the outcome, by name; calibration is measured on trials
            that were held out, all trials of a fold together.
        sure_of: Those of `tasks` whose own trials would have been enough for a map.
    """

    checkpoint: str
    tasks: tuple[str, ...]
    max_steps: int
    q_mean: float
    q_deviation: float
    begin: tuple[float, float]
    end: tuple[float, float]
    trials: int
    successes: int
    figures: Mapping[str, Figure] = field(default_factory=dict)
    sure_of: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        numbers = (self.q_mean, self.q_deviation, *self.begin, *self.end)
        if not all(math.isfinite(number) for number in numbers):
            raise ValueError("a meter's numbers must be finite")
        if self.q_deviation <= 0 or self.max_steps < 1:
            raise ValueError("q_deviation and max_steps must be positive")
        if self.begin[1] < 0 or self.end[1] < 0:
            raise ValueError("the chance must not fall as the value rises")
        if not 0 <= self.successes <= self.trials:
            raise ValueError(f"{self.successes} successes of {self.trials} trials is impossible")

    def chance(self, q: float, step: int) -> float:
        """The chance that a trial with value `q` at `step` (0 is the first) succeeds, 0..1."""
        return float(self.chances(np.array([q]), np.array([step]))[0])

    def chances(self, q: FloatArray, steps: FloatArray) -> FloatArray:
        """`chance` of many: (N,) values and (N,) steps to (N,)."""
        features = _features(q, steps, self)
        odds = features @ np.array([*self.begin, *self.end])
        return np.asarray(0.5 * (1.0 + np.tanh(0.5 * odds)))

    def speaks_of(self, checkpoint: str, task: str, max_steps: int) -> bool:
        """Whether it was fitted on trials of this checkpoint, task and time limit."""
        same = (self.checkpoint, self.max_steps) == (checkpoint, max_steps)
        return same and task in self.tasks

    @property
    def digest(self) -> str:
        """SHA-256 of what it says, hexadecimal."""
        return hashlib.sha256(_text(self).encode()).hexdigest()


def fit_meter(trials: Sequence[TrialValues], checkpoint: str, max_steps: int) -> Meter | None:
    """The map from past trials of all tasks; None if they are too few, or nearly all ended alike.

    Args:
        trials: Finished and labelled, of one checkpoint acting deterministically, never cut short
            by a rule that reads the meter.
        checkpoint: Its digest.
        max_steps: Their time limit.
    """
    trials = [trial for trial in trials if len(trial.q)]
    of_task = Counter(trial.task for trial in trials)
    trials = [trial for trial in trials if of_task[trial.task] >= FEWEST_OF_A_TASK]
    if not _enough(trials):
        return None
    meter = _fit(trials, checkpoint, max_steps)
    figures = {
        **value_figures(trials, max_steps),
        "calibration_error": calibration_error(held_out_chances(trials, checkpoint, max_steps)),
    }
    sure_of = [task for task in meter.tasks if _enough([t for t in trials if t.task == task])]
    return dataclasses.replace(meter, figures=figures, sure_of=tuple(sure_of))


def _enough(trials: Sequence[TrialValues]) -> bool:
    wins = sum(trial.success for trial in trials)
    return len(trials) >= FEWEST_TRIALS and min(wins, len(trials) - wins) >= FEWEST_OF_EACH


def held_out_chances(
    trials: Sequence[TrialValues], checkpoint: str, max_steps: int
) -> list[tuple[FloatArray, bool]]:
    """For each trial (chance at every step (N,), success), from a fit without its fifth of trials.

    Successes and failures are dealt out evenly, in the order given.
    """
    fold = np.zeros(len(trials), np.int64)
    for outcome in (True, False):
        members = [n for n, trial in enumerate(trials) if trial.success is outcome]
        fold[members] = np.arange(len(members)) % _FOLDS
    chances: list[tuple[FloatArray, bool]] = [(np.zeros(0), False)] * len(trials)
    for number in range(_FOLDS):
        others = [trial for n, trial in enumerate(trials) if fold[n] != number]
        meter = _fit(others, checkpoint, max_steps)
        for n in np.flatnonzero(fold == number).tolist():
            q = trials[n].q
            chances[n] = meter.chances(q, np.arange(len(q), dtype=np.float64)), trials[n].success
    return chances


def _fit(trials: Sequence[TrialValues], checkpoint: str, max_steps: int) -> Meter:
    """Regularised logistic regression; every step is a sample, all steps together weigh as much
    as the number of trials, since those of one trial share their outcome."""
    from scipy.optimize import minimize

    q = np.concatenate([trial.q for trial in trials])
    steps = np.concatenate([np.arange(len(trial.q), dtype=np.float64) for trial in trials])
    won = np.concatenate([np.full(len(trial.q), float(trial.success)) for trial in trials])
    wins = sum(trial.success for trial in trials)
    rate = math.log((wins + 0.5) / (len(trials) - wins + 0.5))
    blank = Meter(
        checkpoint=checkpoint,
        tasks=tuple(sorted({trial.task for trial in trials})),
        max_steps=max_steps,
        q_mean=float(q.mean()),
        q_deviation=max(float(q.std()), 1e-6),
        begin=(rate, 0.0),
        end=(rate, 0.0),
        trials=len(trials),
        successes=wins,
    )
    features = _features(q, steps, blank)
    weight = len(trials) / len(q)
    # Without evidence the chance is the share of successes, whatever the value.
    centre = np.array([*blank.begin, *blank.end])

    def loss(numbers: FloatArray) -> tuple[float, FloatArray]:
        odds = features @ numbers
        off = numbers - centre
        value = weight * (np.logaddexp(0.0, odds) - won * odds).sum()
        slope = weight * features.T @ (0.5 * (1.0 + np.tanh(0.5 * odds)) - won)
        penalty = 0.5 * _REGULARISATION * float(off @ off)
        return float(value) + penalty, slope + _REGULARISATION * off

    free, rising = (None, None), (0.0, None)
    result = minimize(
        loss, centre, jac=True, method="L-BFGS-B", bounds=[free, rising, free, rising]
    )
    a, b, c, d = (float(number) for number in result.x)
    return dataclasses.replace(blank, begin=(a, b), end=(c, d))


def _features(q: FloatArray, steps: FloatArray, meter: Meter) -> FloatArray:
    """(N, 4): intercept and value, each split between the begin and the time limit."""
    value = np.clip((q - meter.q_mean) / meter.q_deviation, -_FARTHEST, _FARTHEST)
    late = np.clip(steps / meter.max_steps, 0.0, 1.0)
    return np.stack([1.0 - late, (1.0 - late) * value, late, late * value], axis=1)


def save_meter(path: Path, meter: Meter) -> None:
    """Write a meter as JSON; after a crash there is the old file or the new one.

    Raises:
        CheckpointError: The disk is full or cannot be written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    write_file(path, _text(meter).encode())


def load_meter(path: Path) -> Meter | None:
    """Read a meter; None if there is none.

    Raises:
        CheckpointError: The file is damaged or of another version.
    """
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return None
    try:
        return _from_json(json.loads(content))
    except STUMBLES as error:
        raise CheckpointError(
            f"`{path}` is damaged: {type(error).__name__} {error}.",
            f"It should be the calibration of a value meter, version {METER_VERSION}.",
            f"Delete {path.name}: it is fitted anew after the next `ptrctl evaluate`.",
        ) from error


def _text(meter: Meter) -> str:
    values = {"meter_version": METER_VERSION, **dataclasses.asdict(meter)}
    if not meter.sure_of:
        # Meters from before there was such a thing keep their digest.
        del values["sure_of"]
    return json.dumps(values, indent=2) + "\n"


def _from_json(value: Mapping[str, Any]) -> Meter:
    values = dict(value)
    version = values.pop("meter_version")
    if version != METER_VERSION:
        raise ValueError(f"its version is {version}")
    values["tasks"] = tuple(values["tasks"])
    values["sure_of"] = tuple(values.get("sure_of", ()))
    values["begin"], values["end"] = _pair(values["begin"]), _pair(values["end"])
    values["figures"] = {name: Figure(**figure) for name, figure in values["figures"].items()}
    return Meter(**values)


def _pair(numbers: Iterable[Any]) -> tuple[float, float]:
    first, second = numbers
    return float(first), float(second)
