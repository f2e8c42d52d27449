"""The names, types and units of everything in a recording: the HDF5 schema, version 1.

`docs/recording-format.md` explains it in prose. F is the number of observations, N the number of
steps: F = N + 1 with a final observation, F = N without one (after a fault or an interruption).
"""

from __future__ import annotations

from dataclasses import dataclass

from recordings.records import ACTION_NAMES, STATE_NAMES

FORMAT_NAME = "ptrctl-recording"
SCHEMA_VERSION = 1

EPISODE_SUFFIX = ".h5"
JOURNAL_SUFFIX = ".partial"
LABEL_SUFFIX = ".label.json"
QUARANTINE_FOLDER = "quarantine"

CONTENT_HASH = "content_sha256"
"""Attribute: hash of all datasets and attributes but itself; see `episode_file.content_hash`."""

COPY_OF = "copy_of_sha256"
"""Attribute that only copies have, see `recordings.excerpt`: the `CONTENT_HASH` of the original."""

MAX_ATTRIBUTE_BYTES = 60_000
"""HDF5 keeps an attribute in its object's header, which holds 64 KiB."""

NOT_JUDGED = -1
"""In `score/success` and `score/stage`: nobody judged this step."""

IMAGES_GROUP = "images"
EXTRAS_GROUP = "extras"


@dataclass(frozen=True)
class Field:
    """One dataset.

    Args:
        dtype: NumPy type.
        shape: In words, with F, N as above.
        unit: Of every value; "" for none.
        columns: Names of the second axis.
        meaning: One line.
    """

    dtype: str
    shape: str
    unit: str
    meaning: str
    columns: tuple[str, ...] = ()


DATASETS: dict[str, Field] = {
    "state": Field("<f8", "(F, 7)", "m, rad, 1", "measured gripper pose, base frame", STATE_NAMES),
    "action": Field("<f8", "(N, 7)", "m, rad, 1", "wanted by the decider", ACTION_NAMES),
    "sent_action": Field(
        "<f8", "(N, 7)", "m, rad, 1", "really sent, after the safety envelope", ACTION_NAMES
    ),
    "observed_s": Field("<f8", "(F,)", "s", "when the observation was complete"),
    "decided_s": Field("<f8", "(N,)", "s", "when the decision was ready"),
    "applied_s": Field("<f8", "(N,)", "s", "when the command had been handed to the robot"),
    "overrun_s": Field("<f8", "(N,)", "s", "how late the period began; 0 if on time"),
    "paused_periods": Field(
        "<i4", "(F,)", "periods", "control periods paused just before the observation"
    ),
    "interventions": Field(
        "|b1", "(N, K)", "", "whether a safety rule changed the action; columns in attribute names"
    ),
    "score/success": Field("|i1", "(N,)", "", "1 criterion holds, 0 not, -1 not judged"),
    "score/progress": Field("<f8", "(N,)", "1", "0..1; NaN where not judged"),
    "score/stage": Field("<i2", "(N,)", "", "index into attribute names; -1 where not judged"),
}
"""Datasets that every recording has."""

CAMERA_DATASETS: dict[str, Field] = {
    "encoded": Field("|u1", "(B,)", "", "all pictures, encoded, one after the other"),
    "offsets": Field("<i8", "(F+1,)", "bytes", "picture i is encoded[offsets[i]:offsets[i+1]]"),
    "captured_s": Field("<f8", "(F,)", "s", "when the sensor took the picture"),
    "arrived_s": Field("<f8", "(F,)", "s", "when the recording process had the picture"),
}
"""Datasets of each group `images/<camera>`; its attributes are codec, height and width."""

EXTRA_FIELD = Field("<f8", "(N,)", "", "a scalar kept per step; NaN where missing")
"""Each dataset `extras/<name>`."""

ATTRIBUTES: dict[str, str] = {
    "format": f'always "{FORMAT_NAME}"',
    "schema_version": "integer",
    "episode_id": "unique, sortable by time",
    "kind": "demo, trial or improve",
    "task": "the task's name",
    "robot": "JSON object: the arm's kind and identity",
    "cameras": "JSON object: camera name to identity and picture size",
    "control_rate_hz": "steps a second",
    "decided_by": "who acted: keyboard or another device, scripted, memory, "
    "policy:<checkpoint digest>",
    "seed": "JSON: the start state's seed in simulation, or null",
    "scene": "JSON object: what is known of the scene",
    "code_version": "version of ptrctl",
    "created_at": "UTC, ISO 8601",
    "steps": "N",
    "end_reason": "success, time_limit, decider_done, operator_stop or fault",
    "fault": "the fault in words; empty if none",
    "overruns": "number of periods that began late",
    "worst_overrun_s": "the latest of them, seconds",
    "intervention_counts": "JSON object: safety rule to number of steps",
    "final_score": "JSON object success, progress, stage; or null where nobody judged",
    "duration_s": "first observation to end, seconds",
    "has_final_observation": "whether F = N + 1",
    "recovered": "whether the file was put together after an interruption",
    "label_outcome": "success, failure or unlabelled; a label file beside the recording wins",
    "label_reason": "free text or a tag",
    "label_by": "operator, simulator, classifier, meter (given up as hopeless) or empty",
    CONTENT_HASH: "SHA-256 of all datasets and all other attributes, hexadecimal",
}
"""Attributes of the root group."""
