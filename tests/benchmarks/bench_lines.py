"""Lines as the bench writes them, without training anything."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from benchmarks.ptr_bench.jobs import trials_job
from benchmarks.ptr_bench.lines import Line
from benchmarks.ptr_bench.methods import choose_methods
from benchmarks.ptr_bench.scale import Scale
from benchmarks.ptr_bench.targets import TARGETS, Role, start_seeds
from policies.learners import make_networks
from policies.presets import preset

STARTS = 4
SCALE = Scale(
    name="quick",
    config=preset("tiny").to_dict(),
    pretraining_updates=8,
    finetuning_updates=4,
    starts=STARTS,
    targets=2,
)
BATCH = SCALE.policy_config.training.batch_size
PARAMETERS = sum(p.numel() for p in make_networks(SCALE.policy_config, 0).parameters())


def trials_line(
    outcomes: Sequence[bool] = (True, False, False, True),
    *,
    method: str = "ptr",
    regime: str = "mixed",
    target: int = 0,
    seed: int = 0,
    role: Role = "reporting",
    spent: Sequence[int] | None = None,
) -> Line:
    """A cell's line; `spent` are the updates of its trainings, those of its group by default."""
    (chosen,) = choose_methods([method])
    where = TARGETS[role][target]
    job = trials_job(SCALE, chosen, regime, where, role, seed)
    updates = [part for part in SCALE.updates(chosen.group) if part] if spent is None else spent
    trainings: list[dict[str, Any]] = [
        {
            "updates": count,
            "batch_size": BATCH,
            "samples": count * BATCH,
            "wall_s": 1.0,
            "resumed_at": 0,
        }
        for count in updates
    ]
    return {
        "job": job.name,
        "kind": "trials",
        "method": method,
        "regime": regime,
        "role": role,
        "task": where.task,
        "kitchen": where.kitchen,
        "seed": seed,
        "config": {},
        "data": {"prior": f"digest of {regime}"} if regime != "none" else {},
        "checkpoint": {"folder": "somewhere", "digest": "0" * 64},
        "trainings": trainings,
        "budget": {
            "updates": sum(updates),
            "samples": sum(updates) * BATCH,
            "parameters": PARAMETERS,
            "wall_s": 1.0,
        },
        "successes": sum(outcomes),
        "trials": len(outcomes),
        "start_seeds": list(start_seeds(role, len(outcomes))),
        "outcomes": list(outcomes),
        "stages": ["placed" if good else "reached" for good in outcomes],
        "ends": ["success" if good else "time_limit" for good in outcomes],
        "steps": [12 if good else 40 for good in outcomes],
        "code": {"version": "0", "commit": "c" * 40, "changed": False, "sources": "5" * 64},
        "host": {"cpus": 2, "threads": 1, "device": "cpu", "torch": "0"},
        "wall_s": 2.0,
        "finished_at": "2026-01-01T00:00:00+00:00",
    }
