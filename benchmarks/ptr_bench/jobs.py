"""The work of a bench as jobs that depend on each other, named by what decides their results."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from benchmarks.ptr_bench.configs import changed
from benchmarks.ptr_bench.lines import digest_of
from benchmarks.ptr_bench.methods import Method
from benchmarks.ptr_bench.regimes import NO_PRIOR
from benchmarks.ptr_bench.scale import AS_THEIR_VERB, Scale
from benchmarks.ptr_bench.targets import (
    DEMONSTRATIONS,
    MAX_STEPS,
    TARGETS,
    Role,
    Target,
    choose_targets,
)
from hardware.loop import SUCCESS_STEPS
from policies.config import PolicyConfig


@dataclass(frozen=True)
class Training:
    """One training, by what decides it besides its seed.

    Args:
        config: Whole.
        updates: How many.
        regime: Of the prior data; `NO_PRIOR` for none.
        targets: Whose demonstrations it learns.
    """

    config: PolicyConfig
    updates: int
    regime: str
    targets: tuple[Target, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return {
            "config": self.config.to_dict(),
            "updates": self.updates,
            "regime": self.regime,
            "targets": [target.name for target in self.targets],
        }

    @functools.cached_property
    def digest(self) -> str:
        """Of all of it: equal trainings of two methods are done once."""
        return digest_of(self.to_json())


@dataclass(frozen=True)
class DemonstrationsJob:
    """Ten successful demonstrations of a target."""

    target: Target

    @property
    def name(self) -> str:
        return f"demonstrations.{self.target.name}"

    @property
    def needs(self) -> tuple[str, ...]:
        return ()


@dataclass(frozen=True)
class PretrainingJob:
    """A training from random weights that several methods may share."""

    training: Training
    seed: int

    @property
    def name(self) -> str:
        return f"pretraining.{self.training.regime}.{self.training.digest[:16]}.seed{self.seed}"

    @property
    def needs(self) -> tuple[str, ...]:
        return tuple(DemonstrationsJob(target).name for target in self.training.targets)


@dataclass(frozen=True)
class TrialsJob:
    """A cell of the table: fine-tune for a target, if the method does, and try it.

    Args:
        method: The row.
        regime: Of its prior data.
        target: What is tried.
        role: Of the target.
        seed: Of all trainings.
        starts: Number of trials.
        pretraining: Where it starts from, or None.
        finetuning: What it does then, or None.
        new_tasks: How its task begins if pre-training does not know it, see `scale.Scale`.
    """

    method: Method
    regime: str
    target: Target
    role: Role
    seed: int
    starts: int
    pretraining: PretrainingJob | None
    finetuning: Training | None
    new_tasks: str

    @functools.cached_property
    def name(self) -> str:
        cell = f"{self.method.name}.{self.regime}.{self.target.name}.seed{self.seed}"
        return f"trials.{cell}.{self._digest[:16]}"

    @property
    def needs(self) -> tuple[str, ...]:
        demonstrations = DemonstrationsJob(self.target).name if self.finetuning else None
        pretraining = self.pretraining.name if self.pretraining else None
        return tuple(name for name in (demonstrations, pretraining) if name)

    @property
    def _digest(self) -> str:
        parts: dict[str, Any] = {
            "pretraining": self.pretraining.name if self.pretraining else "",
            "finetuning": self.finetuning.to_json() if self.finetuning else None,
            "trial": [self.role, self.starts, MAX_STEPS, SUCCESS_STEPS, DEMONSTRATIONS],
        }
        # Not where it makes no difference, nor in the names that jobs had when there was one way.
        if self.pretraining and not self.method.joint and self.new_tasks != AS_THEIR_VERB:
            parts["new task"] = self.new_tasks
        return digest_of(parts)


Job: TypeAlias = DemonstrationsJob | PretrainingJob | TrialsJob


def plan_jobs(
    scale: Scale,
    role: Role,
    methods: Sequence[Method],
    seeds: Sequence[int],
    *,
    regimes: Sequence[str] | None = None,
    target_names: Sequence[str] | None = None,
) -> list[Job]:
    """Every job, each after those that it needs; one training seed is finished before the next.

    Args:
        role: Reporting or selection targets.
        seeds: Of training.
        regimes: Only rows with this prior data, those without any included; None takes all.
        target_names: Only these targets are fine-tuned for and tried; joint training always
            learns all that the scale has.

    Raises:
        UsageError: A name is no target of that role.
        CheckpointError, UsageError: A method's configuration cannot be.
    """
    targets = TARGETS[role][: scale.targets]
    wanted = [t for t in choose_targets(role, target_names) if t in targets]
    jobs: dict[str, Job] = {}
    for seed in seeds:
        for method in methods:
            for regime in method.regimes:
                if regimes is not None and regime not in (*regimes, NO_PRIOR):
                    continue
                for target in wanted:
                    trials = trials_job(scale, method, regime, target, role, seed)
                    learned = trials.pretraining.training.targets if trials.pretraining else ()
                    shown = (*learned, target) if trials.finetuning else learned
                    needed = [DemonstrationsJob(one) for one in shown]
                    for job in (*needed, trials.pretraining, trials):
                        if job is not None:
                            jobs.setdefault(job.name, job)
    return list(jobs.values())


def trials_job(
    scale: Scale, method: Method, regime: str, target: Target, role: Role, seed: int
) -> TrialsJob:
    """One cell of the table.

    Raises:
        CheckpointError, UsageError: The method's configuration cannot be.
    """
    before, after = scale.updates(method.group)
    base = scale.policy_config
    pretraining = finetuning = None
    if method.pretraining is not None:
        joint = TARGETS[role][: scale.targets] if method.joint else ()
        config = changed(base, method.pretraining)
        pretraining = PretrainingJob(Training(config, before, regime, joint), seed)
    if method.finetuning is not None:
        config = changed(base, method.finetuning)
        finetuning = Training(config, after, regime, (target,))
    return TrialsJob(
        method,
        regime,
        target,
        role,
        seed,
        scale.starts,
        pretraining,
        finetuning,
        scale.new_tasks,
    )
