"""Updates a second of each preset and learner, on made-up data, with the share of each part.

python benchmarks/updates_per_second.py --presets cpu --updates 30
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import dataclasses

import numpy as np
import torch

from policies.augment import augment
from policies.config import PRESETS, PolicyConfig, preset
from policies.learners import LEARNERS, make_learner, make_networks
from policies.replay import ReplayBuffer


def made_up_buffer(config: PolicyConfig, episodes: int = 20, steps: int = 20) -> ReplayBuffer:
    """Random pictures and actions; two of three episodes succeed."""
    rng = np.random.default_rng(0)
    size = config.network.image_size
    buffer = ReplayBuffer.empty(size, config.algorithm)
    for index in range(episodes):
        buffer.add_episode(
            rng.integers(0, 256, (steps + 1, size, size, 3), dtype=np.uint8),
            rng.normal(size=(steps + 1, 7)),
            rng.uniform(-0.05, 0.05, (steps, 7)),
            task=index % 4,
            success=index % 3 > 0,
        )
    return buffer


def median_ms(work: Callable[[], object], repeats: int, warm_up: int = 3) -> float:
    """Median time of `work` in milliseconds."""
    times = []
    for index in range(warm_up + repeats):
        began = time.perf_counter()
        work()
        if index >= warm_up:
            times.append(time.perf_counter() - began)
    return 1000.0 * statistics.median(times)


def measure(config: PolicyConfig, repeats: int) -> dict[str, float]:
    """Milliseconds of a whole update and of its parts."""
    # Measured in the steady state, with the value term.
    algorithm = dataclasses.replace(config.algorithm, bc_warm_start_steps=0)
    config = dataclasses.replace(config, algorithm=algorithm)
    buffer, rng = made_up_buffer(config), np.random.default_rng(0)
    learner = make_learner(config, make_networks(config, 0), seed=0)
    size = config.training.batch_size

    def sample() -> object:
        return buffer.sample(
            rng, size, only_success=learner.only_success, with_next=learner.needs_next
        )

    batch = buffer.sample(rng, size)
    generator = torch.Generator()
    pictures = 2 if learner.needs_next else 1
    networks = learner.rollout_networks
    planes = torch.rand(size, 3, config.network.image_size, config.network.image_size)
    inputs = networks.inputs(batch.states, batch.tasks)

    def encode() -> object:
        mixed = config.training.precision == "bfloat16"
        with torch.no_grad(), torch.autocast("cpu", torch.bfloat16, enabled=mixed):
            return networks.embed_for_critic(planes, inputs)

    return {
        "update": median_ms(lambda: learner.update(batch), repeats),
        "sampling": median_ms(sample, repeats),
        "augmenting": pictures
        * median_ms(lambda: augment(batch.images, config.training, generator), repeats),
        "encoding once, forward": median_ms(encode, repeats),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--presets", nargs="+", choices=PRESETS, default=["cpu", "paper"])
    parser.add_argument("--updates", type=int, default=30, help="updates timed (paper: 3)")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    print(f"torch {torch.__version__}, {arguments.threads} threads")
    header = f"{'preset':8}{'learner':9}{'batch':>6}{'px':>5}{'updates/s':>11}{'ms':>9}   parts"
    print(header)
    for name in arguments.presets:
        for learner in LEARNERS:
            config = preset(name).with_learner(learner)  # type: ignore[arg-type]
            repeats = min(arguments.updates, 3) if name == "paper" else arguments.updates
            times = measure(config, repeats)
            total = times.pop("update") + times["sampling"]
            parts = ", ".join(
                f"{part} {ms:.1f} ms ({ms / total:.0%})" for part, ms in times.items()
            )
            print(
                f"{name:8}{learner:9}{config.training.batch_size:6}{config.network.image_size:5}"
                f"{1000 / total:11.2f}{total:9.1f}   {parts}",
                flush=True,
            )


if __name__ == "__main__":
    main()
