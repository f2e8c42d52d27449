"""A new task begins as the known one that its demonstrations look most like."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch

from policies.checkpoint import Checkpoint
from policies.config import PolicyConfig
from policies.learners import make_networks
from policies.new_task import begin_as_best
from policies.online import OnlineLearner
from policies.presets import preset
from policies.replay import ReplayBuffer
from policies.training import train
from tests.policies.synthetic import SyntheticData, dot_data, episode

TOWARDS, AWAY, NEW = "put_carrot_on_plate", "put_corn_on_plate", "put_sushi_on_plate"
CONFIG = preset("tiny").with_learner("bc")


def away_from_the_dot(data: SyntheticData, task: str) -> SyntheticData:
    """The same pictures; in one task the arm moves the other way."""
    turned = data.task == data.tasks.index(task)
    actions = np.where(turned[:, None], data.actions * [-1, -1, 1, 1, 1, 1, 1], data.actions)
    return dataclasses.replace(data, actions=actions.astype(np.float32), digest=f"away {task}")


@pytest.fixture(scope="module")
def both_ways(tmp_path_factory: pytest.TempPathFactory) -> Checkpoint:
    """It has learned one task of each kind."""
    data = away_from_the_dot(dot_data(120, tasks=(TOWARDS, AWAY)), AWAY)
    folder = tmp_path_factory.mktemp("both")
    return train(CONFIG, data, steps=300, run_folder=folder, robot="sim-wx250s").checkpoint


@pytest.mark.parametrize("like", [TOWARDS, AWAY])
def test_a_new_task_begins_as_the_one_that_its_demonstrations_are_like(
    both_ways: Checkpoint, tmp_path: Path, like: str
) -> None:
    shown = dot_data(6, seed=5, tasks=(NEW,))
    if like == AWAY:
        shown = away_from_the_dot(shown, NEW)
    tuned = train(
        CONFIG, None, shown, steps=1, run_folder=tmp_path, robot="sim-wx250s", init=both_ways
    )
    assert tuned.began_as == {NEW: like}
    networks, slots = tuned.checkpoint.networks()
    rows = both_ways.networks()[0].task_table
    other = AWAY if like == TOWARDS else TOWARDS
    new = networks.task_table[slots.slot(NEW)]
    # One update moves it a little.
    assert torch.dist(new, rows[slots.slot(like)]) < 0.05
    assert torch.dist(new, rows[slots.slot(other)]) > 0.5


def do(online: OnlineLearner, like: str) -> None:
    """Six successes of the new task."""
    rng = np.random.default_rng(6)
    for _ in range(6):
        pictures, states, actions = episode(rng, 6, 32)
        actions[:, :2] *= 1 if like == TOWARDS else -1
        online.add_episode(pictures, states, actions, NEW, success=True)


@pytest.mark.parametrize("like", [TOWARDS, AWAY])
def test_practice_begins_again_as_the_one_that_its_own_successes_are_like(
    both_ways: Checkpoint, like: str
) -> None:
    online = OnlineLearner(both_ways, new_tasks=[NEW])
    do(online, like)
    assert online.began_as == {}
    online.begin_again(10)
    assert online.began_as == {NEW: like}
    rows = online.policy().networks.task_table
    assert torch.equal(rows[online.tasks.slot(NEW)], rows[online.tasks.slot(like)])


def test_practice_heeds_demonstrations_before_what_it_did_itself(both_ways: Checkpoint) -> None:
    shown = away_from_the_dot(dot_data(6, seed=5, tasks=(NEW,)), NEW)
    online = OnlineLearner(both_ways, target=shown)
    assert online.began_as == {NEW: AWAY}
    do(online, TOWARDS)
    online.begin_again(10)
    assert online.began_as == {NEW: AWAY}


def demonstrated(config: PolicyConfig, *, success: bool) -> ReplayBuffer:
    """One episode of the task in slot 2."""
    buffer = ReplayBuffer.empty(config.network.image_size, config.algorithm)
    pictures, states, actions = episode(np.random.default_rng(0), 6, config.network.image_size)
    buffer.add_episode(pictures, states, actions, task=2, success=success)
    return buffer


def test_without_a_success_or_with_embeddings_that_are_not_learned_it_keeps_its_own() -> None:
    plain = dataclasses.replace(
        CONFIG, network=dataclasses.replace(CONFIG.network, task_embedding=0)
    )
    for config, success in ((CONFIG, False), (plain, True)):
        networks = make_networks(config, 0)
        before = networks.task_table.detach().clone()
        shown = demonstrated(config, success=success)
        assert begin_as_best(networks, 2, (0, 1), shown) is None
        assert torch.equal(networks.task_table, before)


def test_other_rows_stay_as_they_are() -> None:
    networks = make_networks(CONFIG, 0)
    before = networks.task_table.detach().clone()
    best = begin_as_best(networks, 2, range(8), demonstrated(CONFIG, success=True))
    after = networks.task_table.detach()
    assert torch.equal(after[2], before[2 if best is None else best])
    assert torch.equal(after[[0, 1, *range(3, 8)]], before[[0, 1, *range(3, 8)]])
