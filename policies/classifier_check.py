"""How often a success classifier is wrong, on episodes that it has not learned from."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from policies.classifier import THRESHOLD, SuccessClassifier
from policies.labelled_pictures import DONE, NOT_DONE, LabelledPictures
from policies.labelling import Hand

FOLDS = 4
_AT_ONCE = 4096

MOST_FALSE_PICTURES = 0.05
MOST_FALSE_EPISODES = 0.10
"""More false beliefs than this, and the policy would learn from failures as if they succeeded."""

MOST_MISSED_EPISODES = 0.5
"""More than this, and practice would hardly ever see a success."""


@dataclass(frozen=True)
class Count:
    """k of n."""

    wrong: int
    total: int

    def __str__(self) -> str:
        return f"{self.wrong}/{self.total}"

    def __add__(self, other: Count) -> Count:
        return Count(self.wrong + other.wrong, self.total + other.total)

    @property
    def share(self) -> float:
        """0 where nothing was counted."""
        return self.wrong / self.total if self.total else 0.0


@dataclass(frozen=True)
class ErrorRates:
    """Errors on held-out pictures and on whole held-out episodes.

    Args:
        false_pictures: Pictures that do not show success, taken for success.
        missed_pictures: Pictures that show success, not taken for it.
        false_episodes: Episodes in which success was believed before or without its being so, of
            those that show the task not done.
        missed_episodes: Successes that were never believed.
        false_failures: Of the false episodes, those that are failures.
    """

    false_pictures: Count = Count(0, 0)
    missed_pictures: Count = Count(0, 0)
    false_episodes: Count = Count(0, 0)
    missed_episodes: Count = Count(0, 0)
    false_failures: Count = Count(0, 0)

    def __add__(self, other: ErrorRates) -> ErrorRates:
        return ErrorRates(
            self.false_pictures + other.false_pictures,
            self.missed_pictures + other.missed_pictures,
            self.false_episodes + other.false_episodes,
            self.missed_episodes + other.missed_episodes,
            self.false_failures + other.false_failures,
        )

    @property
    def words(self) -> str:
        """For panels and reports."""
        return (
            f"false success {self.false_pictures} pictures, {self.false_episodes} episodes; "
            f"missed {self.missed_pictures} pictures, {self.missed_episodes} episodes"
        )

    @property
    def fault(self) -> str:
        """Why it may not drive practice; "" if it may."""
        if not self.false_failures.total or not self.missed_episodes.total:
            return "there were no held-out episodes of both kinds to measure it on"
        if self.false_pictures.share > MOST_FALSE_PICTURES:
            return f"it took {self.false_pictures} pictures without success for success"
        if self.false_episodes.share > MOST_FALSE_EPISODES:
            return f"it believed in a success that was none in {self.false_episodes} episodes"
        # Practice of a policy that can do little is failures, nearly all of it.
        if self.false_failures.share > MOST_FALSE_EPISODES:
            return f"it believed in a success that was none in {self.false_failures} failures"
        if self.missed_episodes.share > MOST_MISSED_EPISODES:
            return f"it missed {self.missed_episodes} successes"
        return ""

    def to_json(self) -> dict[str, list[int]]:
        """Name to [wrong, total]."""
        return {name: [count.wrong, count.total] for name, count in vars(self).items()}

    @staticmethod
    def from_json(values: Mapping[str, Sequence[int]]) -> ErrorRates:
        """The inverse of `to_json`."""
        return ErrorRates(**{name: Count(*pair) for name, pair in values.items()})


def cross_validate(
    pictures: LabelledPictures,
    tasks: Sequence[int],
    train: Callable[[LabelledPictures], SuccessClassifier],
    *,
    threshold: float = THRESHOLD,
    folds: int = FOLDS,
    seed: int = 0,
) -> list[ErrorRates]:
    """Errors in episodes of each of `tasks`, judged by classifiers that have not seen them.

    Successes and failures are dealt out to the folds in turn, whole episodes each; episodes of
    other tasks are always learned from.

    Args:
        train: Trains a classifier on pictures.

    A fold that holds all pictures of a task done, or not done, tells nothing: there is none left to
    learn from. Where examples show the ends of successes, an only failure is all of it not done.
    """
    fold = fold_of_episodes(pictures, tasks, folds, seed)
    totals = [ErrorRates() for _ in tasks]
    for number in range(folds):
        held_out = fold == number
        rest = pictures.of_episodes(~held_out)
        known = _shown(rest, tasks) == _shown(pictures, tasks)
        if held_out.any() and known:
            classifier = train(rest)
            for place, slot in enumerate(tasks):
                ours = pictures.of_episodes(held_out & (pictures.task_of_episode == slot))
                totals[place] += error_rates(classifier, ours, threshold)
    return totals


def _shown(pictures: LabelledPictures, tasks: Sequence[int]) -> set[tuple[int, int]]:
    """The tasks with what is shown of them, `DONE` or `NOT_DONE`."""
    pairs = zip(pictures.tasks.tolist(), pictures.labels.tolist(), strict=True)
    return {(task, label) for task, label in pairs if task in tasks and label in (DONE, NOT_DONE)}


def fold_of_episodes(
    pictures: LabelledPictures, tasks: Sequence[int], folds: int, seed: int
) -> npt.NDArray[np.int64]:
    """(E,) the fold that holds an episode out; -1 for those of other tasks."""
    fold = np.full(pictures.episodes, -1, np.int64)
    task = pictures.task_of_episode
    rng = np.random.default_rng(seed)
    for slot in tasks:
        for success in (True, False):
            members = np.flatnonzero((task == slot) & (pictures.success == success))
            fold[rng.permutation(members)] = np.arange(len(members)) % folds
    return fold


def error_rates(
    classifier: SuccessClassifier, pictures: LabelledPictures, threshold: float = THRESHOLD
) -> ErrorRates:
    """Errors on pictures that the classifier has not learned from."""
    sure = probabilities(classifier, pictures) >= threshold
    total = ErrorRates()
    for number in range(pictures.episodes):
        chosen = pictures.episode == number
        total += _episode(sure[chosen], pictures.labels[chosen], bool(pictures.success[number]))
    return total


def probabilities(
    classifier: SuccessClassifier, pictures: LabelledPictures
) -> npt.NDArray[np.float64]:
    """(F,) of success, 0 before what the hand must have done; few pictures at a time in memory."""
    parts = [slice(start, start + _AT_ONCE) for start in range(0, len(pictures), _AT_ONCE)]
    answers = [classifier.probabilities(pictures.at(part), pictures.tasks[part]) for part in parts]
    needed = classifier.hands.numpy()[pictures.tasks]
    too_early = (pictures.hand != Hand.UNKNOWN) & (pictures.hand < needed)
    return np.where(too_early, 0.0, np.concatenate([np.empty(0), *answers]))


def _episode(
    sure: npt.NDArray[np.bool_], labels: npt.NDArray[np.int8], success: bool
) -> ErrorRates:
    done, open_ = labels == DONE, labels == NOT_DONE
    believed = np.flatnonzero(sure[1:] & sure[:-1]) + 1
    falsely = bool(len(believed) and open_[believed[0]])
    return ErrorRates(
        Count(int((sure & open_).sum()), int(open_.sum())),
        Count(int((~sure & done).sum()), int(done.sum())),
        Count(int(falsely), int(open_.any())),
        Count(int(success and not len(believed)), int(success)),
        Count(0, 0) if success else Count(int(falsely), int(open_.any())),
    )
