"""What is reported, what settings may be chosen on, and the start states of each.

Nothing else in the bench names a target. Both sets use objects that pre-training never sees, but
no kitchen, no task and no start state is in both.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

from ptrctl.seeds import evaluation_seeds, selection_seeds
from recordings.errors import UsageError

Role = Literal["reporting", "selection"]
ROLES: tuple[Role, ...] = get_args(Role)

MAX_STEPS = 40
"""Time limit of a trial in control periods (8 s)."""
DEMONSTRATIONS = 10
DEMONSTRATION_ATTEMPTS = 200
"""Start states 0, 1, 2, ... are for demonstrations; so many are tried for the ten successes."""


@dataclass(frozen=True)
class Target:
    """A task in a kitchen.

    Args:
        task: Its name.
        kitchen: The kitchen's seed.
    """

    task: str
    kitchen: int

    @property
    def name(self) -> str:
        """ "<task>-<kitchen>", for files."""
        return f"{self.task}-{self.kitchen}"


TARGETS: dict[Role, tuple[Target, ...]] = {
    "reporting": (
        Target("put_sushi_in_pot", 1_000_000),
        # Undoes the one before, in the same kitchen.
        Target("take_sushi_out_of_pot", 1_000_000),
        Target("put_mushroom_in_bowl", 1_000_005),
        Target("take_mushroom_off_plate", 1_000_011),
        Target("put_croissant_in_pan", 1_000_010),
        # A known task in an unknown kitchen.
        Target("open_door", 1_000_014),
    ),
    "selection": (
        Target("put_mushroom_on_plate", 1_000_001),
        Target("take_croissant_out_of_bowl", 1_000_002),
        Target("put_croissant_in_basket", 1_000_003),
    ),
}

UNREPORTED: tuple[Target, ...] = (
    Target("put_mushroom_in_pan", 1_000_020),
    Target("put_croissant_on_board", 1_000_021),
    Target("put_sushi_in_bowl", 1_000_022),
    Target("put_mushroom_in_sink", 1_000_023),
    Target("put_croissant_in_pot", 1_000_025),
    Target("put_sushi_in_basket", 1_000_029),
)
"""More held-out targets to choose with, beside the selection ones; nothing reports them."""


def start_seeds(role: Role, count: int) -> tuple[int, ...]:
    """Start states of the trials, the same for every method and training seed."""
    return (evaluation_seeds if role == "reporting" else selection_seeds)(0, count)


def demonstration_seeds() -> range:
    """Start states of the demonstrations, in the order they are tried."""
    return range(DEMONSTRATION_ATTEMPTS)


def choose_targets(role: Role, names: Sequence[str] | None) -> tuple[Target, ...]:
    """The targets of a role, or those of them that are named by their tasks.

    Raises:
        UsageError: A name is no target of that role.
    """
    targets = TARGETS[role]
    if names is None:
        return targets
    known = [target.task for target in targets]
    unknown = [name for name in names if name not in known]
    if unknown:
        raise UsageError(
            f"{', '.join(unknown)} is no {role} target.",
            f"The {role} targets are {', '.join(known)}.",
            "Name some of these with `--targets`, or choose the others with `--role`.",
        )
    return tuple(target for target in targets if target.task in names)
