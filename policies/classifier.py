"""Has the task been done? A classifier of pictures, for labelling trials without a person.

Source: Asap7772/PTR, jaxrl2/agents/reward_classifier; logits are ours, since the sigmoid's
logarithm there is numerically unsafe. It sees no proprioception, or it would learn where the arm
stands when an episode ends. Its encoder starts as the policy's, so that ten demonstrations do.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from policies.augment import augment, to_planes
from policies.config import NetworkConfig, TrainingConfig
from policies.encoders import Encoder
from policies.labelled_pictures import DONE, NOT_DONE, LabelledPictures
from policies.networks import PolicyNetworks
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
_HIDDEN = 128
_BATCH = 64
_AT_ONCE = 256


class SuccessClassifier(nn.Module):
    """Probability that a picture shows the task done.

    Args:
        config: Of the policy whose encoder and task embeddings it begins with.
    """

    task_table: Tensor

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        self.config = config
        task_size = config.task_embedding or config.task_slots
        self.register_buffer("task_table", torch.zeros(config.task_slots, task_size))
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

    def forward(self, planes: Tensor, tasks: Tensor) -> Tensor:
        """Logits (B,) from pictures (B, 3, S, S) in 0..1 and task slots (B,)."""
        task = self.task_table[tasks]
        # Where proprioception would steer the encoder: always the mean.
        nowhere = torch.zeros(len(task), STATE_SIZE)
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
    """Believes a success when two consecutive pictures say so.

    Attributes:
        surest: The highest probability that two consecutive pictures both reached.
        last: The latest picture's; 0 before the first.
    """

    classifier: SuccessClassifier
    task: int
    threshold: float = THRESHOLD
    surest: float = 0.0
    last: float = 0.0

    def update(self, image: ImageArray) -> bool:
        """Look at the next (H, W, 3) uint8 picture of an episode; whether success is believed."""
        now = self.classifier.probability(image, self.task)
        self.surest = max(self.surest, min(now, self.last))
        self.last = now
        return self.believed

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
) -> SuccessClassifier:
    """Train on labelled pictures.

    However rare they are in the data, half of every batch shows success, and half of each half
    belongs to `tasks` where there are other tasks too.

    Args:
        networks: Of the policy; its encoder is copied.
        pictures: Show success and the lack of it in `tasks`.
        training: Its augmentation.
        tasks: Slots of the tasks that matter.
        steps: Updates.
        seed: Of the head's weights, sampling and augmentation.
        rate: Adam's, of the head.
        encoder_rate: Of the encoder; 0 leaves it as it is.

    Raises:
        RecordingError: The pictures show no success in `tasks`, or nothing else.
    """
    classifier = SuccessClassifier.from_policy(networks, seed)
    groups = _groups(pictures, tasks)
    classifier.encoder.requires_grad_(encoder_rate > 0)
    parameters = [{"params": list(classifier.head.parameters()), "lr": rate}]
    if encoder_rate > 0:
        parameters.append({"params": list(classifier.encoder.parameters()), "lr": encoder_rate})
    optimiser = torch.optim.Adam(parameters, fused=True)
    generator = torch.Generator().manual_seed(seed)
    rng = np.random.default_rng(seed)
    share = _BATCH // len(groups)
    for _ in range(steps):
        chosen = np.concatenate([rng.choice(group, share) for group in groups])
        planes = augment(torch.from_numpy(pictures.images[chosen]), training, generator)
        logits = classifier(planes, torch.from_numpy(pictures.tasks[chosen]))
        wanted = torch.from_numpy((pictures.labels[chosen] == DONE).astype(np.float32))
        loss = F.binary_cross_entropy_with_logits(logits, wanted)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
    return classifier.eval()


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
