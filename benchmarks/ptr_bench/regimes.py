"""Prior data in two regimes, both from recipes that show nothing held out.

*clean*: the successes of `prior-v1`, careful operators whose failures were thrown away.
*mixed*: `mixed-v1`, hasty operators with failures and play, of which three successes in four are
left out by a rule that depends on the episode's number alone, so that about one in four of what is
left succeeds, as in a lab that keeps everything.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt

from hardware.sim.recipes import prior_recipe, prior_tasks
from recordings.errors import RecordingError, UsageError
from recordings.packed import PackedDataset, pack
from recordings.records import Outcome

NO_PRIOR = "none"
REGIMES: Mapping[str, str] = {"clean": "prior-v1", "mixed": "mixed-v1"}
"""Regime to the recipe of its episodes."""

KEPT_SUCCESSES = 0.25
_SALT = 9


def keeps_success(number: int) -> bool:
    """Whether the mixed regime keeps the episode of this number if it is a success."""
    return float(np.random.default_rng([number, _SALT]).uniform()) < KEPT_SUCCESSES


def kept_episodes(
    regime: str, numbers: npt.NDArray[np.int64], success: npt.NDArray[np.bool_]
) -> npt.NDArray[np.bool_]:
    """(E,) bool: which episodes belong to a regime.

    Args:
        regime: One of `REGIMES`.
        numbers: (E,) their places in the recipe.
        success: (E,) their outcomes.
    """
    if regime == "clean":
        return success
    lucky = np.array([keeps_success(int(number)) for number in numbers], dtype=np.bool_)
    return ~success | lucky


def load_prior(regime: str, folder: Path, cache: Path, image_size: int) -> PackedDataset:
    """Pack a regime's prior data, or reuse what was packed before.

    Args:
        regime: One of `REGIMES`.
        folder: Where `ptrctl data generate` made the recipe's episodes.
        cache: Of packed data.
        image_size: Edge of the pictures in pixels.

    Raises:
        RecordingError: The folder holds other episodes than those of the recipe.
    """
    packed = pack([folder], cache, image_size)
    numbers = check_recipe(packed, REGIMES[regime], folder)
    success = np.array([outcome is Outcome.SUCCESS for outcome in packed.outcomes])
    return packed.select(kept_episodes(regime, numbers, success))


def check_folder(regime: str, folder: Path) -> None:
    """Whether a folder can hold a regime's recordings, by its file names; before hours of work.

    Raises:
        UsageError: It is not there, or has no episode of the regime's recipe.
    """
    recipe = REGIMES[regime]
    if next(folder.glob(f"{recipe}-*.h5"), None) is None:
        raise UsageError(
            f"{folder} holds no recording of `{recipe}`.",
            f"The regime {regime} is made of them.",
            f"Make them with `ptrctl data generate --recipe {recipe} --out {folder}`.",
        )


def check_recipe(packed: PackedDataset, recipe: str, folder: Path) -> npt.NDArray[np.int64]:
    """(E,) numbers of the episodes, which must be all of a recipe, each with its task and seed.

    A recipe refuses what is held out, so data that agree with one show none of it.

    Raises:
        RecordingError: They are not.
    """
    matches = [re.fullmatch(rf"{recipe}-(\d{{6}})", name) for name in packed.episode_ids]
    numbers = [int(match[1]) for match in matches if match]
    tasks = len(prior_tasks())
    whole = len(numbers) == len(matches) and sorted(numbers) == list(range(len(numbers)))
    if not whole or len(numbers) % tasks:
        raise RecordingError(
            f"{folder} does not hold the episodes of `{recipe}`, all of them and nothing else.",
            f"{len(matches)} episodes were found; whole recipes have a multiple of {tasks}.",
            f"Make them with `ptrctl data generate --recipe {recipe} --out FOLDER`.",
        )
    expected = prior_recipe(recipe, len(numbers) // tasks)
    for place, number in enumerate(numbers):
        episode = expected[number]
        task = packed.tasks[packed.episode_tasks[place]]
        if (task, packed.seeds[place]) != (episode.task, episode.seed):
            raise RecordingError(
                f"Episode {number} in {folder} shows {task} from seed {packed.seeds[place]}.",
                f"The recipe `{recipe}` has {episode.task} from seed {episode.seed} there.",
                f"Make it anew with `ptrctl data generate --recipe {recipe} --out FOLDER`.",
            )
    return np.array(numbers, dtype=np.int64)
