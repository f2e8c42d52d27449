"""A classifier that has learned many tasks is a better start than the policy's encoder."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch

from policies.checkpoint import Checkpoint, CheckpointInfo, save_checkpoint
from policies.classifier import (
    LAST_PICTURES,
    SuccessClassifier,
    _pretraining_groups,
    pretrain_classifier,
    train_classifier,
)
from policies.classifier_check import ErrorRates, error_rates
from policies.classifier_file import (
    CLASSIFIER_FILE,
    load_classifier,
    pretrained_classifier,
    save_classifier,
)
from policies.labelled_pictures import DONE, NOT_DONE, LabelledPictures, join
from policies.learners import make_networks
from policies.presets import preset
from policies.storage import read_tensors, write_tensors
from policies.tasks import TaskSlots
from recordings.errors import CheckpointError, RecordingError
from tests.policies.synthetic import pictures_of_episode

CONFIG = preset("tiny")
NETWORKS = make_networks(CONFIG, seed=0)
TASKS = TaskSlots(("put_cup_on_plate", "put_pot_on_plate", "take_cup_off_plate"), 8)
STEPS = 15


def episode(success: bool, task: int, rng: np.random.Generator) -> LabelledPictures:
    """A block beside a plate; in the last two pictures of a success it is on the plate."""
    images = rng.integers(60, 100, (STEPS + 1, 32, 32, 3), dtype=np.uint8)
    row, column = rng.integers(2, 22, size=2)
    images[:, row : row + 8, column : column + 8] = (200, 200, 200)
    for index, image in enumerate(images):
        on_plate = success and index >= STEPS - 1
        across = column + 2 if on_plate else (column + 14) % 26
        image[row + 2 : row + 6, across : across + 4] = (220, 40, 40)
    return pictures_of_episode(images, task, success)


def episodes(successes: int, failures: int, *, seed: int, task: int = 0) -> LabelledPictures:
    rng = np.random.default_rng(seed)
    outcomes = [True] * successes + [False] * failures
    return join([episode(success, task, rng) for success in outcomes])


def pretrain(pictures: LabelledPictures, steps: int, seed: int = 0) -> SuccessClassifier:
    return pretrain_classifier(
        NETWORKS, pictures, CONFIG.training, steps=steps, seed=seed, encoder_rate=1e-3
    )


def test_half_of_a_batch_shows_success_and_a_quarter_the_hardest_of_the_rest() -> None:
    pictures = episodes(2, 2, seed=0)
    groups = _pretraining_groups(pictures)
    assert [count for _, count in groups] == [32, 8, 8, 8, 8]
    done, before, just_before, failed, failed_late = (set(rows.tolist()) for rows, _ in groups)
    assert done == {14, 15, 30, 31}
    assert before == {*range(12), *range(16, 28)}
    assert just_before == {*range(12 - LAST_PICTURES, 12), *range(28 - LAST_PICTURES, 28)}
    assert failed == set(range(32, 64))
    assert failed_late == {*range(42, 48), *range(58, 64)}
    assert set(pictures.labels[list(done)]) == {DONE}
    assert set(pictures.labels[list(before | just_before | failed)]) == {NOT_DONE}


@pytest.mark.parametrize(("counts", "missing"), [((0, 3), "show the task done"), ((3, 0), "fail")])
def test_data_without_successes_or_failures_is_refused(
    counts: tuple[int, int], missing: str
) -> None:
    with pytest.raises(RecordingError, match=missing):
        pretrain(episodes(*counts, seed=0), 1)


def test_what_many_tasks_have_taught_is_kept_by_a_short_training_on_a_new_one() -> None:
    prior = join([episodes(30, 30, seed=task, task=task) for task in range(2)])
    start = pretrain(prior, 250)
    few, unseen = episodes(2, 2, seed=5, task=3), episodes(10, 10, seed=6, task=3)

    def wrong(start_with: SuccessClassifier | None) -> int:
        trained = train_classifier(
            NETWORKS, few, CONFIG.training, tasks=[3], steps=5, start=start_with
        )
        rates = error_rates(trained, unseen)
        return rates.missed_episodes.wrong + rates.false_episodes.wrong

    weights = {name: value.clone() for name, value in start.state_dict().items()}
    assert wrong(start) <= 3
    assert wrong(None) >= 10
    assert all(torch.equal(weights[name], value) for name, value in start.state_dict().items())


def test_pretraining_repeats_from_its_seed_and_tells_how_far_it_is() -> None:
    pictures = episodes(2, 2, seed=0)
    told: list[int] = []
    one, other = pretrain(pictures, 3, seed=4), pretrain(pictures, 3, seed=4)
    for name, value in one.state_dict().items():
        assert torch.equal(value, other.state_dict()[name])
    pretrain_classifier(
        NETWORKS, pictures, CONFIG.training, steps=3, on_step=lambda done, loss: told.append(done)
    )
    assert told == [1, 2, 3]


@pytest.fixture
def owner(tmp_path: Path) -> Checkpoint:
    info = CheckpointInfo(
        config=CONFIG,
        tasks=TASKS,
        robot="sim-wx250s",
        camera="over_shoulder",
        control_rate_hz=5.0,
    )
    return save_checkpoint(tmp_path / "prior", NETWORKS, info)


def test_a_new_task_starts_as_the_mean_of_those_with_its_verb(owner: Checkpoint) -> None:
    classifier = pretrain(episodes(2, 2, seed=0), 1)
    path = owner.path / CLASSIFIER_FILE
    save_classifier(path, classifier, ErrorRates(), checkpoint=owner.digest, steps=1)
    found = pretrained_classifier(owner, CONFIG.network, TASKS.add("put_pan_on_plate"))
    assert found is not None
    table = classifier.task_table
    assert torch.equal(found.task_table[3], table[:2].mean(dim=0))
    assert torch.equal(found.task_table[:3], table[:3])
    weights = classifier.head.state_dict()
    assert all(torch.equal(weights[name], got) for name, got in found.head.state_dict().items())


def test_a_classifier_of_other_weights_tasks_or_networks_is_not_started_from(
    owner: Checkpoint,
) -> None:
    assert pretrained_classifier(owner, CONFIG.network, TASKS) is None
    path = owner.path / CLASSIFIER_FILE
    classifier = pretrain(episodes(2, 2, seed=0), 1)
    save_classifier(path, classifier, ErrorRates(), checkpoint=owner.digest)
    assert pretrained_classifier(owner, CONFIG.network, TASKS) is not None
    other_tasks = TaskSlots(("open_door", *TASKS.names), 8)
    assert pretrained_classifier(owner, CONFIG.network, other_tasks) is None
    larger = dataclasses.replace(CONFIG.network, task_slots=16)
    assert pretrained_classifier(owner, larger, TASKS) is None
    save_classifier(path, classifier, ErrorRates(), checkpoint="of another")
    assert pretrained_classifier(owner, CONFIG.network, TASKS) is None


def test_a_compact_file_gives_nearly_the_same_answers_and_all_notes(tmp_path: Path) -> None:
    pictures = episodes(2, 2, seed=0)
    classifier = pretrain(pictures, 2)
    rates = error_rates(classifier, pictures)
    path = tmp_path / CLASSIFIER_FILE
    save_classifier(path, classifier, rates, compact=True, steps=2)
    found, found_rates, notes = load_classifier(path, CONFIG.network)
    assert found_rates == rates
    assert notes["steps"] == 2
    expected = classifier.probabilities(pictures.at(slice(None)), pictures.tasks)
    np.testing.assert_allclose(
        found.probabilities(pictures.at(slice(None)), pictures.tasks), expected, atol=0.01
    )
    with pytest.raises(CheckpointError, match="does not fit"):
        load_classifier(path, preset("cpu").network)


def test_a_damaged_file_is_refused_before_it_is_needed(tmp_path: Path) -> None:
    path = tmp_path / CLASSIFIER_FILE
    save_classifier(path, SuccessClassifier(CONFIG.network), ErrorRates())
    tensors, notes = read_tensors(path)
    no_hand = {**tensors, "hands": torch.full_like(tensors["hands"], 9)}
    for weights, rates in ((no_hand, notes["rates"]), (tensors, [])):
        write_tensors(path, weights, {"rates": rates})
        with pytest.raises(CheckpointError, match="does not fit") as caught:
            load_classifier(path, CONFIG.network)
        assert "Remove the file" in caught.value.try_next
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(CheckpointError, match="cannot be read") as caught:
        load_classifier(path, CONFIG.network)
    assert "Remove the file" in caught.value.try_next
