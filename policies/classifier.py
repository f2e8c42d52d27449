"""Has the task been done? A classifier of pictures, for labelling trials without a person.

Source: Asap7772/PTR, jaxrl2/agents/reward_classifier; logits are ours, since the sigmoid's
logarithm there is numerically unsafe. It sees no proprioception, or it would learn where the arm
stands when an episode ends. Its encoder starts as the policy's. Pre-trained on many tasks, it has
seen what tells a thing in its place from a thing beside it before it sees ten demonstrations.

One thing the arm feels it may know: a hand above the plate hides whether anything lies there. Where
the gripper has held something in nearly every known success, none is believed before; where it has
let go again, none is believed while it is told to hold.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from policies.augment import augment, to_planes
from policies.config import NetworkConfig, Precision, TrainingConfig
from policies.encoders import Encoder
from policies.labelled_pictures import (
    DONE,
    NOT_DONE,
    PICTURES_OF_SUCCESS,
    UNSURE_PICTURES,
    LabelledPictures,
)
from policies.labelling import Hand, HandMemory
from policies.memory import keep_freed_memory, lay_out_convolutions
from policies.networks import PolicyNetworks
from policies.precision import mixed_precision
from recordings.errors import RecordingError
from recordings.images import resize_image
from recordings.records import STATE_SIZE, ImageArray

THRESHOLD = 0.7
"""Success is believed from this probability on, in two consecutive pictures."""

UNCERTAIN = 0.3
"""From here up to the threshold nobody should rely on the answer."""

STEPS = 300
RATE = 1e-3
ENCODER_RATE = 1e-4
PRETRAINING_STEPS = 4000
PRETRAINING_ENCODER_RATE = 3e-4
LAST_PICTURES = 8
"""Of what comes before a success, the hardest to tell from it."""
_HIDDEN = 128
_BATCH = 64
_AT_ONCE = 256


class SuccessClassifier(nn.Module):
    """Probability that a picture shows the task done.

    Args:
        config: Of the policy whose encoder and task embeddings it begins with.
    """

    task_table: Tensor
    hands: Tensor

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        self.config = config
        task_size = config.task_embedding or config.task_slots
        self.register_buffer("task_table", torch.zeros(config.task_slots, task_size))
        hands = torch.full((config.task_slots,), Hand.EMPTY, dtype=torch.int8)
        self.register_buffer("hands", hands)
        self.encoder = Encoder(config.encoder, config.image_size, task_size + STATE_SIZE)
        self.head = nn.Sequential(
            nn.Linear(config.encoder.embedding + task_size, _HIDDEN),
            nn.ReLU(),
            nn.Linear(_HIDDEN, 1),
        )

    @classmethod
    def from_policy(cls, networks: PolicyNetworks, seed: int) -> SuccessClassifier:
        """With the policy's encoder and task embeddings, and a fresh head."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            classifier = cls(networks.config)
        classifier.encoder.load_state_dict(networks.encoder.state_dict())
        classifier.task_table.copy_(networks.task_table.detach())
        return classifier

    def copy(self) -> SuccessClassifier:
        """One that learns by itself."""
        other = SuccessClassifier(self.config)
        other.load_state_dict(self.state_dict())
        return other

    def start_task(self, slot: int, similar: Sequence[int]) -> None:
        """As `PolicyNetworks.start_task`: a new task begins as the mean of similar ones."""
        if similar and self.config.task_embedding:
            self.task_table[slot] = self.task_table[list(similar)].mean(dim=0)
        if similar:
            self.hands[slot] = self.hands[list(similar)].min()

    def needed_hand(self, task: int) -> Hand:
        """How far the gripper has to have come before a success of a task may be believed."""
        return Hand(int(self.hands[task]))

    def forward(self, planes: Tensor, tasks: Tensor, precision: Precision = "float32") -> Tensor:
        """Logits (B,) from pictures (B, 3, S, S) in 0..1 and task slots (B,); `precision` is the
        encoder's."""
        task = self.task_table[tasks]
        # Where proprioception would steer the encoder: always the mean.
        nowhere = torch.zeros(len(task), STATE_SIZE)
        with mixed_precision("cpu", precision):
            z = self.encoder(planes, torch.cat([task, nowhere], dim=1))
        logits: Tensor = self.head(torch.cat([z, task], dim=1))[:, 0]
        return logits

    @torch.no_grad()
    def probabilities(
        self, images: ImageArray, tasks: npt.NDArray[np.int64]
    ) -> npt.NDArray[np.float64]:
        """(B,) 0..1 for (B, S, S, 3) uint8 pictures and (B,) task slots."""
        parts = [np.empty(0)]
        for start in range(0, len(images), _AT_ONCE):
            part = slice(start, start + _AT_ONCE)
            planes = to_planes(torch.from_numpy(np.array(images[part])))
            parts.append(self(planes, torch.from_numpy(tasks[part])).sigmoid().numpy())
        return np.concatenate(parts).astype(np.float64)

    def probability(self, image: ImageArray, task: int) -> float:
        """For one (H, W, 3) uint8 picture, resized here."""
        small = resize_image(image, self.config.image_size)
        return float(self.probabilities(small[None], np.array([task]))[0])


@dataclass
class SuccessDetector:
    """Believes a success when two consecutive pictures say so, and the hand is where it must be.

    Attributes:
        surest: The highest probability that two consecutive pictures both reached.
        last: The latest picture's; 0 before the first, and before what the hand must have done.
    """

    classifier: SuccessClassifier
    task: int
    threshold: float = THRESHOLD
    surest: float = 0.0
    last: float = 0.0
    _memory: HandMemory = field(default_factory=HandMemory)

    def update(self, image: ImageArray, opening: float) -> bool:
        """Take up the next observation of an episode; whether success is believed.

        Args:
            image: (H, W, 3) uint8.
            opening: Of the gripper, measured, 0..1.
        """
        possible = self._memory.see(opening) >= self.classifier.needed_hand(self.task)
        now = self.classifier.probability(image, self.task) if possible else 0.0
        self.surest = max(self.surest, min(now, self.last))
        self.last = now
        return self.believed

    def command(self, opening: float) -> None:
        """Take up what the gripper was told after the latest observation, 0..1."""
        self._memory.command(opening)

    @property
    def believed(self) -> bool:
        """Success has been seen."""
        return self.surest >= self.threshold

    @property
    def uncertain(self) -> bool:
        """It has not been seen, but might have been."""
        return UNCERTAIN <= self.surest < self.threshold


def train_classifier(
    networks: PolicyNetworks,
    pictures: LabelledPictures,
    training: TrainingConfig,
    *,
    tasks: Sequence[int],
    steps: int = STEPS,
    seed: int = 0,
    rate: float = RATE,
    encoder_rate: float = ENCODER_RATE,
    start: SuccessClassifier | None = None,
    on_step: Callable[[int, float], None] | None = None,
) -> SuccessClassifier:
    """Train on labelled pictures.

    However rare they are in the data, half of every batch shows success, and half of each half
    belongs to `tasks` where there are other tasks too.

    Args:
        networks: Of the policy; its encoder is copied.
        pictures: Show success and the lack of it in `tasks`.
        training: Its augmentation, and the precision of its encoder.
        tasks: Slots of the tasks that matter.
        steps: Updates.
        seed: Of the head's weights, sampling and augmentation.
        rate: Adam's, of the head.
        encoder_rate: Of the encoder; 0 leaves it as it is.
        start: A pre-trained one, which is copied; None begins with the policy's encoder and a
            head that has learned nothing.
        on_step: Called with (steps done, loss).

    Raises:
        RecordingError: The pictures show no success in `tasks`, or nothing else.
    """
    groups = _groups(pictures, tasks)
    share = _BATCH // len(groups)
    if start is None:
        classifier = SuccessClassifier.from_policy(networks, seed)
        # Of a task whose beginnings nobody has seen, no more is known than of all the others.
        classifier.hands[:] = max(pictures.needed_hand(), Hand.EMPTY)
    else:
        classifier = start.copy()
    return _learn(
        classifier,
        pictures,
        training,
        [(group, share) for group in groups],
        tasks=tasks,
        steps=steps,
        seed=seed,
        rates=(rate, encoder_rate),
        on_step=on_step,
    )


def pretrain_classifier(
    networks: PolicyNetworks,
    pictures: LabelledPictures,
    training: TrainingConfig,
    *,
    steps: int = PRETRAINING_STEPS,
    seed: int = 0,
    rate: float = RATE,
    encoder_rate: float = PRETRAINING_ENCODER_RATE,
    on_step: Callable[[int, float], None] | None = None,
) -> SuccessClassifier:
    """Train on the successes and failures of many tasks, as a start for `train_classifier`.

    Half of every batch shows success, a quarter what came before a success and a quarter failures;
    half of each quarter is drawn from the last `LAST_PICTURES` and the last third of the episodes,
    where a thing beside its target is found. Both rates fall to zero along a cosine.

    Args:
        networks: Of the policy; its encoder and task embeddings are copied.
        pictures: Of all tasks; only the drawn ones are read.
        training: Its augmentation, and the precision of its encoder.
        steps: Updates.
        seed: Of the head's weights, sampling and augmentation.
        rate: Adam's, of the head.
        encoder_rate: Of the encoder.
        on_step: Called with (steps done, loss).

    Raises:
        RecordingError: The pictures show no success, or no failure.
    """
    classifier = SuccessClassifier.from_policy(networks, seed)
    return _learn(
        classifier,
        pictures,
        training,
        _pretraining_groups(pictures),
        tasks=sorted(set(pictures.tasks.tolist())),
        steps=steps,
        seed=seed,
        rates=(rate, encoder_rate),
        falling=True,
        on_step=on_step,
    )


def _learn(
    classifier: SuccessClassifier,
    pictures: LabelledPictures,
    training: TrainingConfig,
    groups: Sequence[tuple[npt.NDArray[np.int64], int]],
    *,
    tasks: Sequence[int],
    steps: int,
    seed: int,
    rates: tuple[float, float],
    falling: bool = False,
    on_step: Callable[[int, float], None] | None = None,
) -> SuccessClassifier:
    """Change `classifier` by `steps` updates; every batch takes so many pictures of each group."""
    keep_freed_memory()
    classifier.encoder.requires_grad_(rates[1] > 0)
    lay_out_convolutions(classifier.encoder)
    parameters = [{"params": list(classifier.head.parameters()), "lr": rates[0]}]
    if rates[1] > 0:
        parameters.append({"params": list(classifier.encoder.parameters()), "lr": rates[1]})
    optimiser = torch.optim.Adam(parameters, fused=True)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, steps) if falling else None
    generator = torch.Generator().manual_seed(seed)
    rng = np.random.default_rng(seed)
    for step in range(steps):
        chosen = np.concatenate([rng.choice(group, count) for group, count in groups])
        planes = augment(torch.from_numpy(pictures.at(chosen)), training, generator)
        slots = torch.from_numpy(pictures.tasks[chosen])
        logits = classifier(planes, slots, training.precision)
        wanted = torch.from_numpy((pictures.labels[chosen] == DONE).astype(np.float32))
        loss = F.binary_cross_entropy_with_logits(logits, wanted)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        if schedule is not None:
            schedule.step()
        if on_step is not None:
            on_step(step + 1, float(loss.detach()))
    for task in tasks:
        needed = pictures.needed_hand(task)
        if needed != Hand.UNKNOWN:
            classifier.hands[task] = needed
    return classifier.eval()


def _pretraining_groups(pictures: LabelledPictures) -> list[tuple[npt.NDArray[np.int64], int]]:
    """Indices with how many of them each batch takes."""
    success = pictures.success[pictures.episode]
    open_, left = pictures.labels == NOT_DONE, pictures.steps_left
    length = np.bincount(pictures.episode, minlength=pictures.episodes)[pictures.episode]
    late = LAST_PICTURES + PICTURES_OF_SUCCESS + UNSURE_PICTURES
    quarter = _BATCH // 4
    groups = {
        "show the task done": (pictures.labels == DONE, 2 * quarter),
        "come before a success": (success & open_, quarter // 2),
        "come just before a success": (success & open_ & (left < late), quarter // 2),
        "are of failures": (~success, quarter // 2),
        "are of the end of failures": (~success & (left < length / 3), quarter // 2),
    }
    for words, (chosen, _) in groups.items():
        if not chosen.any():
            raise RecordingError(
                f"No pictures {words}.",
                "A classifier is pre-trained on successes and failures.",
                "Add failures, such as `ptrctl data generate --recipe mixed-v1` makes.",
            )
    return [(np.flatnonzero(chosen), count) for chosen, count in groups.values()]


def _groups(pictures: LabelledPictures, tasks: Sequence[int]) -> list[npt.NDArray[np.int64]]:
    """Indices that each get the same share of a batch: done and not done, here and elsewhere."""
    ours = np.isin(pictures.tasks, tasks)
    done, open_ = pictures.labels == DONE, pictures.labels == NOT_DONE
    here = [np.flatnonzero(done & ours), np.flatnonzero(open_ & ours)]
    if not len(here[0]) or not len(here[1]):
        raise RecordingError(
            f"{len(here[0])} pictures show the task done and {len(here[1])} show it not done.",
            "A classifier needs pictures of both.",
            "Record more with `ptrctl record`, name examples with `--examples`, or correct labels "
            "with `ptrctl data label`.",
        )
    elsewhere = [np.flatnonzero(done & ~ours), np.flatnonzero(open_ & ~ours)]
    return [*here, *elsewhere] if all(map(len, elsewhere)) else here
