"""Finds arms and cameras by name, and puts together what a command needs to use them.

A lab adds its own arm from its own package with an entry point in the group `ptrctl.cells`: a
function that takes a `CellRequest` and returns a `Cell`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from importlib.metadata import entry_points
from typing import Any, Protocol

from hardware.camera import Camera
from hardware.clock import Clock, MonotonicClock
from hardware.kinds import ArmKind, ArmRequest, CameraKind
from hardware.loop import Decider, Judge
from hardware.modules import ARM_MODULES, CAMERA_MODULES, SIMULATED, USUAL_CAMERA
from hardware.robot import ShouldStop, never_stop
from hardware.settings import build_settings
from hardware.station import Station
from recordings.errors import UsageError, nearest
from recordings.records import CONTROL_RATE_HZ, ImageArray

ENTRY_POINT_GROUP = "ptrctl.cells"

OPERATOR_SAYS = "the operator says that the task is done"
SIMULATOR_SAYS = "the arm's own simulator says that the task is done"


class StartMotion(Protocol):
    """Brings arm and, in simulation, scene to a start state; see `Robot.move_to_start`."""

    def __call__(self, seed: int | None, should_stop: ShouldStop = never_stop) -> None: ...


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
    start: StartMotion
    judge: Judge | None = None
    demonstrator: Callable[..., Decider] | None = None
    view: Callable[[int, int], ImageArray] | None = None
    use_task: Callable[[str], Cell] | None = None


@dataclass(frozen=True)
class CellRequest:
    """What a command wants of a cell.

    Args:
        task: What is to be done.
        kitchen_seed: Which simulated kitchen.
        realtime: Run a simulated arm at the control rate; otherwise as fast as it can.
        image_size: Edge of the cameras' square pictures in pixels.
        control_rate_hz: Steps a second, of arms that leave the choice.
        start_pose: Where episodes begin on a real arm, see `ArmRequest`; None takes its own.
        robot_options: The arm's settings, key to value.
        cameras: Camera name to its settings, "kind" among them, of a real cell.
        clock: For a real cell; the machine's by default.
    """

    task: str
    kitchen_seed: int = 0
    realtime: bool = True
    image_size: int = 128
    control_rate_hz: float = CONTROL_RATE_HZ
    start_pose: tuple[float, float, float, float, float, float] | None = None
    robot_options: Mapping[str, Any] = field(default_factory=dict)
    cameras: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    clock: Clock = field(default_factory=MonotonicClock)


def robot_names() -> list[str]:
    """Arms that can be asked for by name."""
    others = {point.name for point in entry_points(group=ENTRY_POINT_GROUP)}
    return sorted({SIMULATED, *ARM_MODULES, *others})


def arm_kind(name: str) -> ArmKind:
    """The description of a real arm of ours.

    Raises:
        UsageError: There is none of that name.
    """
    if name not in ARM_MODULES:
        raise _unknown("arm", name, ARM_MODULES, "--robot ")
    kind: ArmKind = import_module(ARM_MODULES[name]).KIND
    return kind


def camera_kind(name: str) -> CameraKind:
    """The description of a kind of camera.

    Raises:
        UsageError: There is none of that name.
    """
    if name not in CAMERA_MODULES:
        raise _unknown("kind of camera", name, CAMERA_MODULES, "--camera over_shoulder=")
    kind: CameraKind = import_module(CAMERA_MODULES[name]).KIND
    return kind


def make_cell(name: str, request: CellRequest) -> Cell:
    """Put together an arm, its cameras and its surroundings; connects to nothing.

    Args:
        name: One of `robot_names()`.

    Raises:
        UsageError: No such arm or camera, the simulator has no such task, or settings do not fit.
    """
    if name == SIMULATED:
        return make_sim_cell(request)
    if name in ARM_MODULES:
        return make_real_cell(name, request)
    for point in entry_points(group=ENTRY_POINT_GROUP):
        if point.name == name:
            cell: Cell = point.load()(request)
            _check_judge(name, cell)
            return cell
    raise _unknown("arm", name, robot_names(), "--robot ")


def _check_judge(name: str, cell: Cell) -> None:
    """Where there is a judge, trials run without anybody at the arm."""
    if cell.judge is not None and not cell.station.robot.features.simulated:
        raise UsageError(
            f"The arm {name} is real, and its cell has a judge.",
            "Only simulated arms are judged by a program; on real ones the operator labels trials.",
            "Leave `judge` out of the cell that its package makes.",
        )


def _unknown(what: str, name: str, known: Iterable[str], flag: str) -> UsageError:
    names = list(known)
    near = nearest(name, names)
    return UsageError(
        f"There is no {what} named `{name}`.",
        f"Known: {', '.join(names)}.",
        f"Did you mean `{flag}{near[0]}`?" if near else f"Choose one with `{flag.strip()}`.",
    )


def make_real_cell(name: str, request: CellRequest) -> Cell:
    """A real arm with its cameras; the operator judges and lays out the scene."""
    kind = arm_kind(name)
    robot, brought = kind.make(
        build_settings(kind.settings, request.robot_options, "robot.options"),
        ArmRequest(
            request.clock,
            request.control_rate_hz,
            request.start_pose,
            request.image_size,
            request.task,
        ),
    )
    cameras = [make_camera(name, values, request) for name, values in request.cameras.items()]
    station = Station(robot, cameras or brought, clock=request.clock)
    if not station.cameras:
        raise UsageError(
            f"The arm {name} has no camera.",
            "A policy needs at least one.",
            "Run `ptrctl setup` and choose one; `ptrctl setup --camera over_shoulder=test-pattern` "
            "takes a test pattern, to try the arm without.",
        )

    def start(seed: int | None, should_stop: ShouldStop = never_stop) -> None:
        for camera in cameras:
            # Does nothing, except for one that failed in the episode before: it is opened anew.
            camera.connect()
        scene_seed = seed if robot.features.simulated else None
        robot.move_to_start(seed=scene_seed, should_stop=should_stop)

    def use_task(other: str) -> Cell:
        # A simulated arm behind a server knows the truth about the one task it was started with.
        judge = robot if isinstance(robot, Judge) and other == request.task else None
        says = SIMULATOR_SAYS if judge else OPERATOR_SAYS
        return Cell(station, other, says, "", {}, start, judge=judge, use_task=use_task)

    return use_task(request.task)


def make_camera(name: str, values: Mapping[str, Any], request: CellRequest) -> Camera:
    """A camera from its table in the profile; see `CellRequest.cameras`."""
    options = dict(values)
    kind = camera_kind(str(options.pop("kind", "")))
    settings = build_settings(kind.settings, options, f"cameras.{name}")
    return kind.make(name, settings, request.clock, request.image_size)


def make_sim_cell(request: CellRequest) -> Cell:
    """The simulated WidowX 250s in a kitchen."""
    from hardware.clock import SimulatedClock
    from hardware.sim.demonstrator import ScriptedDemonstrator
    from hardware.sim.robot import SimCamera, SimRobot
    from hardware.sim.world import SimWorld

    world = SimWorld(request.task, request.kitchen_seed)
    clock = MonotonicClock() if request.realtime else SimulatedClock()
    robot = SimRobot(world, clock)
    size = request.image_size
    station = Station(robot, [SimCamera(world, clock, USUAL_CAMERA, size, size)], clock=clock)

    def start(seed: int | None, should_stop: ShouldStop = never_stop) -> None:
        robot.move_to_start(seed=seed, should_stop=should_stop)

    def describe() -> Cell:
        return Cell(
            station=station,
            task=world.task.name,
            criterion=world.task.criterion,
            backward_task=world.task.backward,
            scene={"kitchen": request.kitchen_seed, "simulated": True},
            start=start,
            judge=world,
            demonstrator=lambda **how: ScriptedDemonstrator(world, **how),
            view=lambda height, width: world.render(height, width, "view"),
            use_task=use_task,
        )

    def use_task(other: str) -> Cell:
        world.use_task(other)
        return describe()

    return describe()
