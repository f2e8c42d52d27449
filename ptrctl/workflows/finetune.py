"""Training from recordings: fine-tuning on demonstrations of one task, pre-training on many."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from policies.checkpoint import Checkpoint, load_checkpoint
from policies.config import Learner, PolicyConfig, Precision
from policies.packed_episodes import check_finite
from policies.presets import preset
from policies.selection import (
    CRITERIA,
    DEFAULT_CRITERION,
    HeldOutScore,
    rank_checkpoints,
    score_held_out,
)
from policies.training import AnotherRunError, TrainingEvent, TrainingResult, train
from ptrctl.checkpoints import TRAINING, recommend, recommended
from ptrctl.threads import learning_threads
from recordings.dataset import EpisodeFolder
from recordings.errors import CheckpointError, RecordingError
from recordings.packed import PackedDataset, pack
from recordings.reader import read_summary
from recordings.records import Outcome

METRICS_FILE = "metrics.jsonl"
LEAST_TO_HOLD_OUT = 5
"""With fewer successes every one of them is needed for training."""

CHECKPOINTS_A_RUN = 4


@dataclass(frozen=True)
class TrainingRequest:
    """What to train, on what.

    Args:
        run: The folder `checkpoints/<name>`; an interrupted run of the same request goes on.
        beside: Where that holds other runs, train beside them in place of refusing.
        steps: Updates.
        learner: "ptr" or "bc".
        init: Start from this checkpoint; None starts from random weights.
        preset: Networks and settings when there is no `init`.
        settings_of: Where there is an `init`: the settings are the "checkpoint"'s, or those of the
            "preset", whose networks must be the checkpoint's.
        precision: Of the encoder, "float32" or "bfloat16"; None keeps the settings'.
        seed: Of weights, sampling and augmentation.
        robot: The arm's embodiment, kept in the checkpoint; see `embodiment_of`.
        cache: Folder for packed pictures.
        camera: To learn from; by default `init`'s, else the first.
    """

    run: Path
    steps: int
    learner: Learner
    init: Checkpoint | None
    preset: str
    seed: int
    robot: str
    cache: Path
    camera: str | None = None
    settings_of: Literal["checkpoint", "preset"] = "checkpoint"
    precision: Precision | None = None
    beside: bool = False

    @property
    def config(self) -> PolicyConfig:
        """The checkpoint's configuration, or the preset's, with the wished learner."""
        theirs = self.init is not None and self.settings_of == "checkpoint"
        config = self.init.info.config if self.init and theirs else preset(self.preset)
        return config.with_learner(self.learner).with_precision(self.precision)


@dataclass(frozen=True)
class Demonstrations:
    """The recordings of one task, split by hand so that no episode is on both sides.

    Args:
        counts: Outcome to number of episodes.
        train: What to learn from: successes and failures, never unlabelled ones.
        held_out: Identifier of the success that is kept for judging checkpoints; "" for none.
        validation: That success, or None.
    """

    counts: Mapping[Outcome, int]
    train: PackedDataset
    held_out: str
    validation: PackedDataset | None


@dataclass(frozen=True)
class Trained:
    """What a run left.

    Args:
        checkpoint: The best of the run.
        recommended: The run's name stands for it now.
        reason: Why it is the best.
        scores: Candidates with how they do on the held-out demonstration, best first; empty
            without one.
        seconds: Training time now.
        resumed_at: Updates that an earlier call had done.
        metrics: The last ones.
        name_note: What the name of the run stood for before, or still stands for, if that is not
            `checkpoint`; else "".
        began_as: New task to the known one as which it began.
    """

    checkpoint: Checkpoint
    recommended: bool
    reason: str
    scores: tuple[tuple[str, HeldOutScore], ...]
    seconds: float
    resumed_at: int
    metrics: Mapping[str, float]
    name_note: str
    began_as: Mapping[str, str]


def embodiment_of(folders: Sequence[Path]) -> str:
    """The embodiment on which recordings were made; the first of each folder speaks for it.

    Raises:
        RecordingError: A folder holds no recording, or there are several embodiments.
    """
    first = [EpisodeFolder(folder).some_paths()[0] for folder in folders]
    found = sorted({read_summary(path).info.embodiment for path in first})
    if len(found) == 1:
        return found[0]
    raise RecordingError(
        f"The recordings were made on: {', '.join(found)}.",
        "A policy is trained on one kind of arm.",
        "Leave the other folders out.",
    )


def load_demonstrations(
    folder: Path,
    request: TrainingRequest,
    on_packing: Callable[[int, int], None] = lambda done, total: None,
) -> Demonstrations:
    """Pack the demonstrations of a task and split off one success for validation.

    Raises:
        RecordingError: There is no success among them, or one is not finite.
    """
    counts = EpisodeFolder(folder).counts()
    if not counts[Outcome.SUCCESS]:
        raise RecordingError(
            f"{folder} holds {counts_in_words(counts)}.",
            "Learning a task needs at least one successful demonstration.",
            "Record some with `ptrctl record`, or correct labels with `ptrctl data label`.",
        )
    packed = pack(
        [folder],
        request.cache,
        request.config.network.image_size,
        [request.camera] if request.camera else None,
        progress=on_packing,
    )
    check_finite(packed)
    outcomes = np.array([outcome.value for outcome in packed.outcomes])
    keep = outcomes != Outcome.UNLABELLED.value
    successes = np.flatnonzero(outcomes == Outcome.SUCCESS.value)
    if len(successes) < LEAST_TO_HOLD_OUT:
        return Demonstrations(counts, packed.select(keep), "", None)
    last = int(successes[-1])
    alone = np.arange(len(outcomes)) == last
    return Demonstrations(
        counts, packed.select(keep & ~alone), packed.episode_ids[last], packed.select(alone)
    )


def finetune(
    request: TrainingRequest,
    demonstrations: Demonstrations,
    prior: PackedDataset | None,
    on_event: Callable[[TrainingEvent], None] = lambda event: None,
) -> Trained:
    """Train on demonstrations, mixed with prior data if there is any.

    Raises:
        CheckpointError: The networks do not fit, or there is another run that is not to be joined.
        RecordingError: The data do not fit the networks.
    """
    result = _train(request, prior, demonstrations.train, on_event)
    if demonstrations.validation is None:
        return _recommend_last(request, result)
    return _recommend_best(request, result, demonstrations.validation)


def pretrain(
    request: TrainingRequest,
    data: PackedDataset,
    on_event: Callable[[TrainingEvent], None] = lambda event: None,
    *,
    compact: bool = False,
) -> Trained:
    """Train on prior data of many tasks; `compact` stores the weights in half precision.

    Raises:
        CheckpointError, RecordingError: As for `finetune`.
    """
    result = _train(request, data, None, on_event, compact=compact)
    return _recommend_last(request, result)


def pack_prior(
    folders: Sequence[Path],
    request: TrainingRequest,
    on_packing: Callable[[int, int], None] = lambda done, total: None,
    *,
    workers: int = 1,
) -> PackedDataset:
    """Pack recordings of many tasks, leaving out the unlabelled ones.

    Raises:
        RecordingError: There is nothing, or it cannot be read.
    """
    packed = pack(
        folders,
        request.cache,
        request.config.network.image_size,
        [request.camera] if request.camera else None,
        progress=on_packing,
        workers=workers,
    )
    labelled = np.array([outcome is not Outcome.UNLABELLED for outcome in packed.outcomes])
    return packed if labelled.all() else packed.select(labelled)


def _train(
    request: TrainingRequest,
    prior: PackedDataset | None,
    target: PackedDataset | None,
    on_event: Callable[[TrainingEvent], None],
    *,
    compact: bool = False,
) -> TrainingResult:
    folder, number = request.run / TRAINING, 1
    while True:
        try:
            return _train_in(folder, request, prior, target, on_event, compact=compact)
        except AnotherRunError:
            if not request.beside:
                raise
        number += 1
        folder = request.run / f"{TRAINING}-{number}"


def _train_in(
    folder: Path,
    request: TrainingRequest,
    prior: PackedDataset | None,
    target: PackedDataset | None,
    on_event: Callable[[TrainingEvent], None],
    *,
    compact: bool,
) -> TrainingResult:
    log = folder / METRICS_FILE

    def keep_and_tell(event: TrainingEvent) -> None:
        if event.metrics:
            with log.open("a", encoding="utf-8") as file:
                file.write(json.dumps({"step": event.step, **event.metrics}) + "\n")
        on_event(event)

    return train(
        request.config,
        prior,
        target,
        steps=request.steps,
        run_folder=folder,
        robot=request.robot,
        seed=request.seed,
        camera=request.camera,
        init=request.init,
        on_event=keep_and_tell,
        checkpoint_every=-(-request.steps // CHECKPOINTS_A_RUN),
        threads=learning_threads(),
        compact=compact,
    )


def _recommend_last(request: TrainingRequest, result: TrainingResult) -> Trained:
    return _recommend(request, result, result.checkpoint, "the last checkpoint of the run")


def _recommend_best(
    request: TrainingRequest, result: TrainingResult, held_out: PackedDataset
) -> Trained:
    """Rank those of the run's checkpoints that the default criterion considers; damaged ones are
    passed over, for the last one is whole."""
    candidates, damaged = [], ""
    for path in CRITERIA[DEFAULT_CRITERION].candidates(result.checkpoints):
        try:
            candidates.append(load_checkpoint(path))
        except CheckpointError:
            damaged += f"; {path.name} is damaged and was passed over"
    ranked = rank_checkpoints([(c, score_held_out(c, held_out)) for c in candidates])
    best = ranked[0][0]
    scores = tuple((checkpoint.path.name, score) for checkpoint, score in ranked)
    reason = reason_in_words(
        DEFAULT_CRITERION, [score for _, score in ranked], critic=best.info.critic_updates > 0
    )
    return _recommend(request, result, best, reason + damaged, scores)


def reason_in_words(criterion: str, ranked: Sequence[HeldOutScore], *, critic: bool) -> str:
    """Why the first of the ranked candidates is recommended: the criterion and its figures.

    Args:
        critic: It has a critic that has been trained.
    """
    if criterion == "last":
        return "the last checkpoint of the run"
    figures = CRITERIA[criterion].figures(ranked[0])
    if figures:
        return f"best of {len(ranked)} on the held-out demonstration by {criterion}: {figures}"
    if critic:
        return f"the last of {len(ranked)}: their {criterion} is not a number"
    return f"the last of {len(ranked)}: no critic has been trained to judge by {criterion}"


def _recommend(
    request: TrainingRequest,
    result: TrainingResult,
    checkpoint: Checkpoint,
    reason: str,
    scores: tuple[tuple[str, HeldOutScore], ...] = (),
) -> Trained:
    run, training = request.run, checkpoint.path.parents[1].name
    pointer = recommended(run)
    current = pointer.get("checkpoint", "")
    # Repeating the command does not undo what practice has made of this training since.
    practised = pointer.get("training") == training and not current.startswith(f"{training}/")
    note = ""
    if practised:
        note = f"stands for {current}, which practice made of this training"
    else:
        recommend(run, checkpoint.path, reason, digest=checkpoint.digest, training=training)
        if current not in ("", checkpoint.path.relative_to(run).as_posix()):
            note = f"stood for {current} before, which is still there"
    return Trained(
        checkpoint=checkpoint,
        recommended=not practised,
        reason=reason,
        scores=scores,
        seconds=result.seconds,
        resumed_at=result.resumed_at,
        metrics=result.checkpoint.info.metrics,
        name_note=note,
        began_as=result.began_as,
    )


def read_metrics(run: Path) -> dict[str, list[tuple[int, float]]]:
    """Metric to (step, value) pairs of a run, for charts; steps done twice count once."""
    path = run / TRAINING / METRICS_FILE
    if not path.exists():
        return {}
    rows: dict[int, dict[str, float]] = {}
    for line in path.read_text(encoding="utf-8").splitlines():
        try:
            row = json.loads(line)
        except ValueError:
            continue  # Cut off by a kill; the step is there again further down.
        rows[int(row.pop("step"))] = row
    curves: dict[str, list[tuple[int, float]]] = {}
    for step in sorted(rows):
        for name, value in rows[step].items():
            curves.setdefault(name, []).append((step, value))
    return curves


def counts_in_words(counts: Mapping[Outcome, int]) -> str:
    """ "10 success, 2 failure, 0 unlabelled"."""
    return ", ".join(f"{counts[outcome]} {outcome.value}" for outcome in Outcome)
