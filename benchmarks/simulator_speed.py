"""Control steps per second of the simulated arm, with one 128x128 picture, on one core.

A control step is 0.2 s of simulated time: safety envelope, inverse kinematics, 40 physics steps,
scoring and one picture. Prints a line per task and the median, and what the first picture of a
kitchen costs, by us and by `mujoco.Renderer`, in turns.

    python benchmarks/simulator_speed.py [--steps 300]
"""

from __future__ import annotations

import argparse
import os
import statistics
import time

# One core: the software renderer draws in the calling thread.
os.environ.setdefault("LP_NUM_THREADS", "0")
os.environ.setdefault("OMP_NUM_THREADS", "1")

TASKS = ("put_carrot_on_plate", "put_sushi_in_pot", "take_corn_out_of_pan", "open_drawer")


def steps_per_second(task: str, steps: int, image_size: int) -> tuple[float, float, float]:
    """Steps/s in all, and the milliseconds of a step spent on physics and on the picture."""
    from hardware.registry import CellRequest, make_sim_cell
    from recordings.records import hold_action

    cell = make_sim_cell(CellRequest(task, kitchen_seed=0, realtime=False, image_size=image_size))
    with cell.station as station:
        cell.start(0)
        motion = hold_action(1.0)
        acting = seeing = 0.0
        began = time.perf_counter()
        for index in range(steps):
            motion[:3] = [0.03, -0.03, 0.0] if index % 6 < 3 else [-0.03, 0.03, 0.0]
            start = time.perf_counter()
            station.observe()
            seen = time.perf_counter()
            station.apply(motion)
            assert cell.judge is not None
            cell.judge.score()
            acted = time.perf_counter()
            seeing += seen - start
            acting += acted - seen
        total = time.perf_counter() - began
    return steps / total, acting / steps * 1e3, seeing / steps * 1e3


def first_pictures(kitchens: int, image_size: int) -> tuple[float, float]:
    """Milliseconds until a kitchen's first picture: (by our painter, by `mujoco.Renderer`)."""
    import mujoco

    from hardware.sim.world import SimWorld

    ours, theirs = [], []
    for kitchen in range(kitchens + 1):
        world = SimWorld(TASKS[0], kitchen)
        world.reset(0)
        began = time.perf_counter()
        world.render(image_size, image_size)
        ours.append(time.perf_counter() - began)
        world.close()
        began = time.perf_counter()
        with mujoco.Renderer(world.model, image_size, image_size) as renderer:
            renderer.update_scene(world.data, "over_shoulder")
            renderer.render()
            theirs.append(time.perf_counter() - began)
    # The first of each compiles shaders for the whole program.
    return statistics.median(ours[1:]) * 1e3, statistics.median(theirs[1:]) * 1e3


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--image-size", type=int, default=128)
    options = parser.parse_args()
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    rates = []
    for task in TASKS:
        rate, acting_ms, seeing_ms = steps_per_second(task, options.steps, options.image_size)
        rates.append(rate)
        print(f"{task:24s} {rate:6.0f} steps/s   act {acting_ms:.2f} ms   see {seeing_ms:.2f} ms")
    print(f"{'median':24s} {statistics.median(rates):6.0f} steps/s")
    ours_ms, theirs_ms = first_pictures(10, options.image_size)
    print(f"first picture of a kitchen: {ours_ms:.1f} ms, by mujoco.Renderer {theirs_ms:.1f} ms")


if __name__ == "__main__":
    main()
