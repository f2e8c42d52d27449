"""Transitions to sample from: recorded data without copying it, and data that is still growing."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from policies.config import AlgorithmConfig
from policies.labelling import grasps, label_episode, next_toggles
from policies.normalise import normalise_actions
from policies.packed_episodes import TransitionData, by_lot, labelled_episodes
from policies.tasks import TaskSlots
from recordings.records import GRIPPER, ImageArray

LEAST_WEIGHT = 0.01


@dataclass(frozen=True)
class Batch:
    """Transitions as tensors on the CPU.

    Args:
        images, next_images: (B, S, S, 3) uint8; next_images is empty (0, ...) if not asked for.
        states, next_states: (B, 7) float32, see `recordings.records.STATE_NAMES`.
        actions: (B, 7) float32 in [-0.99, 0.99].
        rewards, discounts, returns: (B,) float32, see `policies.labelling`.
        tasks: (B,) int64 task slots.
        success: (B,) bool, the episode succeeded.
        toggles: (B, 3) float32, metres: where the gripper next opens or closes.
        toggle_known: (B,) bool.
        groups: (B,) int64, one number for all that may not be told apart by its looks: a place,
            or an episode where all share a place. See `AlgorithmConfig.cross_fit`.
        steps: (B,) int64, 0-based within the episode.
        rows: (B,) int64, where the buffer keeps the transitions.
        sources: (B,) int64, which buffer of a `Mixture` they are from.
    """

    images: torch.Tensor
    next_images: torch.Tensor
    states: torch.Tensor
    next_states: torch.Tensor
    actions: torch.Tensor
    rewards: torch.Tensor
    discounts: torch.Tensor
    returns: torch.Tensor
    tasks: torch.Tensor
    success: torch.Tensor
    toggles: torch.Tensor
    toggle_known: torch.Tensor
    groups: torch.Tensor
    steps: torch.Tensor
    rows: torch.Tensor
    sources: torch.Tensor

    def __len__(self) -> int:
        return len(self.actions)

    @staticmethod
    def join(batches: Sequence[Batch]) -> Batch:
        """One batch of several, in order."""
        if len(batches) == 1:
            return batches[0]
        return Batch(
            **{
                name: torch.cat([getattr(batch, name) for batch in batches])
                for name in Batch.__dataclass_fields__
            }
        )

    def map(self, change: Callable[[torch.Tensor], torch.Tensor]) -> Batch:
        """Every tensor passed through `change`, to move a batch to a device."""
        return Batch(**{name: change(getattr(self, name)) for name in Batch.__dataclass_fields__})


class Growing:
    """An array that grows along its first axis, doubling its room when it is full."""

    def __init__(self, values: npt.NDArray[Any]) -> None:
        self._room = values
        self._used = len(values)

    def __len__(self) -> int:
        return self._used

    @property
    def values(self) -> npt.NDArray[Any]:
        """The used part, not copied."""
        return self._room[: self._used]

    def extend(self, more: npt.NDArray[Any]) -> None:
        needed = self._used + len(more)
        if needed > len(self._room):
            room = np.empty((max(needed, 2 * len(self._room)), *more.shape[1:]), more.dtype)
            room[: self._used] = self.values
            self._room = room
        self._room[self._used : needed] = more
        self._used = needed


class ReplayBuffer:
    """Transitions of finished, labelled episodes, sampled uniformly.

    Data of the robot's own trials goes into a buffer of its own, made by `empty`: a buffer made
    from a packed dataset maps its file, and adding to it would copy the whole file into memory.
    """

    def __init__(self, image_size: int, algorithm: AlgorithmConfig) -> None:
        self.image_size = image_size
        self.algorithm = algorithm
        self._images = Growing(np.empty((0, image_size, image_size, 3), np.uint8))
        self._states = Growing(np.empty((0, 7), np.float32))
        self._columns = {
            "frame": Growing(np.empty(0, np.int64)),
            "next_frame": Growing(np.empty(0, np.int64)),
            "actions": Growing(np.empty((0, 7), np.float32)),
            "rewards": Growing(np.empty(0, np.float32)),
            "discounts": Growing(np.empty(0, np.float32)),
            "returns": Growing(np.empty(0, np.float32)),
            "tasks": Growing(np.empty(0, np.int64)),
            "steps": Growing(np.empty(0, np.int64)),
            "success": Growing(np.empty(0, np.bool_)),
            "toggles": Growing(np.empty((0, 3), np.float32)),
            "toggle_known": Growing(np.empty(0, np.bool_)),
            "groups": Growing(np.empty(0, np.int64)),
            "weights": Growing(np.empty(0, np.float32)),
        }
        self._successful = np.empty(0, np.int64)
        self._failed = np.empty(0, np.int64)
        self.episodes = 0

    @classmethod
    def empty(cls, image_size: int, algorithm: AlgorithmConfig) -> ReplayBuffer:
        """A buffer for `add_episode`."""
        return cls(image_size, algorithm)

    @classmethod
    def from_packed(
        cls, packed: TransitionData, slots: TaskSlots, algorithm: AlgorithmConfig, camera: str
    ) -> ReplayBuffer:
        """Wrap a packed dataset; pictures stay in its file. Unlabelled episodes are left out.

        Raises:
            RecordingError: The dataset lacks the camera, or has no labelled transition.
            CheckpointError: It has a task without a slot.
        """
        episodes = labelled_episodes(packed, camera)
        buffer = cls(packed.image_size, algorithm)
        buffer._images = Growing(packed.images[camera])
        buffer._states = Growing(packed.states)
        pieces = [
            buffer._describe(
                frame=np.asarray(packed.frame[start:end], np.int64),
                step=np.asarray(packed.step[start:end], np.int64),
                length=int(packed.length[start]),
                actions=np.asarray(packed.actions[start:end]),
                task=slots.slot(packed.tasks[packed.task[start]]),
                success=bool(packed.success[start]),
                group=group,
            )
            for start, end, group in zip(
                episodes.starts, episodes.ends, episodes.groups, strict=True
            )
        ]
        for name in buffer._columns:
            buffer._columns[name] = Growing(np.concatenate([piece[name] for piece in pieces]))
        buffer.episodes = len(pieces)
        buffer._note_outcomes()
        return buffer

    def __len__(self) -> int:
        return len(self._columns["frame"])

    @property
    def successful_transitions(self) -> int:
        """Number of transitions of successful episodes."""
        return len(self._successful)

    @property
    def episode_starts(self) -> npt.NDArray[np.int64]:
        """(episodes,) index of each episode's first transition."""
        return np.flatnonzero(self._columns["steps"].values == 0)

    @property
    def state_statistics(self) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
        """Mean and standard deviation of the states, (7,) each."""
        states = self._states.values[self._columns["frame"].values]
        return states.mean(axis=0), states.std(axis=0)

    def add_episode(
        self,
        images: ImageArray,
        states: npt.NDArray[np.floating],
        actions: npt.NDArray[np.floating],
        task: int,
        success: bool,
    ) -> None:
        """Append one finished episode of N steps.

        Args:
            images: (N+1, S, S, 3) uint8, already of the buffer's size.
            states: (N+1, 7), see `recordings.records.STATE_NAMES`.
            actions: (N, 7), sent to the arm, in its units.
            task: Task slot.
            success: Whether it succeeded.
        """
        steps = len(actions)
        assert len(images) == len(states) == steps + 1
        assert images.shape[1:] == (self.image_size, self.image_size, 3)
        first = len(self._images)
        self._images.extend(images)
        self._states.extend(states.astype(np.float32))
        piece = self._describe(
            frame=first + np.arange(steps),
            step=np.arange(steps),
            length=steps,
            actions=actions,
            task=task,
            success=success,
            group=by_lot(str(self.episodes)),
        )
        for name, column in self._columns.items():
            column.extend(piece[name])
        self.episodes += 1
        self._note_outcomes()

    def _note_outcomes(self) -> None:
        success = self._columns["success"].values
        self._successful, self._failed = np.flatnonzero(success), np.flatnonzero(~success)

    def sample(
        self,
        rng: np.random.Generator,
        count: int,
        *,
        only_success: bool = False,
        success_fraction: float | None = None,
        with_next: bool = True,
    ) -> Batch:
        """Draw transitions uniformly, with replacement.

        Args:
            rng: Decides; its state alone makes sampling repeatable.
            count: B.
            only_success: Draw from successful episodes only.
            success_fraction: This share from successful episodes, where there are both kinds, and
                half of the rest by the weights that `note_weights` keeps; None draws from all
                alike.
            with_next: Also gather the next pictures.
        """
        if only_success:
            indices = self._successful[rng.integers(len(self._successful), size=count)]
        elif success_fraction is not None and len(self._successful) and len(self._failed):
            wanted = round(success_fraction * count)
            evenly = (count - wanted + 1) // 2
            indices = np.concatenate(
                [
                    self._successful[rng.integers(len(self._successful), size=wanted)],
                    self._failed[rng.integers(len(self._failed), size=evenly)],
                    self._failed[self._by_weight(rng, count - wanted - evenly)],
                ]
            )
        else:
            indices = rng.integers(len(self), size=count)
        return self.gather(indices, with_next=with_next)

    def _by_weight(self, rng: np.random.Generator, count: int) -> npt.NDArray[np.int64]:
        """(count,) places in `_failed`, drawn by weight."""
        total = np.cumsum(self._columns["weights"].values[self._failed], dtype=np.float64)
        drawn = np.searchsorted(total, rng.uniform(0.0, total[-1], size=count), side="right")
        return np.minimum(drawn, len(total) - 1)

    def successful_steps(self, task: int) -> npt.NDArray[np.int64]:
        """Places of the transitions of a task's successful episodes, oldest first."""
        of_task: npt.NDArray[np.int64] = self._successful[
            self._columns["tasks"].values[self._successful] == task
        ]
        return of_task

    @property
    def weights(self) -> npt.NDArray[np.float32]:
        """(transitions,) how much each was cloned when it was last judged; 1 until then."""
        return self._columns["weights"].values

    def note_weights(self, rows: npt.NDArray[np.int64], weights: npt.NDArray[np.float32]) -> None:
        """Keep how much the transitions at `rows` (B,) are cloned, (B,) in 0..1."""
        # Never quite 0, so that a mistaken judgement is looked at again.
        self._columns["weights"].values[rows] = np.maximum(weights, LEAST_WEIGHT)

    def gather(self, indices: npt.NDArray[np.int64], *, with_next: bool = True) -> Batch:
        """The transitions at `indices`, (B,), each below `len(self)`."""
        rows = {
            name: column.values[indices]
            for name, column in self._columns.items()
            if name != "weights"
        }
        frame, next_frame = rows.pop("frame"), rows.pop("next_frame")
        images, states = self._images.values, self._states.values
        next_images = images[next_frame] if with_next else images[:0]
        return Batch(
            images=torch.from_numpy(np.ascontiguousarray(images[frame])),
            next_images=torch.from_numpy(np.array(next_images)),
            states=torch.from_numpy(np.asarray(states[frame], np.float32)),
            next_states=torch.from_numpy(np.asarray(states[next_frame], np.float32)),
            rows=torch.from_numpy(np.asarray(indices, np.int64)),
            sources=torch.zeros(len(indices), dtype=torch.int64),
            **{name: torch.from_numpy(np.asarray(values)) for name, values in rows.items()},
        )

    def _describe(
        self,
        *,
        frame: npt.NDArray[np.int64],
        step: npt.NDArray[np.int64],
        length: int,
        actions: npt.NDArray[np.floating],
        task: int,
        success: bool,
        group: int,
    ) -> dict[str, npt.NDArray[Any]]:
        """The columns of one episode, whose last transition may be missing."""
        labels = label_episode(
            # A failure is never terminal: its value goes on from what was last seen of it.
            length if success else int(step[-1]) + 1,
            success,
            discount=self.algorithm.discount,
            terminal_steps=self.algorithm.terminal_steps,
            n_step=self.algorithm.n_step,
        )
        count = len(frame)
        toggle_step, toggle_known = next_toggles(actions[:, GRIPPER])
        states = self._states.values
        if not success:
            # A failure toggles the gripper in the wrong place, but for a grasp that held.
            held = grasps(actions[:, GRIPPER], states[frame, GRIPPER])
            wanted = self.algorithm.toggles_of == "grasp"
            toggle_known = toggle_known & held[toggle_step] & wanted
        last_frame = frame[-1] + 1
        return {
            "frame": frame,
            "next_frame": np.minimum(frame[0] + labels.next_steps[step] - step[0], last_frame),
            "actions": normalise_actions(actions),
            "rewards": labels.rewards[step],
            "discounts": labels.discounts[step],
            "returns": labels.returns[step],
            "tasks": np.full(count, task, np.int64),
            "steps": step,
            "success": np.full(count, success, np.bool_),
            "toggles": np.asarray(states[frame[toggle_step], :3], np.float32),
            "toggle_known": toggle_known,
            "groups": np.full(count, group, np.int64),
            "weights": np.ones(count, np.float32),
        }
