"""An episode as its journal tells it, before it becomes a recording."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from recordings.codec import ImageCodec
from recordings.errors import RecordingError
from recordings.journal import Entry
from recordings.json_form import (
    Json,
    end_from_json,
    end_to_json,
    info_from_json,
    info_to_json,
    label_from_json,
    label_to_json,
    score_from_json,
    score_to_json,
)
from recordings.records import (
    EndReason,
    EpisodeEnd,
    EpisodeInfo,
    ImageArray,
    Label,
    Observation,
    Score,
    Step,
)
from recordings.schema import SCHEMA_VERSION

INTERRUPTED = "interrupted"
"""The fault of an episode whose recording was cut off."""


@dataclass(frozen=True)
class EncodedFrame:
    """One picture, encoded, with its times in seconds."""

    encoded: bytes
    captured_s: float
    arrived_s: float


@dataclass(frozen=True)
class ObservationDraft:
    """An observation with encoded pictures.

    Args:
        frames: By camera.
        state: 7 numbers.
        time_s: When it was complete.
        paused_periods: Control periods paused just before it.
    """

    frames: dict[str, EncodedFrame]
    state: list[float]
    time_s: float
    paused_periods: int


@dataclass(frozen=True)
class StepDraft:
    """A `Step` with an encoded observation; same field names, plain lists."""

    observation: ObservationDraft
    action: list[float]
    sent_action: list[float]
    interventions: list[str]
    decided_s: float
    applied_s: float
    overrun_s: float
    score: Score | None
    extras: dict[str, float]


@dataclass(frozen=True)
class CameraFormat:
    """How a camera's pictures are stored."""

    codec: ImageCodec
    height: int
    width: int


@dataclass(frozen=True)
class EpisodeDraft:
    """Everything that goes into a recording.

    Args:
        info: Known before the first step.
        cameras: Camera name to its format.
        steps: N of them.
        final: The final observation, if there is one.
        end: Its `final_observation` is None; `final` holds it.
        label: Unlabelled if none had been given.
        recovered: Put together after an interruption.
    """

    info: EpisodeInfo
    cameras: dict[str, CameraFormat]
    steps: tuple[StepDraft, ...]
    final: ObservationDraft | None
    end: EpisodeEnd
    label: Label
    recovered: bool

    @property
    def observations(self) -> list[ObservationDraft]:
        """F of them: each step's, and the final one."""
        seen = [step.observation for step in self.steps]
        return seen if self.final is None else [*seen, self.final]


def begin_entry(info: EpisodeInfo, codec: ImageCodec) -> Json:
    """Fields of the entry "info"."""
    return {"schema_version": SCHEMA_VERSION, "codec": codec, "info": info_to_json(info)}


def observation_entry(
    observation: Observation, encode: Callable[[ImageArray], bytes]
) -> tuple[Json, bytes]:
    """Fields and data for an observation; data is its encoded pictures in the order of fields."""
    encoded = {camera: encode(frame.image) for camera, frame in observation.frames.items()}
    frames = [
        {
            "camera": camera,
            "bytes": len(encoded[camera]),
            "height": frame.image.shape[0],
            "width": frame.image.shape[1],
            "captured_s": frame.captured_s,
            "arrived_s": frame.arrived_s,
        }
        for camera, frame in observation.frames.items()
    ]
    fields = {"frames": frames, "state": observation.state, "time_s": observation.time_s}
    return fields, b"".join(encoded.values())


def step_entry(step: Step, encode: Callable[[ImageArray], bytes]) -> tuple[Json, bytes]:
    """Fields and data of the entry "step"."""
    observation, data = observation_entry(step.observation, encode)
    return {
        "observation": observation,
        "action": step.action,
        "sent_action": step.sent_action,
        "interventions": step.interventions,
        "decided_s": step.decided_s,
        "applied_s": step.applied_s,
        "overrun_s": step.overrun_s,
        "score": score_to_json(step.score),
        "extras": dict(step.extras),
    }, data


def end_entry(end: EpisodeEnd, encode: Callable[[ImageArray], bytes]) -> tuple[Json, bytes]:
    """Fields and data of the entry "end"."""
    observation, data = None, b""
    if end.final_observation is not None:
        observation, data = observation_entry(end.final_observation, encode)
    return {"end": end_to_json(end), "observation": observation}, data


def label_entry(label: Label) -> Json:
    """Fields of the entry "label"."""
    return {"label": label_to_json(label)}


def draft_from_entries(path: Path, entries: Sequence[Entry], *, recovered: bool) -> EpisodeDraft:
    """Put a journal's entries together.

    Without an entry "end" the episode was cut off: a fault without a final observation. Without
    an entry "label" it is unlabelled.

    Args:
        path: For messages.
        entries: From `read_journal`.
        recovered: Stored in the recording.

    Raises:
        RecordingError: There is no step, or the journal is of an unknown version.
    """
    if not entries or entries[0].kind != "info":
        raise RecordingError(f"{path.name} holds nothing that can be read.")
    begin = entries[0].fields
    if begin["schema_version"] != SCHEMA_VERSION:
        raise RecordingError(
            f"{path.name} has version {begin['schema_version']}.",
            f"This ptrctl writes version {SCHEMA_VERSION}.",
            "Recover it with the ptrctl that recorded it.",
        )
    cameras: dict[str, CameraFormat] = {}
    steps: list[StepDraft] = []
    final: ObservationDraft | None = None
    end: EpisodeEnd | None = None
    label = Label()
    paused = 0
    for entry in entries[1:]:
        if entry.kind == "pause":
            paused += 1
        elif entry.kind == "step":
            steps.append(_step(entry, paused))
            paused = 0
            cameras = cameras or _formats(entry.fields["observation"], begin["codec"])
        elif entry.kind == "end":
            end = end_from_json(entry.fields["end"])
            if entry.fields["observation"] is not None:
                final = _observation(entry.fields["observation"], entry.data, paused)
        else:
            label = label_from_json(entry.fields["label"])
    if not steps:
        raise RecordingError(f"{path.name} ends before the first step.")
    return EpisodeDraft(
        info=info_from_json(begin["info"]),
        cameras=cameras,
        steps=tuple(steps),
        final=final,
        end=_interrupted(steps) if end is None else replace(end, steps=len(steps)),
        label=label,
        recovered=recovered,
    )


def _observation(fields: dict[str, Any], data: bytes, paused_periods: int) -> ObservationDraft:
    frames: dict[str, EncodedFrame] = {}
    position = 0
    for frame in fields["frames"]:
        after = position + frame["bytes"]
        frames[frame["camera"]] = EncodedFrame(
            data[position:after], frame["captured_s"], frame["arrived_s"]
        )
        position = after
    return ObservationDraft(frames, fields["state"], fields["time_s"], paused_periods)


def _step(entry: Entry, paused_periods: int) -> StepDraft:
    fields = entry.fields
    return StepDraft(
        observation=_observation(fields["observation"], entry.data, paused_periods),
        action=fields["action"],
        sent_action=fields["sent_action"],
        interventions=fields["interventions"],
        decided_s=fields["decided_s"],
        applied_s=fields["applied_s"],
        overrun_s=fields["overrun_s"],
        score=score_from_json(fields["score"]),
        extras=fields["extras"],
    )


def _formats(observation: dict[str, Any], codec: ImageCodec) -> dict[str, CameraFormat]:
    return {
        frame["camera"]: CameraFormat(codec, frame["height"], frame["width"])
        for frame in observation["frames"]
    }


def _interrupted(steps: Sequence[StepDraft]) -> EpisodeEnd:
    interventions = Counter(name for step in steps for name in step.interventions)
    return EpisodeEnd(
        reason=EndReason.FAULT,
        final_observation=None,
        fault=INTERRUPTED,
        steps=len(steps),
        overruns=sum(step.overrun_s > 0 for step in steps),
        worst_overrun_s=max(step.overrun_s for step in steps),
        interventions=dict(interventions),
        final_score=steps[-1].score,
        duration_s=steps[-1].applied_s - steps[0].observation.time_s,
    )
