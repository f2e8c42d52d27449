"""The checkpoint that comes with ptrctl: whole, small, and honest about what it has seen."""

from __future__ import annotations

import numpy as np
import pytest

from hardware.sim.catalogue import FIRST_HELD_OUT_KITCHEN, HELD_OUT_OBJECTS
from hardware.sim.recipes import DEMO_KITCHEN, DEMO_TASK, prior_recipe, prior_tasks
from hardware.sim.tasks import parse_task
from policies.checkpoint import check_fits, load_checkpoint
from policies.classifier_check import (
    MOST_FALSE_EPISODES,
    MOST_FALSE_PICTURES,
    MOST_MISSED_EPISODES,
)
from policies.classifier_file import CLASSIFIER_FILE, load_classifier
from policies.labelling import Hand
from policies.meter import METER_FILE, load_meter
from policies.policy import Policy
from ptrctl.checkpoints import shipped_folder
from recordings.dataset import EpisodeFolder
from recordings.records import EpisodeInfo, Frame, Observation

FOLDER = shipped_folder()
REHEARSED = sorted({*prior_tasks(), *prior_tasks("recoloured-v1")})
TASKS = sorted({*REHEARSED, *prior_tasks("looks-v1")})


def test_it_is_whole_small_and_fits_the_simulated_arm() -> None:
    checkpoint = load_checkpoint(FOLDER)
    check_fits(checkpoint, robot="sim-wx250s", cameras=["over_shoulder"], control_rate_hz=5.0)
    assert sum(path.stat().st_size for path in FOLDER.rglob("*") if path.is_file()) < 16_000_000
    assert checkpoint.info.config.algorithm.learner == "ptr"


def test_it_knows_the_prior_tasks_and_nothing_that_is_held_out() -> None:
    names = load_checkpoint(FOLDER).info.tasks.names
    assert sorted(names) == TASKS
    assert DEMO_TASK not in names
    assert not {parse_task(name).object for name in names} & set(HELD_OUT_OBJECTS)


def test_its_rehearsal_episodes_come_from_its_recipe_and_no_held_out_kitchen() -> None:
    recipes = {
        f"{name}-{r.index:06d}": r
        for name, count in (("prior-v1", 120), ("recoloured-v1", 50))
        for r in prior_recipe(name, count)
    }
    episodes = EpisodeFolder(FOLDER / "rehearsal").summaries()
    assert {summary.info.task for summary in episodes} == set(REHEARSED)
    for summary in episodes:
        recipe = recipes[summary.info.episode_id]
        assert (summary.info.task, summary.info.seed) == (recipe.task, recipe.seed)
        assert summary.info.scene["kitchen"] == recipe.kitchen_seed < FIRST_HELD_OUT_KITCHEN


def test_its_value_meter_was_calibrated_on_its_own_trials_of_every_task() -> None:
    # If the checkpoint has changed: python scripts/calibrate_shipped.py OUT
    meter = load_meter(FOLDER / METER_FILE)
    assert meter is not None
    assert meter.checkpoint == load_checkpoint(FOLDER).digest
    assert meter.tasks == tuple(TASKS)
    assert meter.trials >= 3 * len(meter.tasks)
    assert meter.chance(meter.q_mean + meter.q_deviation, 13) > meter.chance(meter.q_mean, 13)


def test_its_success_classifier_was_pretrained_for_it_and_measured() -> None:
    # If the checkpoint has changed: scripts/pretrain_classifier.py, see its README.
    checkpoint = load_checkpoint(FOLDER)
    found = load_classifier(FOLDER / CLASSIFIER_FILE, checkpoint.info.config.network)
    classifier, rates, notes = found
    assert notes["checkpoint"] == checkpoint.digest
    # Its failures were not counted apart when it was measured; they are for every new task.
    assert rates.false_pictures.share <= MOST_FALSE_PICTURES
    assert rates.false_episodes.share <= MOST_FALSE_EPISODES
    assert rates.missed_episodes.share <= MOST_MISSED_EPISODES
    # Things are grasped and let go of; a drawer is held to the end; a door can be pushed shut.
    slots = checkpoint.info.tasks
    needed = {name: classifier.needed_hand(slots.slot(name)) for name in TASKS}
    moved = {needed[name] for name in TASKS if name.startswith(("put_", "take_"))}
    assert moved == {Hand.LET_GO}
    assert needed["open_drawer"] is Hand.HELD
    assert needed["close_door"] is Hand.EMPTY


def test_the_demo_is_a_task_and_a_kitchen_that_it_has_never_seen() -> None:
    assert DEMO_KITCHEN >= FIRST_HELD_OUT_KITCHEN
    assert parse_task(DEMO_TASK).object in HELD_OUT_OBJECTS


@pytest.mark.parametrize("task", ["put_carrot_on_plate", DEMO_TASK])
def test_it_acts_within_the_action_limits(task) -> None:
    policy = Policy.from_checkpoint(load_checkpoint(FOLDER), new_tasks=[task])
    frame = Frame(np.full((128, 128, 3), 120, np.uint8), 0.0, 0.0)
    state = np.array([0.22, 0.0, 0.17, 0.0, 0.0, 0.0, 1.0])
    info = EpisodeInfo("e", "trial", task, {}, {}, 5.0, policy.name)
    policy.begin(info)
    action = policy.act(Observation({"over_shoulder": frame}, state, 0.0)).action
    assert np.abs(action[:3]).max() <= 0.05
    assert np.abs(action[3:6]).max() <= 0.25
    assert 0.0 <= action[6] <= 1.0
