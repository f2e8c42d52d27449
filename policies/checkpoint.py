"""A trained policy on disk: a folder with `model.safetensors` and `checkpoint.json`.

The JSON says everything that using the weights rightly depends on, and the weights' SHA-256.
`training.safetensors` (optimiser, slow copy, random state) is there only if fine-tuning shall
continue the optimiser.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from policies.config import INFO_FILE, PolicyConfig
from policies.learner import LearnerState
from policies.networks import PolicyNetworks
from policies.storage import (
    COPY_AGAIN,
    STUMBLES,
    file_sha256,
    read_tensors,
    write_file,
    write_tensors,
)
from policies.tasks import TaskSlots
from recordings.errors import CheckpointError, PtrctlError
from recordings.files import sync_folder
from recordings.images import RESIZE_ROUTINE
from recordings.records import ACTION_HIGH, ACTION_LOW, ACTION_NAMES, STATE_NAMES

SCHEMA_VERSION = 1
MODEL_FILE = "model.safetensors"
TRAINING_FILE = "training.safetensors"


def conventions() -> dict[str, Any]:
    """What states and actions mean to a policy of this version."""
    return {
        "state": list(STATE_NAMES),
        "action": list(ACTION_NAMES),
        "action_low": ACTION_LOW.tolist(),
        "action_high": ACTION_HIGH.tolist(),
        "resize_routine": RESIZE_ROUTINE,
    }


def code_version() -> str:
    """The installed version of ptrctl."""
    try:
        return importlib.metadata.version("ptrctl")
    except importlib.metadata.PackageNotFoundError:
        return "not installed"


@dataclass(frozen=True)
class CheckpointInfo:
    """What a checkpoint says about itself.

    Args:
        config: How it was built and trained.
        tasks: Its task slots.
        robot: Name of the arm's kind that it was trained on.
        camera: Name of the camera that it sees through.
        control_rate_hz: Steps a second that its actions are meant for.
        data: Digests of the data, by role ("prior", "target", "online").
        steps: Updates done, all trainings together.
        critic_updates: Updates of the critic, see `count_critic_updates`.
        metrics: The last training metrics.
        parent: Digest of the checkpoint that training started from; empty for none.
        code_version: Version of ptrctl.
        conventions: Meaning of states and actions.
    """

    config: PolicyConfig
    tasks: TaskSlots
    robot: str
    camera: str
    control_rate_hz: float
    data: Mapping[str, str] = field(default_factory=dict)
    steps: int = 0
    critic_updates: int = 0
    metrics: Mapping[str, float] = field(default_factory=dict)
    parent: str = ""
    code_version: str = field(default_factory=code_version)
    conventions: Mapping[str, Any] = field(default_factory=conventions)

    @property
    def image_size(self) -> int:
        """Edge of the pictures the networks take."""
        return self.config.network.image_size


def count_critic_updates(config: PolicyConfig, earlier: CheckpointInfo | None, updates: int) -> int:
    """Updates of a critic, those of the checkpoint that training started from included.

    A policy that goes on learning without its critic has none: encoder and policy move away from
    what the critic has judged, and its values would say nothing true.
    """
    if not config.learns_critic:
        return 0
    return updates + (earlier.critic_updates if earlier else 0)


@dataclass(frozen=True)
class Checkpoint:
    """A checkpoint that has been read and found whole.

    Args:
        path: Its folder.
        info: What it says about itself.
        digest: SHA-256 of `checkpoint.json`, which holds that of the weights.
    """

    path: Path
    info: CheckpointInfo
    digest: str

    @property
    def short_digest(self) -> str:
        """The first 12 digits, for names."""
        return self.digest[:12]

    def networks(self, new_tasks: Sequence[str] = ()) -> tuple[PolicyNetworks, TaskSlots]:
        """Build the networks and load their weights.

        Args:
            new_tasks: Tasks to take up; each begins as the mean of the tasks that are
                most similar by name, see `TaskSlots.similar`; plain one-hots stay.

        Raises:
            CheckpointError: The weights are damaged or do not fit the config, or there are more
                new tasks than spare slots.
        """
        known = self.info.tasks
        slots = known.add(*new_tasks)
        tensors, _ = read_tensors(self.path / MODEL_FILE)
        try:
            with torch.random.fork_rng(devices=[]):
                networks = PolicyNetworks(self.info.config.network)
            networks.load_state_dict({name: value.float() for name, value in tensors.items()})
        except STUMBLES as error:
            raise CheckpointError(
                f"The weights in `{self.path}` do not fit its config: {error}",
                "Both should come from the same training.",
                COPY_AGAIN,
            ) from error
        for task in slots.names[len(known.names) :]:
            networks.start_task(slots.slot(task), known.similar(task))
        return networks, slots

    def training_state(self) -> LearnerState | None:
        """Optimiser and slow copy at the end of training, if they were kept."""
        path = self.path / TRAINING_FILE
        if not path.exists():
            return None
        tensors, notes = read_tensors(path)
        return LearnerState(tensors, int(notes["updates"]))


def save_checkpoint(
    path: Path,
    networks: PolicyNetworks,
    info: CheckpointInfo,
    *,
    compact: bool = False,
    state: LearnerState | None = None,
    replace: bool = False,
) -> Checkpoint:
    """Write a checkpoint folder; it appears whole or not at all.

    Args:
        path: The folder to make.
        networks: The networks that act.
        info: What to say about them.
        compact: Halve the size by storing weights as float16.
        state: Also keep the optimiser's state.
        replace: Replace a checkpoint of that name.

    Raises:
        CheckpointError: The folder exists and `replace` is not set, or it cannot be written.
    """
    if path.exists() and not replace:
        raise CheckpointError(
            f"There already is a checkpoint `{path}`.",
            "Checkpoints are never overwritten by accident.",
            "Choose another name with `--name`.",
        )
    aside = path.with_name(f".{path.name}.{os.getpid()}.partial")
    aside.mkdir(parents=True, exist_ok=True)
    try:
        kind = torch.float16 if compact else torch.float32
        weights = {
            name: value.detach().to("cpu", kind).contiguous()
            for name, value in networks.state_dict().items()
        }
        write_tensors(aside / MODEL_FILE, weights, {})
        if state is not None:
            write_tensors(aside / TRAINING_FILE, state.tensors, {"updates": state.updates})
        values = _to_json(info) | {"model_sha256": file_sha256(aside / MODEL_FILE)}
        write_file(aside / INFO_FILE, (json.dumps(values, indent=2) + "\n").encode())
        if path.exists():
            shutil.rmtree(path)
        os.replace(aside, path)
        sync_folder(path.parent)
    except (CheckpointError, OSError):
        shutil.rmtree(aside, ignore_errors=True)
        raise
    return load_checkpoint(path)


def load_checkpoint(path: Path) -> Checkpoint:
    """Read a checkpoint and check that it is whole.

    Raises:
        CheckpointError: It is missing, of another schema, truncated or tampered with.
    """
    info_path, model_path = path / INFO_FILE, path / MODEL_FILE
    for needed in (info_path, model_path):
        if not needed.is_file():
            raise CheckpointError(
                f"`{path}` is not a checkpoint: it has no `{needed.name}`.",
                f"A checkpoint is a folder with `{INFO_FILE}` and `{MODEL_FILE}`.",
                "Name one with `--checkpoint`, or make one with `ptrctl finetune`.",
            )
    content = info_path.read_bytes()
    try:
        values = json.loads(content)
        version = values["schema_version"]
        if version != SCHEMA_VERSION:
            raise CheckpointError(
                f"`{path}` has checkpoint schema {version}.",
                f"This version of ptrctl reads schema {SCHEMA_VERSION}.",
                "Update ptrctl, then check with `ptrctl --version`.",
            )
        info = _from_json(values)
        expected_sha = str(values["model_sha256"])
    except STUMBLES as error:
        raise CheckpointError(
            f"`{info_path}` is damaged: {type(error).__name__} {error}.",
            "It should be the JSON that training wrote.",
            COPY_AGAIN,
        ) from error
    if file_sha256(model_path) != expected_sha:
        raise CheckpointError(
            f"The weights in `{model_path}` are not the ones that `{INFO_FILE}` describes.",
            f"Their SHA-256 should begin with {expected_sha[:12]}.",
            COPY_AGAIN,
        )
    return Checkpoint(path, info, hashlib.sha256(content).hexdigest())


def check_fits(
    checkpoint: Checkpoint, *, robot: str, cameras: Sequence[str], control_rate_hz: float
) -> None:
    """Refuse a checkpoint that would move this robot wrongly.

    Args:
        robot: Its embodiment.
        cameras: Names of its cameras.
        control_rate_hz: Its control rate.

    Raises:
        CheckpointError: Something differs; everything that does is listed.
    """
    info = checkpoint.info
    differences = []
    if info.robot != robot:
        differences.append(f"it was trained on `{info.robot}` and the robot is `{robot}`")
    if info.camera not in cameras:
        differences.append(
            f"it sees through the camera `{info.camera}` and the robot has {', '.join(cameras)}"
        )
    if not abs(info.control_rate_hz - control_rate_hz) <= 1e-6:  # NaN fits nothing.
        differences.append(
            f"it acts at {info.control_rate_hz:g} Hz and the robot at {control_rate_hz:g} Hz"
        )
    expected = conventions()
    for name, value in expected.items():
        theirs = info.conventions.get(name)
        if theirs != value:
            differences.append(f"its convention for {name} is {theirs} and here it is {value}")
    if differences:
        raise CheckpointError(
            f"The checkpoint `{checkpoint.path.name}` does not fit: {'; '.join(differences)}.",
            "A policy only works on the robot, camera and conventions that it learned with.",
            "Choose another with `--checkpoint`, or train one with `ptrctl finetune`.",
        )


def _to_json(info: CheckpointInfo) -> dict[str, Any]:
    return {
        "schema_version": SCHEMA_VERSION,
        "config": info.config.to_dict(),
        "tasks": list(info.tasks.names),
        "robot": info.robot,
        "camera": info.camera,
        "image_size": info.image_size,
        "control_rate_hz": info.control_rate_hz,
        "data": dict(info.data),
        "steps": info.steps,
        "critic_updates": info.critic_updates,
        "metrics": dict(info.metrics),
        "parent": info.parent,
        "code_version": info.code_version,
        "conventions": dict(info.conventions),
    }


def _from_json(values: Mapping[str, Any]) -> CheckpointInfo:
    try:
        config = PolicyConfig.from_dict(values["config"])
    except PtrctlError as error:
        raise CheckpointError(error.found, error.expected, error.try_next) from error
    return CheckpointInfo(
        config=config,
        tasks=TaskSlots(tuple(values["tasks"]), config.network.task_slots),
        robot=str(values["robot"]),
        camera=str(values["camera"]),
        control_rate_hz=float(values["control_rate_hz"]),
        data=dict(values["data"]),
        steps=int(values["steps"]),
        critic_updates=int(values["critic_updates"]),
        metrics=dict(values["metrics"]),
        parent=str(values["parent"]),
        code_version=str(values["code_version"]),
        conventions=dict(values["conventions"]),
    )
