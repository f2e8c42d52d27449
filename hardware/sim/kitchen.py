"""Toy kitchens generated from a seed: layout, colours, textures, light and camera."""

from __future__ import annotations

import colorsys
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from hardware.modules import USUAL_CAMERA
from hardware.sim import arm_model
from hardware.sim.catalogue import CONTAINERS, OBJECTS, Colour, ContainerKind, ObjectKind

TIME_STEP_S = 0.005
FIXED_BITS = 'contype="2" conaffinity="5"'
LOOSE_BITS = 'contype="4" conaffinity="7"'
UNSEEN = 'group="3"'

FRONT_X_M = 0.415
"""Plane of the drawer's and the door's closed fronts."""
KNOB_OUT_M = 0.028
"""Distance of the knob's axis in front of that plane."""
KNOB_HEIGHT_M = 0.075
FRONT_HALF_WIDTH_M = 0.075
FRONT_Y_M = 0.105
"""Distance of each front's middle from the kitchen's middle."""
DRAWER_TRAVEL_M = 0.09
DOOR_TRAVEL_RAD = 1.1
DOOR_KNOB_RADIUS_M = 0.115
"""Distance of the door's knob from its hinge, along the front."""
BUILT_IN_X_M, BUILT_IN_Y_M = 0.27, 0.175

VIEW_CAMERA = "view"


@dataclass(frozen=True)
class Kitchen:
    """One kitchen's appearance and layout, a pure function of its seed.

    Args:
        seed: It.
        drawer_side: +1 drawer left (positive y) and door right, or -1.
        built_in_side: Side of a sink or stove, if there is one.
        camera_position_m, camera_target_m: Of the policy's camera.
        camera_fov_deg: Vertical field of view.
    """

    seed: int
    drawer_side: int
    built_in_side: int
    camera_position_m: tuple[float, float, float]
    camera_target_m: tuple[float, float, float]
    camera_fov_deg: float

    @staticmethod
    def from_seed(seed: int) -> Kitchen:
        """The kitchen of a seed (any non-negative integer)."""
        rng = np.random.default_rng([seed, 1])
        position = np.array([-0.02, 0.36, 0.50]) + rng.uniform(-0.02, 0.02, 3)
        target = np.array([0.285, 0.0, 0.015]) + rng.uniform(-0.01, 0.01, 3)
        return Kitchen(
            seed=seed,
            drawer_side=int(rng.choice([-1, 1])),
            built_in_side=int(rng.choice([-1, 1])),
            camera_position_m=(float(position[0]), float(position[1]), float(position[2])),
            camera_target_m=(float(target[0]), float(target[1]), float(target[2])),
            camera_fov_deg=float(rng.uniform(39.0, 42.0)),
        )


class _Palette:
    """Random but plausible colours."""

    def __init__(self, rng: np.random.Generator) -> None:
        self.rng = rng

    def vary(self, colour: Colour, hue: float = 0.015, value: float = 0.12) -> Colour:
        h, s, v = colorsys.rgb_to_hsv(*colour)
        h = (h + self.rng.uniform(-hue, hue)) % 1.0
        s = float(np.clip(s * self.rng.uniform(0.85, 1.1), 0, 1))
        v = float(np.clip(v * self.rng.uniform(1 - value, 1 + value), 0, 1))
        return colorsys.hsv_to_rgb(h, s, v)

    def any(self, saturation: tuple[float, float], value: tuple[float, float]) -> Colour:
        return colorsys.hsv_to_rgb(
            self.rng.uniform(), self.rng.uniform(*saturation), self.rng.uniform(*value)
        )


def _numbers(values: Sequence[float] | np.ndarray) -> str:
    return " ".join(f"{value:.5f}" for value in values)


def _rgba(colour: Colour) -> str:
    return f'rgba="{_numbers(colour)} 1"'


def _box(
    position: Sequence[float], half: Sequence[float], look: str, bits: str = FIXED_BITS
) -> str:
    return f'<geom type="box" pos="{_numbers(position)}" size="{_numbers(half)}" {look} {bits}/>'


SEEN_ONLY = 'contype="0" conaffinity="0"'


def _camera_xml(name: str, position: Sequence[float], target: Sequence[float], fov: float) -> str:
    eye, at = np.array(position), np.array(target)
    backward = (eye - at) / np.linalg.norm(eye - at)
    right = np.cross([0.0, 0.0, 1.0], backward)
    right /= np.linalg.norm(right)
    up = np.cross(backward, right)
    return (
        f'<camera name="{name}" pos="{_numbers(eye)}" '
        f'xyaxes="{_numbers(right)} {_numbers(up)}" fovy="{fov:.3f}"/>'
    )


def object_xml(kind: ObjectKind, palette: _Palette) -> str:
    """A loose object, named after its kind."""
    scale = palette.rng.uniform(0.92, 1.08)
    hull = np.array(kind.half_size_m) * scale
    seen = "".join(
        f'<geom type="{part.shape}" size="{_numbers(np.array(part.size) * scale)}" '
        f'pos="{_numbers(np.array(part.position) * scale)}" euler="{_numbers(part.euler)}" '
        f'{_rgba(palette.vary(part.colour))} {SEEN_ONLY} mass="0" group="2"/>'
        for part in kind.parts
    )
    return f"""
<body name="{kind.name}" pos="0 0 0.1">
  <freejoint name="{kind.name}"/>
  <geom name="{kind.name}" type="box" size="{_numbers(hull)}" mass="{kind.mass_kg}" {UNSEEN}
    {LOOSE_BITS} condim="4" friction="1.0 0.02 0.0001" solref="0.01 1" rgba="0 0 0 0"/>
  {seen}
</body>"""


def container_xml(kind: ContainerKind, palette: _Palette) -> str:
    """A container, named after its kind; its body is moved about at each reset."""
    colour = palette.vary(kind.colour, hue=0.5 if not kind.built_in else 0.02)
    if kind.name in ("pot", "pan", "sink", "stove", "board"):
        colour = palette.vary(kind.colour, hue=0.03, value=0.25)
    look, inner = _rgba(colour), _rgba(palette.vary(colour, 0.0, 0.2))
    radius, height = kind.radius_m + 0.006, kind.wall_m
    floor = 0.003
    geoms: list[str] = []
    if kind.name in ("basket", "board", "sink", "stove"):
        geoms.append(_box((0, 0, floor / 2), (radius, radius, floor / 2), look))
        if kind.name == "stove":
            ring = _rgba((0.45, 0.12, 0.08))
            geoms.append(
                f'<geom type="cylinder" size="0.040 0.0005" pos="0 0 {floor:.4f}" {ring} '
                f"{SEEN_ONLY}/>"
            )
        elif kind.name != "board":
            for dx, dy in ((1, 0), (-1, 0), (0, 1), (0, -1)):
                half = (0.003, radius, height / 2) if dx else (radius, 0.003, height / 2)
                geoms.append(_box((dx * radius, dy * radius, height / 2), half, inner))
    else:
        geoms.append(
            f'<geom type="cylinder" size="{radius:.4f} {floor / 2:.4f}" '
            f'pos="0 0 {floor / 2:.4f}" {look} {FIXED_BITS}/>'
        )
        walls = 12
        for index in range(walls):
            angle = 2 * math.pi * index / walls
            half_width = radius * math.tan(math.pi / walls) + 0.001
            geoms.append(
                f'<geom type="box" size="0.003 {half_width:.4f} {height / 2:.4f}" '
                f'pos="{radius * math.cos(angle):.4f} {radius * math.sin(angle):.4f} '
                f'{height / 2:.4f}" euler="0 0 {angle:.5f}" {inner} {FIXED_BITS}/>'
            )
    if kind.name == "pot":
        for side in (-1, 1):
            geoms.append(
                _box(
                    (0, side * (radius + 0.012), height - 0.006),
                    (0.012, 0.010, 0.003),
                    look,
                    SEEN_ONLY,
                )
            )
    if kind.name == "pan":
        geoms.append(
            _box((radius + 0.045, 0, height - 0.006), (0.04, 0.007, 0.004), inner, SEEN_ONLY)
        )
    return f'<body name="{kind.name}" pos="0 0 0">{"".join(geoms)}</body>'


def _knob(position: Sequence[float], joint_body: str, colour: Colour) -> str:
    """A vertical post that the fingers can close around."""
    return (
        f'<geom name="{joint_body}_knob" type="cylinder" size="0.008 0.016" '
        f'pos="{_numbers(position)}" {_rgba(colour)} {FIXED_BITS} condim="4" '
        f'friction="1.2 0.005 0.0001" mass="0.02"/>'
    )


def _fronts_xml(kitchen: Kitchen, palette: _Palette) -> str:
    """The back row: a drawer on one side and a door on the other, under a shelf."""
    cabinet = palette.any((0.1, 0.6), (0.35, 0.95))
    front_look = _rgba(palette.vary(cabinet, 0.02, 0.25))
    door_look = _rgba(palette.any((0.0, 0.4), (0.3, 0.95)))
    knob = palette.any((0.5, 1.0), (0.2, 1.0))
    knob_2 = palette.any((0.5, 1.0), (0.2, 1.0))
    drawer_y = kitchen.drawer_side * FRONT_Y_M
    door_y = -drawer_y
    half_w, depth = FRONT_HALF_WIDTH_M, 0.05
    look = _rgba(cabinet)
    hinge_y = -kitchen.drawer_side * (FRONT_Y_M + half_w)
    hinge_sign = kitchen.drawer_side
    fixed = "".join(
        (
            _box((FRONT_X_M + depth, 0, 0.115), (depth, 0.20, 0.012), look),
            _box((FRONT_X_M + depth, 0, 0.052), (depth, 0.028, 0.052), look),
            _box((FRONT_X_M + 2 * depth, 0, 0.05), (0.005, 0.20, 0.05), look),
        )
    )
    stem = (KNOB_OUT_M - 0.004) / 2
    return f"""{fixed}
<body name="drawer" pos="{FRONT_X_M} {drawer_y:.4f} 0">
  <joint name="drawer" type="slide" axis="-1 0 0" range="0 {DRAWER_TRAVEL_M}" limited="true"
    frictionloss="0.6" damping="3"/>
  <geom type="box" pos="0.005 0 0.05" size="0.005 {half_w} 0.042" {front_look} {FIXED_BITS}
    mass="0.15"/>
  <geom type="box" pos="0.05 0 0.02" size="0.045 {half_w - 0.006} 0.003" {front_look} {SEEN_ONLY}
    mass="0.05"/>
  {_box((-stem, 0, KNOB_HEIGHT_M - 0.010), (stem, 0.004, 0.004), _rgba(knob), SEEN_ONLY)}
  {_knob((-KNOB_OUT_M, 0, KNOB_HEIGHT_M), "drawer", knob)}
</body>
<body name="door" pos="{FRONT_X_M} {hinge_y:.4f} 0">
  <joint name="door" type="hinge" axis="0 0 {hinge_sign}" range="0 {DOOR_TRAVEL_RAD}" limited="true"
    frictionloss="0.02" damping="0.05" armature="0.0005"/>
  <geom type="box" pos="0.005 {door_y - hinge_y:.4f} 0.05" size="0.005 {half_w} 0.042" {door_look}
    {FIXED_BITS} mass="0.15"/>
  <geom type="box" pos="-0.0005 {(door_y - hinge_y) * 0.8:.4f} 0.05" size="0.001 {
        half_w * 0.5:.4f} 0.026"
    rgba="0.1 0.12 0.15 1" {SEEN_ONLY} mass="0"/>
  {
        _box(
            (-stem, hinge_sign * DOOR_KNOB_RADIUS_M, KNOB_HEIGHT_M - 0.010),
            (stem, 0.004, 0.004),
            _rgba(knob_2),
            SEEN_ONLY,
        )
    }
  {_knob((-KNOB_OUT_M, hinge_sign * DOOR_KNOB_RADIUS_M, KNOB_HEIGHT_M), "door", knob_2)}
</body>"""


def scene_xml(kitchen: Kitchen, objects: Sequence[str], containers: Sequence[str]) -> str:
    """MJCF of a kitchen with these objects and containers; a pure function of its arguments."""
    rng = np.random.default_rng([kitchen.seed, 2])
    palette = _Palette(rng)
    counter, counter_2 = (
        palette.any((0.05, 0.45), (0.35, 0.95)),
        palette.any((0.05, 0.45), (0.35, 0.95)),
    )
    mixed = tuple(0.75 * a + 0.25 * b for a, b in zip(counter, counter_2, strict=True))
    wall = palette.any((0.05, 0.5), (0.4, 0.95))
    builtin = rng.choice(["flat", "checker", "gradient"], p=[0.5, 0.3, 0.2])
    repeat = rng.uniform(3, 9)
    light = rng.uniform((-0.3, -0.3, 0.9), (0.5, 0.5, 1.3))
    diffuse, ambient = rng.uniform(0.4, 0.65), rng.uniform(0.3, 0.45)
    fronts = _fronts_xml(kitchen, palette)
    camera = _camera_xml(
        USUAL_CAMERA, kitchen.camera_position_m, kitchen.camera_target_m, kitchen.camera_fov_deg
    )
    # Every kind draws from its own stream: what else is in the scene changes no colour.
    things = "".join(
        object_xml(kind, _Palette(np.random.default_rng([kitchen.seed, 3, index])))
        for index, kind in enumerate(OBJECTS.values())
        if kind.name in objects
    )
    wares = "".join(
        container_xml(kind, _Palette(np.random.default_rng([kitchen.seed, 4, index])))
        for index, kind in enumerate(CONTAINERS.values())
        if kind.name in containers
    )
    return f"""
<mujoco model="toy kitchen {kitchen.seed}">
  <compiler angle="radian" autolimits="true"/>
  <option timestep="{TIME_STEP_S}" integrator="implicitfast" cone="elliptic" impratio="10"
    iterations="30" ls_iterations="20"/>
  <size memory="8M"/>
  <visual>
    <headlight ambient="{ambient:.3f} {ambient:.3f} {ambient:.3f}" diffuse="0.15 0.15 0.15"
      specular="0 0 0"/>
    <quality shadowsize="0" offsamples="0"/>
    <global offwidth="640" offheight="480"/>
    <map znear="0.02" zfar="20"/>
  </visual>
  {arm_model.DEFAULTS}
  <asset>
    {arm_model.ASSETS}
    <texture name="counter" type="2d" builtin="{builtin}" width="64" height="64"
      rgb1="{_numbers(counter)}" rgb2="{_numbers(mixed)}"/>
    <texture name="room" type="skybox" builtin="gradient" width="64" height="64"
      rgb1="0.55 0.57 0.6" rgb2="0.25 0.26 0.28"/>
    <material name="counter" texture="counter" texrepeat="{repeat:.2f} {repeat:.2f}"/>
  </asset>
  <worldbody>
    <light pos="{_numbers(light)}" dir="{_numbers(np.array([0.28, 0, 0]) - light)}"
      diffuse="{diffuse:.3f} {diffuse:.3f} {diffuse:.3f}" castshadow="false"/>
    {_box((0.25, 0, -0.02), (0.40, 0.45, 0.02), 'material="counter" friction="0.9 0.01 0.0001"')}
    {_box((0.66, 0, 0.2), (0.01, 0.6, 0.4), _rgba(wall), SEEN_ONLY)}
    {camera}
    {_camera_xml(VIEW_CAMERA, (-0.28, 0.52, 0.56), (0.24, 0.0, 0.07), 42.0)}
    {arm_model.body_xml()}
    {fronts}
    {wares}
    {things}
  </worldbody>
  {arm_model.actuator_xml()}
</mujoco>"""
