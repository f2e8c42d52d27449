"""How long a policy takes to decide, from a 640x480 picture to an action.

python benchmarks/policy_latency.py --decisions 200
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np
import torch

from policies.learners import make_networks
from policies.policy import Policy
from policies.presets import PRESETS, preset
from policies.tasks import TaskSlots
from recordings.records import CONTROL_RATE_HZ, EpisodeInfo, Frame, Observation


def latencies_ms(name: str, decisions: int) -> np.ndarray:
    """One time for each decision of an untrained policy; its weights do not change the time."""
    policy = Policy(
        make_networks(preset(name), 0), TaskSlots(("task",), 1), camera="camera", values=True
    )
    info = EpisodeInfo("e", "trial", "task", {}, {}, CONTROL_RATE_HZ, decided_by=policy.name)
    policy.begin(info)
    rng = np.random.default_rng(0)
    image = rng.integers(0, 256, (480, 640, 3), dtype=np.uint8)
    observation = Observation({"camera": Frame(image, 0.0, 0.0)}, np.zeros(7), 0.0)
    times = []
    for _ in range(decisions + 3):
        began = time.perf_counter()
        policy.act(observation)
        times.append(time.perf_counter() - began)
    return 1000.0 * np.array(times[3:])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--presets", nargs="+", choices=PRESETS, default=["cpu", "paper"])
    parser.add_argument("--decisions", type=int, default=100)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    print(f"torch {torch.__version__}, {arguments.threads} threads")
    period_ms = 1000.0 / CONTROL_RATE_HZ
    print(f"{'preset':8}{'median ms':>11}{'99 % ms':>9}{'of a period':>13}")
    for name in arguments.presets:
        times = latencies_ms(name, arguments.decisions)
        median, slow = np.median(times), np.quantile(times, 0.99)
        print(f"{name:8}{median:11.1f}{slow:9.1f}{median / period_ms:12.1%}", flush=True)


if __name__ == "__main__":
    main()
