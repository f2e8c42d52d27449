"""Finds arms by name, and puts together what a command needs to use one.

A lab adds its own arm from its own package with an entry point in the group `ptrctl.cells`, a
function with the signature of `make_sim_cell` that returns a `Cell`.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import entry_points
from typing import Any

from hardware.loop import Decider, Judge
from hardware.station import Station
from recordings.errors import RobotError
from recordings.records import ImageArray

SIMULATED = "sim-wx250s"
ENTRY_POINT_GROUP = "ptrctl.cells"


@dataclass
class Cell:
    """A station and what surrounds it.

    Args:
        station: To be entered as a context manager before use.
        task: The task's name.
        criterion: The success criterion in words.
        backward_task: The task that undoes this one, "" if unknown.
        scene: Goes into recordings ({"kitchen": seed} in simulation).
        start: Brings arm and, in simulation, scene to a start state given by a seed.
        judge: Ground truth, None on hardware.
        demonstrator: Makes a scripted demonstrator, None on hardware.
        use_task: The same station and things, to be asked for another task on them (the backward
            one, say); raises `UsageError` if the scene lacks what it needs.
        view: A picture for people, (height, width) -> (height, width, 3) uint8; None if there is
            none but the cameras'.
    """

    station: Station
    task: str
    criterion: str
    backward_task: str
    scene: dict[str, Any]
    start: Callable[[int | None], None]
    judge: Judge | None = None
    demonstrator: Callable[..., Decider] | None = None
    view: Callable[[int, int], ImageArray] | None = None
    use_task: Callable[[str], Cell] | None = None


def robot_names() -> list[str]:
    """Arms that can be asked for by name."""
    return sorted({SIMULATED, *(point.name for point in entry_points(group=ENTRY_POINT_GROUP))})


def make_station(
    name: str,
    *,
    task: str,
    kitchen_seed: int,
    realtime: bool,
    image_size: int = 128,
    **options: Any,
) -> Cell:
    """Put together an arm, its camera and its surroundings.

    Args:
        name: One of `robot_names()`.
        task: What is to be done.
        kitchen_seed: Which simulated kitchen.
        realtime: Run at the control rate; otherwise as fast as the simulator can.
        image_size: Edge of the camera's picture in pixels.
        options: For arms from other packages.

    Raises:
        RobotError: No such arm; the message lists those that there are.
        UsageError: The simulator has no such task.
    """
    if name == SIMULATED:
        return make_sim_cell(
            task=task, kitchen_seed=kitchen_seed, realtime=realtime, image_size=image_size
        )
    for point in entry_points(group=ENTRY_POINT_GROUP):
        if point.name == name:
            cell: Cell = point.load()(
                task=task,
                kitchen_seed=kitchen_seed,
                realtime=realtime,
                image_size=image_size,
                **options,
            )
            return cell
    near = difflib.get_close_matches(name, robot_names(), n=1)
    raise RobotError(
        f"There is no arm named `{name}`.",
        f"Known: {', '.join(robot_names())}.",
        f"Choose one, for example `--robot {near[0] if near else SIMULATED}`.",
    )


def make_sim_cell(*, task: str, kitchen_seed: int, realtime: bool, image_size: int = 128) -> Cell:
    """The simulated WidowX 250s in a kitchen. See `make_station`."""
    from hardware.clock import MonotonicClock, SimulatedClock
    from hardware.sim.demonstrator import ScriptedDemonstrator
    from hardware.sim.robot import SimCamera, SimRobot
    from hardware.sim.world import SimWorld

    world = SimWorld(task, kitchen_seed)
    clock = MonotonicClock() if realtime else SimulatedClock()
    robot = SimRobot(world, clock)
    camera = SimCamera(world, clock, "over_shoulder", image_size, image_size)
    station = Station(robot, [camera], clock=clock)

    def describe() -> Cell:
        return Cell(
            station=station,
            task=world.task.name,
            criterion=world.task.criterion,
            backward_task=world.task.backward,
            scene={"kitchen": kitchen_seed, "simulated": True},
            start=lambda seed: robot.move_to_start(seed=seed),
            judge=world,
            demonstrator=lambda **how: ScriptedDemonstrator(world, **how),
            view=lambda height, width: world.render(height, width, "view"),
            use_task=use_task,
        )

    def use_task(other: str) -> Cell:
        world.use_task(other)
        return describe()

    return describe()
