"""Nothing that is reported may be known to what was trained or chosen before."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from benchmarks import held_out_targets
from benchmarks.ptr_bench.regimes import (
    REGIMES,
    check_folder,
    check_recipe,
    keeps_success,
    kept_episodes,
)
from benchmarks.ptr_bench.targets import (
    ROLES,
    TARGETS,
    UNREPORTED,
    choose_targets,
    demonstration_seeds,
    start_seeds,
)
from hardware.sim.catalogue import FIRST_HELD_OUT_KITCHEN, HELD_OUT_OBJECTS
from hardware.sim.recipes import prior_recipe
from hardware.sim.tasks import ARTICULATED, parse_task
from hardware.sim.world import SimWorld
from ptrctl.seeds import practice_seeds
from recordings.errors import RecordingError, UsageError

ROOT = Path(__file__).resolve().parents[2]
REPORTING, SELECTION = TARGETS["reporting"], TARGETS["selection"]


def test_reporting_and_selection_share_no_task_and_no_kitchen() -> None:
    assert not {t.task for t in REPORTING} & {t.task for t in SELECTION}
    assert not {t.kitchen for t in REPORTING} & {t.kitchen for t in SELECTION}


def test_checkpoints_are_chosen_on_held_out_targets_that_the_table_does_not_report() -> None:
    chosen_on = {*held_out_targets.TARGETS["selection"]}
    assert chosen_on == {*SELECTION, *UNREPORTED}
    assert not {target.task for target in chosen_on} & {target.task for target in REPORTING}
    assert not {target.kitchen for target in chosen_on} & {target.kitchen for target in REPORTING}
    for target in chosen_on.union(held_out_targets.TARGETS["reported"]):
        assert parse_task(target.task).object in HELD_OUT_OBJECTS
        assert target.kitchen >= FIRST_HELD_OUT_KITCHEN


def test_there_are_six_reporting_targets_with_a_backward_pair_and_an_articulated_one() -> None:
    assert len(set(REPORTING)) >= 6
    assert any(target.task in ARTICULATED for target in REPORTING)
    by_task = {target.task: target.kitchen for target in REPORTING}
    assert any(by_task.get(parse_task(task).backward) == by_task[task] for task in by_task)


def test_start_states_of_reporting_selection_practice_and_demonstrations_are_disjoint() -> None:
    most = 10_000
    ranges = [set(start_seeds(role, most)) for role in ROLES]
    ranges += [set(practice_seeds(0, most)), set(demonstration_seeds())]
    assert len(set.union(*ranges)) == sum(len(one) for one in ranges)


@pytest.mark.parametrize("recipe", REGIMES.values())
def test_no_prior_episode_shows_an_object_or_a_kitchen_of_any_target(recipe: str) -> None:
    targets = (*REPORTING, *SELECTION)
    objects = {parse_task(target.task).object for target in targets} - {""}
    assert objects <= set(HELD_OUT_OBJECTS)
    assert min(target.kitchen for target in targets) >= FIRST_HELD_OUT_KITCHEN
    episodes = prior_recipe(recipe, 120)
    assert len(episodes) == 4800
    assert not objects & {parse_task(episode.task).object for episode in episodes}
    assert not {t.kitchen for t in targets} & {episode.kitchen_seed for episode in episodes}


def test_no_bystander_in_a_prior_kitchen_is_held_out() -> None:
    for episode in prior_recipe("mixed-v1", 3)[::7]:
        world = SimWorld(episode.task, episode.kitchen_seed)
        assert not set(world.objects) & set(HELD_OUT_OBJECTS)


def test_no_setting_names_a_reporting_task_or_kitchen() -> None:
    """Nor do learners, the choice of checkpoints and the bench, but for its list of targets."""
    files = [*(ROOT / "policies").rglob("*.py"), *(ROOT / "policies").rglob("*.json")]
    files += [p for p in (ROOT / "benchmarks/ptr_bench").glob("*.py") if p.name != "targets.py"]
    files.append(ROOT / "benchmarks/ptr_table.py")
    own_tasks = {target.task for target in REPORTING if target.task not in ARTICULATED}
    kitchens = {form.format(t.kitchen) for t in REPORTING for form in ("{}", "{:_}", "{:,}")}
    assert len(files) > 30
    for path in files:
        text = path.read_text(encoding="utf-8")
        found = [name for name in own_tasks | kitchens if name in text]
        assert not found, f"{path.name} names {found}"


def test_a_target_of_the_other_role_cannot_be_chosen() -> None:
    with pytest.raises(UsageError, match="no selection target"):
        choose_targets("selection", [REPORTING[0].task])


def test_the_mixed_regime_keeps_every_failure_and_a_quarter_of_the_successes() -> None:
    numbers = np.arange(4800)
    success = numbers % 3 == 0
    kept = kept_episodes("mixed", numbers, success)
    assert kept[~success].all()
    assert 0.22 < kept[success].mean() < 0.28
    assert (kept[success] == [keeps_success(n) for n in numbers[success]]).all()


def test_what_the_mixed_regime_keeps_depends_on_an_episodes_number_alone() -> None:
    numbers = np.array([7, 2, 4799, 13])
    some = kept_episodes("mixed", numbers, np.ones(4, np.bool_))
    assert some.tolist() == [keeps_success(n) for n in (7, 2, 4799, 13)]
    expected = [np.random.default_rng([n, 9]).uniform() < 0.25 for n in range(50)]
    assert [keeps_success(n) for n in range(50)] == expected


def test_the_clean_regime_keeps_successes_only() -> None:
    success = np.array([True, False, True])
    assert kept_episodes("clean", np.arange(3), success).tolist() == [True, False, True]


def _recorded(count: int) -> Any:
    episodes = prior_recipe("prior-v1", 1)[:count]
    tasks = tuple(sorted({episode.task for episode in episodes}))
    return SimpleNamespace(
        episode_ids=tuple(f"prior-v1-{episode.index:06d}" for episode in episodes),
        tasks=tasks,
        episode_tasks=np.array([tasks.index(episode.task) for episode in episodes]),
        seeds=tuple(episode.seed for episode in episodes),
    )


def test_prior_data_must_be_the_whole_recipe_with_its_tasks_and_seeds() -> None:
    whole = _recorded(40)
    assert check_recipe(whole, "prior-v1", Path("prior")).tolist() == list(range(40))
    with pytest.raises(RecordingError, match="all of them and nothing else"):
        check_recipe(_recorded(39), "prior-v1", Path("prior"))
    with pytest.raises(RecordingError, match="all of them and nothing else"):
        check_recipe(whole, "mixed-v1", Path("prior"))
    whole.seeds = (*whole.seeds[:5], 77_777, *whole.seeds[6:])
    with pytest.raises(RecordingError, match=r"Episode 5 .* from seed 77777"):
        check_recipe(whole, "prior-v1", Path("prior"))


def test_a_folder_of_another_recipe_is_refused_before_any_work(tmp_path: Path) -> None:
    (tmp_path / "prior-v1-000000.h5").touch()
    check_folder("clean", tmp_path)
    with pytest.raises(UsageError, match="no recording of `mixed-v1`"):
        check_folder("mixed", tmp_path)
    with pytest.raises(UsageError, match="no recording of `prior-v1`"):
        check_folder("clean", tmp_path / "missing")
