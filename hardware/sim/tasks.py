"""Tasks of the simulated kitchens, in Bridge's naming."""

from __future__ import annotations

import enum
import re
from dataclasses import dataclass

from hardware.sim.catalogue import CONTAINERS, FOR_PRIOR_ONLY, OBJECTS
from recordings.errors import UsageError, nearest


class Verb(enum.Enum):
    """What a task asks for."""

    PUT = "put"
    TAKE = "take"
    OPEN = "open"
    CLOSE = "close"


@dataclass(frozen=True)
class Task:
    """One task.

    Args:
        name: "put_carrot_on_plate".
        verb: What to do.
        object: To be moved; empty for doors and drawers.
        container: Where to or from; "drawer" or "door" for those.
    """

    name: str
    verb: Verb
    object: str
    container: str

    @property
    def criterion(self) -> str:
        """When it counts as a success, in words."""
        thing, place = self.object.replace("_", " "), self.container
        if self.verb is Verb.PUT:
            kind = CONTAINERS[place]
            return (
                f"the {thing} rests {kind.preposition} the {place} (centre within "
                f"{kind.radius_m * 100:.1f} cm), let go of, for two control periods"
            )
        if self.verb is Verb.TAKE:
            return (
                f"the {thing} rests on the counter outside the {place}, let go of, for two periods"
            )
        if place == "drawer":
            return (
                "the drawer stands open by at least 6 cm"
                if self.verb is Verb.OPEN
                else "the drawer stands open by at most 1.2 cm"
            )
        return (
            "the door stands open by at least 0.6 rad"
            if self.verb is Verb.OPEN
            else "the door stands open by at most 0.1 rad"
        )

    @property
    def backward(self) -> str:
        """The task that undoes this one."""
        if self.verb is Verb.PUT:
            return take(self.object, self.container)
        if self.verb is Verb.TAKE:
            return put(self.object, self.container)
        other = Verb.CLOSE if self.verb is Verb.OPEN else Verb.OPEN
        return f"{other.value}_{self.container}"


def put(thing: str, container: str) -> str:
    """Name of the task that puts a thing on or in a container."""
    return f"put_{thing}_{CONTAINERS[container].preposition}_{container}"


def take(thing: str, container: str) -> str:
    """Name of the task that takes a thing off or out of a container."""
    away = "off" if CONTAINERS[container].preposition == "on" else "out_of"
    return f"take_{thing}_{away}_{container}"


ARTICULATED = ("open_drawer", "close_drawer", "open_door", "close_door")


def all_task_names() -> list[str]:
    """Every task that the simulator knows, sorted; without those of things that are
    there to pre-train on."""
    things = [name for name in OBJECTS if name not in FOR_PRIOR_ONLY]
    names = [name(o, c) for o in things for c in CONTAINERS for name in (put, take)]
    return sorted([*names, *ARTICULATED])


_PUT = re.compile(r"put_(?P<object>\w+)_(on|in)_(?P<container>[a-z]+)")
_TAKE = re.compile(r"take_(?P<object>\w+)_(off|out_of)_(?P<container>[a-z]+)")


def parse_task(name: str) -> Task:
    """The task of that name.

    Raises:
        UsageError: No such task; the message offers the nearest names.
    """
    if name in ARTICULATED:
        word, what = name.split("_")
        return Task(name, Verb(word), "", what)
    for pattern, verb in ((_PUT, Verb.PUT), (_TAKE, Verb.TAKE)):
        match = pattern.fullmatch(name)
        if not match:
            continue
        task = Task(name, verb, match["object"], match["container"])
        known = task.object in OBJECTS and task.container in CONTAINERS
        if known and name == (put if verb is Verb.PUT else take)(task.object, task.container):
            return task
    near = nearest(name, all_task_names(), count=3, alike=0.4)
    raise UsageError(
        f"The simulator has no task `{name}`.",
        f"Nearest: {', '.join(near)}." if near else "Tasks look like `put_carrot_on_plate`.",
        "List them all with `ptrctl setup --list-tasks`.",
    )
