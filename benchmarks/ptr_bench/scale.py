"""How much of everything a bench folder holds; frozen before its first run."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.ptr_bench.methods import Group, Method
from policies.config import PolicyConfig
from ptrctl.files import read_json, write_json
from recordings.errors import UsageError

SCALE_FILE = "bench.json"

AS_THEIR_VERB, AS_BEST = "as the mean of its verb", "as the one that fits best"
"""How a new task begins: in a folder that says nothing of it, and with this version's
`policies.training.train`."""


@dataclass(frozen=True)
class Budget:
    """What one row costs.

    Args:
        updates: Of all its trainings together.
        samples: Transitions drawn for them.
        parameters: Of its networks.
    """

    updates: int
    samples: int
    parameters: int


@dataclass(frozen=True)
class Scale:
    """What all runs of a bench folder share.

    Args:
        name: "quick" or "full".
        config: The preset that methods change, as plain values.
        pretraining_updates, finetuning_updates: Of each training.
        starts: Start states of each trained policy.
        targets: How many targets of a role; the first ones. Joint training learns them all.
        new_tasks: How one begins that is not in its policy's pre-training. Only `AS_BEST` can
            still be run.
    """

    name: str
    config: Mapping[str, Any]
    pretraining_updates: int
    finetuning_updates: int
    starts: int
    targets: int
    new_tasks: str = AS_THEIR_VERB

    def __post_init__(self) -> None:
        for name in ("pretraining_updates", "finetuning_updates", "starts", "targets"):
            if getattr(self, name) < 1:
                raise UsageError(
                    f"{name} is {getattr(self, name)}.",
                    "At least 1 was expected.",
                    "Leave the flag out for the scale's own number.",
                )

    @property
    def policy_config(self) -> PolicyConfig:
        """The preset."""
        return PolicyConfig.from_dict(self.config)

    def updates(self, group: Group) -> tuple[int, int]:
        """Updates of (pre-training, fine-tuning) of a method of that group.

        Joint training has the sum of both, so that no method sees more data than another.
        """
        before, after = self.pretraining_updates, self.finetuning_updates
        return {
            "zero-shot": (before, 0),
            "target only": (0, after),
            "joint": (before + after, 0),
            "pre-trained": (before, after),
            "ablation": (before, after),
        }[group]

    def differs(self, method: Method, budget: Budget, parameters: int) -> list[str]:
        """What of a row's measured budget is not that of its group, in words.

        Args:
            parameters: Of the preset's networks.
        """
        updates = sum(self.updates(method.group))
        expected = Budget(updates, updates * self.policy_config.training.batch_size, parameters)
        wanted = dataclasses.asdict(expected)
        return [
            f"{name} {found:,} instead of {wanted[name]:,}"
            for name, found in dataclasses.asdict(budget).items()
            if found != wanted[name]
        ]


def freeze_scale(folder: Path, scale: Scale) -> None:
    """Write the scale into a bench folder, or check that it is the one written there.

    Raises:
        UsageError: The folder was begun with another scale.
        RecordingError: Its file is damaged.
    """
    path = folder / SCALE_FILE
    if not path.exists():
        write_json(path, dataclasses.asdict(scale))
        return
    earlier = load_scale(folder)
    if earlier != scale:
        names = [field.name for field in dataclasses.fields(scale)]
        different = [name for name in names if getattr(earlier, name) != getattr(scale, name)]
        raise UsageError(
            f"{folder} was begun with other settings: {', '.join(different)} differ.",
            "All runs of one table share them.",
            "Choose another folder with `--out`, or the settings it was begun with.",
        )


def load_scale(folder: Path) -> Scale:
    """The scale of a bench folder.

    Raises:
        UsageError: Nothing was run there.
        RecordingError: Its file is damaged.
    """
    path = folder / SCALE_FILE
    if not path.exists():
        raise UsageError(
            f"{folder} holds no bench.",
            f"Its `{SCALE_FILE}` was expected.",
            "Run `python benchmarks/ptr_table.py --quick --out FOLDER` first.",
        )
    return Scale(**read_json(path))
