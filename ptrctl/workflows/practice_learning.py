"""What practice learns, and when: a little after each trial, or anew before it is measured."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from policies.online import OnlineLearner
from policies.training import mean_metrics
from ptrctl.files import read_json, write_json
from ptrctl.operator.operators import Operator
from ptrctl.practice_plan import ImprovePlan
from ptrctl.threads import learning_threads, torch_threads
from recordings.reader import Episode

THREADS_FILE = "threads.json"
UPDATES_BETWEEN_EVENTS = 5

LIKE_FINE_TUNING = 10
"""With a backward task the policy learns before it is measured, not between trials, as if it were
fine-tuned on the arm's own demonstrations: so many trials' updates, 500 by default."""
FIRST_DEMONSTRATIONS = 2
"""Of these at least. Nothing is lost by learning from few: it is measured before it is taken."""


@dataclass(frozen=True)
class Learning:
    """Updates after a trial are under way: `done` of `total`; `apart` if more than after most."""

    trial: int
    trials: int
    done: int
    total: int
    apart: bool = False


@dataclass(frozen=True)
class Learned:
    """Updates after a trial are done; `metrics` are their means."""

    trial: int
    metrics: dict[str, float]


class StoppedError(Exception):
    """Somebody wants to stop while the policy learns; the next call learns what is missing."""


@dataclass
class PracticeLearning:
    """The learner of a session, with its state on the disk.

    Args:
        plan: The session's.
        learner: On the plan's checkpoint.
        folder: The session's; the state after the last trial is kept there.
        on_event: Told of updates.
        operator: Asked for consent before the arm moves again.
        stopping: Asked while the policy learns, which may take long; True ends it.
    """

    plan: ImprovePlan
    learner: OnlineLearner
    folder: Path
    on_event: Callable[[Learning | Learned], None]
    operator: Operator
    stopping: Callable[[], bool] = lambda: False

    def add(self, episode: Episode, success: bool) -> None:
        """Give the learner a recorded trial."""
        images = episode.images(self.learner.checkpoint.info.camera)
        steps = min(len(episode.actions), len(images) - 1)
        self.learner.add_episode(
            np.asarray(images[: steps + 1]),
            episode.states[: steps + 1],
            episode.sent_actions[:steps],
            episode.info.task,
            success,
        )

    def after_trial(self, trial: int) -> None:
        """Learn between trials, where that is due, or what is missing of that; keep the state.

        Raises:
            StoppedError: Somebody wants to stop; the state is kept as far as it has come.
        """
        metrics: dict[str, float] = {}
        if self.learner.has_something_new and not self.plan.backward:
            # What could not be learned after the first trials is made up for.
            due = (trial + 1) * self.plan.updates_per_trial
            try:
                metrics = self._update(trial, due - self.learner.updates)
            except StoppedError:
                self._save(trial + 1)
                raise
        self._save(trial + 1)
        self.on_event(Learned(trial, metrics))

    def before_measuring(self, trials: int) -> bool:
        """Learn what is learned before a candidate is measured; whether it has learned anything.

        With a backward task the checkpoint that practice began with is fine-tuned on what the arm
        has done until now.

        Raises:
            StoppedError: Somebody wants to stop.
        """
        if self.plan.backward and self.learner.successes >= FIRST_DEMONSTRATIONS:
            total = LIKE_FINE_TUNING * self.plan.updates_per_trial
            self.learner.begin_again(total)
            metrics = self._update(trials - 1, total)
            self._save(trials)
            self.on_event(Learned(trials - 1, metrics))
        return self.learner.updates > 0

    def keeps(self, trials: int) -> bool:
        """Whether there is a state after so many trials."""
        return self._state_path(trials).exists()

    def load(self, trials: int) -> None:
        """Go on from the state after so many trials, once they have been added again."""
        self.learner.load_state(self._state_path(trials))

    def _save(self, trials: int) -> None:
        """Keep the state after so many trials, in place of any other."""
        kept = self._state_path(trials)
        self.learner.save_state(kept)
        for other in self.folder.glob("learner-*.safetensors"):
            if other != kept:
                other.unlink()

    def _state_path(self, trials: int) -> Path:
        return self.folder / f"learner-{trials:05d}.safetensors"

    def _update(self, trial: int, total: int) -> dict[str, float]:
        if not total:
            return {}
        metrics = []
        apart = total > self.plan.updates_per_trial
        with torch_threads(self._threads):
            for done in range(0, total, UPDATES_BETWEEN_EVENTS):
                if self.stopping():
                    raise StoppedError
                self.on_event(Learning(trial, self.plan.trials, done, total, apart))
                metrics.append(self.learner.update(min(UPDATES_BETWEEN_EVENTS, total - done)))
        # Nobody expects an arm that has stood still for so long to move by itself.
        self.operator.ask_again("The policy has learned from the trial.")
        return mean_metrics(metrics)

    @cached_property
    def _threads(self) -> int:
        """How many threads learn: sums over a batch depend on it, so a session keeps its number."""
        path = self.folder / THREADS_FILE
        if path.exists():
            return int(read_json(path)["threads"])
        threads = learning_threads()
        write_json(path, {"threads": threads})
        return threads
