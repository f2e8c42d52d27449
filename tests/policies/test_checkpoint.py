from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest
import torch

from policies.checkpoint import (
    MODEL_FILE,
    Checkpoint,
    CheckpointInfo,
    check_fits,
    load_checkpoint,
    save_checkpoint,
)
from policies.config import INFO_FILE
from policies.learners import make_networks
from policies.presets import preset
from policies.tasks import TaskSlots, slots_for
from recordings.errors import CheckpointError

CONFIG = preset("tiny")
TASKS = ("open_drawer", "put_carrot_on_plate", "put_sushi_in_pot")


def make_info() -> CheckpointInfo:
    return CheckpointInfo(
        config=CONFIG,
        tasks=TaskSlots(TASKS, 8),
        robot="sim-wx250s",
        camera="over_shoulder",
        control_rate_hz=5.0,
        data={"prior": "abc"},
        steps=12,
        critic_updates=5,
        metrics={"td": 0.5},
        parent="f00",
    )


@pytest.fixture
def saved(tmp_path: Path) -> Checkpoint:
    return save_checkpoint(tmp_path / "mine", make_networks(CONFIG, 0), make_info())


def describe(checkpoint: Checkpoint, **changes: Any) -> None:
    """Change what a checkpoint says about itself."""
    path = checkpoint.path / INFO_FILE
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def test_a_checkpoint_comes_back_as_it_was_saved(saved: Checkpoint) -> None:
    again = load_checkpoint(saved.path)
    assert again.info == make_info()
    assert again.digest == saved.digest
    networks, slots = again.networks()
    assert slots.names == TASKS
    for name, value in make_networks(CONFIG, 0).state_dict().items():
        assert torch.equal(networks.state_dict()[name], value), name
    assert again.training_state() is None
    assert [path.name for path in saved.path.parent.iterdir()] == ["mine"]


def test_a_compact_checkpoint_is_half_as_large_and_nearly_the_same(
    saved: Checkpoint, tmp_path: Path
) -> None:
    networks = make_networks(CONFIG, 0)
    small = save_checkpoint(tmp_path / "small", networks, make_info(), compact=True)
    sizes = [(c.path / MODEL_FILE).stat().st_size for c in (small, saved)]
    assert sizes[0] < 0.6 * sizes[1]
    weight = small.networks()[0].encoder.stem.weight
    assert weight.dtype == torch.float32
    assert torch.allclose(weight, networks.encoder.stem.weight, atol=1e-3)


def test_the_digest_depends_on_weights_and_description(saved: Checkpoint, tmp_path: Path) -> None:
    other = save_checkpoint(tmp_path / "other", make_networks(CONFIG, 1), make_info())
    assert other.digest != saved.digest


def test_a_checkpoint_is_not_overwritten_by_accident(saved: Checkpoint) -> None:
    with pytest.raises(CheckpointError, match="already is a checkpoint"):
        save_checkpoint(saved.path, make_networks(CONFIG, 1), make_info())
    replaced = save_checkpoint(saved.path, make_networks(CONFIG, 1), make_info(), replace=True)
    assert load_checkpoint(saved.path).digest == replaced.digest != saved.digest


@pytest.mark.parametrize("name", [INFO_FILE, MODEL_FILE])
def test_a_missing_file_is_named(saved: Checkpoint, name: str) -> None:
    (saved.path / name).unlink()
    with pytest.raises(CheckpointError, match=f"has no `{name}`"):
        load_checkpoint(saved.path)


@pytest.mark.parametrize("length", [0, 100, -1])
def test_truncated_weights_are_refused(saved: Checkpoint, length: int) -> None:
    model = saved.path / MODEL_FILE
    model.write_bytes(model.read_bytes()[:length])
    with pytest.raises(CheckpointError, match="are not the ones"):
        load_checkpoint(saved.path)


def test_tampered_weights_are_refused(saved: Checkpoint) -> None:
    content = bytearray((saved.path / MODEL_FILE).read_bytes())
    content[-10] ^= 1
    (saved.path / MODEL_FILE).write_bytes(content)
    with pytest.raises(CheckpointError, match="SHA-256"):
        load_checkpoint(saved.path)


@pytest.mark.parametrize("length", [0, 40, -30])
def test_a_truncated_description_is_refused(saved: Checkpoint, length: int) -> None:
    path = saved.path / INFO_FILE
    path.write_bytes(path.read_bytes()[:length])
    with pytest.raises(CheckpointError, match="damaged"):
        load_checkpoint(saved.path)


@pytest.mark.parametrize(
    "changes",
    [
        {"steps": math.inf},
        {"config": []},
        {"config": {"network": []}},
        {"conventions": 5},
        {"metrics": None},
        {"tasks": [1, 2]},
    ],
    ids=str,
)
def test_a_description_with_values_of_another_kind_is_refused(
    saved: Checkpoint, changes: dict[str, Any]
) -> None:
    describe(saved, **changes)
    with pytest.raises(CheckpointError, match="is damaged"):
        load_checkpoint(saved.path)


def test_a_description_that_is_nested_too_deeply_is_refused(saved: Checkpoint) -> None:
    (saved.path / INFO_FILE).write_text("[" * 100_000)
    with pytest.raises(CheckpointError, match="is damaged"):
        load_checkpoint(saved.path)


def test_a_checksum_that_is_none_is_refused(saved: Checkpoint) -> None:
    describe(saved, model_sha256=5)
    with pytest.raises(CheckpointError, match="are not the ones"):
        load_checkpoint(saved.path)


def test_another_schema_is_refused(saved: Checkpoint) -> None:
    path = saved.path / INFO_FILE
    path.write_text(json.dumps(json.loads(path.read_text()) | {"schema_version": 99}))
    with pytest.raises(CheckpointError, match="schema 99"):
        load_checkpoint(saved.path)


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("hidden", [16, 16]),
        ("hidden", [32.0, 32.0]),
        ("image_size", 32.5),
        ("image_size", 10**7),
        ("image_size", 1),
        ("task_embedding", 8.5),
    ],
)
def test_weights_of_another_config_are_refused(
    saved: Checkpoint, setting: str, value: object
) -> None:
    config = CONFIG.to_dict()
    config["network"][setting] = value
    describe(saved, config=config)
    with pytest.raises(CheckpointError, match="do not fit its config"):
        load_checkpoint(saved.path).networks()


def test_a_fitting_robot_is_accepted_and_every_difference_of_another_is_listed(
    saved: Checkpoint,
) -> None:
    check_fits(saved, robot="sim-wx250s", cameras=["wrist", "over_shoulder"], control_rate_hz=5.0)
    with pytest.raises(CheckpointError) as caught:
        check_fits(saved, robot="wx200", cameras=["wrist"], control_rate_hz=10.0)
    text = str(caught.value)
    for part in ("`sim-wx250s`", "`wx200`", "`over_shoulder`", "wrist", "5 Hz", "10 Hz"):
        assert part in text
    assert caught.value.exit_code == 5


def check_fits_the_arm(saved: Checkpoint) -> None:
    check_fits(
        load_checkpoint(saved.path),
        robot="sim-wx250s",
        cameras=["over_shoulder"],
        control_rate_hz=5.0,
    )


def test_a_control_rate_that_is_no_number_fits_no_robot(saved: Checkpoint) -> None:
    describe(saved, control_rate_hz=math.nan)
    with pytest.raises(CheckpointError, match="acts at nan Hz"):
        check_fits_the_arm(saved)


def test_other_conventions_are_refused(saved: Checkpoint) -> None:
    path = saved.path / INFO_FILE
    values = json.loads(path.read_text())
    values["conventions"]["action_high"][0] = 0.1
    path.write_text(json.dumps(values))
    with pytest.raises(CheckpointError, match="action_high"):
        check_fits_the_arm(saved)


def test_a_new_task_takes_a_spare_slot_and_starts_like_similar_ones(saved: Checkpoint) -> None:
    networks, slots = saved.networks(["put_knife_in_bowl", "put_knife_on_plate", "open_drawer"])
    assert slots.names == (*TASKS, "put_knife_in_bowl", "put_knife_on_plate")
    table = networks.task_table
    assert torch.allclose(table[3], (table[1] + table[2]) / 2)
    assert table[4].equal(table[1])


def test_similar_tasks_have_the_same_verb_and_end_in_most_of_the_same_words() -> None:
    slots = slots_for(
        ["put_pea_in_pot", "put_jam_in_pot", "put_pea_on_lid", "take_pea_out_of_pot", "open_door"],
        8,
    )

    def similar(name: str) -> list[str]:
        return [slots.names[slot] for slot in slots.similar(name)]

    assert similar("put_leek_in_pot") == ["put_jam_in_pot", "put_pea_in_pot"]
    # Nothing is known about the place: all with the verb.
    assert similar("put_leek_in_box") == ["put_jam_in_pot", "put_pea_in_pot", "put_pea_on_lid"]
    assert similar("put_red_pea_in_pot") == ["put_pea_in_pot"]
    assert similar("put_pea_in_pot") == ["put_jam_in_pot"]
    assert similar("take_leek_off_lid") == ["take_pea_out_of_pot"]
    assert similar("open_drawer") == ["open_door"]
    assert similar("turn_pea") == []


def test_no_more_tasks_are_taken_than_there_are_slots(saved: Checkpoint) -> None:
    saved.networks([*TASKS, *(f"put_thing_{index}" for index in range(5))])
    with pytest.raises(CheckpointError, match=r"knows 3 tasks.*7 more.*for 5\.") as caught:
        saved.networks([*TASKS, *(f"put_thing_{index}" for index in range(7))])
    assert "--preset" not in caught.value.try_next
    with pytest.raises(CheckpointError, match="9 tasks were given"):
        slots_for([f"put_thing_{index}" for index in range(9)], 8)


def test_unknown_tasks_are_answered_with_the_nearest_names() -> None:
    slots = slots_for(TASKS, 8)
    with pytest.raises(CheckpointError, match="nearest it knows are put_carrot_on_plate"):
        slots.slot("put_carot_on_plate")
    assert slots.names == tuple(sorted(TASKS))
    assert slots.similar("put_carrot_on_plate") == (2,)
    assert slots.add("open_drawer") is slots
