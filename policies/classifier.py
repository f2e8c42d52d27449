"""Has the task been done? A classifier of pictures, for labelling trials without a person.

Source: Asap7772/PTR, jaxrl2/agents/reward_classifier; logits are ours, since the sigmoid's
logarithm there is numerically unsafe. It sees no proprioception, or it would learn where the arm
stands when an episode ends.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from policies.augment import augment, to_planes
from policies.config import EncoderConfig, PolicyConfig
from policies.encoders import Encoder
from policies.replay import ReplayBuffer
from recordings.errors import RecordingError
from recordings.records import ImageArray

THRESHOLD = 0.7
"""Success is believed from this probability on, in two consecutive pictures."""


class SuccessClassifier(nn.Module):
    """Probability that a picture shows the task done.

    Args:
        encoder: As the policy's.
        image_size: Edge of the pictures.
        task_slots: Number of tasks.
    """

    def __init__(self, encoder: EncoderConfig, image_size: int, task_slots: int) -> None:
        super().__init__()
        self.task_slots = task_slots
        self.encoder = Encoder(encoder, image_size, task_slots)
        self.head = nn.Sequential(
            nn.Linear(encoder.embedding + task_slots, 256),
            nn.ReLU(),
            nn.Linear(256, 256),
            nn.ReLU(),
            nn.Linear(256, 1),
        )

    def forward(self, planes: Tensor, tasks: Tensor) -> Tensor:
        """Logits (B,) from pictures (B, 3, S, S) in 0..1 and task slots (B,)."""
        task = F.one_hot(tasks, self.task_slots).float()
        z = self.encoder(planes, task)
        logits: Tensor = self.head(torch.cat([z, task], dim=1))[:, 0]
        return logits

    @torch.no_grad()
    def probability(self, image: ImageArray, task: int) -> float:
        """For one (S, S, 3) uint8 picture."""
        planes = to_planes(torch.from_numpy(np.array(image))[None])
        return float(self(planes, torch.tensor([task])).sigmoid())


@dataclass
class SuccessDetector:
    """Believes a success when two consecutive pictures say so."""

    classifier: SuccessClassifier
    task: int
    threshold: float = THRESHOLD
    _in_a_row: int = 0

    def update(self, image: ImageArray) -> bool:
        """Look at the next (S, S, 3) uint8 picture of an episode; whether success is believed."""
        believed = self.classifier.probability(image, self.task) >= self.threshold
        self._in_a_row = self._in_a_row + 1 if believed else 0
        return self._in_a_row >= 2


def train_classifier(
    config: PolicyConfig, buffer: ReplayBuffer, *, steps: int, seed: int = 0, rate: float = 3e-4
) -> SuccessClassifier:
    """Train on recorded episodes: the last steps of successes against everything else.

    Half of every batch shows success, however rare it is in the data.

    Args:
        config: Encoder, picture size, task slots and augmentation.
        buffer: Has successes.
        steps: Updates.
        seed: Of weights, sampling and augmentation.
        rate: Adam's.

    Raises:
        RecordingError: The data shows no success, or nothing else.
    """
    done = buffer.shows_success
    positives, negatives = np.flatnonzero(done), np.flatnonzero(~done)
    if not len(positives) or not len(negatives):
        raise RecordingError(
            f"The recordings show success in {len(positives)} of {len(done)} steps.",
            "A classifier needs steps with success and steps without.",
            "Record more with `ptrctl record`, or correct labels with `ptrctl data label`.",
        )
    network = config.network
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        classifier = SuccessClassifier(network.encoder, network.image_size, network.task_slots)
    generator = torch.Generator().manual_seed(seed)
    rng = np.random.default_rng(seed)
    optimiser = torch.optim.Adam(classifier.parameters(), lr=rate, fused=True)
    half = config.training.batch_size // 2
    wanted = torch.cat([torch.ones(half), torch.zeros(half)])
    for _ in range(steps):
        indices = np.concatenate([rng.choice(positives, half), rng.choice(negatives, half)])
        images, tasks = buffer.pictures_after(indices)
        logits = classifier(augment(images, config.training, generator), tasks)
        loss = F.binary_cross_entropy_with_logits(logits, wanted)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
    return classifier.eval()
