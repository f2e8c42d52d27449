"""How fast recordings are packed, and how fast training gets its batches from the result.

Every second episode is a failure; batches are drawn as for PTR: half from successes, half of the
rest by how much it is cloned (`ReplayBuffer.sample`).

python benchmarks/reader_throughput.py --episodes 60
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np
from PIL import Image

from policies.presets import preset
from policies.replay import ReplayBuffer
from policies.tasks import slots_for
from recordings.packed import PackedDataset, pack
from recordings.records import (
    EndReason,
    EpisodeEnd,
    EpisodeInfo,
    Frame,
    ImageArray,
    Label,
    Observation,
    Outcome,
    Step,
    hold_action,
)
from recordings.writer import EpisodeWriter

CAMERA = "front"


def picture(rng: np.random.Generator, size: int) -> ImageArray:
    """A smooth picture with a little noise, which JPEG packs about as well as a camera's."""
    coarse = rng.integers(0, 256, (8, 8, 3), dtype=np.uint8)
    smooth = np.asarray(Image.fromarray(coarse).resize((size, size), Image.Resampling.BICUBIC))
    return np.clip(smooth + rng.integers(-3, 4, smooth.shape), 0, 255).astype(np.uint8)


def record(folder: Path, number: int, steps: int, size: int) -> None:
    """One synthetic episode."""
    rng = np.random.default_rng(number)

    def observe(index: int) -> Observation:
        time_s = index / 5.0
        return Observation(
            {CAMERA: Frame(picture(rng, size), time_s, time_s)}, rng.normal(size=7), time_s
        )

    info = EpisodeInfo(
        episode_id=f"synthetic-{number:06d}",
        kind="demo",
        task="put_carrot_on_plate",
        robot={"name": "synthetic"},
        cameras={CAMERA: {"height": size, "width": size}},
        control_rate_hz=5.0,
        decided_by="benchmark",
    )
    with EpisodeWriter(folder, info, flush_every=steps) as writer:
        for index in range(steps):
            writer.append(Step(index, observe(index), hold_action(1.0), hold_action(1.0)))
        end = EpisodeEnd(EndReason.TIME_LIMIT, observe(steps), steps=steps)
        outcome = (Outcome.SUCCESS, Outcome.FAILURE)[number % 2]
        writer.finish(end, Label(outcome, "", "simulator"))


def transitions_per_second(packed: PackedDataset, batch: int, seconds: float) -> float:
    """Batches as training asks for them."""
    slots = slots_for(packed.tasks, 8)
    buffer = ReplayBuffer.from_packed(packed, slots, preset("cpu").algorithm, CAMERA)
    rng = np.random.default_rng(0)
    buffer.sample(rng, batch, success_fraction=0.5)
    count, started_s = 0, time.perf_counter()
    while time.perf_counter() - started_s < seconds:
        buffer.sample(rng, batch, success_fraction=0.5)
        count += batch
    return count / (time.perf_counter() - started_s)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--episodes", type=int, default=60)
    parser.add_argument("--steps", type=int, default=40, help="steps an episode")
    parser.add_argument("--recorded-size", type=int, default=128, help="pixels")
    parser.add_argument("--sizes", type=int, nargs="+", default=[128, 64], help="packed pixels")
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--workers", type=int, default=1, help="processes that pack")
    parser.add_argument("--seconds", type=float, default=3.0, help="time to measure sampling")
    options = parser.parse_args()

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        started_s = time.perf_counter()
        for number in range(options.episodes):
            record(folder / "demos", number, options.steps, options.recorded_size)
        took_s = time.perf_counter() - started_s
        steps = options.episodes * options.steps
        print(f"recording: {steps / took_s:8.0f} steps/s (making the pictures included)")
        for size in options.sizes:
            started_s = time.perf_counter()
            packed = pack([folder / "demos"], folder / "cache", size, workers=options.workers)
            took_s = time.perf_counter() - started_s
            pace = transitions_per_second(packed, options.batch, options.seconds)
            print(
                f"{options.recorded_size} -> {size} pixels: "
                f"packing {len(packed.states) / took_s:6.0f} frames/s "
                f"({options.workers} processes); "
                f"sampling {pace:8.0f} transitions/s (batch {options.batch})"
            )


if __name__ == "__main__":
    main()
