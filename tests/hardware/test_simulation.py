"""The simulated kitchens: layout, tasks, truth, demonstrator, recipes, gymnasium."""

from __future__ import annotations

import dataclasses
import warnings
from types import SimpleNamespace
from typing import Any

import gymnasium
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

from hardware.loop import ControlLoop, Subscriber
from hardware.registry import CellRequest, make_cell, make_sim_cell, robot_names
from hardware.sim.catalogue import (
    CONTAINERS,
    FIRST_HELD_OUT_KITCHEN,
    FOR_PRIOR_ONLY,
    HELD_OUT_OBJECTS,
    LOOKS,
    OBJECTS,
    RECOLOURED,
)
from hardware.sim.demonstrator import FAILURES
from hardware.sim.recipes import (
    DEMO_KITCHEN,
    DEMO_TASK,
    RECIPE_NAMES,
    RECIPES,
    Recipe,
    prior_recipe,
    prior_tasks,
)
from hardware.sim.tasks import Verb, all_task_names, parse_task
from hardware.sim.world import SimWorld
from recordings.errors import UsageError
from recordings.records import EndReason, Score, hold_action
from tests.hardware.fakes import episode_info

pytestmark = pytest.mark.sim

SOME_TASKS = (
    "put_carrot_on_plate",
    "take_sushi_out_of_pot",
    "put_can_in_bowl",
    "take_lemon_off_stove",
    "put_mushroom_in_sink",
    "open_drawer",
    "close_drawer",
    "open_door",
    "close_door",
)


def run(task, kitchen=3, seed=5, noise=0.5, failure="", subscribers=(), max_steps=45, size=32):
    cell = make_sim_cell(
        CellRequest(task=task, kitchen_seed=kitchen, realtime=False, image_size=size)
    )
    with cell.station as station:
        cell.start(seed)
        loop = ControlLoop(station, 5.0, subscribers=list(subscribers))
        return loop.run_episode(
            episode_info(task=task, seed=seed),
            cell.demonstrator(noise=noise, failure=failure),
            max_steps=max_steps,
            judge=cell.judge,
        )


class Trace(Subscriber):
    """Everything that the arm did and saw."""

    def __init__(self) -> None:
        self.states, self.images, self.progress = [], [], []

    def on_step(self, step) -> None:
        self.states.append(step.observation.state)
        self.images.append(step.observation.frames["over_shoulder"].image.copy())
        self.progress.append(step.score.progress)


def test_there_are_enough_tasks_objects_and_containers() -> None:
    assert len(all_task_names()) >= 12
    assert len(OBJECTS) >= 8
    assert len(CONTAINERS) >= 5
    assert len(prior_tasks()) == len(set(prior_tasks())) == 40


@pytest.mark.parametrize("name", all_task_names())
def test_every_task_has_a_criterion_and_a_way_back(name) -> None:
    task = parse_task(name)
    assert task.criterion
    assert parse_task(task.backward).backward == name


@pytest.mark.parametrize("name", ["put_carot_on_plate", "put_carrot_in_plate", "fly", ""])
def test_a_task_that_does_not_exist_is_refused_with_a_hint(name) -> None:
    with pytest.raises(UsageError) as refused:
        parse_task(name)
    if "car" in name:
        assert "put_carrot_on_plate" in str(refused.value)


def test_an_arm_that_does_not_exist_is_refused_with_those_that_do() -> None:
    with pytest.raises(UsageError, match="sim-wx250s"):
        make_cell("sim-wx250", CellRequest("open_drawer", realtime=False))
    assert "sim-wx250s" in robot_names()


def test_the_same_seeds_give_the_same_episode_bit_for_bit() -> None:
    one, two = Trace(), Trace()
    run("put_carrot_on_plate", subscribers=[one])
    run("put_carrot_on_plate", subscribers=[two])
    np.testing.assert_array_equal(one.states, two.states)
    np.testing.assert_array_equal(one.images, two.images)


def test_another_seed_lays_out_the_scene_differently() -> None:
    world = SimWorld("put_carrot_on_plate", 0)
    world.reset(0)
    first = world.object_position_m("carrot")
    world.reset(1)
    assert np.linalg.norm(world.object_position_m("carrot") - first) > 1e-3


def test_kitchens_look_different() -> None:
    pictures = []
    for seed in (0, 1):
        world = SimWorld("open_drawer", seed)
        world.reset(0)
        pictures.append(world.render(48, 48).astype(float))
        world.close()
    assert np.abs(pictures[0] - pictures[1]).mean() > 5


@pytest.mark.slow
def test_the_demonstrator_succeeds_in_over_nine_of_ten_episodes() -> None:
    ends = [
        run(task, kitchen=200 + index, seed=index, noise=1.0)
        for task in SOME_TASKS
        for index in range(8)
    ]
    successes = sum(end.reason is EndReason.SUCCESS for end in ends)
    assert successes > 0.9 * len(ends)


@pytest.mark.parametrize("failure", ["missed_grasp", "wrong_place", "play"])
def test_the_demonstrator_can_fail_on_purpose(failure) -> None:
    ends = [run("put_carrot_on_plate", kitchen=k, seed=k, failure=failure) for k in range(4)]
    assert sum(end.final_score.success for end in ends) <= 1


def test_letting_go_early_fails_at_a_drawer() -> None:
    assert not run("open_drawer", failure="early_release").final_score.success
    assert set(FAILURES) == {"missed_grasp", "early_release", "wrong_place", "play"}


def test_progress_rises_through_the_stages_of_a_good_episode() -> None:
    trace = Trace()
    run("put_carrot_on_plate", noise=0.0, subscribers=[trace])
    assert list(dict.fromkeys(trace.progress)) == [0.0, 0.25, 0.5, 0.75, 1.0]


def test_doing_nothing_is_no_success() -> None:
    for task in SOME_TASKS:
        world = SimWorld(task, 7)
        world.reset(7)
        world.begin_episode()
        score = world.score()
        assert not score.success
        assert score.progress <= 0.25


def test_a_thing_that_is_still_held_over_its_container_is_not_placed() -> None:
    held = []

    class Watch(Subscriber):
        def on_step(self, step) -> None:
            if step.score.stage == "moved":
                held.append((step.score.success, step.sent_action[6]))

    run("put_carrot_on_plate", noise=0.0, subscribers=[Watch()])
    assert held
    assert not any(success for success, _ in held)


def test_the_way_back_can_be_tried_in_the_same_scene() -> None:
    cell = make_sim_cell(CellRequest("open_drawer", kitchen_seed=1, realtime=False, image_size=32))
    with cell.station as station:
        cell.start(0)
        loop = ControlLoop(station, 5.0)
        for task in ("open_drawer", "close_drawer", "open_drawer"):
            cell = cell.use_task(task)
            cell.start(None)
            end = loop.run_episode(
                episode_info(task=task), cell.demonstrator(), max_steps=45, judge=cell.judge
            )
            assert end.reason is EndReason.SUCCESS, task
        with pytest.raises(UsageError, match="needs things that this scene lacks"):
            cell.use_task("put_sushi_in_pot")


def test_recipes_cannot_contain_what_is_held_out() -> None:
    with pytest.raises(ValueError, match="held-out object"):
        Recipe(0, DEMO_TASK, 0, 0, 0.5)
    with pytest.raises(ValueError, match="held out"):
        Recipe(0, "open_drawer", DEMO_KITCHEN, 0, 0.5)


@pytest.mark.parametrize(("name", "episodes"), [("prior-v1", 10), ("looks-v1", 3)])
def test_no_prior_kitchen_shows_a_held_out_object_not_even_as_a_bystander(
    name: str, episodes: int
) -> None:
    for recipe in prior_recipe(name, episodes):
        world = SimWorld(recipe.task, recipe.kitchen_seed)
        assert not set(world.objects) & set(HELD_OUT_OBJECTS), recipe


def test_the_demo_is_held_out_by_object_and_by_kitchen() -> None:
    assert DEMO_TASK not in prior_tasks()
    assert parse_task(DEMO_TASK).object in HELD_OUT_OBJECTS
    assert DEMO_KITCHEN >= FIRST_HELD_OUT_KITCHEN
    assert parse_task(DEMO_TASK).verb is Verb.PUT


@pytest.mark.parametrize("name", RECIPE_NAMES)
def test_a_recipe_is_a_pure_function_of_its_size(name: str) -> None:
    assert prior_recipe(name, episodes_per_task=3) == prior_recipe(name, episodes_per_task=3)
    longer = prior_recipe(name, episodes_per_task=4)
    assert longer[: 3 * len(prior_tasks(name))] == prior_recipe(name, episodes_per_task=3)


def test_recoloured_things_have_tasks_and_kitchens_of_their_own() -> None:
    tasks = prior_tasks("recoloured-v1")
    assert len(set(tasks)) == 48
    assert {parse_task(name).object for name in tasks} == set(RECOLOURED)
    others = {r.kitchen_seed for r in prior_recipe("prior-v1", 200)}
    recipes = prior_recipe("recoloured-v1", 50)
    assert not others & {r.kitchen_seed for r in recipes}


def test_things_for_prior_data_alone_stand_in_no_other_kitchen_and_are_no_operators_task() -> None:
    for recipe in (*prior_recipe("prior-v1", 2), *prior_recipe("recoloured-v1", 2)):
        task = parse_task(recipe.task)
        world = SimWorld(recipe.task, recipe.kitchen_seed)
        assert not {*world.objects} & {*FOR_PRIOR_ONLY} - {task.object}
    assert not {parse_task(name).object for name in all_task_names()} & {*FOR_PRIOR_ONLY}


def test_every_random_look_has_a_task_among_others_in_a_kitchen_of_its_own() -> None:
    tasks = [parse_task(name) for name in prior_tasks("looks-v1")]
    assert len(tasks) == len(LOOKS) == 144
    assert {task.object for task in tasks} == set(LOOKS)
    places = [(task.verb, task.container) for task in tasks]
    assert {container for _, container in places} == set(CONTAINERS)
    assert all(
        places.count((verb, name)) >= 5 for verb in (Verb.PUT, Verb.TAKE) for name in CONTAINERS
    )
    recipes = prior_recipe("looks-v1", 30)
    elsewhere = {r.kitchen_seed for name in RECIPE_NAMES[:3] for r in prior_recipe(name, 200)}
    assert len({r.kitchen_seed for r in recipes} - elsewhere) == len(recipes)
    worlds = [SimWorld(recipe.task, recipe.kitchen_seed) for recipe in recipes[:144]]
    bystanders = {name for world in worlds for name in world.objects[1:]}
    assert len(bystanders & set(LOOKS)) > 30


@pytest.mark.parametrize("name", ["parsnip", "carrot_00", "carrot_11"])
def test_a_recoloured_thing_differs_from_its_model_by_colour_alone(name: str) -> None:
    carrot, recoloured = OBJECTS["carrot"], OBJECTS[name]
    assert carrot.half_size_m == recoloured.half_size_m
    for one, other in zip(carrot.parts, recoloured.parts, strict=True):
        assert one.colour != other.colour
        assert dataclasses.replace(other, colour=one.colour) == one


def test_the_mixed_recipe_has_the_shares_that_it_names() -> None:
    recipes = prior_recipe("mixed-v1", 120)
    shares = {f: sum(r.failure == f for r in recipes) / len(recipes) for f in (*FAILURES, "")}
    for failure, share in RECIPES["mixed-v1"].failures.items():
        assert shares[failure] == pytest.approx(share, abs=0.02)
    assert shares[""] == pytest.approx(0.35, abs=0.02)


def test_a_kitchen_of_the_mixed_recipe_sees_one_task_three_times_from_other_starts() -> None:
    kitchens: dict[int, list[Recipe]] = {}
    for recipe in prior_recipe("mixed-v1", 6):
        kitchens.setdefault(recipe.kitchen_seed, []).append(recipe)
    for together in kitchens.values():
        assert len(together) == len({recipe.seed for recipe in together}) == 3
        assert len({recipe.task for recipe in together}) == 1


def test_gymnasium_accepts_the_environment() -> None:
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*Box observation space.*infinity.*")
        env = gymnasium.make(
            "hardware.sim.environment:ptrctl/WidowX-v0", image_size=48, render_mode="rgb_array"
        )
        check_env(env.unwrapped)
        env.reset(seed=1)
        assert env.render().shape == (480, 640, 3)
        env.close()


def test_in_the_environment_a_success_of_one_period_is_none() -> None:
    env: Any = gymnasium.make("hardware.sim.environment:ptrctl/WidowX-v0", image_size=32).unwrapped
    scores = iter([True, False, True, True] * 2)
    judge: Any = SimpleNamespace(score=lambda: Score(next(scores), 0.0, ""))
    env._cell = dataclasses.replace(env._cell, judge=judge)
    for seed in (1, 2):
        env.reset(seed=seed)
        told = [env.step(hold_action(1.0)) for _ in range(4)]
        assert [reward for _, reward, _, _, _ in told] == [0.0, 0.0, 0.0, 1.0]
        assert [ended for _, _, ended, _, _ in told] == [False, False, False, True]
        assert [info["success"] for *_, info in told] == [False, False, False, True]
    env.close()
