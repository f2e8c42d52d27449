"""How each row's configuration differs from the preset's. All the bench's settings are here.

A set of changes has the shape of `PolicyConfig.to_dict`; what is not named stays as in the preset.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from policies.config import PolicyConfig

Changes = Mapping[str, Mapping[str, Any]]

AS_PRESET: Changes = {}

# Learners.
CLONING: Changes = {"algorithm": {"learner": "bc", "bc_on": "success"}}
# Controls see the data as it is: the share of successes in a batch is PTR's.
AS_IT_IS: Mapping[str, Any] = {"success_fraction": None}
CLONING_ALL: Changes = {"algorithm": {"learner": "bc", "bc_on": "all"}, "training": AS_IT_IS}
CQL: Changes = {
    "algorithm": {"learner": "ptr", "extraction": "value", "cross_fit": False},
    "training": AS_IT_IS,
}
# With the preset's warm start the actor would only clone in all of so few updates.
CQL_ALONE: Changes = {**CQL, "algorithm": {**CQL["algorithm"], "bc_warm_start_steps": 0}}
# The authors' settings for tasks whose steps cost 1 like these (their AntMaze): exp(10 A).
IQL: Changes = {
    "algorithm": {"learner": "iql", "expectile": 0.9, "advantage_temperature": 0.1},
    "network": {"value_head": True},
    "training": AS_IT_IS,
}
# As in AWAC: all data, each action weighted by Q(s, a) - V(s) of plain critics; lambda = 1.
WEIGHTED_CLONING: Changes = {
    "algorithm": {
        "learner": "ptr",
        "extraction": "advantage",
        "baseline": "policy",
        "trust_success": False,
        "advantage_temperature": 1.0,
        "cross_fit": False,
        "cql_alpha": 0.0,
    },
    "training": AS_IT_IS,
}

# Ablations of PTR.
AVERAGE_POOLING: Changes = {"network": {"encoder": {"pooling": "average"}}}
NO_KEYPOINTS: Changes = {"network": {"encoder": {"keypoints": 0}}}
NO_PLACES: Changes = {"network": {"encoder": {"pooling": "average", "keypoints": 0}}}
ACTION_AT_FIRST_LAYER: Changes = {"network": {"critic_actions_at": "first layer"}}
GROUP_NORM: Changes = {"network": {"encoder": {"norm_groups": 4}}}
SMALLER_ENCODER: Changes = {"network": {"encoder": {"channels": [8, 32], "embedding": 128}}}
LARGER_ENCODER: Changes = {
    "network": {
        "encoder": {
            "channels": [32, 64, 128],
            "blocks": [1, 1, 1],
            "strides": [1, 2, 1],
        }
    }
}
LITTLE_TARGET_DATA: Changes = {"training": {"target_fraction": 0.1}}
MUCH_TARGET_DATA: Changes = {"training": {"target_fraction": 0.9}}
NO_CROSS_FITTING: Changes = {"algorithm": {"cross_fit": False}}
VALUE_EXTRACTION: Changes = {"algorithm": {"extraction": "value"}}


def changed(config: PolicyConfig, changes: Changes) -> PolicyConfig:
    """The configuration with some settings changed.

    Raises:
        CheckpointError: This version has no such setting.
        UsageError: A value is out of range.
    """
    return PolicyConfig.from_dict(_merged(config.to_dict(), changes))


def _merged(values: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(values)
    for name, change in changes.items():
        deeper = isinstance(change, Mapping) and isinstance(values.get(name), Mapping)
        merged[name] = _merged(values[name], change) if deeper else change
    return merged
