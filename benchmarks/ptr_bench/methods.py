"""The rows of the table: what each method is trained on, with what, and for how long."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from benchmarks.ptr_bench import configs
from benchmarks.ptr_bench.configs import Changes
from benchmarks.ptr_bench.regimes import NO_PRIOR, REGIMES
from recordings.errors import UsageError, nearest

Group = Literal["zero-shot", "target only", "joint", "pre-trained", "ablation"]

EVERY_REGIME = tuple(REGIMES)
MIXED = ("mixed",)
WITHOUT_PRIOR = (NO_PRIOR,)


@dataclass(frozen=True)
class Method:
    """One row. Rows of a group have equal budgets.

    Args:
        name: For the command line and the results.
        title: For the table.
        group: Which budget it has, see `scale.Scale.updates`.
        pretraining: Changes to the preset; None without pre-training. A joint method trains on
            prior data and the demonstrations of all targets at once.
        finetuning: Likewise, on a target's demonstrations, mixed with the pre-training's data.
        regimes: Prior data that it is run with. `NO_PRIOR` for methods without any.
    """

    name: str
    title: str
    group: Group
    pretraining: Changes | None
    finetuning: Changes | None
    regimes: tuple[str, ...] = EVERY_REGIME

    @property
    def joint(self) -> bool:
        """Learns prior data and all targets in one training from random weights."""
        return self.group == "joint"


def _ablation(name: str, title: str, changes: Changes) -> Method:
    return Method(name, title, "ablation", changes, changes, MIXED)


PTR = "ptr"
"""The method that the others are compared with."""

METHODS: tuple[Method, ...] = (
    Method("zero_shot", "PTR, zero-shot", "zero-shot", configs.AS_PRESET, None),
    Method("bc_target", "BC, ten demos alone", "target only", None, configs.CLONING, WITHOUT_PRIOR),
    Method(
        "cql_target", "CQL, ten demos alone", "target only", None, configs.CQL_ALONE, WITHOUT_PRIOR
    ),
    Method("iql_target", "IQL, ten demos alone", "target only", None, configs.IQL, WITHOUT_PRIOR),
    Method("bc_joint", "BC, joint from scratch", "joint", configs.CLONING, None),
    Method("cql_joint", "CQL, joint from scratch", "joint", configs.CQL, None),
    Method("bc", "BC on successes, fine-tuned", "pre-trained", configs.CLONING, configs.CLONING),
    # In the clean regime all episodes are successes: it would be the same row twice.
    Method(
        "bc_all",
        "BC on all data, fine-tuned",
        "pre-trained",
        configs.CLONING_ALL,
        configs.CLONING_ALL,
        MIXED,
    ),
    Method("iql", "IQL, fine-tuned", "pre-trained", configs.IQL, configs.IQL),
    Method(
        "awbc",
        "advantage-weighted BC, fine-tuned",
        "pre-trained",
        configs.WEIGHTED_CLONING,
        configs.WEIGHTED_CLONING,
    ),
    Method(PTR, "PTR", "pre-trained", configs.AS_PRESET, configs.AS_PRESET),
    _ablation("ptr_pooling", "PTR, average pooling", configs.AVERAGE_POOLING),
    _ablation("ptr_no_keypoints", "PTR, no keypoints", configs.NO_KEYPOINTS),
    _ablation("ptr_average", "PTR, average pooling, no keypoints", configs.NO_PLACES),
    _ablation(
        "ptr_first_layer", "PTR, action and embedding at first layer", configs.ACTION_AT_FIRST_LAYER
    ),
    _ablation("ptr_group_norm", "PTR, GroupNorm", configs.GROUP_NORM),
    _ablation("ptr_small", "PTR, smaller encoder", configs.SMALLER_ENCODER),
    _ablation("ptr_large", "PTR, larger encoder", configs.LARGER_ENCODER),
    # The mixing ratio means nothing before fine-tuning: these share PTR's pre-training.
    Method(
        "ptr_mix_10",
        "PTR, target share 0.1",
        "ablation",
        configs.AS_PRESET,
        configs.LITTLE_TARGET_DATA,
        MIXED,
    ),
    Method(
        "ptr_mix_90",
        "PTR, target share 0.9",
        "ablation",
        configs.AS_PRESET,
        configs.MUCH_TARGET_DATA,
        MIXED,
    ),
    _ablation("ptr_no_cross_fit", "PTR, no cross-fitting", configs.NO_CROSS_FITTING),
    _ablation("ptr_value", "PTR, value extraction", configs.VALUE_EXTRACTION),
)


def choose_methods(names: Sequence[str] | None) -> tuple[Method, ...]:
    """All methods, or those named.

    Raises:
        UsageError: There is no such method.
    """
    if names is None:
        return METHODS
    known = {method.name: method for method in METHODS}
    for name in names:
        if name not in known:
            near = nearest(name, known)
            raise UsageError(
                f"There is no method `{name}`.",
                f"Known: {', '.join(known)}.",
                f"Choose one with `--methods {near[0] if near else PTR}`.",
            )
    return tuple(method for method in METHODS if method.name in names)
