"""Prior data is a function of its recipe."""

from __future__ import annotations

from pathlib import Path

import pytest

from hardware.sim.catalogue import FIRST_HELD_OUT_KITCHEN, HELD_OUT_OBJECTS
from hardware.sim.recipes import DEMO_KITCHEN, DEMO_TASK, Recipe, prior_recipe
from ptrctl.files import only_one
from ptrctl.workflows import generate as workflow
from ptrctl.workflows.generate import generate, make_episode
from recordings.dataset import EpisodeFolder
from recordings.errors import UsageError
from recordings.reader import read_summary
from recordings.records import Label

pytestmark = pytest.mark.sim


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    """A recipe of three episodes."""
    monkeypatch.setattr(workflow, "prior_recipe", lambda name, count: prior_recipe(name, count)[:3])


def contents(folder: Path) -> list[tuple[str, str, Label]]:
    """Of every episode its name, the hash of what was recorded, and its label."""
    summaries = EpisodeFolder(folder).summaries()
    return [(one.path.name, one.content_hash, one.label) for one in summaries]


def test_an_episode_made_twice_has_the_same_contents(tmp_path: Path) -> None:
    recipe = Recipe(0, "put_carrot_on_plate", kitchen_seed=3, seed=5, noise=0.5)
    first = read_summary(make_episode(recipe, "a", tmp_path / "one", image_size=32))
    second = read_summary(make_episode(recipe, "a", tmp_path / "two", image_size=32))
    assert first.content_hash == second.content_hash
    assert first.label.labelled_by == "simulator"


def test_a_planted_failure_is_labelled_as_one(tmp_path: Path) -> None:
    recipe = Recipe(0, "put_carrot_on_plate", 3, seed=5, noise=0.3, failure="missed_grasp")
    label = read_summary(make_episode(recipe, "a", tmp_path, image_size=32)).label
    assert (label.outcome.value, label.reason) == ("failure", "missed_grasp")


def test_playing_about_goes_on_for_as_long_as_the_shipped_data_did(tmp_path: Path) -> None:
    recipe = next(r for r in prior_recipe("prior-v1", 1) if r.failure == "play")
    summary = read_summary(make_episode(recipe, "a", tmp_path, image_size=32))
    assert summary.steps == 45


@pytest.mark.usefixtures("short")
def test_only_what_is_missing_is_made(tmp_path: Path) -> None:
    assert generate("prior-v1", 1, tmp_path, image_size=32).made == 3
    before = contents(tmp_path)
    EpisodeFolder(tmp_path).paths()[1].unlink()
    seen: list[tuple[int, int]] = []
    again = generate("prior-v1", 1, tmp_path, image_size=32, on_progress=lambda *p: seen.append(p))
    assert (again.made, again.total) == (1, 3)
    assert seen == [(2, 3), (3, 3)]
    assert contents(tmp_path) == before


@pytest.mark.usefixtures("short")
def test_two_at_once_in_one_folder_are_refused(tmp_path: Path) -> None:
    lock = only_one(tmp_path / workflow.LOCK_FILE, "", "")
    with lock, pytest.raises(UsageError, match="Another ptrctl"):
        generate("prior-v1", 1, tmp_path, image_size=32)


def test_the_demo_is_held_out_from_the_recipe() -> None:
    episodes = prior_recipe("prior-v1", 5)
    assert DEMO_TASK not in {episode.task for episode in episodes}
    assert DEMO_KITCHEN >= FIRST_HELD_OUT_KITCHEN
    for episode in episodes:
        assert not any(thing in episode.task for thing in HELD_OUT_OBJECTS)
        assert episode.kitchen_seed < FIRST_HELD_OUT_KITCHEN
