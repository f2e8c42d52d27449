"""Pre-train the success classifier that lies beside a checkpoint's weights, and measure it.

The classifier begins with the checkpoint's encoder and learns from the labelled episodes of prior
data, successes and failures of all tasks that the checkpoint knows. Of every twenty places one is
held out, with all its episodes, to measure the errors. To be run again whenever the checkpoint
changes: a classifier of other weights is not used.

    python scripts/pretrain_classifier.py CHECKPOINT DATA... [--steps 4000] [--out FILE]
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
from rich.progress import Progress

from policies.checkpoint import load_checkpoint
from policies.classifier import PRETRAINING_STEPS, pretrain_classifier
from policies.classifier_check import error_rates
from policies.classifier_file import CLASSIFIER_FILE, save_classifier
from policies.labelled_pictures import pictures_of_packed
from policies.packed_episodes import labelled_episodes
from recordings.errors import PtrctlError
from recordings.packed import pack

HELD_OUT_PLACES = 20
"""One of so many is held out."""


def held_out(scenes: Sequence[str], seed: int) -> npt.NDArray[np.bool_]:
    """Which episodes took place where nothing is learned from; (E,) for E places' texts."""
    places = sorted(set(scenes))
    order = np.random.default_rng(seed).permutation(len(places))
    chosen = {places[index] for index in order[: max(1, len(places) // HELD_OUT_PLACES)]}
    return np.array([scene in chosen for scene in scenes])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("data", type=Path, nargs="+", help="folders of recordings")
    parser.add_argument("--steps", type=int, default=PRETRAINING_STEPS)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--cache", type=Path, default=Path(".cache/packed"))
    parser.add_argument("--workers", type=int, default=1, help="processes that pack pictures")
    parser.add_argument("--out", type=Path, help="another file than the one beside the weights")
    options = parser.parse_args()
    checkpoint = load_checkpoint(options.checkpoint)
    info = checkpoint.info
    networks, slots = checkpoint.networks()
    began_s = time.monotonic()
    with Progress() as progress:
        packing = progress.add_task("packing", total=None)
        packed = pack(
            options.data,
            options.cache,
            info.image_size,
            [info.camera],
            progress=lambda done, total: progress.update(packing, completed=done, total=total),
            workers=options.workers,
        )
        progress.remove_task(packing)
        known = [packed.tasks[task] in slots.names for task in packed.episode_tasks]
        packed = packed.select(np.array(known))
        pictures = pictures_of_packed(packed, slots, info.camera)
        scenes = labelled_episodes(packed, info.camera).scenes
        away = held_out(scenes, options.seed)
        learning = progress.add_task("learning", total=options.steps)
        classifier = pretrain_classifier(
            networks,
            pictures.of_episodes(~away),
            info.config.training,
            steps=options.steps,
            seed=options.seed,
            on_step=lambda done, loss: progress.update(
                learning, completed=done, description=f"learning, loss {loss:.3f}"
            ),
        )
    unseen = pictures.of_episodes(away)
    rates = error_rates(classifier, unseen)
    path = options.out or checkpoint.path / CLASSIFIER_FILE
    save_classifier(
        path,
        classifier,
        rates,
        compact=True,
        checkpoint=checkpoint.digest,
        data=packed.digest,
        steps=options.steps,
        seed=options.seed,
    )
    print(f"learned from {(~away).sum()} episodes, {(time.monotonic() - began_s) / 60:.1f} minutes")
    print(f"held out, {unseen.episodes} episodes ({unseen.success.sum()} successes): {rates.words}")
    print(f"wrote {path}")


if __name__ == "__main__":
    try:
        main()
    except PtrctlError as error:
        sys.exit(str(error))
