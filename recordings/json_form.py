"""The plain records as JSON values and back."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import numpy as np

from recordings.records import (
    EndReason,
    EpisodeEnd,
    EpisodeInfo,
    Label,
    Outcome,
    Score,
)

Json = dict[str, Any]


def to_json(value: object) -> str:
    """JSON text with sorted keys; NumPy numbers and arrays become numbers and lists."""
    return json.dumps(value, default=_plain, sort_keys=True)


def _plain(value: object) -> object:
    if isinstance(value, np.generic | np.ndarray):
        return value.tolist()
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"{type(value).__name__} does not fit into JSON")


def info_to_json(info: EpisodeInfo) -> Json:
    """Every field of an `EpisodeInfo`."""
    return {name: getattr(info, name) for name in EpisodeInfo.__dataclass_fields__}


def info_from_json(value: Json) -> EpisodeInfo:
    """Inverse of `info_to_json`."""
    return EpisodeInfo(**value)


def score_to_json(score: Score | None) -> Json | None:
    """Every field of a `Score`."""
    return None if score is None else asdict(score)


def score_from_json(value: Json | None) -> Score | None:
    """Inverse of `score_to_json`."""
    return None if value is None else Score(**value)


def end_to_json(end: EpisodeEnd) -> Json:
    """Every field of an `EpisodeEnd` but the final observation."""
    return {
        "reason": end.reason.value,
        "fault": end.fault,
        "steps": end.steps,
        "overruns": end.overruns,
        "worst_overrun_s": end.worst_overrun_s,
        "interventions": dict(end.interventions),
        "final_score": score_to_json(end.final_score),
        "duration_s": end.duration_s,
    }


def end_from_json(value: Json) -> EpisodeEnd:
    """Inverse of `end_to_json`; the final observation is None."""
    return EpisodeEnd(
        reason=EndReason(value["reason"]),
        final_observation=None,
        fault=value["fault"],
        steps=value["steps"],
        overruns=value["overruns"],
        worst_overrun_s=value["worst_overrun_s"],
        interventions=value["interventions"],
        final_score=score_from_json(value["final_score"]),
        duration_s=value["duration_s"],
    )


def label_to_json(label: Label) -> Json:
    """Every field of a `Label`."""
    return {
        "outcome": label.outcome.value,
        "reason": label.reason,
        "labelled_by": label.labelled_by,
    }


def label_from_json(value: Json) -> Label:
    """Inverse of `label_to_json`."""
    return Label(Outcome(value["outcome"]), value["reason"], value["labelled_by"])
