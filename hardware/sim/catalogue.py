"""Toy food and kitchenware of the simulated kitchens: shapes, sizes, colours.

What is seen and what is touched are separate: an object looks rounded and is touched as one box
a little smaller than it looks, which makes a friction grasp stable at a 5 ms time step.
"""

from __future__ import annotations

import colorsys
import math
from dataclasses import dataclass, replace

import numpy as np

Colour = tuple[float, float, float]


@dataclass(frozen=True)
class Part:
    """One visible shape, in the frame of its object, metres and radians."""

    shape: str
    size: tuple[float, ...]
    colour: Colour
    position: tuple[float, float, float] = (0.0, 0.0, 0.0)
    euler: tuple[float, float, float] = (0.0, 0.0, 0.0)


@dataclass(frozen=True)
class ObjectKind:
    """Something that can be grasped, long axis along x.

    Args:
        name: As in task names.
        half_size_m: Half extents of the box that is touched.
        parts: What is seen.
        mass_kg: Its mass.
    """

    name: str
    half_size_m: tuple[float, float, float]
    parts: tuple[Part, ...]
    mass_kg: float = 0.03

    @property
    def elongated(self) -> bool:
        """Whether the gripper has to be turned along with it."""
        return self.half_size_m[0] > 1.4 * self.half_size_m[1]


@dataclass(frozen=True)
class ContainerKind:
    """Something that objects are put on or into; it stands still.

    Args:
        name: As in task names.
        preposition: "on" or "in".
        radius_m: An object whose centre is within this of the centre lies on or in it.
        wall_m: Height of its rim above the counter.
        colour: Its colour before the kitchen varies it.
        built_in: Part of the kitchen, always at the same side of it.
    """

    name: str
    preposition: str
    radius_m: float
    wall_m: float
    colour: Colour
    built_in: bool = False


ALONG_X = (0.0, math.pi / 2, 0.0)
ORANGE, GREEN, DARK_GREEN = (0.95, 0.45, 0.08), (0.25, 0.65, 0.2), (0.12, 0.42, 0.14)
YELLOW, PURPLE, BROWN, RED = (
    (0.95, 0.82, 0.15),
    (0.35, 0.12, 0.42),
    (0.62, 0.3, 0.2),
    (0.8, 0.1, 0.1),
)
WHITE, SALMON, BLACK, STEEL = (
    (0.95, 0.94, 0.9),
    (0.98, 0.5, 0.35),
    (0.08, 0.08, 0.09),
    (0.7, 0.72, 0.75),
)
GOLD, BLUE, PINK, CREAM = (0.82, 0.55, 0.2), (0.15, 0.3, 0.75), (0.9, 0.4, 0.55), (0.9, 0.82, 0.68)


def _lying(name: str, radius: float, half_length: float, colour: Colour, *more: Part) -> ObjectKind:
    body = Part("capsule", (radius, half_length), colour, euler=ALONG_X)
    return ObjectKind(name, (half_length + radius * 0.7, radius * 0.95, radius), (body, *more))


OBJECTS: dict[str, ObjectKind] = {
    kind.name: kind
    for kind in (
        _lying(
            "carrot", 0.012, 0.024, ORANGE, Part("box", (0.009, 0.006, 0.006), GREEN, (0.042, 0, 0))
        ),
        _lying("cucumber", 0.012, 0.028, DARK_GREEN),
        _lying(
            "corn",
            0.013,
            0.020,
            YELLOW,
            Part("ellipsoid", (0.012, 0.014, 0.014), GREEN, (-0.03, 0, 0)),
        ),
        _lying(
            "hotdog", 0.011, 0.024, BROWN, Part("box", (0.026, 0.004, 0.003), YELLOW, (0, 0, 0.010))
        ),
        ObjectKind(
            "banana",
            (0.034, 0.012, 0.011),
            (
                Part(
                    "capsule", (0.011, 0.014), YELLOW, (0.016, 0.002, 0), (0.0, math.pi / 2, -0.25)
                ),
                Part(
                    "capsule", (0.011, 0.014), YELLOW, (-0.016, 0.002, 0), (0.0, math.pi / 2, 0.25)
                ),
                Part("box", (0.004, 0.004, 0.004), BROWN, (0.042, -0.003, 0)),
            ),
        ),
        ObjectKind(
            "eggplant",
            (0.030, 0.014, 0.014),
            (
                Part("ellipsoid", (0.034, 0.016, 0.016), PURPLE),
                Part("ellipsoid", (0.010, 0.012, 0.012), GREEN, (0.028, 0, 0)),
            ),
        ),
        ObjectKind(
            "sweet_potato",
            (0.028, 0.014, 0.013),
            (Part("ellipsoid", (0.034, 0.016, 0.015), BROWN),),
        ),
        ObjectKind(
            "lemon", (0.016, 0.013, 0.013), (Part("ellipsoid", (0.021, 0.015, 0.015), YELLOW),)
        ),
        ObjectKind(
            "tomato",
            (0.014, 0.014, 0.014),
            (
                Part("sphere", (0.017,), RED),
                Part("cylinder", (0.007, 0.002), GREEN, (0, 0, 0.016)),
            ),
        ),
        ObjectKind(
            "can",
            (0.012, 0.012, 0.022),
            (
                Part("cylinder", (0.015, 0.020), BLUE),
                Part("cylinder", (0.014, 0.0225), STEEL),
            ),
        ),
        ObjectKind(
            "strawberry",
            (0.014, 0.013, 0.013),
            (
                Part("ellipsoid", (0.018, 0.015, 0.015), PINK),
                Part("ellipsoid", (0.006, 0.010, 0.010), GREEN, (0.014, 0, 0)),
            ),
        ),
        ObjectKind(
            "bread",
            (0.028, 0.014, 0.013),
            (
                Part("box", (0.028, 0.015, 0.010), GOLD),
                Part("capsule", (0.012, 0.018), CREAM, (0, 0, 0.004), ALONG_X),
            ),
        ),
        ObjectKind(
            "sushi",
            (0.022, 0.013, 0.012),
            (
                Part("box", (0.022, 0.013, 0.007), WHITE, (0, 0, -0.005)),
                Part("ellipsoid", (0.026, 0.014, 0.008), SALMON, (0, 0, 0.005)),
                Part("box", (0.005, 0.0145, 0.011), BLACK, (0, 0, 0.0)),
            ),
        ),
        ObjectKind(
            "mushroom",
            (0.014, 0.014, 0.016),
            (
                Part("cylinder", (0.008, 0.010), CREAM, (0, 0, -0.006)),
                Part("ellipsoid", (0.020, 0.020, 0.011), BROWN, (0, 0, 0.006)),
            ),
        ),
        ObjectKind(
            "croissant",
            (0.026, 0.014, 0.012),
            (
                Part("ellipsoid", (0.016, 0.014, 0.013), GOLD, (0, 0.003, 0)),
                Part("ellipsoid", (0.014, 0.010, 0.010), BROWN, (0.018, -0.003, 0), (0, 0, -0.6)),
                Part("ellipsoid", (0.014, 0.010, 0.010), BROWN, (-0.018, -0.003, 0), (0, 0, 0.6)),
            ),
        ),
    )
}

CONTAINERS: dict[str, ContainerKind] = {
    kind.name: kind
    for kind in (
        ContainerKind("plate", "on", 0.058, 0.008, (0.92, 0.92, 0.94)),
        ContainerKind("bowl", "in", 0.052, 0.030, (0.2, 0.5, 0.8)),
        ContainerKind("pot", "in", 0.052, 0.038, (0.55, 0.57, 0.6)),
        ContainerKind("pan", "in", 0.055, 0.020, (0.13, 0.13, 0.14)),
        ContainerKind("basket", "in", 0.052, 0.032, (0.75, 0.55, 0.32)),
        ContainerKind("board", "on", 0.055, 0.010, (0.72, 0.5, 0.28)),
        ContainerKind("sink", "in", 0.058, 0.014, (0.62, 0.66, 0.7), built_in=True),
        ContainerKind("stove", "on", 0.058, 0.005, (0.1, 0.1, 0.12), built_in=True),
    )
}

TEAL, LIME, NAVY, VIOLET, MAROON, GREY, SKY, MAGENTA = (
    (0.1, 0.6, 0.6),
    (0.65, 0.9, 0.2),
    (0.1, 0.12, 0.4),
    (0.55, 0.35, 0.8),
    (0.45, 0.05, 0.12),
    (0.45, 0.45, 0.47),
    (0.5, 0.78, 0.95),
    (0.85, 0.15, 0.7),
)


def _recoloured(like: str, name: str, *colours: Colour) -> ObjectKind:
    """The shape of another kind; its colours, in the order of its parts, become these."""
    kind = OBJECTS[like]
    change = dict(zip(dict.fromkeys(part.colour for part in kind.parts), colours, strict=False))
    parts = tuple(replace(part, colour=change.get(part.colour, part.colour)) for part in kind.parts)
    return replace(kind, name=name, parts=parts)


_RECOLOURED = (
    ("carrot", "parsnip", VIOLET, LIME),
    ("carrot", "crayon", NAVY, RED),
    ("cucumber", "chili", RED),
    ("cucumber", "marker", SKY),
    ("corn", "popsicle", MAGENTA, TEAL),
    ("corn", "candle", TEAL, ORANGE),
    ("hotdog", "eclair", NAVY, PINK),
    ("hotdog", "pickle", LIME, MAROON),
    ("banana", "boomerang", BLUE, RED),
    ("banana", "bean", MAROON, GREEN),
    ("eggplant", "pear", LIME, BLACK),
    ("eggplant", "radish", MAGENTA, LIME),
    ("sweet_potato", "kiwi", DARK_GREEN),
    ("sweet_potato", "soap", SKY),
    ("lemon", "lime", LIME),
    ("lemon", "plum", PURPLE),
    ("tomato", "marble", TEAL, NAVY),
    ("tomato", "ball", ORANGE, BLUE),
    ("can", "jar", RED, GREY),
    ("can", "spool", LIME, PURPLE),
    ("strawberry", "acorn", DARK_GREEN, MAROON),
    ("strawberry", "berry", BLUE, VIOLET),
    ("bread", "sponge", YELLOW, GREEN),
    ("bread", "brick", RED, GREY),
)
RECOLOURED = tuple(name for _, name, *_ in _RECOLOURED)
"""Looks to learn from besides the kinds above: more of them teach telling new things apart from
few demonstrations."""

HELD_OUT_OBJECTS = ("sushi", "mushroom", "croissant")
"""Never in a prior kitchen, not even as a bystander: targets to learn from ten demonstrations."""

LOOKS_OF_A_SHAPE = 12


def _random_looks() -> dict[str, ObjectKind]:
    """Every shape that is not held out, each time in other colours; "carrot_00" and so on."""
    shapes = [name for name in OBJECTS if name not in HELD_OUT_OBJECTS]
    looks = {}
    for number in range(LOOKS_OF_A_SHAPE):
        for index, like in enumerate(shapes):
            rng = np.random.default_rng([number, index, 10])
            most = len(OBJECTS[like].parts)
            hsv = rng.uniform((0.0, 0.1, 0.2), (1.0, 1.0, 1.0), (most, 3))
            name = f"{like}_{number:02d}"
            looks[name] = _recoloured(like, name, *(colorsys.hsv_to_rgb(*one) for one in hsv))
    return looks


_LOOKS = _random_looks()
LOOKS = tuple(_LOOKS)
"""Random colours on known shapes, many of them: a thing is told by nothing but its task."""

# At the end, since what varies in a kitchen is drawn by a thing's place in this table.
OBJECTS.update({name: _recoloured(like, name, *colours) for like, name, *colours in _RECOLOURED})
OBJECTS.update(_LOOKS)

FOR_PRIOR_ONLY = (*RECOLOURED, *LOOKS)
"""Things to pre-train on. No operator's task is about them, nor are they bystanders elsewhere."""

FIRST_HELD_OUT_KITCHEN = 1_000_000
"""Kitchen seeds from here on are targets; prior data comes from the ones below."""
