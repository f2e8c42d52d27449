"""Which task has which slot of the networks, with spare slots for tasks to come."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import takewhile

from recordings.errors import CheckpointError, nearest


@dataclass(frozen=True)
class TaskSlots:
    """Task names in the order of their slots.

    Args:
        names: Slot i belongs to names[i].
        capacity: How many slots the networks have.
    """

    names: tuple[str, ...]
    capacity: int

    def __post_init__(self) -> None:
        if not all(isinstance(name, str) for name in self.names):
            raise TypeError(f"task names must be texts: {self.names}")
        if len(set(self.names)) != len(self.names):
            raise ValueError(f"task names must be unique: {self.names}")
        if len(self.names) > self.capacity:
            raise CheckpointError(
                f"{len(self.names)} tasks were given.",
                f"The networks have {self.capacity} task slots.",
                "Leave some tasks out, or pre-train with a preset that has more slots "
                "(`ptrctl pretrain --preset cpu-large`).",
            )

    def slot(self, name: str) -> int:
        """The slot of a task.

        Raises:
            CheckpointError: The policy does not know the task; the nearest names are offered.
        """
        if name in self.names:
            return self.names.index(name)
        near = nearest(name, self.names, count=3, alike=0.4)
        offer = f"The nearest it knows are {', '.join(near)}." if near else ""
        raise CheckpointError(
            f"The policy has not learned the task `{name}`.",
            offer or f"It knows {', '.join(self.names)}.",
            f"Teach it with `ptrctl finetune --task {name}`.",
        )

    def add(self, *names: str) -> TaskSlots:
        """Slots in which `names` have some too; unchanged if all already have.

        Raises:
            CheckpointError: There are fewer spare slots than new names.
        """
        new = [name for name in dict.fromkeys(names) if name not in self.names]
        spare = self.capacity - len(self.names)
        if len(new) > spare:
            raise CheckpointError(
                f"The checkpoint knows {len(self.names)} tasks, and {len(new)} more were given.",
                f"It has spare slots for {spare}.",
                "Leave out folders of prior data, or start with `--checkpoint pretrained`.",
            )
        return TaskSlots((*self.names, *new), self.capacity) if new else self

    def similar(self, name: str) -> tuple[int, ...]:
        """Slots of the other tasks that do the most similar thing.

        Of the tasks with the same verb ("put" of "put_carrot_on_plate") those that end in most of
        the same words ("on_plate"): they move other things to the same place.
        """
        verb, *words = name.split("_")
        alike = {
            slot: _same_ending(words, others)
            for slot, (other_verb, *others) in enumerate(other.split("_") for other in self.names)
            if other_verb == verb and others != words
        }
        most = max(alike.values(), default=0)
        return tuple(slot for slot, count in alike.items() if count == most)


def _same_ending(words: Sequence[str], others: Sequence[str]) -> int:
    """How many words two names end in alike."""
    pairs = zip(reversed(words), reversed(others), strict=False)
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs))


def slots_for(names: Sequence[str], capacity: int) -> TaskSlots:
    """Slots for tasks met for the first time, sorted by name so that order never matters."""
    return TaskSlots(tuple(sorted(set(names))), capacity)
