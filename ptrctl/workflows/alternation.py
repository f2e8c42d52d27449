"""Which of two tasks that undo each other is practised next, and whether the arm needs its eyes.

After a success the arm knows by touch where the thing lies and where it came from, so that it can
do the other task from memory: the scene is as it was, and there is one more demonstration. The
policy tries whatever the arm does not know, and every few trials what it mostly can do.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from hardware.robot import WorkspaceBox
from policies.carrying import NAME, Carry, Places, places_of, somewhere_near
from policies.labelling import Hand, hand_of_episode
from recordings.reader import Episode
from recordings.records import GRIPPER, EpisodeInfo, FloatArray

POLICY_EVERY = 5
"""Trials after which the policy tries what the arm could do from memory, if it mostly succeeds."""
MOST_OVERLOOKED = 1
"""A thing that the hand put down, and that was not seen there more often in a row, is not there."""
PUT, TAKE = "put", "take"
"""Verbs of tasks that carry a thing, in Bridge's naming; what is taken ends anywhere around it.
Whatever else an arm grasps and lets go of, such as a door, it must not lift."""


def _verb(task: str) -> str:
    return task.split("_", maxsplit=1)[0]


def by_memory(info: EpisodeInfo) -> bool:
    """Whether the arm did it from memory, and not the policy."""
    return info.decided_by == NAME


@dataclass
class Alternation:
    """What is known of two tasks that undo each other, and of the thing between them.

    Args:
        task, backward: Their names.
        workspace: Of the arm.
        seed: Chooses where things are put down.
    """

    task: str
    backward: str
    workspace: WorkspaceBox
    seed: int
    _places: Places | None = None
    _lay: FloatArray | None = None
    """Where the policy let go of the thing, or found it, beside its container; (6,)."""
    _next: str = ""
    _carry: Carry | None = None
    _overlooked: int = 0
    """Trials from memory in a row that were no success, whatever the hand felt."""
    _tried: dict[str, list[bool]] = field(default_factory=dict)

    def saw(self, episode: Episode, success: bool) -> None:
        """Take up a finished trial."""
        task = episode.info.task
        if by_memory(episode.info):
            done = self._saw_memory(success) or success
        else:
            done = success
            self._saw_policy(episode, success)
        if done:
            self._next = self.backward if task == self.task else self.task

    def _saw_memory(self, success: bool) -> bool:
        """Whether the hand has put the thing down: it knows, whoever has overlooked it."""
        carry, self._carry = self._carry, None
        self._places = None
        self._overlooked = 0 if success else self._overlooked + 1
        if carry is None or not carry.carried:
            return False
        if self._overlooked <= MOST_OVERLOOKED:
            # What was meant, not what was measured: else each grasp would sink below the last.
            self._places = Places(carry.start, carry.goal)
        return True

    def _saw_policy(self, episode: Episode, success: bool) -> None:
        task, commands = episode.info.task, episode.sent_actions[:, GRIPPER]
        self._tried.setdefault(task, []).append(success)
        if success:
            self._overlooked = 0
            self._places = places_of(episode.states, commands)
            if self._places is not None:
                taken = _verb(task) == TAKE
                self._lay = self._places.let_go if taken else self._places.taken_from
        elif hand_of_episode(commands, episode.states[:, GRIPPER])[-1] != Hand.EMPTY:
            # Whatever it touched is no longer where it was.
            self._places = None

    def forget(self) -> None:
        """The scene has been changed by somebody else."""
        self._places = None

    def from_memory(self, trial: int) -> tuple[str, Carry | None] | None:
        """The task to do now and who does it, None for the policy; None if the arm knows nothing.

        Args:
            trial: 0-based.
        """
        if self._places is None or {_verb(self.task), _verb(self.backward)} != {PUT, TAKE}:
            return None
        if trial % POLICY_EVERY == POLICY_EVERY - 1 and self._rate(self._next) >= 0.5:
            return self._next, None
        start, goal = self._places.let_go, self._places.taken_from
        if _verb(self._next) == TAKE and self._lay is not None:
            rng = np.random.default_rng([self.seed, trial])
            box = self.workspace
            goal = somewhere_near(rng, self._lay, start, box.low_m, box.high_m)
        self._carry = Carry(start, goal)
        return self._next, self._carry

    @property
    def promising(self) -> str:
        """The task to lay the scene out for: of which the policy knows more, as far as it tried."""
        # Of equals the one that leaves the scene as the task needs it.
        return max((self.backward, self.task), key=self._rate)

    def _rate(self, task: str) -> float:
        """Success of the policy, one half before it has tried (Laplace's rule of succession)."""
        tried = self._tried.get(task, [])
        return (sum(tried) + 1) / (len(tried) + 2)
