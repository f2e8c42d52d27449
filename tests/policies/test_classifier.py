from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch

from policies.classifier import SuccessClassifier, SuccessDetector, train_classifier
from policies.classifier_check import (
    Count,
    ErrorRates,
    cross_validate,
    error_rates,
    fold_of_episodes,
)
from policies.labelled_pictures import (
    DONE,
    NOT_DONE,
    UNSURE,
    LabelledPictures,
    join,
    labels_of,
    pictures_of_packed,
)
from policies.labelling import Hand, hand_of_episode
from policies.learners import make_networks
from policies.packed_episodes import labelled_episodes
from policies.presets import preset
from policies.tasks import TaskSlots
from recordings.errors import RecordingError
from tests.policies.synthetic import CAMERA, dot_data, pictures_of_episode

CONFIG = preset("tiny")
NETWORKS = make_networks(CONFIG, seed=0)


def plates(success: bool, rng: np.random.Generator) -> np.ndarray:
    """Seven pictures; in a success the plate is green in the last two."""
    images = rng.integers(60, 100, (7, 32, 32, 3), dtype=np.uint8)
    row, column = rng.integers(4, 20, size=2)
    images[:, row : row + 8, column : column + 8] = (200, 200, 200)
    if success:
        images[5:, row : row + 8, column : column + 8] = (30, 220, 30)
    return images


def pictures(successes: int, failures: int, *, seed: int = 0, task: int = 1) -> LabelledPictures:
    rng = np.random.default_rng(seed)
    outcomes = [True] * successes + [False] * failures
    return join([pictures_of_episode(plates(ok, rng), task, ok) for ok in outcomes])


def train(some: LabelledPictures, *, steps: int = 150, seed: int = 0) -> SuccessClassifier:
    return train_classifier(
        NETWORKS, some, CONFIG.training, tasks=[1], steps=steps, seed=seed, encoder_rate=1e-3
    )


def scripted(*answers: float) -> SuccessDetector:
    class Scripted(SuccessClassifier):
        left = iter(answers)

        def probability(self, image: np.ndarray, task: int) -> float:
            return next(self.left)

    return SuccessDetector(Scripted(CONFIG.network), task=0)


PICTURE = np.zeros((32, 32, 3), np.uint8)


def test_the_last_two_pictures_of_a_success_show_it_and_those_before_say_nothing() -> None:
    assert labels_of(7, 6, True).tolist() == [NOT_DONE] * 3 + [UNSURE] * 2 + [DONE] * 2
    assert labels_of(6, 6, True).tolist() == [NOT_DONE] * 3 + [UNSURE] * 2 + [DONE]
    assert labels_of(7, 6, False).tolist() == [NOT_DONE] * 7
    assert labels_of(2, 1, True).tolist() == [DONE, DONE]


def test_a_classifier_is_right_about_episodes_that_it_has_not_seen() -> None:
    (rates,) = cross_validate(pictures(12, 12), [1], train)
    assert rates.false_pictures.total == 12 * 3 + 12 * 7
    assert rates.missed_pictures.total == 24
    assert rates.false_episodes.total == 24
    assert rates.missed_episodes.total == 12
    assert rates.fault == ""


def test_a_classifier_of_pictures_that_show_nothing_is_found_out() -> None:
    rng = np.random.default_rng(3)
    noise = pictures(8, 8)
    nothing = [rng.integers(0, 255, images.shape, dtype=np.uint8) for images in noise.images]
    noise = dataclasses.replace(noise, images=tuple(nothing))
    (rates,) = cross_validate(noise, [1], lambda some: train(some, steps=60))
    assert rates.fault != ""


def test_a_detector_wants_it_twice_in_a_row() -> None:
    detector = scripted(0.9, 0.2, 0.71, 0.7)
    assert [detector.update(PICTURE, 1.0) for _ in range(4)] == [False, False, False, True]
    assert not detector.uncertain


def test_what_two_pictures_half_say_is_uncertain() -> None:
    detector = scripted(0.95, 0.1, 0.5, 0.4, 0.0)
    for _ in range(5):
        assert not detector.update(PICTURE, 1.0)
    assert detector.surest == 0.4
    assert detector.uncertain
    sure = scripted(0.95, 0.1, 0.95)
    assert not any(sure.update(PICTURE, 1.0) for _ in range(3))
    assert not sure.uncertain


def test_no_success_is_believed_before_a_grasp_where_one_is_needed() -> None:
    detector = scripted(0.9, 0.9, 0.9)
    detector.classifier.hands[0] = Hand.HELD
    for opening in (1.0, 0.9, 0.5):
        assert not detector.update(PICTURE, opening)
        assert detector.last == 0.0
        detector.command(0.0)
    # Told to close for three steps, and still open by more than a tenth: something is between.
    assert not detector.update(PICTURE, 0.4)
    detector.command(1.0)
    assert detector.update(PICTURE, 1.0)


def test_no_success_is_believed_while_the_gripper_still_holds_where_it_lets_go_first() -> None:
    detector = scripted(*[0.9] * 6)
    detector.classifier.hands[0] = Hand.LET_GO
    for opening in (1.0, 0.9, 0.5, 0.4, 0.4, 0.4):
        assert not detector.update(PICTURE, opening)
        assert detector.last == 0.0
        detector.command(0.0)
    detector.command(1.0)
    assert [detector.update(PICTURE, opening) for opening in (0.6, 1.0)] == [False, True]


def test_a_gripper_that_closes_on_nothing_has_not_held_anything() -> None:
    commands = np.array([1, 0, 0, 0, 0, 1, 1], float)
    missed = np.array([1, 1, 0.8, 0.4, 0.05, 0.0, 0.6, 1.0])
    assert not hand_of_episode(commands, missed).any()
    kept = np.array([1, 1, 0.8, 0.5, 0.45, 0.45, 0.6, 1.0])
    held, let_go = [Hand.HELD] * 2, [Hand.LET_GO] * 2
    assert hand_of_episode(commands, kept).tolist() == [Hand.EMPTY] * 4 + held + let_go
    # One command fewer than pictures, or none at all.
    assert hand_of_episode(commands[:0], kept[:1]).tolist() == [Hand.EMPTY]


def test_a_gripper_that_closes_again_has_not_let_go() -> None:
    again = np.array([0, 0, 0, 0, 1, 1, 0, 0], float)
    openings = np.array([1, 0.8, 0.5, 0.45, 0.45, 0.6, 1.0, 0.6, 0.3])
    hand = hand_of_episode(again, openings).tolist()
    assert hand[3:] == [Hand.HELD] * 2 + [Hand.LET_GO] * 2 + [Hand.HELD] * 2


def ended_with(successes: list[Hand], task: int = 1) -> LabelledPictures:
    rng = np.random.default_rng(0)
    return join([pictures_of_episode(plates(True, rng), task, True, hand) for hand in successes])


def test_what_the_hand_did_in_nearly_every_known_success_is_needed() -> None:
    empty, held, let_go = Hand.EMPTY, Hand.HELD, Hand.LET_GO
    for endings, needed in (
        ([held] * 2, held),
        ([held, empty], empty),
        ([held] * 18 + [empty], empty),
        ([held] * 19 + [empty], held),
        ([let_go] * 2, let_go),
        ([let_go] * 18 + [held], held),
        ([let_go] * 19 + [held], let_go),
        ([let_go] * 19 + [empty], let_go),
        ([held, Hand.UNKNOWN], held),
        ([Hand.UNKNOWN], Hand.UNKNOWN),
    ):
        assert ended_with(endings).needed_hand(1) is needed
    # How a task ends says nothing of how it is done.
    both = join([ended_with([held]).ends_only(), ended_with([let_go], task=2)])
    assert both.hand[both.tasks == 1].tolist() == [Hand.UNKNOWN] * 2
    assert both.needed_hand(1) is Hand.UNKNOWN
    assert both.needed_hand() is let_go


def test_held_out_errors_count_no_belief_before_what_the_hand_must_have_done() -> None:
    rng = np.random.default_rng(0)
    for hand, needed, wrong in (
        (Hand.EMPTY, Hand.EMPTY, 1),
        (Hand.EMPTY, Hand.HELD, 0),
        (Hand.HELD, Hand.HELD, 1),
        (Hand.HELD, Hand.LET_GO, 0),
        (Hand.LET_GO, Hand.LET_GO, 1),
        (Hand.UNKNOWN, Hand.LET_GO, 1),
    ):
        failed = pictures_of_episode(plates(False, rng), 1, False, hand)
        believer = Knows([0.9] * 7)
        believer.hands[1] = needed
        assert error_rates(believer, failed).false_episodes == Count(wrong, 1)


def test_training_notes_what_the_hand_must_have_done() -> None:
    some = join([ended_with([Hand.LET_GO] * 2), pictures(0, 2)])
    assert train(some, steps=1).needed_hand(1) is Hand.LET_GO
    assert train(pictures(2, 2), steps=1).needed_hand(1) is Hand.EMPTY


def test_of_a_task_known_by_its_end_alone_others_tell_what_the_hand_must_have_done() -> None:
    some = join([ended_with([Hand.LET_GO] * 2).ends_only(), ended_with([Hand.HELD], task=2)])
    some = join([some, pictures(0, 2)])
    assert train(some, steps=1).needed_hand(1) is Hand.HELD
    # What the pre-trained classifier takes over from similar tasks is nearer than all tasks.
    start = SuccessClassifier.from_policy(NETWORKS, 0)
    start.hands[1] = Hand.LET_GO
    again = train_classifier(NETWORKS, some, CONFIG.training, tasks=[1], steps=1, start=start)
    assert again.needed_hand(1) is Hand.LET_GO


def test_a_new_task_needs_what_all_similar_ones_need() -> None:
    classifier = SuccessClassifier(CONFIG.network)
    classifier.hands[:3] = torch.tensor([Hand.LET_GO, Hand.LET_GO, Hand.HELD])
    classifier.start_task(3, [0, 1])
    classifier.start_task(4, [0, 2])
    assert classifier.needed_hand(3) is Hand.LET_GO
    assert classifier.needed_hand(4) is Hand.HELD


class Knows(SuccessClassifier):
    """Says what it was told, picture by picture."""

    def __init__(self, answers: list[float]) -> None:
        super().__init__(CONFIG.network)
        self.answers = np.array(answers)

    def probabilities(self, images: np.ndarray, tasks: np.ndarray) -> np.ndarray:
        return self.answers


def test_errors_are_counted_by_picture_and_by_episode() -> None:
    rng = np.random.default_rng(0)
    both = join([pictures_of_episode(plates(ok, rng), 1, ok) for ok in (True, False)])
    good = Knows([0, 0, 0, 0.9, 0, 0.8, 0.9] + [0] * 7)
    assert error_rates(good, both) == ErrorRates(
        Count(0, 3 + 7), Count(0, 2), Count(0, 2), Count(0, 1), Count(0, 1)
    )
    early = Knows([0, 0.9, 0.9, 0, 0, 0.8, 0.9, 0, 0.8, 0, 0, 0, 0, 0])
    assert error_rates(early, both) == ErrorRates(
        Count(3, 10), Count(0, 2), Count(1, 2), Count(0, 1), Count(0, 1)
    )
    never = Knows([0, 0, 0, 0, 0, 0.8, 0.2, 0, 0, 0, 0, 0, 0.8, 0.9])
    assert error_rates(never, both) == ErrorRates(
        Count(2, 10), Count(1, 2), Count(1, 2), Count(1, 1), Count(1, 1)
    )


def test_every_task_is_measured_by_itself() -> None:
    class BelievesTheSecond(SuccessClassifier):
        def probabilities(self, images: np.ndarray, tasks: np.ndarray) -> np.ndarray:
            return (tasks == 2).astype(float)

    both = join([pictures(0, 6), pictures(0, 2, seed=1, task=2)])
    rates = cross_validate(both, [1, 2, 3], lambda _: BelievesTheSecond(CONFIG.network))
    assert [one.false_failures for one in rates] == [Count(0, 6), Count(2, 2), Count(0, 0)]


def test_the_only_success_of_a_task_is_learned_from_in_every_fold() -> None:
    learned: list[int] = []

    def note(some: LabelledPictures) -> SuccessClassifier:
        learned.append(int(some.success.sum()))
        return SuccessClassifier(CONFIG.network)

    (rates,) = cross_validate(pictures(1, 4), [1], note)
    assert set(learned) == {1}
    assert rates.false_failures.total > 0
    assert "no held-out episodes of both kinds" in rates.fault


def test_the_only_failure_beside_examples_is_learned_from_in_every_fold() -> None:
    examples = pictures(8, 1).ends_only()
    (rates,) = cross_validate(examples, [1], lambda some: train(some, steps=1))
    assert rates.missed_episodes.total == 6
    assert "no held-out episodes of both kinds" in rates.fault


def test_errors_add_up_and_survive_json() -> None:
    one = ErrorRates(Count(1, 10), Count(0, 2), Count(1, 2), Count(0, 1), Count(1, 1))
    assert (one + one).false_pictures == Count(2, 20)
    assert ErrorRates.from_json(one.to_json()) == one


RIGHT = ErrorRates(Count(0, 100), Count(0, 20), Count(0, 20), Count(0, 10), Count(0, 10))


@pytest.mark.parametrize(
    ("errors", "words"),
    [
        ({"false_pictures": Count(6, 100)}, "6/100 pictures"),
        ({"false_episodes": Count(3, 20)}, "3/20 episodes"),
        ({"missed_episodes": Count(6, 10)}, "6/10 successes"),
        ({"missed_episodes": Count(0, 0)}, "no held-out"),
        # Successes show the task not done too, at first, but say nothing of what ends badly.
        ({"false_failures": Count(0, 0)}, "no held-out"),
        ({"false_episodes": Count(2, 22), "false_failures": Count(2, 2)}, "2/2 failures"),
    ],
)
def test_a_classifier_that_is_often_wrong_may_not_drive(
    errors: dict[str, Count], words: str
) -> None:
    assert not RIGHT.fault
    assert words in dataclasses.replace(RIGHT, **errors).fault


def test_whole_episodes_of_the_tasks_alone_are_held_out_evenly() -> None:
    both = join([pictures(5, 3), pictures(4, 0, seed=1, task=2)])
    fold = fold_of_episodes(both, [1], 4, seed=0)
    assert (fold[8:] == -1).all()
    assert sorted(fold[:5].tolist()) == [0, 0, 1, 2, 3]
    assert sorted(fold[5:8].tolist()) == [0, 1, 2]


def test_examples_show_how_a_task_ends_and_not_how_it_is_done() -> None:
    ends = pictures(2, 1).ends_only()
    assert ends.labels.tolist() == [DONE] * 4 + [NOT_DONE] * 7
    assert ends.episodes == 3


def test_pictures_of_a_dataset_are_those_of_its_labelled_episodes() -> None:
    data = dot_data(4, failures=0.5, unlabelled=0.25)
    found = pictures_of_packed(data, TaskSlots(("reach_dot",), 8), CAMERA)
    assert found.episodes == 3
    assert len(found) == 3 * 7
    assert found.images[0] is data.images[CAMERA]
    last = found.of_episodes(np.array([False, False, True]))
    assert last.images[0] is data.images[CAMERA]
    assert (last.at(np.array([1])) == data.images[CAMERA][15]).all()
    assert labelled_episodes(data, CAMERA).scenes == ("place 0",) * 3
    with pytest.raises(RecordingError, match="no camera `front`"):
        pictures_of_packed(data, TaskSlots(("reach_dot",), 8), "front")


def test_sets_are_joined_without_copying_a_picture() -> None:
    rng = np.random.default_rng(0)
    sets = [pictures(1, 1, seed=seed) for seed in range(3)]
    sets[1] = sets[1].of_episodes(np.array([False, True]))
    joined = join([join(sets[:2]), sets[2].ends_only()])
    ours = [images for one in sets for images in one.images]
    assert [id(images) for images in joined.images] == [id(images) for images in ours]
    expected = np.concatenate([*(one.at(slice(None)) for one in (*sets[:2], sets[2].ends_only()))])
    assert len(joined) == len(expected) == 14 + 7 + 9
    chosen = rng.permutation(len(joined))
    assert (joined.at(chosen) == expected[chosen]).all()
    assert (joined.at(slice(5, 20)) == expected[5:20]).all()


@pytest.mark.parametrize("counts", [(0, 4), (0, 1)])
def test_data_without_success_is_refused(counts: tuple[int, int]) -> None:
    with pytest.raises(RecordingError, match="0 pictures show the task done"):
        train(pictures(*counts), steps=1)


def test_training_repeats_from_its_seed_and_leaves_the_policy_alone() -> None:
    before = NETWORKS.encoder.stem.weight.clone()
    some = pictures(3, 3)
    one, other = (train(some, steps=3, seed=2) for _ in range(2))
    for name, value in one.state_dict().items():
        assert torch.equal(value, other.state_dict()[name])
    assert torch.equal(before, NETWORKS.encoder.stem.weight)
