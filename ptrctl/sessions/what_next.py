"""What to type after training, scored trials and practice."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ptrctl.files import read_json
from ptrctl.next_command import next_command, scene_flags
from ptrctl.plan import PLAN_FILE, PRACTICE_FOLDER, TrialPlan, session_name
from ptrctl.practice_plan import PRACTICE, ImprovePlan
from ptrctl.profile import Profile
from ptrctl.sessions.session_options import EvaluateOptions
from ptrctl.trials import TrialLog, TrialSummary, counted_trials, load_summary
from ptrctl.workspace import Workspace
from recordings.dataset import EpisodeFolder
from recordings.errors import RecordingError
from recordings.reader import read_summary
from recordings.records import Outcome

if TYPE_CHECKING:
    from policies.checkpoint import Checkpoint

MORE = 10
"""Demonstrations that are asked for beside those that did not teach the task."""


@dataclass(frozen=True)
class Place:
    """Where a task is done.

    Args:
        workspace: Whose recordings, checkpoints and trials.
        task: What is done.
        kitchen_seed: Of the simulated kitchen; None on hardware.
        flags: What to type for it beside the task, where the profile says something else.
    """

    workspace: Workspace
    task: str
    kitchen_seed: int | None
    flags: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, plan: TrialPlan | ImprovePlan, workspace: Workspace, profile: Profile) -> Place:
        """Where a plan's trials are."""
        return cls(workspace, plan.task, plan.kitchen_seed, scene_flags(profile))

    def session_name(self, digest: str) -> str:
        """The name of the scored trials of a policy.

        Args:
            digest: Of its checkpoint.
        """
        return session_name(self.task, self.kitchen_seed, digest)

    def command(self, name: str, **flags: object) -> str:
        """The command with which something is done here."""
        return next_command(name, self.workspace, task=self.task, **self.flags, **flags)


def after_evaluation(
    place: Place, checkpoint: Checkpoint, plan: TrialPlan, options: EvaluateOptions, complete: bool
) -> str:
    """Go on; or practise what the policy has learned; or show it more; or teach it the task."""
    if not complete:
        return place.command("evaluate", **{**options.flags(), "checkpoint": plan.checkpoint})
    if plan.task in checkpoint.info.tasks.names:
        done, begun = _practised(place, plan.checkpoint_digest)
        if done:
            return more_demonstrations(place)
        return place.command("improve", **{**begun, "checkpoint": plan.checkpoint})
    if _successes(place):
        return next_command("finetune", place.workspace, task=plan.task)
    return place.command("record")


def next_evaluation(place: Place, called: str, digest: str) -> str:
    """Score a checkpoint, or go on scoring it; more demonstrations where that is done.

    Args:
        place: Where.
        called, digest: Of the checkpoint; "" is what the task's name stands for.
    """
    there = _scored(place, digest)
    if there is None:
        return place.command("evaluate", checkpoint=called)
    if there.complete:
        return more_demonstrations(place)
    # They go on only with the flags that they were begun with.
    return place.command("evaluate", **{**there.plan.begun_with, "checkpoint": called})


def more_demonstrations(place: Place) -> str:
    """How to record ten more of the task than there are."""
    there = _successes(place)
    return place.command("record", episodes=there + MORE if there else None)


def _practised(place: Place, digest: str) -> tuple[bool, Mapping[str, Any]]:
    """Whether a practice of the policy's has had all its trials: it would not be begun again; and
    the flags with which one that was begun goes on."""
    begun: Mapping[str, Any] = {}
    practices = f"{PRACTICE}{place.session_name(digest)}*/{PLAN_FILE}"
    for frozen in sorted(place.workspace.trials("").glob(practices)):
        # A plan that somebody has edited costs no result.
        with contextlib.suppress(RecordingError, TypeError):
            done = counted_trials(TrialLog(frozen.parent / PRACTICE_FOLDER).records)
            practice = read_json(frozen)
            if len(done) >= practice.get("trials", 0):
                return True, {}
            begun = begun or dict(practice.get("begun_with", {}))
    return False, begun


def _scored(place: Place, digest: str) -> TrialSummary | None:
    """A policy's trials in a place; None if they have not begun, or cannot be read."""
    folder = place.workspace.trials(place.session_name(digest))
    if not (folder / PLAN_FILE).exists():
        return None
    try:
        return load_summary(folder)
    except RecordingError:
        return None


def _successes(place: Place) -> int:
    folder = place.workspace.demos(place.task)
    count = 0
    for path in EpisodeFolder(folder).paths() if folder.is_dir() else ():
        # A damaged recording costs no result: who records or learns next says what is wrong.
        with contextlib.suppress(RecordingError):
            count += read_summary(path).label.outcome is Outcome.SUCCESS
    return count
