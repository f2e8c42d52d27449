from __future__ import annotations

import numpy as np
import pytest
import torch

from policies.classifier import SuccessClassifier, SuccessDetector, train_classifier
from policies.config import preset
from policies.replay import ReplayBuffer
from recordings.errors import RecordingError

CONFIG = preset("tiny")


def plates(success: bool, rng: np.random.Generator) -> np.ndarray:
    """Seven pictures; in a success the plate turns green when the last three steps have worked."""
    images = rng.integers(60, 100, (7, 32, 32, 3), dtype=np.uint8)
    row, column = rng.integers(4, 20, size=2)
    images[:, row : row + 8, column : column + 8] = (200, 200, 200)
    if success:
        images[4:, row : row + 8, column : column + 8] = (30, 220, 30)
    return images


def make_buffer(successes: int, failures: int) -> ReplayBuffer:
    rng = np.random.default_rng(0)
    buffer = ReplayBuffer.empty(32, CONFIG.algorithm)
    for index in range(successes + failures):
        success = index < successes
        states, actions = rng.normal(size=(7, 7)), rng.normal(0, 0.01, (6, 7))
        buffer.add_episode(plates(success, rng), states, actions, task=1, success=success)
    return buffer


def test_a_classifier_learns_to_tell_success_and_a_detector_wants_it_twice() -> None:
    classifier = train_classifier(CONFIG, make_buffer(20, 10), steps=150, rate=1e-3)
    rng = np.random.default_rng(5)
    detector = SuccessDetector(classifier, task=1)
    assert [detector.update(image) for image in plates(True, rng)] == [False] * 5 + [True] * 2
    detector = SuccessDetector(classifier, task=1)
    assert not any(detector.update(image) for image in plates(False, rng))


def test_one_lucky_picture_is_not_believed() -> None:
    class Scripted(SuccessClassifier):
        answers = iter([0.9, 0.2, 0.71, 0.7])

        def probability(self, image: np.ndarray, task: int) -> float:
            return next(self.answers)

    scripted = Scripted(CONFIG.network.encoder, 32, 8)
    detector = SuccessDetector(scripted, task=0)
    picture = np.zeros((32, 32, 3), np.uint8)
    assert [detector.update(picture) for _ in range(4)] == [False, False, False, True]


@pytest.mark.parametrize("counts", [(0, 4), (0, 1)])
def test_data_without_success_is_refused(counts: tuple[int, int]) -> None:
    with pytest.raises(RecordingError, match="show success in 0 of"):
        train_classifier(CONFIG, make_buffer(*counts), steps=1)


def test_training_repeats_from_its_seed() -> None:
    buffer = make_buffer(3, 3)
    one, other = (train_classifier(CONFIG, buffer, steps=3, seed=2) for _ in range(2))
    for name, value in one.state_dict().items():
        assert torch.equal(value, other.state_dict()[name])
