from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from policies.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from policies.config import Learner
from policies.online import OnlineLearner
from policies.presets import preset
from policies.storage import read_tensors, write_tensors
from policies.training import train
from recordings.errors import CheckpointError, RecordingError
from tests.policies.synthetic import dot_data, episode


def start(folder: Path, learner: Learner = "ptr") -> Checkpoint:
    return train(
        preset("tiny").with_learner(learner),
        dot_data(8),
        steps=4,
        run_folder=folder,
        robot="sim-wx250s",
    ).checkpoint


def add_trials(online: OnlineLearner, count: int, *, success: bool = True, size: int = 48) -> None:
    rng = np.random.default_rng(4)
    for _ in range(count):
        images, states, actions = episode(rng, 6, size, success=success)
        online.add_episode(images, states, actions, "reach_dot", success)


def test_trials_are_resized_and_half_of_every_batch(tmp_path: Path) -> None:
    online = OnlineLearner(start(tmp_path), target=dot_data(8))
    add_trials(online, 3, success=False)
    batch = online.mixture.sample(np.random.default_rng(0), 16)
    assert batch.images.shape[1:] == (32, 32, 3)
    assert batch.success.tolist() == [True] * 8 + [False] * 8


@pytest.mark.parametrize("learner", ["bc", "ptr"])
def test_updates_change_the_policy_and_the_checkpoint_says_so(
    tmp_path: Path, learner: Learner
) -> None:
    checkpoint = start(tmp_path / "run", learner)
    online = OnlineLearner(checkpoint, prior=dot_data(4, seed=9), target=dot_data(8))
    add_trials(online, 2)
    before = online.policy(stochastic=False).networks.actor.mu.weight.clone()
    metrics = online.update(3)
    policy = online.policy()
    assert np.isfinite(list(metrics.values())).all()
    assert not policy.networks.actor.mu.weight.equal(before)
    assert policy.stochastic
    assert policy.name == f"policy:{checkpoint.short_digest}+3"
    saved = save_checkpoint(tmp_path / "new", policy.networks, online.info())
    info = load_checkpoint(saved.path).info
    assert info.parent == checkpoint.digest
    assert (info.steps, info.critic_updates) == ((7, 7) if learner == "ptr" else (7, 0))
    assert info.metrics == metrics
    assert set(info.data) == {"prior", "target", "online"}


def test_without_offline_data_the_first_trial_is_waited_for(tmp_path: Path) -> None:
    online = OnlineLearner(start(tmp_path))
    with pytest.raises(RecordingError, match="no episode to learn from"):
        online.update(1)
    add_trials(online, 1, success=False)
    assert online.update(1)


def test_cloning_waits_for_a_success(tmp_path: Path) -> None:
    online = OnlineLearner(start(tmp_path, "bc"))
    add_trials(online, 2, success=False)
    with pytest.raises(RecordingError, match="that succeeded"):
        online.update(1)


def test_a_saved_session_goes_on_exactly(tmp_path: Path) -> None:
    checkpoint = start(tmp_path / "run")

    def session() -> OnlineLearner:
        online = OnlineLearner(checkpoint, target=dot_data(8))
        add_trials(online, 2)
        return online

    whole = session()
    whole.update(2)
    whole.save_state(tmp_path / "state.safetensors")
    at_state = whole.info()
    expected = whole.update(3)
    resumed = session()
    resumed.load_state(tmp_path / "state.safetensors")
    # A checkpoint's digest covers them.
    assert resumed.info() == at_state
    assert resumed.update(3) == expected

    add_trials(resumed, 1)
    with pytest.raises(CheckpointError, match="written after 2 trials"):
        resumed.load_state(tmp_path / "state.safetensors")


def test_the_rates_of_planned_practice_fall(tmp_path: Path) -> None:
    checkpoint = start(tmp_path)
    config = dataclasses.replace(
        checkpoint.info.config,
        training=dataclasses.replace(checkpoint.info.config.training, rate_schedule="cosine"),
    )

    def rate_after(planned: int) -> tuple[float, float]:
        online = OnlineLearner(
            checkpoint, target=dot_data(8), config=config, planned_updates=planned
        )
        optimiser = online.learner.optimisers["actor"]
        first = optimiser.param_groups[0]["lr"]
        online.update(4)
        return first, optimiser.param_groups[0]["lr"]

    first, last = rate_after(0)
    assert last == first
    first, last = rate_after(4)
    assert last < 0.5 * first


def test_a_state_that_was_learned_beside_other_data_is_refused(tmp_path: Path) -> None:
    checkpoint = start(tmp_path / "run")
    online = OnlineLearner(checkpoint, target=dot_data(8))
    add_trials(online, 1)
    online.save_state(tmp_path / "state.safetensors")
    other = OnlineLearner(checkpoint, target=dot_data(9))
    add_trials(other, 1)
    with pytest.raises(CheckpointError, match="other demonstrations") as caught:
        other.load_state(tmp_path / "state.safetensors")
    assert "ptrctl finetune" in caught.value.try_next
    assert "--session" in caught.value.try_next


def test_practice_does_not_go_on_with_another_learner(tmp_path: Path) -> None:
    checkpoint = start(tmp_path / "run")

    def session(learner: Learner) -> OnlineLearner:
        config = checkpoint.info.config.with_learner(learner)
        online = OnlineLearner(checkpoint, target=dot_data(8), config=config)
        add_trials(online, 1)
        return online

    session("ptr").save_state(tmp_path / "state.safetensors")
    with pytest.raises(CheckpointError, match="learned by ptr") as caught:
        session("bc").load_state(tmp_path / "state.safetensors")
    assert "--learner ptr" in caught.value.try_next


def test_a_state_of_an_earlier_version_is_refused_with_a_reason(tmp_path: Path) -> None:
    online = OnlineLearner(start(tmp_path / "run"), target=dot_data(8))
    path = tmp_path / "state.safetensors"
    online.save_state(path)
    tensors, notes = read_tensors(path)
    kept = {name: value for name, value in tensors.items() if not name.startswith("weights/")}
    write_tensors(path, kept, notes)
    with pytest.raises(CheckpointError, match="lacks 'weights/0'"):
        online.load_state(path)


def test_a_damaged_state_is_answered_with_a_new_session(tmp_path: Path) -> None:
    online = OnlineLearner(start(tmp_path / "run"), target=dot_data(8))
    path = tmp_path / "state.safetensors"
    online.save_state(path)
    tensors, notes = read_tensors(path)
    del notes["sampler"]
    write_tensors(path, tensors, notes)
    with pytest.raises(CheckpointError, match="lacks 'sampler'"):
        online.load_state(path)
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(CheckpointError, match="cannot be read") as caught:
        online.load_state(path)
    assert "--session NAME" in caught.value.try_next


@pytest.mark.parametrize("role", ["prior", "target"])
def test_data_of_another_control_rate_is_refused(tmp_path: Path, role: str) -> None:
    faster = dataclasses.replace(dot_data(8), control_rate_hz=10.0)
    with pytest.raises(RecordingError, match=f"the {role} data 10 Hz") as caught:
        OnlineLearner(start(tmp_path), **{role: faster})
    assert "--rate 5" in caught.value.try_next
    assert "--from-scratch" not in caught.value.try_next


def test_a_trial_of_an_unknown_task_is_refused_and_an_empty_one_ignored(tmp_path: Path) -> None:
    online = OnlineLearner(start(tmp_path))
    images, states, actions = episode(np.random.default_rng(0), 2, 32)
    with pytest.raises(CheckpointError, match="has not learned the task `fly`"):
        online.add_episode(images, states, actions, "fly", success=True)
    online.add_episode(images[:1], states[:1], actions[:0], "reach_dot", success=False)
    assert online.online.episodes == 0


def test_practice_learns_at_its_share_of_the_training_rates(tmp_path: Path) -> None:
    online = OnlineLearner(start(tmp_path), target=dot_data(8))
    training = online.config.training
    used = online.learner.config.training
    assert used.actor_rate == pytest.approx(training.actor_rate * training.online_rate)
    assert used.critic_rate == pytest.approx(training.critic_rate * training.online_rate)
    assert online.info().config == online.checkpoint.info.config


def test_it_begins_again_at_the_rates_of_training_with_the_same_trials(tmp_path: Path) -> None:
    checkpoint = start(tmp_path)
    online = OnlineLearner(checkpoint, target=dot_data(8), planned_updates=100)
    fresh = OnlineLearner(checkpoint, target=dot_data(8)).policy(stochastic=False)
    add_trials(online, 3)
    online.update(2)
    for buffer, _ in online.mixture.sources:
        buffer.note_weights(np.arange(len(buffer)), np.full(len(buffer), 0.5, np.float32))
    online.begin_again(10)
    # Neither weights of networks nor of transitions tell what was learned before.
    assert all((buffer.weights == 1.0).all() for buffer, _ in online.mixture.sources)
    assert (online.updates, online.online.episodes) == (0, 3)
    again = online.policy(stochastic=False)
    assert again.networks.actor.mu.weight.equal(fresh.networks.actor.mu.weight)
    assert online.learner.config.training.actor_rate == checkpoint.info.config.training.actor_rate
    online.update(1)
    assert online.updates == 1


def test_without_demonstrations_four_successes_are_something_new(tmp_path: Path) -> None:
    online = OnlineLearner(start(tmp_path), prior=dot_data(8))
    add_trials(online, 3)
    add_trials(online, 3, success=False)
    assert not online.has_something_new
    add_trials(online, 1)
    assert online.has_something_new
    assert OnlineLearner(start(tmp_path / "other"), target=dot_data(8)).has_something_new
