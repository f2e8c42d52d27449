"""A success classifier on disk, and the pre-trained one that lies beside a checkpoint's weights."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from policies.checkpoint import Checkpoint
from policies.classifier import SuccessClassifier
from policies.classifier_check import ErrorRates
from policies.config import NetworkConfig
from policies.storage import STUMBLES, read_tensors, write_tensors
from policies.tasks import TaskSlots
from recordings.errors import CheckpointError

CLASSIFIER_FILE = "classifier.safetensors"


def save_classifier(
    path: Path,
    classifier: SuccessClassifier,
    rates: ErrorRates,
    *,
    compact: bool = False,
    **notes: Any,
) -> None:
    """Keep a classifier with its measured errors.

    Args:
        compact: Halve the size by storing weights as float16.
        notes: What else is to be known of it; JSON-able.
    """
    kind = torch.float16 if compact else torch.float32
    weights = {name: value.to(kind).contiguous() for name, value in classifier.state_dict().items()}
    path.parent.mkdir(parents=True, exist_ok=True)
    write_tensors(path, weights, {"rates": rates.to_json(), **notes})


def load_classifier(
    path: Path, config: NetworkConfig
) -> tuple[SuccessClassifier, ErrorRates, dict[str, Any]]:
    """The inverse of `save_classifier`: with its errors and all notes.

    Args:
        config: Of the policy that it was made for.

    Raises:
        CheckpointError: The file is damaged, or was made for other networks.
    """
    train_another = "Remove the file; `ptrctl improve` then trains another."
    tensors, notes = read_tensors(path, train_another)
    try:
        classifier = SuccessClassifier(config)
        classifier.load_state_dict({name: value.float() for name, value in tensors.items()})
        for slot in range(config.task_slots):
            classifier.needed_hand(slot)  # A damaged one would only be found in a trial.
        rates = ErrorRates.from_json(notes["rates"])
    except STUMBLES as error:
        raise CheckpointError(
            f"The classifier `{path}` does not fit: {error}",
            "It should be the one that was trained for this checkpoint.",
            train_another,
        ) from error
    return classifier.eval(), rates, notes


def pretrained_classifier(
    owner: Checkpoint, config: NetworkConfig, slots: TaskSlots
) -> SuccessClassifier | None:
    """The classifier beside a checkpoint's weights, ready to learn more tasks.

    Args:
        owner: The checkpoint that it was pre-trained for.
        config: Of the policy that it shall go with.
        slots: Of that policy and of tasks to come. What the owner has not learned begins as the
            mean of those that are most similar, as in `Checkpoint.networks`.

    Returns:
        None if there is none, if it was made for other weights, or if networks or slots differ.
    """
    path = owner.path / CLASSIFIER_FILE
    known = owner.info.tasks
    same = _shape(config) == _shape(owner.info.config.network)
    if not path.exists() or not same or slots.names[: len(known.names)] != known.names:
        return None
    classifier, _, notes = load_classifier(path, config)
    if notes.get("checkpoint") != owner.digest:
        return None
    for task in slots.names[len(known.names) :]:
        classifier.start_task(slots.slot(task), known.similar(task))
    return classifier


def _shape(config: NetworkConfig) -> tuple[object, ...]:
    """What of the networks a classifier depends on."""
    return config.encoder, config.image_size, config.task_slots, config.task_embedding
