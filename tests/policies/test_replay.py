from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from policies.mixing import Mixture, split_counts
from policies.normalise import ACTION_LIMIT, normalise_actions, unnormalise_actions
from policies.presets import preset
from policies.replay import ReplayBuffer
from policies.tasks import slots_for
from recordings.errors import CheckpointError, RecordingError
from recordings.records import ACTION_HIGH, ACTION_LOW, GRIPPER
from tests.policies.synthetic import CAMERA, SyntheticData, dot_data, episode

ALGORITHM = preset("tiny").algorithm
ONE_STEP = dataclasses.replace(ALGORITHM, n_step=1)


def buffer_of(data: SyntheticData, algorithm: object = ONE_STEP) -> ReplayBuffer:
    slots = slots_for(data.tasks, 8)
    return ReplayBuffer.from_packed(data, slots, algorithm, CAMERA)  # type: ignore[arg-type]


def test_a_packed_dataset_is_wrapped_without_copying_its_pictures() -> None:
    data = dot_data(6)
    buffer = buffer_of(data)
    assert len(buffer) == len(data.frame)
    assert np.shares_memory(buffer._images.values, data.images[CAMERA])


def test_transitions_join_each_picture_with_the_one_that_followed() -> None:
    data = dot_data(6, steps=6)
    batch = buffer_of(data).gather(np.array([0, 5, 6]))
    assert batch.images.numpy() == pytest.approx(data.images[CAMERA][[0, 5, 7]])
    assert batch.next_states.numpy() == pytest.approx(data.states[[1, 6, 8]])
    assert batch.rewards.tolist() == [-1, 10, -1]


def test_n_step_transitions_look_further_ahead_but_never_past_the_episode() -> None:
    data = dot_data(4, steps=6, failures=1.0)
    batch = buffer_of(data, dataclasses.replace(ALGORITHM, n_step=4)).gather(np.array([0, 4, 6]))
    assert batch.next_states.numpy() == pytest.approx(data.states[[4, 6, 11]])
    assert batch.discounts.numpy() == pytest.approx([0.96**4, 0.96**2, 0.96**4])


@pytest.mark.parametrize("n_step", [1, 2, 4, 9])
def test_a_failure_whose_end_nobody_saw_is_backed_up_from_what_was_last_seen(n_step: int) -> None:
    whole = dot_data(3, steps=6, failures=1.0)
    seen = whole.step < 5
    fields = ("frame", "actions", "task", "episode", "step", "length", "success", "unlabelled")
    data = dataclasses.replace(whole, **{name: getattr(whole, name)[seen] for name in fields})
    buffer = buffer_of(data, dataclasses.replace(ALGORITHM, n_step=n_step))
    batch = buffer.gather(np.arange(15))
    for row in range(15):
        number, step = divmod(row, 5)
        # Of states 0 to 5 the last is known.
        ahead = min(n_step, 5 - step)
        reward = sum(-(0.96**k) for k in range(ahead))
        assert batch.rewards[row].item() == pytest.approx(reward)
        assert batch.discounts[row].item() == pytest.approx(0.96**ahead)
        state = data.states[7 * number + step + ahead]
        assert batch.next_states[row].numpy() == pytest.approx(state)


def test_unlabelled_episodes_are_left_out() -> None:
    buffer = buffer_of(dot_data(10, unlabelled=0.3))
    assert (buffer.episodes, len(buffer)) == (7, 42)
    with pytest.raises(RecordingError, match="no labelled episode"):
        buffer_of(dot_data(3, unlabelled=1.0))


@pytest.mark.parametrize(
    ("array", "row"), [("states", 7 * 2), ("states", 7 * 2 + 6), ("actions", 6 * 2 + 3)]
)
def test_an_episode_that_is_not_finite_is_named_if_it_is_learned_from(array: str, row: int) -> None:
    data = dot_data(4)
    getattr(data, array)[row, 3] = np.nan
    with pytest.raises(RecordingError, match="episode dots 2 has") as caught:
        buffer_of(data)
    assert "ptrctl data verify" in caught.value.try_next
    assert "--quarantine" in caught.value.try_next
    assert buffer_of(dataclasses.replace(data, unlabelled=data.episode == 2)).episodes == 3


def test_a_missing_camera_or_task_is_named() -> None:
    data = dot_data(3)
    with pytest.raises(RecordingError, match="no camera `wrist`"):
        ReplayBuffer.from_packed(data, slots_for(data.tasks, 4), ONE_STEP, "wrist")
    with pytest.raises(CheckpointError, match="reach_dot"):
        ReplayBuffer.from_packed(data, slots_for(["open_drawer"], 4), ONE_STEP, CAMERA)


def test_a_growing_buffer_holds_what_a_packed_one_does() -> None:
    data = dot_data(5, failures=0.4)
    grown = ReplayBuffer.empty(32, ONE_STEP)
    rng = np.random.default_rng(0)
    for index in range(5):
        good = index >= 2
        images, states, actions = episode(rng, 6, 32, success=good)
        grown.add_episode(images, states, actions, task=0, success=good)
    packed = buffer_of(data)
    everything = np.arange(len(packed))
    one, other = grown.gather(everything), packed.gather(everything)
    for name in set(one.__dataclass_fields__) - {"groups"}:
        assert (getattr(one, name) == getattr(other, name)).all(), name
    # An episode is told from others whatever their numbers are.
    for groups in (one.groups, other.groups):
        assert groups.reshape(5, 6).eq(groups[::6, None]).all()
        assert len(groups.unique()) == 5
    assert grown.episode_starts.tolist() == packed.episode_starts.tolist() == [0, 6, 12, 18, 24]


def test_toggle_positions_are_where_the_gripper_next_changes_in_successes_only() -> None:
    data = dot_data(2, steps=6, failures=0.5)
    batch = buffer_of(data).gather(np.arange(12))
    # The gripper closes at step 3; the first episode is a failure.
    assert batch.toggle_known.tolist() == [False] * 6 + [True] * 4 + [False] * 2
    assert batch.toggles[6:10].numpy() == pytest.approx(np.tile(data.states[7 + 3, :3], (4, 1)))


def test_sampling_repeats_from_the_generators_state_and_can_be_of_successes_only() -> None:
    buffer = buffer_of(dot_data(10, failures=0.5))
    one, other = (buffer.sample(np.random.default_rng(3), 40) for _ in range(2))
    assert (one.states == other.states).all()
    assert not one.success.all()
    only = buffer.sample(np.random.default_rng(3), 40, only_success=True, with_next=False)
    assert only.success.all()
    assert len(only.next_images) == 0


def test_sampling_is_uniform_over_transitions() -> None:
    buffer = buffer_of(dot_data(5))
    batch = buffer.sample(np.random.default_rng(0), 30_000, with_next=False)
    _, counts = np.unique(batch.states[:, 0].numpy(), return_counts=True)
    assert len(counts) == 30
    chi_square = ((counts - 1000) ** 2 / 1000).sum()
    assert chi_square < 60  # 29 degrees of freedom: p < 0.001 beyond 58.3


@given(
    total=st.integers(0, 512),
    fractions=st.lists(st.floats(0, 1), min_size=1, max_size=5).filter(lambda f: sum(f) > 0.01),
)
def test_counts_add_up_and_are_within_one_of_the_fractions(
    total: int, fractions: list[float]
) -> None:
    counts = split_counts(total, fractions)
    assert sum(counts) == total
    for count, fraction in zip(counts, fractions, strict=True):
        assert abs(count - total * fraction / sum(fractions)) < 1 + 1e-6


def test_the_papers_mixture_at_64_is_58_and_6() -> None:
    assert split_counts(64, [0.9, 0.1]) == [58, 6]


def test_a_mixture_keeps_its_shares_and_passes_over_empty_buffers() -> None:
    good, bad = buffer_of(dot_data(4)), buffer_of(dot_data(4, failures=1.0))
    empty = ReplayBuffer.empty(32, ONE_STEP)
    rng = np.random.default_rng(0)
    batch = Mixture([(good, 0.25), (bad, 0.25), (empty, 0.5)]).sample(rng, 20)
    assert batch.success.tolist() == [True] * 10 + [False] * 10
    only = Mixture([(good, 0.25), (bad, 0.75)]).sample(rng, 8, only_success=True)
    assert only.success.tolist() == [True] * 8
    assert not Mixture([(empty, 1.0)]).can_sample()


@given(st.lists(st.floats(0.01, 0.99), min_size=7, max_size=7))
def test_actions_come_back_from_normalising(shares: list[float]) -> None:
    action = ACTION_LOW + np.array(shares) * (ACTION_HIGH - ACTION_LOW)
    normalised = normalise_actions(action)
    assert np.abs(normalised).max() <= ACTION_LIMIT + 1e-6
    assert unnormalise_actions(normalised) == pytest.approx(action, abs=1e-5)


def test_normalised_actions_stop_short_of_one() -> None:
    assert normalise_actions(ACTION_HIGH * 2) == pytest.approx([0.99] * 7)
    assert normalise_actions(ACTION_LOW) == pytest.approx([-0.99] * 7)


def test_failures_are_drawn_half_evenly_and_half_by_how_much_they_are_cloned() -> None:
    buffer = buffer_of(dot_data(40, steps=6, failures=0.5))
    failed = np.flatnonzero(~buffer.gather(np.arange(len(buffer))).success.numpy())
    liked = failed[:6]
    buffer.note_weights(failed, np.isin(failed, liked).astype(np.float32))
    batch = buffer.sample(np.random.default_rng(0), 4000, success_fraction=0.5)
    assert int(batch.success.sum()) == 2000
    rows = batch.rows.numpy()[~batch.success.numpy()]
    evenly, by_weight = rows[:1000], rows[1000:]
    # Six of 120 failed transitions; the others keep a hundredth each, so that they come up again.
    assert np.isin(evenly, liked).mean() == pytest.approx(6 / 120, abs=0.03)
    assert np.isin(by_weight, liked).mean() == pytest.approx(6 / (6 + 1.14), abs=0.05)


def test_a_mixture_hands_weights_to_the_right_buffer_and_keeps_them() -> None:
    def mixture() -> Mixture:
        return Mixture([(buffer_of(dot_data(4)), 0.5), (buffer_of(dot_data(6)), 0.5)])

    one, other = mixture(), mixture()
    batch = one.sample(np.random.default_rng(0), 8)
    one.note_weights(batch, torch.arange(8) / 10)
    first, second = (buffer.weights for buffer, _ in one.sources)
    assert batch.sources.tolist() == [0] * 4 + [1] * 4
    assert first[int(batch.rows[3])] == pytest.approx(0.3)
    assert second[int(batch.rows[7])] == pytest.approx(0.7)
    other.load_state_dict(one.state_dict())
    assert np.array_equal(other.sources[1][0].weights, second)


def test_episodes_of_one_place_share_a_group_unless_there_are_few_places() -> None:
    many = buffer_of(dot_data(75))  # Three episodes a place.
    groups = many.gather(many.episode_starts).groups.reshape(25, 3)
    assert (groups == groups[:, :1]).all()
    assert len(groups.unique()) == 25
    few = buffer_of(dot_data(9))
    assert len(few.gather(few.episode_starts).groups.unique()) == 9


@pytest.mark.parametrize("places", [8 * 30, 1])
def test_every_critic_learns_of_every_task_where_tasks_take_turns(places: int) -> None:
    tasks = tuple(f"reach_{index}" for index in range(8))
    data = dot_data(8 * 30, steps=2, tasks=tasks)
    turns = dataclasses.replace(data, scenes=tuple(f"kitchen {n % places}" for n in range(8 * 30)))
    buffer = ReplayBuffer.from_packed(turns, slots_for(tasks, 8), ONE_STEP, CAMERA)
    batch = buffer.gather(buffer.episode_starts)
    held_out_by = {
        (int(task), int(group) % 4) for task, group in zip(batch.tasks, batch.groups, strict=True)
    }
    assert len(held_out_by) == 8 * 4


def test_every_critic_learns_of_both_tasks_where_practice_alternates() -> None:
    buffer = ReplayBuffer.empty(32, ONE_STEP)
    rng = np.random.default_rng(0)
    for index in range(40):
        images, states, actions = episode(rng, 2, 32, success=True)
        buffer.add_episode(images, states, actions, task=index % 2, success=True)
    batch = buffer.gather(buffer.episode_starts)
    held_out_by = {
        (int(task), int(group) % 4) for task, group in zip(batch.tasks, batch.groups, strict=True)
    }
    assert len(held_out_by) == 2 * 4


def test_a_place_has_the_same_number_in_every_selection_of_episodes() -> None:
    data = dot_data(90, steps=2)
    whole = buffer_of(data)
    later = np.flatnonzero(data.episode >= 15)
    part = dataclasses.replace(
        data,
        **{
            name: getattr(data, name)[later]
            for name in ("frame", "actions", "task", "step", "length", "success", "unlabelled")
        },
        episode=data.episode[later],
    )
    groups = buffer_of(part).gather(buffer_of(part).episode_starts).groups
    assert groups.equal(whole.gather(whole.episode_starts[15:]).groups)


def test_a_grasp_of_a_failure_teaches_where_to_close_if_so_configured() -> None:
    data = dot_data(4, steps=8, failures=1.0)
    held = dataclasses.replace(data, states=data.states.copy())
    held.states[:, GRIPPER] = 0.5
    careful = dataclasses.replace(ONE_STEP, toggles_of="success")
    trusting = dataclasses.replace(ONE_STEP, toggles_of="grasp")
    known = [
        bool(buffer_of(one, algorithm).gather(np.arange(4)).toggle_known.any())
        for one, algorithm in ((data, trusting), (held, trusting), (held, careful))
    ]
    assert known == [False, True, False]
