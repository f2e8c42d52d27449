"""A plan is written once, and holds."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ptrctl.plan import PLAN_FILE, TrialPlan, check_same, freeze_plan, load_plan
from recordings.errors import RecordingError, UsageError

PLAN = TrialPlan(
    task="put_carrot_on_plate",
    criterion="the carrot rests on the plate",
    trials=3,
    start_seeds=(10, 11, 12),
    robot="sim-wx250s",
    kitchen_seed=7,
    checkpoint="carrot",
    checkpoint_digest="abc",
    max_steps=40,
    created_at="2024-01-01T00:00:00Z",
    code_version="0.1.0",
)


def test_a_plan_is_written_before_the_first_trial(tmp_path: Path) -> None:
    assert freeze_plan(PLAN, tmp_path / "session") == PLAN
    assert load_plan(tmp_path / "session") == PLAN


def test_the_same_plan_goes_on_and_keeps_its_creation_time(tmp_path: Path) -> None:
    freeze_plan(PLAN, tmp_path)
    later = dataclasses.replace(PLAN, created_at="2024-02-02T00:00:00Z")
    assert freeze_plan(later, tmp_path).created_at == PLAN.created_at


def test_a_changed_plan_is_refused_and_the_difference_named(tmp_path: Path) -> None:
    freeze_plan(PLAN, tmp_path)
    changed = dataclasses.replace(PLAN, checkpoint_digest="def", max_steps=60)
    with pytest.raises(UsageError) as caught:
        freeze_plan(changed, tmp_path)
    assert "checkpoint_digest was abc and is now def" in str(caught.value)
    assert "max_steps was 40 and is now 60" in str(caught.value)
    assert "--session" in caught.value.try_next
    assert load_plan(tmp_path) == PLAN


@pytest.mark.parametrize(
    "name",
    sorted(
        {field.name for field in dataclasses.fields(TrialPlan)}
        - {"checkpoint", "created_at", "begun_with"}
    ),
)
def test_every_other_value_of_a_plan_must_stay(name: str) -> None:
    changed = {**PLAN.to_json(), name: "other"}
    with pytest.raises(UsageError, match=f"another plan: {name} was .* and is now other"):
        check_same(PLAN.to_json(), changed, "session")


def test_start_states_are_told_by_their_number(tmp_path: Path) -> None:
    begun = dataclasses.replace(PLAN, trials=50, start_seeds=tuple(range(10**8, 10**8 + 50)))
    freeze_plan(begun, tmp_path)
    fewer = dataclasses.replace(begun, trials=6, start_seeds=begun.start_seeds[:6])
    with pytest.raises(UsageError) as caught:
        freeze_plan(fewer, tmp_path)
    assert "trials was 50 and is now 6" in caught.value.found
    seeds = "50 start states from 100000000 and is now 6 start states from 100000000"
    assert f"start_seeds was {seeds}" in caught.value.found


def test_what_the_checkpoint_is_called_does_not_matter(tmp_path: Path) -> None:
    freeze_plan(PLAN, tmp_path)
    renamed = dataclasses.replace(PLAN, checkpoint="checkpoints/carrot/training/step-1")
    assert freeze_plan(renamed, tmp_path) == PLAN


def test_a_plan_of_another_version_is_refused(tmp_path: Path) -> None:
    freeze_plan(PLAN, tmp_path)
    value = json.loads((tmp_path / PLAN_FILE).read_text())
    value["plan_version"] = 99
    (tmp_path / PLAN_FILE).write_text(json.dumps(value))
    with pytest.raises(RecordingError, match="version 99"):
        load_plan(tmp_path)


@pytest.mark.parametrize(
    "edited",
    [
        {"trials": 1},
        {"trials": "two"},
        {"start_seeds": 3},
        {"stop_hopeless": {"below": 2.0, "meter": ""}},
        {"stop_hopeless": {"under": 0.1}},
    ],
)
def test_an_edited_plan_is_refused_as_one(tmp_path: Path, edited: dict[str, object]) -> None:
    freeze_plan(PLAN, tmp_path)
    value = json.loads((tmp_path / PLAN_FILE).read_text())
    (tmp_path / PLAN_FILE).write_text(json.dumps({**value, **edited}))
    with pytest.raises(RecordingError, match="does not fit together"):
        load_plan(tmp_path)


def test_the_flags_that_a_session_was_begun_with_are_kept_and_not_compared(tmp_path: Path) -> None:
    freeze_plan(dataclasses.replace(PLAN, begun_with={"seed": 3}), tmp_path)
    again = freeze_plan(dataclasses.replace(PLAN, begun_with={"realtime": True}), tmp_path)
    assert again.begun_with == {"seed": 3}
    assert "begun_with" not in PLAN.to_json()


def test_a_truncated_plan_is_refused(tmp_path: Path) -> None:
    freeze_plan(PLAN, tmp_path)
    path = tmp_path / PLAN_FILE
    path.write_text(path.read_text()[:40])
    with pytest.raises(RecordingError, match="cannot be read"):
        load_plan(tmp_path)


def test_a_plan_without_trials_is_refused() -> None:
    with pytest.raises(UsageError, match="0 trials"):
        dataclasses.replace(PLAN, trials=0, start_seeds=())


def test_a_start_state_cannot_be_used_twice() -> None:
    with pytest.raises(ValueError, match="differ"):
        dataclasses.replace(PLAN, start_seeds=(1, 1, 2))


@given(
    st.lists(st.integers(0, 2**31), min_size=1, max_size=60, unique=True),
    st.text(max_size=30),
    st.none() | st.integers(0, 2**31),
)
def test_a_plan_survives_json(seeds: list[int], criterion: str, kitchen: int | None) -> None:
    plan = dataclasses.replace(
        PLAN,
        trials=len(seeds),
        start_seeds=tuple(seeds),
        criterion=criterion,
        kitchen_seed=kitchen,
    )
    value = json.loads(json.dumps(plan.to_json()))
    assert TrialPlan.from_json(value, Path("plan.json")) == plan
