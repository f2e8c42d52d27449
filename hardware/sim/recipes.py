"""What prior data is made of: which tasks, kitchens, noise and failures; and what is held out.

A recipe is a pure function of its name and size, so that a checkpoint's data can be made again
from one line. Held-out objects (`HELD_OUT_OBJECTS`) and kitchens (`FIRST_HELD_OUT_KITCHEN` and
up) can enter no prior episode: `Recipe` refuses them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np

from hardware.sim.catalogue import (
    CONTAINERS,
    FIRST_HELD_OUT_KITCHEN,
    FOR_PRIOR_ONLY,
    HELD_OUT_OBJECTS,
    LOOKS,
    LOOKS_OF_A_SHAPE,
    OBJECTS,
    RECOLOURED,
)
from hardware.sim.demonstrator import FAILURES
from hardware.sim.tasks import ARTICULATED, parse_task, put, take
from recordings.errors import UsageError, nearest

DEMO_TASK = put("sushi", "pot")
DEMO_KITCHEN = FIRST_HELD_OUT_KITCHEN
"""The target of `ptrctl demo`: the first held-out object, in the first held-out kitchen."""


@dataclass(frozen=True)
class RecipeKind:
    """What the episodes of a recipe are like.

    Args:
        noise: (lowest, highest) of the demonstrator.
        failures: Each of `FAILURES` with its share of all episodes; the rest try to succeed.
        episodes_per_kitchen: Episodes of one task in one kitchen, with other start states.
        about: Which things its tasks are about.
        first: Its kitchens and start states are numbered from here on.
    """

    noise: tuple[float, float]
    failures: Mapping[str, float]
    episodes_per_kitchen: int = 1
    about: Literal["known", "recoloured", "looks"] = "known"
    first: int = 0


RECIPES: Mapping[str, RecipeKind] = {
    # Careful operators: 15 % fail, all kinds alike.
    "prior-v1": RecipeKind((0.3, 1.2), dict.fromkeys(FAILURES, 0.15 / len(FAILURES))),
    # What labs have: hasty operators, good grasps that end badly, misses, and play. A third tries
    # to succeed. Several episodes share a kitchen, so that looks alone do not tell the outcome.
    "mixed-v1": RecipeKind(
        (0.6, 1.6),
        {"early_release": 0.35, "wrong_place": 0.10, "missed_grasp": 0.10, "play": 0.10},
        episodes_per_kitchen=3,
    ),
    # More looks, by careful operators; then very many, among each other.
    "recoloured-v1": RecipeKind(
        (0.3, 1.2),
        dict.fromkeys(FAILURES, 0.15 / len(FAILURES)),
        about="recoloured",
        first=500_000,
    ),
    "looks-v1": RecipeKind(
        (0.3, 1.2), dict.fromkeys(FAILURES, 0.15 / len(FAILURES)), about="looks", first=700_000
    ),
}
RECIPE_NAMES = tuple(RECIPES)
MAX_STEPS = 45
"""Time limit of an episode; part of the recipe, since playing about goes on until then."""


@dataclass(frozen=True)
class Recipe:
    """How one prior episode is made.

    Args:
        index: Place in the recipe.
        task: What to do.
        kitchen_seed: Where.
        seed: Start state and the demonstrator's randomness.
        noise: Of the demonstrator.
        failure: What is made to go wrong, "" for nothing.

    Raises:
        ValueError: It would show something that is held out.
    """

    index: int
    task: str
    kitchen_seed: int
    seed: int
    noise: float
    failure: str = ""

    def __post_init__(self) -> None:
        if parse_task(self.task).object in HELD_OUT_OBJECTS:
            raise ValueError(f"{self.task} uses a held-out object")
        if self.kitchen_seed >= FIRST_HELD_OUT_KITCHEN:
            raise ValueError(f"kitchen {self.kitchen_seed} is held out")


def prior_tasks(recipe: str = RECIPE_NAMES[0]) -> list[str]:
    """Tasks of a recipe: every object put and taken, and both fronts, 40 names; each recoloured
    thing put, and taken or put elsewhere, 48 names; or each random look put or taken, 144 names."""
    about = RECIPES[recipe].about
    if about != "known":
        return _recoloured_tasks() if about == "recoloured" else _look_tasks()
    objects = [name for name in OBJECTS if name not in (*HELD_OUT_OBJECTS, *FOR_PRIOR_ONLY)]
    containers = list(CONTAINERS)
    names: list[str] = []
    for index, thing in enumerate(objects):
        first = containers[index % len(containers)]
        second = containers[(index + 3) % len(containers)]
        names += [put(thing, first), put(thing, second), take(thing, first)]
    return [*names, *ARTICULATED]


def _recoloured_tasks() -> list[str]:
    containers = list(CONTAINERS)
    names: list[str] = []
    for index, thing in enumerate(RECOLOURED):
        first = containers[(index + 1) % len(containers)]
        second = containers[(index + 4) % len(containers)]
        names += [put(thing, first), take(thing, first) if index % 2 else put(thing, second)]
    return names


def _look_tasks() -> list[str]:
    containers = list(CONTAINERS)
    names: list[str] = []
    for index, thing in enumerate(LOOKS):
        # Every shape has its turn at every container, and a third of taking.
        number, shape = divmod(index, len(LOOKS) // LOOKS_OF_A_SHAPE)
        verb = take if (number - shape) % 3 == 2 else put
        names.append(verb(thing, containers[(number + shape) % len(containers)]))
    return names


def prior_recipe(name: str = "prior-v1", episodes_per_task: int = 100) -> list[Recipe]:
    """The episodes of a recipe, tasks taking turns; no two tasks share a kitchen.

    Args:
        name: One of `RECIPE_NAMES`.
        episodes_per_task: At least 1.

    Raises:
        UsageError: Unknown recipe.
    """
    if name not in RECIPE_NAMES:
        near, *_ = *nearest(name, RECIPE_NAMES), *RECIPE_NAMES
        raise UsageError(
            f"There is no recipe `{name}`.",
            f"Known: {', '.join(RECIPE_NAMES)}.",
            f"Choose one, for example `--recipe {near}`.",
        )
    recipes = []
    kind, tasks = RECIPES[name], prior_tasks(name)
    first = kind.first
    share = sum(kind.failures.values())
    weights = [part / share for part in kind.failures.values()]
    # Even weights are no weights: the shipped checkpoint's data were drawn that way.
    drawn_by = None if len(set(weights)) == 1 else weights
    a_kitchen = kind.episodes_per_kitchen
    for index in range(episodes_per_task * len(tasks)):
        rng = np.random.default_rng([first + index, 8])
        fails = rng.uniform() < share
        turn, number = divmod(index, len(tasks))
        recipes.append(
            Recipe(
                index=index,
                task=tasks[number],
                kitchen_seed=first + turn // a_kitchen * a_kitchen * len(tasks) + number,
                seed=first + index,
                noise=float(rng.uniform(*kind.noise)),
                failure=str(rng.choice(list(kind.failures), p=drawn_by)) if fails else "",
            )
        )
    return recipes
