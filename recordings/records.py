"""The plain records that hardware, recordings, policies and ptrctl share.

Conventions (Bridge, as in PTR):

* state (7,): x, y, z in metres in the arm's base frame; roll, pitch, yaw in radians, relative to
  the gripper pointing straight down; gripper opening 0 (closed) .. 1 (open).
* action (7,): displacement of the gripper over one control period, x, y, z within +-0.05 m,
  roll, pitch, yaw within +-0.25 rad, axes of the base frame; then the *absolute* gripper opening
  wanted, 0..1.
* times: seconds of one monotonic clock; `time.monotonic()` on a robot, simulated time when the
  simulator runs as fast as it can.

Source: rail-berkeley/bridge_data_robot, widowx_envs (action space, state and rotation reference).
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]
ImageArray = npt.NDArray[np.uint8]

STATE_NAMES = ("x_m", "y_m", "z_m", "roll_rad", "pitch_rad", "yaw_rad", "gripper")
ACTION_NAMES = ("dx_m", "dy_m", "dz_m", "droll_rad", "dpitch_rad", "dyaw_rad", "gripper")
STATE_SIZE = len(STATE_NAMES)
ACTION_SIZE = len(ACTION_NAMES)
GRIPPER = 6
"""Index of the gripper in both state and action."""

ACTION_LOW: FloatArray = np.array([-0.05] * 3 + [-0.25] * 3 + [0.0])
ACTION_HIGH: FloatArray = np.array([0.05] * 3 + [0.25] * 3 + [1.0])
CONTROL_RATE_HZ = 5.0


def hold_action(gripper: float) -> FloatArray:
    """The action that asks for no motion and keeps the gripper where it is, (7,)."""
    action = np.zeros(ACTION_SIZE)
    action[GRIPPER] = gripper
    return action


class Outcome(enum.Enum):
    """What became of an episode. Silence is `UNLABELLED`, never success."""

    SUCCESS = "success"
    FAILURE = "failure"
    UNLABELLED = "unlabelled"


@dataclass(frozen=True)
class Label:
    """An outcome with its reason and its source.

    Args:
        outcome: Success, failure or not labelled.
        reason: Free text or a tag ("missed_grasp"); empty for none.
        labelled_by: "operator", "simulator", "classifier", "meter" (given up as hopeless), or ""
            while unlabelled.
    """

    outcome: Outcome = Outcome.UNLABELLED
    reason: str = ""
    labelled_by: str = ""


@dataclass(frozen=True)
class Frame:
    """One camera picture.

    Args:
        image: (H, W, 3) uint8, RGB.
        captured_s: When the sensor took it.
        arrived_s: When this process had it.
    """

    image: ImageArray
    captured_s: float
    arrived_s: float


@dataclass(frozen=True)
class Observation:
    """What is known at the start of a control period.

    Args:
        frames: Camera name to its newest picture.
        state: (7,) float64, see `STATE_NAMES`.
        time_s: When the observation was complete.
    """

    frames: Mapping[str, Frame]
    state: FloatArray
    time_s: float


@dataclass(frozen=True)
class Decision:
    """What to do next.

    Args:
        action: (7,) float64.
        done: The decider has finished; the episode ends before this action.
        extras: Scalars to keep with the step (value estimates).
    """

    action: FloatArray
    done: bool = False
    extras: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Score:
    """How far a task has come, judged from ground truth (simulator) or by a classifier.

    Args:
        success: The task's criterion holds now.
        progress: 0..1; reached 0.25, grasped 0.5, moved 0.75, placed 1.
        stage: The name of the furthest stage reached ("nothing", "reached", "grasped",
            "moved", "placed").
    """

    success: bool
    progress: float
    stage: str = ""


@dataclass(frozen=True)
class Step:
    """One control period: what was seen, what was wanted, what was sent.

    Args:
        index: 0-based within the episode.
        observation: Seen before deciding.
        action: (7,) float64, wanted by the teleoperator or policy.
        sent_action: (7,) float64, really sent, after the safety envelope.
        interventions: Names of the safety rules that changed the action ("step_clamp", ...).
        decided_s: When the decision was ready.
        applied_s: When the command had been handed to the robot.
        overrun_s: How late this period began, 0 if on time.
        score: Judged *after* the action took effect; None where nobody judges.
        extras: Further scalars to keep per step (a policy's value estimate, say).
    """

    index: int
    observation: Observation
    action: FloatArray
    sent_action: FloatArray
    interventions: tuple[str, ...] = ()
    decided_s: float = 0.0
    applied_s: float = 0.0
    overrun_s: float = 0.0
    score: Score | None = None
    extras: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class EpisodeInfo:
    """What is known about an episode before its first step.

    Args:
        episode_id: Unique, sortable by time, safe as a file name.
        kind: "demo", "trial" (evaluate) or "improve".
        task: The task's name ("put_carrot_on_plate").
        robot: The arm's kind and identity ({"name": "sim-wx250s", "serial": ...}).
        cameras: Camera name to identity and picture size ({"kind":, "serial":, "height":, ...}).
        control_rate_hz: Steps a second.
        decided_by: Who acts: "keyboard" or another device, "scripted", "memory", or
            "policy:<checkpoint digest>".
        seed: Start state's seed in simulation, None on hardware.
        scene: What is known of the scene (simulator: kitchen seed; hardware: operator's words).
        code_version: Version of ptrctl.
        created_at: UTC, ISO 8601.
        copy_of: Of a smaller copy the content hash of its original, else empty.
    """

    episode_id: str
    kind: str
    task: str
    robot: Mapping[str, Any]
    cameras: Mapping[str, Mapping[str, Any]]
    control_rate_hz: float
    decided_by: str
    seed: int | None = None
    scene: Mapping[str, Any] = field(default_factory=dict)
    code_version: str = ""
    created_at: str = ""
    copy_of: str = ""

    @property
    def embodiment(self) -> str:
        """The arm as a policy feels it, whatever drove it; early recordings only name the arm."""
        return str(self.robot.get("embodiment", self.robot.get("name", "")))


class EndReason(enum.Enum):
    """Why an episode ended."""

    SUCCESS = "success"
    TIME_LIMIT = "time_limit"
    DECIDER_DONE = "decider_done"
    OPERATOR_STOP = "operator_stop"
    FAULT = "fault"


@dataclass(frozen=True)
class EpisodeEnd:
    """What is known after an episode's last step.

    Args:
        reason: Why it ended.
        final_observation: Seen after the last action took effect; None after a fault.
        fault: The fault in words, empty if none.
        steps: Number of steps.
        overruns: Number of periods that began late.
        worst_overrun_s: The latest of them.
        interventions: Safety rule to the number of steps in which it acted.
        final_score: The last score, None where nobody judges.
        duration_s: First observation to end.
    """

    reason: EndReason
    final_observation: Observation | None
    fault: str = ""
    steps: int = 0
    overruns: int = 0
    worst_overrun_s: float = 0.0
    interventions: Mapping[str, int] = field(default_factory=dict)
    final_score: Score | None = None
    duration_s: float = 0.0
