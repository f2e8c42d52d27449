"""Training as a plain function: pre-training, fine-tuning and training from scratch alike.

A run lives in a folder. `run.json` says what is being trained; `state.safetensors` is everything
needed to go on exactly where a killed run stopped; `checkpoints/` holds what came out.
"""

from __future__ import annotations

import dataclasses
import json
import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch

from policies.checkpoint import (
    Checkpoint,
    CheckpointInfo,
    count_critic_updates,
    load_checkpoint,
    save_checkpoint,
)
from policies.config import PolicyConfig
from policies.learner import Learner, LearnerState
from policies.learners import make_learner, make_networks
from policies.mixing import Mixture
from policies.networks import PolicyNetworks
from policies.new_task import begin_new_tasks
from policies.packed_episodes import TransitionData
from policies.replay import ReplayBuffer
from policies.storage import (
    BEGIN_ANEW,
    STUMBLES,
    complete_state,
    read_tensors,
    write_file,
    write_tensors,
)
from policies.tasks import TaskSlots, slots_for
from recordings.errors import CheckpointError, RecordingError

STATE_FILE = "state.safetensors"
SAVE_EVERY_S = 30.0
"""A run that is killed loses at most so much."""
SAVING_SHARE = 50
"""Saving takes at most one part in so many of the time."""
TELL_EVERY_S = 1.0
"""Whoever shows progress hears of it so often, however slow the updates are."""
RUN_FILE = "run.json"


@dataclass(frozen=True)
class TrainingEvent:
    """How training goes.

    Args:
        step: Updates done.
        steps: Updates planned.
        metrics: Means since the last event that had some; empty in between.
        updates_per_s: Since this process began.
    """

    step: int
    steps: int
    metrics: Mapping[str, float]
    updates_per_s: float


class AnotherRunError(CheckpointError):
    """A folder holds a training run that was begun with other settings or data."""


@dataclass(frozen=True)
class TrainingResult:
    """What a finished run left.

    Args:
        checkpoint: The last checkpoint.
        checkpoints: All of them, oldest first.
        seconds: Training time of this process.
        resumed_at: Updates that an earlier process had already done.
        began_as: New task to the known one as which it began; see `policies.new_task`.
    """

    checkpoint: Checkpoint
    checkpoints: tuple[Path, ...]
    seconds: float
    resumed_at: int
    began_as: Mapping[str, str] = field(default_factory=dict)


def train(
    config: PolicyConfig,
    prior: TransitionData | None,
    target: TransitionData | None = None,
    *,
    steps: int,
    run_folder: Path,
    robot: str,
    seed: int = 0,
    camera: str | None = None,
    init: Checkpoint | None = None,
    on_event: Callable[[TrainingEvent], None] = lambda event: None,
    threads: int | None = None,
    device: str = "cpu",
    report_every: int = 20,
    save_every_s: float = SAVE_EVERY_S,
    checkpoint_every: int | None = None,
    compact: bool = False,
) -> TrainingResult:
    """Train a policy, or go on with a run that was interrupted.

    With `prior` alone it pre-trains; with `target` too it mixes both by
    `config.training.target_fraction`; with `target` alone it needs no prior data at hand.

    Args:
        config: Its network must be `init`'s.
        prior: Data of many tasks, or None.
        target: Demonstrations of the task to learn, or None.
        steps: Updates in this run.
        run_folder: Made if missing. An interrupted run of the same settings is continued.
        robot: Name of the arm's kind, kept in the checkpoint.
        seed: Of start weights, sampling and augmentation.
        camera: Which camera to learn from; the first of the data by default.
        init: Start from its weights; new tasks take spare slots, and those of `target` begin as
            `policies.new_task` says.
        on_event: Told every `report_every` updates and at the end, with metrics, and without them
            after the first update and about every second. What it raises ends the run, with its
            state saved.
        threads: CPU threads of a new run; torch's choice by default. A continued run keeps the
            number that it began with.
        device: "cpu" or "cuda".
        save_every_s: Seconds between saves of the resumable state, or more where saving takes
            more than a fiftieth of that.
        checkpoint_every: Updates between checkpoints; only the last by default.
        compact: Store checkpoint weights as float16.

    Raises:
        AnotherRunError: The folder holds a run with other settings or data.
        CheckpointError: `init` does not fit the config, or losses or weights are no longer finite.
        RecordingError: There is no usable data, or none is a success and the learner clones.
    """
    sources = {"prior": prior, "target": target}
    present = {role: data for role, data in sources.items() if data is not None}
    if not present:
        raise RecordingError(
            "There is no data to train on.",
            "Training needs demonstrations, prior data or both.",
            "Record some with `ptrctl record`.",
        )
    run = _describe_run(config, present, steps=steps, seed=seed, init=init, camera=camera)
    # Sums over a batch depend on how threads share it: a run keeps the number it began with.
    earlier = _earlier_run(run_folder, run)
    threads = earlier.get("threads") if earlier else threads
    if threads is not None:
        torch.set_num_threads(threads)

    networks, slots = _start_networks(config, present, init, seed)
    camera = camera or (init.info.camera if init else next(iter(present.values())).cameras[0])
    for data in present.values():
        _check_pictures(data, config)
    check_rates(present, init)
    buffers = {
        role: ReplayBuffer.from_packed(data, slots, config.algorithm, camera)
        for role, data in present.items()
    }
    began_as: dict[str, str] = {}
    if init is None:
        networks.set_state_statistics(*next(iter(buffers.values())).state_statistics)
    elif target is not None:
        began_as = begin_new_tasks(networks, slots, init.info.tasks, [buffers["target"]])
    mixture = Mixture(offline_sources(buffers, config))
    learner = make_learner(
        config,
        networks,
        seed=seed,
        device=device,
        planned_updates=steps,
        earlier_critic_updates=init.info.critic_updates if init else 0,
    )
    if init is not None and config.training.continue_optimiser:
        _continue_optimiser(learner, init)
    # Without successes to hold them against, failures would be cloned.
    clones = config.algorithm.learner != "ptr" or config.algorithm.bc_weight > 0
    if not mixture.can_sample(only_success=clones):
        raise RecordingError(
            "None of the recordings is a success.",
            "What is cloned is successful episodes, or failed ones as far as they keep up.",
            "Record some with `ptrctl record`, or correct labels with `ptrctl data label`.",
        )

    if not earlier:
        # Only now: a run that cannot begin leaves nothing that would refuse a corrected one.
        run_folder.mkdir(parents=True, exist_ok=True)
        described = json.dumps({**run, "threads": threads}, indent=2) + "\n"
        write_file(run_folder / RUN_FILE, described.encode())

    info = CheckpointInfo(
        config=config,
        tasks=slots,
        robot=robot,
        camera=camera,
        control_rate_hz=next(iter(present.values())).control_rate_hz,
        data={role: data.digest for role, data in present.items()},
        parent=init.digest if init else "",
    )
    rng = np.random.default_rng(seed)
    runner = _Runner(learner, mixture, info, run_folder, steps, init, on_event, compact, rng)
    result = runner.run(report_every, save_every_s, checkpoint_every)
    return dataclasses.replace(result, began_as=began_as)


@dataclass
class _Runner:
    """The loop itself, with what it needs to stop and go on."""

    learner: Learner
    mixture: Mixture
    info: CheckpointInfo
    run_folder: Path
    steps: int
    init: Checkpoint | None
    on_event: Callable[[TrainingEvent], None]
    compact: bool
    rng: np.random.Generator
    recent: list[dict[str, float]] = field(default_factory=list)
    metrics: dict[str, float] = field(default_factory=dict)

    def run(
        self, report_every: int, save_every_s: float, checkpoint_every: int | None
    ) -> TrainingResult:
        self.load_state()
        resumed_at = self.learner.updates
        began_s = tell_due_s = time.monotonic()
        save_due_s = began_s + save_every_s
        written: Checkpoint | None = None
        while self.learner.updates < self.steps:
            self.recent.append(learn(self.learner, self.mixture, self.rng, self.batch_size))
            step = self.learner.updates
            last = step == self.steps
            measured = step % report_every == 0 or last
            if measured:
                self.metrics, self.recent = mean_metrics(self.recent), []
            if last or (checkpoint_every and step % checkpoint_every == 0):
                written = self.save_checkpoint(keep_state=last)
            # After the checkpoint: whoever is told may end the run here.
            if measured or time.monotonic() >= tell_due_s:
                self.report(self.metrics if measured else {}, resumed_at, began_s)
                tell_due_s = time.monotonic() + TELL_EVERY_S
            if last or time.monotonic() >= save_due_s:
                saving_s = self.save_state()
                save_due_s = time.monotonic() + max(save_every_s, SAVING_SHARE * saving_s)
        if written is None:
            written = self.last_checkpoint()
        paths = sorted((self.run_folder / "checkpoints").glob("step-*"))
        seconds = time.monotonic() - began_s
        return TrainingResult(written, tuple(paths), seconds, resumed_at)

    @property
    def batch_size(self) -> int:
        return self.info.config.training.batch_size

    def report(self, metrics: Mapping[str, float], resumed_at: int, began_s: float) -> None:
        step = self.learner.updates
        rate = (step - resumed_at) / max(time.monotonic() - began_s, 1e-9)
        event = TrainingEvent(step, self.steps, metrics, rate)
        try:
            self.on_event(event)
        except BaseException:
            # Between two updates, so that the next call goes on from here.
            self.save_state()
            raise

    def last_checkpoint(self) -> Checkpoint:
        """Of a run that had ended: as it is there, with what lies beside it."""
        return self.kept_checkpoint() or self.save_checkpoint(keep_state=True)

    def kept_checkpoint(self) -> Checkpoint | None:
        """Of this update; None if there is none, or it is damaged."""
        try:
            return load_checkpoint(self.checkpoint_path)
        except CheckpointError:
            return None

    @property
    def checkpoint_path(self) -> Path:
        return self.run_folder / "checkpoints" / f"step-{self.learner.updates:07d}"

    def save_checkpoint(self, *, keep_state: bool) -> Checkpoint:
        step = self.learner.updates
        networks = self.learner.rollout_networks
        # An update with finite losses may have lost them all the same.
        if not all(bool(weights.isfinite().all()) for weights in networks.parameters()):
            raise _lost_networks(step, "weights that are not finite")
        earlier = self.init.info if self.init else None
        info = dataclasses.replace(
            self.info,
            steps=step + (earlier.steps if earlier else 0),
            critic_updates=count_critic_updates(self.info.config, earlier, step),
            metrics=self.metrics,
        )
        keep = keep_state and self.info.config.training.continue_optimiser
        return save_checkpoint(
            self.checkpoint_path,
            networks,
            info,
            compact=self.compact,
            state=self.learner.state_dict() if keep else None,
            replace=True,
        )

    def save_state(self) -> float:
        """Returns how many seconds it took."""
        began_s = time.monotonic()
        state = self.learner.state_dict()
        notes = {
            "updates": state.updates,
            "sampler": self.rng.bit_generator.state,
            "recent": self.recent,
            "metrics": self.metrics,
        }
        tensors = {**state.tensors, **self.mixture.state_dict()}
        write_tensors(self.run_folder / STATE_FILE, tensors, notes)
        return time.monotonic() - began_s

    def load_state(self) -> None:
        path = self.run_folder / STATE_FILE
        if not path.exists():
            return
        try:
            self.take_up_state(path)
        except CheckpointError:
            # A run that had ended is done, as long as its last checkpoint is whole.
            self.learner.updates = self.steps
            if self.kept_checkpoint() is None:
                raise

    def take_up_state(self, path: Path) -> None:
        tensors, notes = read_tensors(path, BEGIN_ANEW)
        with complete_state(path):
            self.learner.load_state_dict(LearnerState(tensors, int(notes["updates"])))
            self.mixture.load_state_dict(tensors)
            self.rng.bit_generator.state = notes["sampler"]
            self.recent = notes["recent"]
            self.metrics = notes["metrics"]


def learn(
    learner: Learner, mixture: Mixture, rng: np.random.Generator, batch_size: int
) -> dict[str, float]:
    """One update on a batch of the kind that the learner wants; returns its metrics.

    Raises:
        CheckpointError: One of them is not finite: the networks are lost.
    """
    batch = mixture.sample(
        rng,
        batch_size,
        only_success=learner.only_success,
        success_fraction=learner.config.training.success_fraction,
        with_next=learner.needs_next,
    )
    metrics = learner.update(batch)
    broken = {name: value for name, value in metrics.items() if not math.isfinite(value)}
    if broken:
        found = ", ".join(f"{name} {value}" for name, value in broken.items())
        raise _lost_networks(learner.updates, found)
    if learner.cloned is not None:
        mixture.note_weights(batch, learner.cloned)
    return metrics


def _lost_networks(update: int, found: str) -> CheckpointError:
    return CheckpointError(
        f"Update {update} gave {found}.",
        "Losses and weights should be finite; earlier checkpoints are as they were.",
        f"{BEGIN_ANEW} Choose another `--seed` or `--checkpoint`.",
    )


def offline_sources(
    buffers: Mapping[str, ReplayBuffer], config: PolicyConfig
) -> list[tuple[ReplayBuffer, float]]:
    """Buffers by role ("prior", "target") with their shares of a batch; one alone has it all."""
    if len(buffers) == 1:
        return [(buffer, 1.0) for buffer in buffers.values()]
    target = config.training.target_fraction
    shares = {"prior": 1.0 - target, "target": target}
    return [(buffer, shares[role]) for role, buffer in buffers.items()]


def mean_metrics(metrics: list[dict[str, float]]) -> dict[str, float]:
    """The mean of each metric over the updates that had it."""
    names = dict.fromkeys(name for one in metrics for name in one)
    return {name: float(np.mean([one[name] for one in metrics if name in one])) for name in names}


def _start_networks(
    config: PolicyConfig,
    present: Mapping[str, TransitionData],
    init: Checkpoint | None,
    seed: int,
) -> tuple[PolicyNetworks, TaskSlots]:
    tasks = sorted({name for data in present.values() for name in data.tasks})
    if init is None:
        return make_networks(config, seed), slots_for(tasks, config.network.task_slots)
    theirs, ours = init.info.config.to_dict()["network"], config.to_dict()["network"]
    different = [name for name in ours if ours[name] != theirs.get(name)]
    if different:
        raise CheckpointError(
            f"The networks of `{init.path.name}` differ from the config's in "
            f"{', '.join(different)}.",
            "Fine-tuning needs the same networks.",
            f"Use `--preset {init.info.config.preset}`, or begin with random weights "
            "(`ptrctl finetune --from-scratch`, `ptrctl pretrain` without `--checkpoint`).",
        )
    return init.networks(tasks)


def _check_pictures(data: TransitionData, config: PolicyConfig) -> None:
    if data.image_size != config.network.image_size:
        raise RecordingError(
            f"The pictures of the packed data are {data.image_size} pixels wide.",
            f"The networks take {config.network.image_size} pixels.",
            "Pack the recordings anew by running `ptrctl finetune` again.",
        )


def check_rates(
    present: Mapping[str, TransitionData],
    init: Checkpoint | None,
    otherwise: str = "train with `--from-scratch` and without `--prior`",
) -> None:
    """Refuse to learn at two control rates.

    Args:
        present: Role to data.
        init: Where to start.
        otherwise: What else to type than to record anew.

    Raises:
        RecordingError: They differ; each is named.
    """
    rates = {f"the {role} data": data.control_rate_hz for role, data in present.items()}
    if init is not None:
        rates[f"the checkpoint `{init.path.name}`"] = init.info.control_rate_hz
    if len(set(rates.values())) > 1:
        found = ", ".join(f"{what} {rate:g} Hz" for what, rate in rates.items())
        wanted = [rate for what, rate in rates.items() if what != "the target data"][-1]
        raise RecordingError(
            f"The control rates differ: {found}.",
            "A policy learns at one rate, for an action means another speed at another.",
            f"Record at {wanted:g} Hz (`ptrctl setup --rate {wanted:g}`), or {otherwise}.",
        )


def _continue_optimiser(learner: Learner, init: Checkpoint) -> None:
    state = init.training_state()
    if state is None or init.info.config.algorithm.learner != learner.config.algorithm.learner:
        return
    # The weights are those of `init` with its new tasks; the rest goes on as it was.
    fresh = learner.state_dict()
    # Its random numbers do not: those are this seed's.
    kept = {
        name: value
        for name, value in state.tensors.items()
        if not name.endswith(("task_table", "random"))
    }
    learner.load_state_dict(LearnerState({**fresh.tensors, **kept}, 0))


def _describe_run(
    config: PolicyConfig,
    present: Mapping[str, TransitionData],
    *,
    steps: int,
    seed: int,
    init: Checkpoint | None,
    camera: str | None,
) -> dict[str, Any]:
    return {
        "config": config.to_dict(),
        "data": {role: data.digest for role, data in present.items()},
        "steps": steps,
        "seed": seed,
        "init": init.digest if init else "",
        "camera": camera,
    }


def _earlier_run(run_folder: Path, run: Mapping[str, Any]) -> dict[str, Any]:
    """What the folder's run was begun with, {} if there is none.

    Raises:
        AnotherRunError: It was begun with other settings.
    """
    path = run_folder / RUN_FILE
    if not path.exists():
        return {}
    try:
        earlier: dict[str, Any] = dict(json.loads(path.read_bytes()))
    except STUMBLES:
        earlier = {}
    different = [name for name in run if run[name] != earlier.get(name)]
    if different:
        raise AnotherRunError(
            f"`{run_folder}` holds another training run (different: {', '.join(different)}).",
            "A run continues only with the settings it began with.",
            "Choose another name with `--name`, or remove that folder.",
        )
    return earlier
