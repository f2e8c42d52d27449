"""Updates a second: ours against a straightforward port of the reference, and where time goes.

Both learn on the same made-up data, in turns within one process, so that what else the machine
does slows both. Figures are medians.

python benchmarks/update_speed.py                      # the presets' own batches
python benchmarks/update_speed.py --batch 8 --repeats 2 --threads 1 --clock process
"""

from __future__ import annotations

import argparse
import dataclasses
import statistics
import sys
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np
import torch

from benchmarks.straightforward_port import StraightforwardPort
from policies.config import PolicyConfig
from policies.learners import make_learner, make_networks
from policies.precision import has_bfloat16
from policies.presets import PRESETS, preset
from policies.replay import ReplayBuffer

CLOCKS = {"wall": time.perf_counter, "process": time.process_time}
"""The process's own time is all that a busy machine can tell, and adds up over threads."""
Clock = Callable[[], float]


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


class Stopwatch:
    """Adds up the time inside named parts; time inside a part within a part counts once.

    Args:
        device: Whose work is waited for at each part's border.
        clock: Seconds.
    """

    def __init__(self, device: str, clock: Clock) -> None:
        self.device = device
        self.clock = clock
        self.seconds: dict[str, float] = defaultdict(float)
        self._open: list[str] = []
        self._since = 0.0

    def _charge(self) -> None:
        if self.device == "cuda":
            torch.cuda.synchronize()
        now = self.clock()
        if self._open:
            self.seconds[self._open[-1]] += now - self._since
        self._since = now

    def wrap(self, owner: Any, method: str, part: str) -> None:
        """Time every call of `owner.method` as `part`."""
        work = getattr(owner, method)

        def timed(*args: Any, **kwargs: Any) -> Any:
            self._charge()
            self._open.append(part)
            try:
                return work(*args, **kwargs)
            finally:
                self._charge()
                self._open.pop()

        setattr(owner, method, timed)


PARTS = {
    "_augmented": "augmentation",
    "_target": "TD targets (heads)",
    "_update_critic": "critic",
    "_update_actor": "actor",
    "_end_update": "slow copy",
}
"""Methods of the learner. Critic and actor hold their gradients, the encoder's as well."""


def time_parts(
    config: PolicyConfig, buffer: ReplayBuffer, device: str, repeats: int, clock: Clock
) -> dict[str, float]:
    """Share of an update's time in each part of ours, 0..1."""
    learner: Any = make_learner(config, make_networks(config, 0), seed=0, device=device)
    watch = Stopwatch(device, clock)
    rng = np.random.default_rng(0)

    def update() -> None:
        learner.update(buffer.sample(rng, config.training.batch_size))

    update()
    watch.wrap(buffer, "sample", "loader")
    for method, part in PARTS.items():
        watch.wrap(learner, method, part)
    for networks in (learner.networks, learner.slow):
        for method in ("embed_for_critic", "embed_for_actor"):
            watch.wrap(networks, method, "encode (forward)")
    for optimiser in learner.optimisers.values():
        watch.wrap(optimiser, "step", "optimiser")
    began = clock()
    for _ in range(repeats):
        update()
    total = clock() - began
    shares = {part: seconds / total for part, seconds in watch.seconds.items()}
    return {**shares, "rest": 1.0 - sum(shares.values())}


def in_turns(
    works: dict[str, Callable[[], object]], repeats: int, device: str, clock: Clock
) -> dict[str, float]:
    """Median seconds of each piece of work, done one after another `repeats` times."""
    seconds: dict[str, list[float]] = {name: [] for name in works}
    for turn in range(repeats + 1):
        for name, work in works.items():
            began = clock()
            work()
            if device == "cuda":
                torch.cuda.synchronize()
            if turn:  # the first warms up
                seconds[name].append(clock() - began)
    return {name: statistics.median(values) for name, values in seconds.items()}


def configured(name: str, batch: int | None, **training: Any) -> PolicyConfig:
    """A preset in the steady state, with its value term."""
    config = preset(name).with_learner("ptr")
    if batch:
        training["batch_size"] = batch
    return dataclasses.replace(
        config,
        algorithm=dataclasses.replace(config.algorithm, bc_warm_start_steps=0),
        training=dataclasses.replace(config.training, **training),
    )


def compare(name: str, batch: int | None, device: str, repeats: int, clock: Clock) -> None:
    """Measure one preset and print it."""
    config = configured(name, batch)
    buffer, rng = made_up_buffer(config), np.random.default_rng(0)
    size = config.training.batch_size
    variants = {"ours": config, "ours, cloning alone": config.with_learner("bc")}
    if config.training.precision == "float32" and has_bfloat16(device):
        variants["ours, encoder in bfloat16"] = configured(name, batch, precision="bfloat16")
    learners: dict[str, Any] = {
        variant: make_learner(chosen, make_networks(chosen, 0), seed=0, device=device)
        for variant, chosen in variants.items()
    }
    if name == "paper":
        networks = make_networks(config, 0)
        port = StraightforwardPort(config, networks, seed=0, device=device)
        learners = {"straightforward port": port, **learners}

    def work(learner: Any) -> Callable[[], object]:
        kind = {"only_success": learner.only_success, "with_next": learner.needs_next}
        return lambda: learner.update(buffer.sample(rng, size, **kind))

    seconds = in_turns({key: work(one) for key, one in learners.items()}, repeats, device, clock)
    print(f"\n{name} preset, {config.network.image_size} px, batch {size}, {device}")
    slowest = seconds.get("straightforward port")
    for variant, value in seconds.items():
        times = f"{slowest / value:7.2f} x" if slowest else ""
        print(
            f"  {variant:28}{1 / value:9.3f} updates/s {1000 * value:10.1f} ms{times}", flush=True
        )
    shares = time_parts(config, buffer, device, repeats, clock)
    print("  parts of ours: " + ", ".join(f"{part} {share:.1%}" for part, share in shares.items()))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--presets", nargs="+", choices=PRESETS, default=["cpu", "paper"])
    parser.add_argument("--batch", type=int, help="transitions a batch; else the preset's")
    parser.add_argument("--repeats", type=int, default=5, help="timed updates of each")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--clock", choices=CLOCKS, default="wall")
    parser.add_argument(
        "--devices", nargs="+", default=["cpu", "cuda"] if torch.cuda.is_available() else ["cpu"]
    )
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    print(f"torch {torch.__version__}, {arguments.threads} threads, {arguments.clock} time")
    for device in arguments.devices:
        for name in arguments.presets:
            compare(name, arguments.batch, device, arguments.repeats, CLOCKS[arguments.clock])


if __name__ == "__main__":
    main()
