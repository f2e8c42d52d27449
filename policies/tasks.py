"""Which task has which slot of the networks, with spare slots for tasks to come."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import dataclass

from recordings.errors import CheckpointError


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
        if len(set(self.names)) != len(self.names):
            raise ValueError(f"task names must be unique: {self.names}")
        if len(self.names) > self.capacity:
            raise CheckpointError(
                f"{len(self.names)} tasks were given.",
                f"The networks have {self.capacity} task slots.",
                "Leave some tasks out, or pre-train anew with `ptrctl pretrain`.",
            )

    def slot(self, name: str) -> int:
        """The slot of a task.

        Raises:
            CheckpointError: The policy does not know the task; the nearest names are offered.
        """
        if name in self.names:
            return self.names.index(name)
        nearest = difflib.get_close_matches(name, self.names, n=3, cutoff=0.4)
        offer = f"The nearest it knows are {', '.join(nearest)}." if nearest else ""
        raise CheckpointError(
            f"The policy has not learned the task `{name}`.",
            offer or f"It knows {', '.join(self.names)}.",
            f"Teach it with `ptrctl finetune --task {name}`.",
        )

    def add(self, name: str) -> TaskSlots:
        """Slots in which `name` has one too; unchanged if it already has.

        Raises:
            CheckpointError: There is no spare slot.
        """
        if name in self.names:
            return self
        return TaskSlots((*self.names, name), self.capacity)

    def similar(self, name: str) -> tuple[int, ...]:
        """Slots of the other tasks with the same verb: "put" of "put_carrot_on_plate"."""
        verb = name.split("_", maxsplit=1)[0]
        return tuple(
            slot
            for slot, other in enumerate(self.names)
            if other != name and other.split("_", maxsplit=1)[0] == verb
        )


def slots_for(names: Sequence[str], capacity: int) -> TaskSlots:
    """Slots for tasks met for the first time, sorted by name so that order never matters."""
    return TaskSlots(tuple(sorted(set(names))), capacity)
