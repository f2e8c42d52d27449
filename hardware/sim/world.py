"""The simulated world: one kitchen, one task, an arm, and the truth about what happened."""

from __future__ import annotations

import threading
from collections.abc import Sequence

from hardware.sim import gl

gl.prepare()

import mujoco  # noqa: E402  (the backend has to be chosen first)
import numpy as np  # noqa: E402

from hardware import wx250s  # noqa: E402
from hardware.modules import USUAL_CAMERA  # noqa: E402
from hardware.sim import kitchen as kitchens  # noqa: E402
from hardware.sim.catalogue import (  # noqa: E402
    CONTAINERS,
    FIRST_HELD_OUT_KITCHEN,
    HELD_OUT_OBJECTS,
    LOOKS,
    OBJECTS,
    RECOLOURED,
)
from hardware.sim.painter import Painter  # noqa: E402
from hardware.sim.tasks import Task, Verb, parse_task  # noqa: E402
from recordings.errors import RobotError, UsageError  # noqa: E402
from recordings.records import CONTROL_RATE_HZ, FloatArray, ImageArray, Score  # noqa: E402

START_STATE: FloatArray = np.array([0.22, 0.0, 0.17, 0.0, 0.0, 0.0, 1.0])
"""Where episodes begin, before jitter. Bridge starts at (0.3, 0, 0.15); farther back, the arm
hides less of the counter from the camera."""

OBJECT_AREA_M = ((0.20, -0.155), (0.335, 0.155))
CONTAINER_AREA_M = ((0.235, -0.135), (0.325, 0.135))
DISTRACTOR_CHANCE = (0.35, 0.4, 0.25)
"""Chances of none, one, two loose objects besides the task's own."""
LAYOUTS = 3000
"""Random layouts that are tried; two containers and a loose thing need a hundred now and then."""
SETTLE_STEPS = 60


class SimWorld:
    """A kitchen with the things that a task needs, and some that it does not.

    What stands in the kitchen is a function of (task, kitchen seed); where it stands, and where
    the arm starts, of the episode's seed given to `reset`. The same pair of seeds and actions
    gives the same states bit for bit, and the same pictures on the same renderer.

    Raises:
        UsageError: Unknown task.
    """

    def __init__(self, task: str, kitchen_seed: int) -> None:
        self.task: Task = parse_task(task)
        self.kitchen = kitchens.Kitchen.from_seed(kitchen_seed)
        self.objects, self.containers = self._choose_things()
        xml = kitchens.scene_xml(self.kitchen, self.objects, self.containers)
        self.model = mujoco.MjModel.from_xml_string(xml)
        self.data = mujoco.MjData(self.model)
        self._site = self.model.site("gripper").id
        self._arm_qpos = np.array([self.model.joint(n).qposadr[0] for n in wx250s.JOINT_NAMES])
        self._fingers = [self.model.joint(f"{s}_finger").qposadr[0] for s in ("left", "right")]
        self._pads = [self.model.geom(f"{s}_pad").id for s in ("left", "right")]
        self._painters: dict[tuple[int, int, int], Painter] = {}
        self.start_state = START_STATE
        self._start: dict[str, FloatArray] = {}
        self._start_openings: dict[str, float] = {}
        self._reached = self._grasped = self._moved = False
        self.substeps = round(1.0 / CONTROL_RATE_HZ / kitchens.TIME_STEP_S)
        self.time_s = 0.0

    def _choose_things(self) -> tuple[list[str], list[str]]:
        rng = np.random.default_rng([self.kitchen.seed, 5])
        objects = [self.task.object] if self.task.object else []
        containers = [self.task.container] if self.task.container in CONTAINERS else []
        hidden = HELD_OUT_OBJECTS if self.kitchen.seed < FIRST_HELD_OUT_KITCHEN else ()
        # Beside a random look stand others, so that it is not known as the one that is new.
        strange = () if self.task.object in LOOKS else LOOKS
        left_out = {*objects, *hidden, *RECOLOURED, *strange}
        others = [name for name in OBJECTS if name not in left_out]
        distractors = rng.choice(3, p=DISTRACTOR_CHANCE)
        objects += [str(name) for name in rng.choice(others, size=distractors, replace=False)]
        # Room is scarce: at most one bystander among the containers, none to take from.
        spare = [
            name
            for name, kind in CONTAINERS.items()
            if name not in containers
            and not (kind.built_in and any(CONTAINERS[other].built_in for other in containers))
        ]
        if self.task.verb is not Verb.TAKE and rng.uniform() < 0.45:
            containers.append(str(rng.choice(spare)))
        return objects, containers

    # ---- laying out ---------------------------------------------------------------------------

    def reset(self, seed: int) -> None:
        """Lay out the scene and place the arm at its start, from an episode seed."""
        rng = np.random.default_rng([seed, self.kitchen.seed, 6])
        mujoco.mj_resetData(self.model, self.data)
        self.time_s = 0.0
        places = self._places(rng)
        for name in self.containers:
            self.model.body(name).pos[:2] = places[name]
        for name in self.objects:
            inside = self.task.verb is Verb.TAKE and name == self.task.object
            floor = 0.004 if inside else 0.001
            self._put_down(name, places[name], floor, rng.uniform(-0.5, 0.5))
        drawer, door = 0.0, 0.0
        if self.task.name == "close_drawer":
            drawer = rng.uniform(0.06, kitchens.DRAWER_TRAVEL_M)
        if self.task.name == "close_door":
            door = rng.uniform(0.6, 0.9)
        self.data.joint("drawer").qpos[0] = drawer
        self.data.joint("door").qpos[0] = door
        mujoco.mj_forward(self.model, self.data)
        self.start_state = START_STATE + np.concatenate(
            [rng.uniform(-0.02, 0.02, 3), np.zeros(2), rng.uniform(-0.1, 0.1, 1), [0.0]]
        )

    def _places(self, rng: np.random.Generator) -> dict[str, FloatArray]:
        """Where things stand: one after the other, anew whenever one finds no room."""
        for _ in range(LAYOUTS):
            places = self._try_places(rng)
            if places is not None:
                return places
        raise RobotError(
            f"Kitchen {self.kitchen.seed} has no room for the things of {self.task.name}.",
            f"{LAYOUTS} random layouts overlapped.",
            "Choose another kitchen with `--kitchen`.",
        )

    def _try_places(self, rng: np.random.Generator) -> dict[str, FloatArray] | None:
        inside = self.task.container if self.task.verb is Verb.TAKE else ""
        places: dict[str, FloatArray] = {}
        sizes: dict[str, float] = {}
        for name in (*self.containers, *self.objects):
            built_in = name in CONTAINERS and CONTAINERS[name].built_in
            if inside and name == self.task.object:
                places[name] = places[inside] + rng.uniform(-0.012, 0.012, 2)
                continue
            if name in CONTAINERS:
                size = CONTAINERS[name].radius_m + 0.012
            else:
                size = max(OBJECTS[name].half_size_m[:2]) + 0.010
            for _ in range(30):
                if built_in:
                    side = self.kitchen.built_in_side * kitchens.BUILT_IN_Y_M
                    place = np.array([kitchens.BUILT_IN_X_M, side]) + rng.uniform(-0.008, 0.008, 2)
                elif name in CONTAINERS:
                    place = rng.uniform(*CONTAINER_AREA_M)
                else:
                    place = rng.uniform(*OBJECT_AREA_M)
                if all(np.linalg.norm(places[n] - place) > sizes[n] + size for n in sizes):
                    places[name], sizes[name] = place, size
                    break
            else:
                return None
        if inside and not self._drop_is_free(places, sizes, inside):
            return None
        return places

    def _drop_is_free(
        self, places: dict[str, FloatArray], sizes: dict[str, float], container: str
    ) -> bool:
        spot = drop_spot(places[container])
        return all(np.linalg.norm(places[n] - spot) > sizes[n] + 0.03 for n in sizes)

    def _put_down(self, name: str, place: FloatArray, floor_m: float, yaw: float) -> None:
        half_height = float(self.model.geom(name).size[2])
        self.data.joint(name).qpos[:] = [
            *place,
            floor_m + half_height,
            np.cos(yaw / 2),
            0.0,
            0.0,
            np.sin(yaw / 2),
        ]

    def place_arm(self, joints_rad: FloatArray) -> None:
        """Put the arm at rest at joint positions (6,), gripper open; only at the start."""
        self.data.qpos[self._arm_qpos] = joints_rad
        self.data.qpos[self._fingers] = wx250s.FINGER_OPEN_M
        self.data.ctrl[:6] = joints_rad
        self.data.ctrl[6:8] = wx250s.FINGER_OPEN_M
        for _ in range(SETTLE_STEPS):
            mujoco.mj_step(self.model, self.data)
        self.begin_episode()

    def begin_episode(self) -> None:
        """Score from the present state on: an episode begins."""
        self._start = {name: self.object_position_m(name) for name in self.objects}
        self._start_openings = self.openings()
        self._reached = self._grasped = self._moved = False

    def use_task(self, name: str) -> None:
        """Ask for another task in the same scene.

        Raises:
            UsageError: Unknown task, or the scene lacks its object or container.
        """
        task = parse_task(name)
        known = {"", *self.objects}, {"drawer", "door", *self.containers}
        if task.object not in known[0] or task.container not in known[1]:
            raise UsageError(
                f"`{name}` needs things that this scene lacks.",
                f"It holds {', '.join([*self.objects, *self.containers])}.",
                f"Choose the task that undoes `{self.task.name}`: `{self.task.backward}`.",
            )
        self.task = task

    # ---- moving -------------------------------------------------------------------------------

    def drive(self, joints_rad: FloatArray, finger_m: float) -> None:
        """Simulate one control period in which the servos' goals move to new ones.

        Args:
            joints_rad: (6,) goals at the end of the period; reached in equal steps, as the
                motors' time-based profile does.
            finger_m: Goal of each finger.
        """
        before = self.data.ctrl[:6].copy()
        self.data.ctrl[6:8] = finger_m
        for index in range(1, self.substeps + 1):
            self.data.ctrl[:6] = before + (joints_rad - before) * (index / self.substeps)
            mujoco.mj_step(self.model, self.data)
        self.time_s += self.substeps * kitchens.TIME_STEP_S
        if not np.isfinite(self.data.qpos).all():
            raise RobotError(
                "The simulation became unstable.",
                "Positions should stay finite.",
                "Please report the task, kitchen and seed.",
            )

    def hold(self, joints_rad: FloatArray) -> None:
        """Set the servos' goals, without simulating any time."""
        self.data.ctrl[:6] = joints_rad

    def release(self) -> None:
        """Take the torque off for a second: the arm drops."""
        gains = self.model.actuator_gainprm.copy(), self.model.actuator_biasprm.copy()
        self.model.actuator_gainprm[:] = 0
        self.model.actuator_biasprm[:] = 0
        for _ in range(int(1.0 / kitchens.TIME_STEP_S)):
            mujoco.mj_step(self.model, self.data)
        self.model.actuator_gainprm[:], self.model.actuator_biasprm[:] = gains
        self.data.ctrl[:6] = self.joints_rad

    @property
    def joints_rad(self) -> FloatArray:
        """Measured joint positions (6,)."""
        return np.array(self.data.qpos[self._arm_qpos])

    @property
    def finger_m(self) -> float:
        """Mean travel of the two fingers."""
        return float(np.mean(self.data.qpos[self._fingers]))

    @property
    def gripper_position_m(self) -> FloatArray:
        """(3,), base frame."""
        return np.array(self.data.site_xpos[self._site])

    # ---- the truth ----------------------------------------------------------------------------

    def object_position_m(self, name: str) -> FloatArray:
        """Centre of an object, (3,)."""
        return np.array(self.data.joint(name).qpos[:3])

    def object_yaw_rad(self, name: str) -> float:
        """Turn of an object about the vertical."""
        w, x, y, z = self.data.joint(name).qpos[3:]
        return float(np.arctan2(2 * (w * z + x * y), 1 - 2 * (y * y + z * z)))

    def container_position_m(self, name: str) -> FloatArray:
        """Centre of a container's floor, (3,)."""
        return np.array(self.model.body(name).pos)

    def knob_position_m(self, name: str) -> FloatArray:
        """Centre of the drawer's or door's knob, (3,)."""
        return np.array(self.data.geom(f"{name}_knob").xpos)

    def openings(self) -> dict[str, float]:
        """How far drawer (m) and door (rad) stand open."""
        return {name: float(self.data.joint(name).qpos[0]) for name in ("drawer", "door")}

    def pads_touching(self, geom: str) -> int:
        """How many of the two finger pads touch a geom."""
        wanted = self.model.geom(geom).id
        touching = set()
        for index in range(self.data.ncon):
            pair = self.data.contact.geom[index]
            if wanted in pair:
                touching |= set(self._pads) & {int(pair[0]), int(pair[1])}
        return len(touching)

    def score(self) -> Score:
        """Ground truth after the latest step; stages only ever advance within an episode."""
        success, reached, grasped, moved = (
            self._score_articulated() if not self.task.object else self._score_object()
        )
        self._reached |= reached or grasped
        self._grasped |= grasped
        self._moved |= moved
        if success:
            return Score(True, 1.0, "placed")
        if self._moved:
            return Score(False, 0.75, "moved")
        if self._grasped:
            return Score(False, 0.5, "grasped")
        if self._reached:
            return Score(False, 0.25, "reached")
        return Score(False, 0.0, "nothing")

    def _score_object(self) -> tuple[bool, bool, bool, bool]:
        name = self.task.object
        position = self.object_position_m(name)
        kind = CONTAINERS[self.task.container]
        distance = float(
            np.linalg.norm((position - self.container_position_m(self.task.container))[:2])
        )
        touching = self.pads_touching(name)
        lifted = position[2] - self._start[name][2] > 0.02
        grasped = touching == 2 and lifted
        reached = float(np.linalg.norm(position - self.gripper_position_m)) < 0.03
        speed = float(np.linalg.norm(self.data.joint(name).qvel[:3]))
        at_rest = touching == 0 and speed < 0.05
        half_height = float(self.model.geom(name).size[2])
        if self.task.verb is Verb.PUT:
            over = distance < kind.radius_m
            resting_m = 0.004 + max(half_height, 0.03)
            success = over and at_rest and position[2] < resting_m + 0.012
            return success, reached, grasped, over and grasped
        outside = distance > kind.radius_m + 0.02
        success = outside and at_rest and 0.0 < position[2] < 0.04
        return success, reached, grasped, outside and grasped

    def _score_articulated(self) -> tuple[bool, bool, bool, bool]:
        what = self.task.container
        now, start = self.openings()[what], self._start_openings[what]
        opened, closed = (0.06, 0.012) if what == "drawer" else (0.6, 0.1)
        success = now >= opened if self.task.verb is Verb.OPEN else now <= closed
        travel = abs(now - start) / max(
            abs((opened if self.task.verb is Verb.OPEN else 0) - start), 1e-6
        )
        near = float(np.linalg.norm(self.knob_position_m(what) - self.gripper_position_m)) < 0.035
        return success, near, travel > 0.15, travel > 0.5

    # ---- seeing -------------------------------------------------------------------------------

    def render(self, height: int, width: int, camera: str = USUAL_CAMERA) -> ImageArray:
        """A picture, (height, width, 3) uint8, without shadows.

        Raises:
            SystemSetupError: OpenGL does not work; the message names the package.
        """
        key = height, width, threading.get_ident()
        if key not in self._painters:
            self._painters[key] = Painter(self.model, height, width)
        return self._painters[key].paint(self.data, camera)

    def close(self) -> None:
        """Free what pictures need; the world can still be used afterwards."""
        for painter in self._painters.values():
            painter.close()
        self._painters.clear()


def drop_spot(container_m: FloatArray | Sequence[float]) -> FloatArray:
    """Where a thing taken from a container is put down: beside it, towards the middle, (2,)."""
    x, y = float(container_m[0]), float(container_m[1])
    return np.array([min(x, 0.30), y - np.sign(y or 1.0) * 0.125])
