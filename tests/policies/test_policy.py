from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from policies.learners import make_networks
from policies.meter import fit_meter
from policies.meter_scores import TrialValues
from policies.policy import Policy
from policies.presets import preset
from policies.tasks import TaskSlots
from recordings.errors import CheckpointError, RobotError
from recordings.records import ACTION_HIGH, ACTION_LOW, GRIPPER, EpisodeInfo, Frame, Observation
from tests.policies.synthetic import CAMERA

INFO = EpisodeInfo(
    "20260101-1", "trial", "reach_dot", {}, {}, control_rate_hz=5.0, decided_by="policy", seed=7
)


def observation(seed: int = 0, camera: str = CAMERA, size: int = 32) -> Observation:
    rng = np.random.default_rng(seed)
    image = rng.integers(0, 256, (size, size + 8, 3), dtype=np.uint8)
    return Observation({camera: Frame(image, 0.0, 0.0)}, rng.normal(0, 0.1, 7), 0.0)


def make_policy(*, stochastic: bool = False, seed: int = 0, values: bool = True) -> Policy:
    return Policy(
        make_networks(preset("tiny"), 0),
        TaskSlots(("reach_dot",), 8),
        camera=CAMERA,
        name="policy:0123456789ab",
        values=values,
        stochastic=stochastic,
        seed=seed,
    )


def test_a_deterministic_policy_repeats_itself_within_the_arms_range() -> None:
    policy = make_policy()
    policy.begin(INFO)
    decisions = [policy.act(observation(size=480)) for _ in range(2)]
    assert decisions[0].action.tolist() == decisions[1].action.tolist()
    action = decisions[0].action
    assert action.shape == (7,)
    assert action.dtype == np.float64
    assert ((action >= ACTION_LOW) & (action <= ACTION_HIGH)).all()
    assert np.isfinite(decisions[0].extras["q"])
    assert not decisions[0].done


def test_a_stochastic_policy_repeats_itself_from_the_same_seed_and_start_only() -> None:
    def first_action(
        seed: int, start: int | None, episode_id: str = "e", trial: int | None = None
    ) -> list[float]:
        policy = make_policy(stochastic=True, seed=seed)
        policy.trial_seed = trial
        policy.begin(dataclasses.replace(INFO, seed=start, episode_id=episode_id))
        values: list[float] = policy.act(observation()).action.tolist()
        return values

    assert first_action(1, 7) == first_action(1, 7, "other")
    assert first_action(1, 7) != first_action(2, 7)
    assert first_action(1, 7) != first_action(1, 8)
    assert first_action(1, None, "a") != first_action(1, None, "b")
    assert first_action(1, None, "a", 3) == first_action(1, None, "b", 3)
    assert first_action(1, None, "a", 3) != first_action(1, None, "a", 4)
    assert first_action(1, 7, trial=3) == first_action(1, 7)


def test_values_are_kept_only_where_the_critic_has_learned() -> None:
    policy = make_policy(values=False)
    policy.begin(INFO)
    assert policy.act(observation()).extras == {}


def test_a_meter_turns_values_into_chances_at_the_step_of_the_episode() -> None:
    rng = np.random.default_rng(0)
    trials = [TrialValues(rng.normal(n % 2, 1, 30), n % 2 == 1, "reach_dot") for n in range(40)]
    meter = fit_meter(trials, "0123456789ab", 40)
    assert meter is not None
    policy = make_policy()
    policy.meter = meter
    for _ in range(2):
        policy.begin(INFO)
        seen = [policy.act(observation(seed)).extras for seed in range(3)]
        for step, extras in enumerate(seen):
            assert extras["chance"] == meter.chance(extras["q"], step)
    # A critic that has not learned says nothing, whatever the meter.
    blind = make_policy(values=False)
    blind.meter = meter
    blind.begin(INFO)
    assert blind.act(observation()).extras == {}


def test_the_gripper_is_open_or_closed_and_does_not_flutter() -> None:
    policy = make_policy()
    policy.begin(INFO)
    seen = []
    for wanted in (0.55, 0.45, 0.39, 0.45, 0.55, 0.61, 0.5):
        action = np.zeros(7)
        action[GRIPPER] = wanted
        seen.append(policy._steady(action)[GRIPPER])
    assert seen == [1, 1, 0, 0, 0, 1, 1]


def test_an_unknown_task_or_a_missing_camera_is_named() -> None:
    policy = make_policy()
    with pytest.raises(CheckpointError, match="has not learned the task `fly`"):
        policy.begin(dataclasses.replace(INFO, task="fly"))
    policy.begin(INFO)
    with pytest.raises(RobotError, match=f"`{CAMERA}`, which gave no picture"):
        policy.act(observation(camera="wrist"))
