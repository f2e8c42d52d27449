"""What prior data is made of: which tasks, kitchens, noise and failures; and what is held out.

A recipe is a pure function of its name and size, so that a checkpoint's data can be made again
from one line. Held-out objects (`HELD_OUT_OBJECTS`) and kitchens (`FIRST_HELD_OUT_KITCHEN` and
up) can enter no prior episode: `Recipe` refuses them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from hardware.sim.catalogue import CONTAINERS, FIRST_HELD_OUT_KITCHEN, HELD_OUT_OBJECTS, OBJECTS
from hardware.sim.demonstrator import FAILURES
from hardware.sim.tasks import ARTICULATED, parse_task, put, take
from recordings.errors import UsageError

DEMO_TASK = put("sushi", "pot")
DEMO_KITCHEN = FIRST_HELD_OUT_KITCHEN
"""The target of `ptrctl demo`: the first held-out object, in the first held-out kitchen."""

RECIPE_NAMES = ("prior-v1",)
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


def prior_tasks() -> list[str]:
    """Tasks of the prior data: every prior object put and taken, and both fronts; 40 names."""
    objects = [name for name in OBJECTS if name not in HELD_OUT_OBJECTS]
    containers = list(CONTAINERS)
    names: list[str] = []
    for index, thing in enumerate(objects):
        first = containers[index % len(containers)]
        second = containers[(index + 3) % len(containers)]
        names += [put(thing, first), put(thing, second), take(thing, first)]
    return [*names, *ARTICULATED]


def prior_recipe(
    name: str = "prior-v1", episodes_per_task: int = 100, failure_share: float = 0.15
) -> list[Recipe]:
    """The episodes of a recipe; every episode in a kitchen of its own, tasks taking turns.

    Args:
        name: One of `RECIPE_NAMES`.
        episodes_per_task: At least 1.
        failure_share: Share of episodes in which something is made to go wrong, 0..1.

    Raises:
        UsageError: Unknown recipe.
    """
    if name not in RECIPE_NAMES:
        raise UsageError(
            f"There is no recipe `{name}`.",
            f"Known: {', '.join(RECIPE_NAMES)}.",
            f"Leave `--recipe` out for {RECIPE_NAMES[0]}.",
        )
    recipes = []
    tasks = prior_tasks()
    for index in range(episodes_per_task * len(tasks)):
        rng = np.random.default_rng([index, 8])
        fails = rng.uniform() < failure_share
        recipes.append(
            Recipe(
                index=index,
                task=tasks[index % len(tasks)],
                kitchen_seed=index,
                seed=index,
                noise=float(rng.uniform(0.3, 1.2)),
                failure=str(rng.choice(FAILURES)) if fails else "",
            )
        )
    return recipes
