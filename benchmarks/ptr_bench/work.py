"""Doing a job: demonstrations, a training, or fine-tuning and trials; each leaves one line."""

from __future__ import annotations

import fcntl
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.ptr_bench.jobs import (
    DemonstrationsJob,
    Job,
    PretrainingJob,
    Training,
    TrialsJob,
)
from benchmarks.ptr_bench.lines import Line, append_line
from benchmarks.ptr_bench.provenance import describe_code, describe_host
from benchmarks.ptr_bench.regimes import NO_PRIOR, load_prior
from benchmarks.ptr_bench.rollouts import make_demonstrations, run_trials
from benchmarks.ptr_bench.targets import Target, start_seeds
from hardware.modules import SIMULATED
from policies.checkpoint import Checkpoint, load_checkpoint
from policies.policy import Policy
from policies.training import STATE_FILE, train
from ptrctl.workflows.attempt import now_utc
from recordings.errors import CheckpointError, UsageError
from recordings.packed import PackedDataset, pack

CHECKPOINTS = 4
"""Kept of each fine-tuning, for the comparison of rules that choose one; trials use the last."""


@dataclass(frozen=True)
class Place:
    """Where a bench is and what it reads.

    Args:
        out: The bench's folder.
        prior: Regime to the folder of its recipe's recordings.
        cache: Of packed recordings.
        device: Of trainings; trials run on the CPU.
    """

    out: Path
    prior: Mapping[str, Path]
    cache: Path
    device: str = "cpu"

    def demonstrations(self, target: Target) -> Path:
        """Folder of a target's demonstrations."""
        return self.out / "demonstrations" / target.name


@dataclass
class Worker:
    """Does jobs one after the other, keeping prior data open in between."""

    place: Place
    code: dict[str, Any] = field(default_factory=describe_code)
    _prior: dict[tuple[str, int], PackedDataset] = field(default_factory=dict)

    def do(self, job: Job, lines: Mapping[str, Line]) -> Line:
        """Do a job and append its line.

        Args:
            lines: Of the finished jobs by name, those that it needs among them.

        Raises:
            PtrctlError: It cannot be done.
        """
        began_s = time.monotonic()
        if isinstance(job, DemonstrationsJob):
            found = self._demonstrate(job)
        elif isinstance(job, PretrainingJob):
            found = self._pretrain(job)
        else:
            found = self._fine_tune_and_try(job, lines)
        line: Line = {
            "job": job.name,
            **found,
            "code": self.code,
            "host": describe_host(self.place.device),
            "wall_s": round(time.monotonic() - began_s, 3),
            "finished_at": now_utc(),
        }
        append_line(self.place.out, line)
        # Only now: until the line is there, a run goes on from this.
        (self._run_folder(job) / STATE_FILE).unlink(missing_ok=True)
        return line

    # ---- the kinds of jobs ----------------------------------------------------------------------

    def _demonstrate(self, job: DemonstrationsJob) -> Line:
        made = make_demonstrations(job.target, self.place.demonstrations(job.target))
        return {
            "kind": "demonstrations",
            "task": job.target.task,
            "kitchen": job.target.kitchen,
            "seeds": list(made.seeds),
            "digest": made.digest,
        }

    def _pretrain(self, job: PretrainingJob) -> Line:
        checkpoint, training = self._train(job, job.training, job.seed, None)
        return {
            "kind": "pretraining",
            "regime": job.training.regime,
            "seed": job.seed,
            "config": job.training.config.to_dict(),
            "data": dict(checkpoint.info.data),
            "checkpoint": self._describe(checkpoint),
            "training": training,
        }

    def _fine_tune_and_try(self, job: TrialsJob, lines: Mapping[str, Line]) -> Line:
        trainings: list[dict[str, Any]] = []
        checkpoint: Checkpoint | None = None
        if job.pretraining is not None:
            earlier = lines[job.pretraining.name]
            checkpoint = self._load(earlier)
            trainings.append(earlier["training"])
        if job.finetuning is not None:
            checkpoint, training = self._train(job, job.finetuning, job.seed, checkpoint)
            trainings.append(training)
        assert checkpoint is not None, "a method trains"
        policy = Policy.from_checkpoint(checkpoint, new_tasks=[job.target.task])
        seeds = start_seeds(job.role, job.starts)
        trials = run_trials(policy, job.target, seeds)
        return {
            "kind": "trials",
            "method": job.method.name,
            "regime": job.regime,
            "role": job.role,
            "task": job.target.task,
            "kitchen": job.target.kitchen,
            "seed": job.seed,
            "config": {
                "pretraining": job.pretraining and job.pretraining.training.config.to_dict(),
                "finetuning": job.finetuning and job.finetuning.config.to_dict(),
            },
            "data": dict(checkpoint.info.data),
            "checkpoint": self._describe(checkpoint),
            "trainings": trainings,
            "budget": {
                "updates": sum(training["updates"] for training in trainings),
                "samples": sum(training["samples"] for training in trainings),
                "parameters": trainings[-1]["parameters"],
                "wall_s": round(sum(training["wall_s"] for training in trainings), 3),
            },
            "successes": sum(trial.success for trial in trials),
            "trials": len(trials),
            "start_seeds": [trial.seed for trial in trials],
            "outcomes": [trial.success for trial in trials],
            "stages": [trial.stage for trial in trials],
            "ends": [trial.end for trial in trials],
            "steps": [trial.steps for trial in trials],
        }

    # ---- training -------------------------------------------------------------------------------

    def _train(
        self, job: Job, training: Training, seed: int, init: Checkpoint | None
    ) -> tuple[Checkpoint, dict[str, Any]]:
        """Train, or go on where a kill ended it; returns what came out and what it cost."""
        size = training.config.network.image_size
        prior = self._load_prior(training.regime, size)
        target = None
        if training.targets:
            folders = [self._demonstrated(target) for target in training.targets]
            with self._packing():
                target = pack(folders, self.place.cache, size)
        result = train(
            training.config,
            prior,
            target,
            steps=training.updates,
            run_folder=self._run_folder(job),
            robot=SIMULATED,
            seed=seed,
            init=init,
            threads=1,
            device=self.place.device,
            checkpoint_every=max(1, training.updates // CHECKPOINTS) if init else None,
        )
        checkpoint = result.checkpoint
        updates = checkpoint.info.steps - (init.info.steps if init else 0)
        batch = checkpoint.info.config.training.batch_size
        networks, _ = checkpoint.networks()
        return checkpoint, {
            "updates": updates,
            "batch_size": batch,
            "samples": updates * batch,
            "parameters": sum(parameter.numel() for parameter in networks.parameters()),
            "seed": seed,
            "wall_s": round(result.seconds, 3),
            # A kill ended the process that did these first updates; their time is not counted.
            "resumed_at": result.resumed_at,
            "checkpoints": [str(path.relative_to(self.place.out)) for path in result.checkpoints],
            "metrics": dict(checkpoint.info.metrics),
            "began_as": dict(result.began_as),
        }

    def _load_prior(self, regime: str, size: int) -> PackedDataset | None:
        if regime == NO_PRIOR:
            return None
        if regime not in self.place.prior:
            raise UsageError(
                f"No recordings were named for the regime {regime}.",
                "Its folder was expected.",
                f"Add `--{regime} FOLDER`, or leave the regime out with `--regimes`.",
            )
        if (regime, size) not in self._prior:
            with self._packing():
                self._prior[regime, size] = load_prior(
                    regime, self.place.prior[regime], self.place.cache, size
                )
        return self._prior[regime, size]

    def _packing(self) -> _FolderLock:
        return _FolderLock(self.place.cache)

    def _run_folder(self, job: Job) -> Path:
        return self.place.out / "trainings" / job.name

    def _describe(self, checkpoint: Checkpoint) -> dict[str, str]:
        folder = str(checkpoint.path.relative_to(self.place.out))
        return {"folder": folder, "digest": checkpoint.digest}

    def _demonstrated(self, target: Target) -> Path:
        """A target's demonstrations; made again, bit for bit, in a copy of lines alone, and those
        that a kill left out."""
        folder = self.place.demonstrations(target)
        with self._packing():
            make_demonstrations(target, folder)
        return folder

    def _load(self, line: Line) -> Checkpoint:
        described = line["checkpoint"]
        checkpoint = load_checkpoint(self.place.out / described["folder"])
        if checkpoint.digest != described["digest"]:
            raise CheckpointError(
                f"{checkpoint.path} is not the checkpoint that {line['job']} made.",
                f"Its digest should begin with {described['digest'][:12]}.",
                "Remove its folder and its line, so that it is trained anew.",
            )
        return checkpoint


class _FolderLock:
    """Waits until nobody else packs recordings in a folder."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._file = (folder / ".packing.lock").open("w")

    def __enter__(self) -> None:
        fcntl.flock(self._file, fcntl.LOCK_EX)

    def __exit__(self, *_: object) -> None:
        self._file.close()
