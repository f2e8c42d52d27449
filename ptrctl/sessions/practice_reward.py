"""Gets the reward of a practice session ready; a classifier is trained, measured and kept."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ptrctl.checkpoints import comes_from_shipped, rehearsal_of, shipped_folder
from ptrctl.files import read_json
from ptrctl.plan import PLAN_FILE
from ptrctl.practice_plan import ImprovePlan
from ptrctl.rewards import ClassifierReward, GroundTruth, OperatorReward, Reward
from ptrctl.sessions.training import packing
from ptrctl.terminal.dashboard import Display
from ptrctl.workflows.finetune import TrainingRequest
from ptrctl.workspace import Workspace
from recordings.dataset import EpisodeFolder
from recordings.errors import UsageError
from recordings.records import Outcome

if TYPE_CHECKING:
    from policies.checkpoint import Checkpoint
    from policies.classifier import SuccessClassifier
    from policies.classifier_check import ErrorRates
    from policies.labelled_pictures import LabelledPictures
    from policies.tasks import TaskSlots


@dataclass(frozen=True)
class PracticeReward:
    """A reward and what the reader has to know about it.

    Args:
        reward: Labels the trials.
        rates: A classifier's errors, None for others.
    """

    reward: Reward
    rates: ErrorRates | None = None


def make_reward(
    workspace: Workspace,
    plan: ImprovePlan,
    checkpoint: Checkpoint,
    request: TrainingRequest,
    session: Path,
    *,
    examples: Path | None,
    prior: Sequence[Path],
    accept: bool,
    shown: Display,
    stopping: Callable[[], bool] = lambda: False,
) -> PracticeReward:
    """What labels the trials of a session.

    Args:
        session: Its folder; a classifier that has been trained for it is used again.
        examples: Recordings that show how the task ends, beside its demonstrations.
        prior: Prior data, as for the learner.
        accept: Use a classifier however often it is wrong.
        stopping: Asked at every step of its training; True ends it by `KeyboardInterrupt`.

    Raises:
        UsageError: The classifier is too often wrong about one of the tasks, or there is nothing
            to train it on.
    """
    if plan.reward == "judge":
        return PracticeReward(GroundTruth())
    if plan.reward == "operator":
        return PracticeReward(OperatorReward())
    from policies.classifier_check import ErrorRates
    from policies.classifier_file import CLASSIFIER_FILE, load_classifier, save_classifier

    tasks = [task for task in (plan.task, plan.backward) if task]
    _, slots = checkpoint.networks(tasks)
    path = session / CLASSIFIER_FILE
    begun = path.exists()
    if begun:
        classifier, rates, notes = load_classifier(path, checkpoint.info.config.network)
        # Of one that was measured on both tasks together no more is known.
        kept = notes.get("tasks", {plan.task: notes["rates"]})
        by_task = {task: ErrorRates.from_json(values) for task, values in kept.items()}
    else:
        found = gather(workspace, plan, checkpoint, request, slots, examples, prior, shown)
        classifier, by_task = _train(checkpoint, *found, plan, tasks, _telling(shown, stopping))
        rates = sum(by_task.values(), ErrorRates())
        kept = {task: of_task.to_json() for task, of_task in by_task.items()}
        save_classifier(path, classifier, rates, tasks=kept)
    shown.advance(0, plan.trials, f"classifier, held out: {rates.words}")
    unfit = [task for task, of_task in by_task.items() if of_task.fault]
    if unfit and not accept:
        if not begun:  # With more examples another one is trained.
            path.unlink()
        task, of_task = unfit[0], by_task[unfit[0]]
        raise UsageError(
            f"The success classifier is not fit to drive practice of {task}: {of_task.fault} "
            f"(held out: {of_task.words}).",
            "A policy that learns from false successes gets worse.",
            f"Record more demonstrations and failures of {task} with `ptrctl record`, name "
            "more examples with `--examples`, label trials yourself with `--reward operator`, or "
            "use it all the same with `--accept-classifier`.",
        )
    return PracticeReward(ClassifierReward(classifier, slots, checkpoint.info.camera), rates)


def gather(
    workspace: Workspace,
    plan: ImprovePlan,
    checkpoint: Checkpoint,
    request: TrainingRequest,
    slots: TaskSlots,
    examples: Path | None,
    prior: Sequence[Path],
    shown: Display,
) -> tuple[LabelledPictures, list[LabelledPictures]]:
    """Labelled pictures: demonstrations, earlier trials and examples of the tasks; prior data.

    Raises:
        UsageError: Demonstrations, trials and examples do not show a task both done and not done.
    """
    from policies.labelled_pictures import DONE, NOT_DONE, join, pictures_of_packed
    from recordings.packed import pack

    camera, size = checkpoint.info.camera, checkpoint.info.image_size
    taken: set[tuple[object, ...]] = set()

    def take(
        folder: Path, *, only: set[str] | None = None, ends_only: bool = False
    ) -> list[LabelledPictures]:
        packed = pack([folder], request.cache, size, [camera], progress=packing(shown))
        names = [packed.tasks[task] for task in packed.episode_tasks]
        known = [name in slots.names for name in names]
        labelled = [outcome is not Outcome.UNLABELLED for outcome in packed.outcomes]
        wanted = [only is None or episode in only for episode in packed.episode_ids]
        # Learned from in one copy and held out in another, an episode would be known by heart.
        # Generated data of two folders share ids.
        same = list(zip(packed.episode_ids, names, packed.scenes, packed.seeds, strict=True))
        new = [key not in taken for key in same]
        chosen = np.array(known) & np.array(labelled) & np.array(wanted) & np.array(new)
        taken.update(key for key, take_it in zip(same, chosen, strict=True) if take_it)
        if not chosen.any():
            return []
        pictures = pictures_of_packed(packed.select(chosen), slots, camera)
        return [pictures.ends_only() if ends_only else pictures]

    tasks = [task for task in (plan.task, plan.backward) if task]
    parts = []
    for task in tasks:
        if _filled(workspace.demos(task)):
            parts += take(workspace.demos(task))
        for folder, by_hand in earlier_trials(workspace, task).items():
            parts += take(folder, only=by_hand)
    if examples is not None:
        parts += take(examples, ends_only=True)
    for task in tasks:
        slot = slots.slot(task)
        done, open_ = (
            sum(int(((part.tasks == slot) & (part.labels == label)).sum()) for part in parts)
            for label in (DONE, NOT_DONE)
        )
        if not done or not open_:
            raise UsageError(
                f"{done} pictures show {task} done and {open_} show it not done.",
                "The classifier learns both of every task that it labels, from demonstrations, "
                "failures and earlier trials, or from examples of how the task ends.",
                f"Run `ptrctl record --task {task}`, name a folder with `--examples`, or correct "
                "labels with `ptrctl data label`.",
            )
    folders = tuple(prior) or rehearsal_of(checkpoint)
    return join(parts), [part for folder in folders for part in take(folder)]


def earlier_trials(workspace: Workspace, task: str) -> dict[Path, set[str]]:
    """Folders of scored trials of a task, and the episodes in each that an operator has labelled.

    What a simulator has labelled is left out: on an arm there would be no such labels. So is what
    the value meter gave up: nobody has seen how it would have ended.
    """
    plans = {path: read_json(path) for path in workspace.trials("").glob(f"*/{PLAN_FILE}")}
    by_hand = {
        path.parent / "episodes": _labelled_by_hand(path.parent / "episodes")
        for path, plan in sorted(plans.items())
        if plan.get("task") == task and "start_seeds" in plan
    }
    return {folder: episodes for folder, episodes in by_hand.items() if episodes}


def _labelled_by_hand(folder: Path) -> set[str]:
    if not _filled(folder):
        return set()
    return {
        summary.info.episode_id
        for summary in EpisodeFolder(folder).summaries()
        if summary.label.outcome is not Outcome.UNLABELLED
        and summary.label.labelled_by in ("operator", "")
    }


def _filled(folder: Path) -> bool:
    return folder.is_dir() and bool(EpisodeFolder(folder).paths())


def _train(
    checkpoint: Checkpoint,
    pictures: LabelledPictures,
    prior: Sequence[LabelledPictures],
    plan: ImprovePlan,
    tasks: Sequence[str],
    on_step: Callable[[int, float], None],
) -> tuple[SuccessClassifier, dict[str, ErrorRates]]:
    """A classifier that has learned from all pictures, and its errors by task on `pictures`.

    Prior data is never held out: what it starts from, classifier or encoder, has learned from that.
    """
    from policies.classifier import train_classifier
    from policies.classifier_check import cross_validate
    from policies.labelled_pictures import join
    from ptrctl.threads import learning_threads, torch_threads

    networks, names = checkpoint.networks(tasks)
    training = checkpoint.info.config.training
    start = classifier_to_start_with(checkpoint, names)
    slots = [names.slot(task) for task in tasks]

    def train(some: LabelledPictures) -> SuccessClassifier:
        return train_classifier(
            networks,
            join([some, *prior]),
            training,
            tasks=slots,
            seed=plan.seed,
            start=start,
            on_step=on_step,
        )

    with torch_threads(learning_threads()):
        rates = cross_validate(pictures, slots, train, seed=plan.seed)
        return train(pictures), dict(zip(tasks, rates, strict=True))


def _telling(shown: Display, stopping: Callable[[], bool]) -> Callable[[int, float], None]:
    """Tells a display of the steps of a classifier's trainings: one a fold, and the last on all."""
    from policies.classifier import STEPS
    from policies.classifier_check import FOLDS

    steps = itertools.count(1)

    def tell(step: int, loss: float) -> None:
        if stopping():
            raise KeyboardInterrupt
        total = (FOLDS + 1) * STEPS
        shown.advance(next(steps), total, f"learning what success looks like, loss {loss:.2f}")

    return tell


def classifier_to_start_with(checkpoint: Checkpoint, slots: TaskSlots) -> SuccessClassifier | None:
    """The pre-trained classifier beside a checkpoint, or beside the shipped one if it comes from
    that; None without any."""
    from policies.checkpoint import load_checkpoint
    from policies.classifier_file import pretrained_classifier

    config = checkpoint.info.config.network
    own = pretrained_classifier(checkpoint, config, slots)
    if own is not None or not comes_from_shipped(checkpoint):
        return own
    return pretrained_classifier(load_checkpoint(shipped_folder()), config, slots)
