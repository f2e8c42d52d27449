"""What the command lines of `ptrctl evaluate` and `ptrctl improve` say beyond the profile."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from ptrctl.next_command import changed
from ptrctl.plan import TrialPlan
from ptrctl.practice_plan import ImprovePlan
from ptrctl.rewards import RewardName

MAX_STEPS = 40
SELECTION_TRIALS = 20


@dataclass(frozen=True)
class SessionOptions:
    """What both say.

    Args:
        checkpoint: Its name; None takes the task's own, else the shipped one.
        trials: How many are scored, or practised.
        seed: Chooses the start states; seeds learning too.
        session: Name of the folder under trials/; None makes one from task and checkpoint.
        max_steps: Time limit in control periods.
        stop_hopeless: Give a trial up below this chance of success; None never does.
        realtime: Run a simulated arm at the pace of a real one.
    """

    checkpoint: str | None = None
    trials: int = 50
    seed: int = 0
    session: str | None = None
    max_steps: int = MAX_STEPS
    stop_hopeless: float | None = None
    realtime: bool = False

    def folder_name(self, plan: TrialPlan | ImprovePlan) -> str:
        """The folder's name; trials that may be given up have one of their own."""
        hopeless = "" if self.stop_hopeless is None else "-stop"
        return self.session or plan.session_name + hopeless

    def flags(self) -> dict[str, Any]:
        """Those that differ from their defaults."""
        return changed(self)

    def to_go_on(self) -> dict[str, Any]:
        """The flags as a plan keeps them, in JSON's types; the plan knows the checkpoint itself."""
        return {
            flag: [str(item) for item in value]
            if isinstance(value, tuple)
            else str(value)
            if isinstance(value, Path)
            else value
            for flag, value in self.flags().items()
            if flag != "checkpoint"
        }


@dataclass(frozen=True)
class EvaluateOptions(SessionOptions):
    """What `ptrctl evaluate` says.

    Args:
        compare: Session to pair with, "" for none.
    """

    compare: str = ""


@dataclass(frozen=True)
class ImproveOptions(SessionOptions):
    """What `ptrctl improve` says.

    Args:
        backward: Task that undoes the task; "" lays out the scene anew for every trial.
        learner: None keeps the checkpoint's.
        updates_per_trial: Learning steps after each trial.
        selection_trials: Scored trials of each candidate.
        noise_scale: Of exploration, in deviations that the policy has learned.
        prior: Folders of prior data; none takes the shipped rehearsal set, if there is one.
        reward: Who labels practice trials; None takes the simulator, or else the operator.
        examples: Folder of recordings that show the classifier how the task ends.
        accept_classifier: Let it drive practice however often it is wrong.
    """

    trials: int = 20
    backward: str = ""
    learner: Literal["bc", "ptr"] | None = None
    updates_per_trial: int = 50
    selection_trials: int = SELECTION_TRIALS
    noise_scale: float = 0.3
    prior: tuple[Path, ...] = ()
    reward: RewardName | None = None
    examples: Path | None = None
    accept_classifier: bool = False

    def flags(self) -> dict[str, Any]:
        """Those that differ from their defaults."""
        return changed(
            self,
            updates_per_trial="updates",
            selection_trials="selection",
            noise_scale="noise",
        )
