"""One suite for every learner, and what is PTR's own."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch

from policies.config import AlgorithmConfig, PolicyConfig, Precision, TrainingConfig
from policies.learner import Learner, scale_gradient
from policies.learners import LEARNERS, make_learner, make_networks
from policies.presets import preset
from policies.replay import Batch, ReplayBuffer
from policies.tasks import slots_for
from tests.policies.synthetic import CAMERA, dot_data


def config_of(learner: str, **algorithm: object) -> PolicyConfig:
    config = preset("tiny").with_learner(learner)  # type: ignore[arg-type]
    return dataclasses.replace(
        config,
        algorithm=dataclasses.replace(config.algorithm, **algorithm),  # type: ignore[arg-type]
    )


def paper_like() -> PolicyConfig:
    """PTR's objective and separate encoders on networks that a test can afford."""
    tiny, paper = preset("tiny"), preset("paper")
    return dataclasses.replace(
        paper,
        network=dataclasses.replace(
            paper.network,
            encoder=dataclasses.replace(
                paper.network.encoder, channels=(8, 8), blocks=(1, 1), strides=(1, 2)
            ),
            image_size=32,
            task_slots=8,
            hidden=(32, 32),
        ),
        training=dataclasses.replace(paper.training, batch_size=tiny.training.batch_size),
    )


def a_batch(
    failures: float = 0.25, seed: int = 0, algorithm: AlgorithmConfig | None = None
) -> Batch:
    data = dot_data(16, failures=failures)
    algorithm = algorithm or preset("tiny").algorithm
    buffer = ReplayBuffer.from_packed(data, slots_for(data.tasks, 8), algorithm, CAMERA)
    return buffer.sample(np.random.default_rng(seed), 16)


def learner_of(config: PolicyConfig, **options: int) -> Learner:
    return make_learner(config, make_networks(config, 0), seed=0, **options)


def two_encoders() -> PolicyConfig:
    """Both steered by one learned task embedding."""
    config = config_of("ptr")
    assert config.network.encoder.film
    assert config.network.task_embedding
    return dataclasses.replace(
        config, network=dataclasses.replace(config.network, shared_encoder=False)
    )


CONFIGS = {
    **{name: config_of(name) for name in LEARNERS},
    "paper": paper_like(),
    "two encoders": two_encoders(),
}


@pytest.mark.parametrize("failures", [0.0, 0.5])
def test_ptr_differs_from_cloning_successes_by_what_it_takes_from_failures(failures: float) -> None:
    batch = a_batch(failures=failures)
    gradients = []
    for name in ("bc", "ptr"):
        learner = learner_of(config_of(name), earlier_critic_updates=1000)
        learner.update(batch)
        named = learner.networks.named_parameters()  # type: ignore[attr-defined]
        gradients.append({n: p.grad for n, p in named if not n.startswith(("critic", "log_beta"))})
    cloning, ptr = gradients
    alike = [torch.allclose(cloning[name], ptr[name], atol=1e-6) for name in cloning]
    # Of successes alone the critics teach the actor nothing.
    assert all(alike) == (failures == 0.0)


def test_on_successes_alone_ptr_acts_bit_for_bit_as_cloning_does() -> None:
    weights = []
    for name in ("bc", "ptr"):
        learner = learner_of(config_of(name))
        for seed in range(4):
            learner.update(a_batch(failures=0.0, seed=seed))
        state = learner.rollout_networks.state_dict()  # type: ignore[attr-defined]
        weights.append({n: w for n, w in state.items() if not n.startswith("critic")})
    cloning, ptr = weights
    assert all(torch.equal(cloning[name], ptr[name]) for name in cloning)


@pytest.mark.parametrize("name", CONFIGS)
def test_an_update_moves_the_actor_its_encoder_and_the_slow_copy(name: str) -> None:
    learner = learner_of(dataclasses.replace(CONFIGS[name]))
    slow, fast = learner.slow, learner.networks  # type: ignore[attr-defined]
    before = {key: value.clone() for key, value in fast.state_dict().items()}
    slow_before = {key: value.clone() for key, value in slow.state_dict().items()}
    metrics = [learner.update(a_batch(seed=seed)) for seed in range(3)][-1]
    assert learner.updates == 3
    assert np.isfinite(list(metrics.values())).all()
    encoder = "encoder" if fast.actor_encoder is None else "actor_encoder"
    for key in (f"{encoder}.stem.weight", "actor.mu.weight"):
        assert not torch.equal(fast.state_dict()[key], before[key]), key
        moved = (slow.state_dict()[key] - slow_before[key]).abs().max()
        assert 0 < moved < (fast.state_dict()[key] - before[key]).abs().max(), key


@pytest.mark.parametrize("name", CONFIGS)
def test_state_goes_on_exactly_in_a_new_learner(name: str) -> None:
    one = learner_of(CONFIGS[name])
    one.update(a_batch())
    other = make_learner(CONFIGS[name], make_networks(CONFIGS[name], 5), seed=9)
    other.load_state_dict(one.state_dict())
    assert one.update(a_batch(seed=1)) == other.update(a_batch(seed=1))
    for key, value in one.state_dict().tensors.items():
        assert torch.equal(value, other.state_dict().tensors[key]), key


@pytest.mark.parametrize("name", CONFIGS)
def test_pictures_before_and_after_a_step_are_changed_apart(name: str) -> None:
    learner = learner_of(CONFIGS[name])
    images = torch.randint(256, (16, 24, 24, 3), dtype=torch.uint8)
    for _ in range(3):
        now, later = learner._augmented(images), learner._augmented_next(images)  # type: ignore[attr-defined]
        alike = sum(torch.equal(one, other) for one, other in zip(now, later, strict=True))
        assert alike < 12, "by chance a few pictures are cropped alike"


def test_the_slow_copy_moves_by_tau() -> None:
    config = config_of("bc")
    learner = learner_of(config)
    slow, fast = learner.slow, learner.networks  # type: ignore[attr-defined]
    start = slow.actor.mu.weight.clone()
    learner.update(a_batch())
    tau = config.training.slow_rate
    expected = (1 - tau) * start + tau * fast.actor.mu.weight.detach()
    assert torch.allclose(slow.actor.mu.weight, expected, atol=1e-7)


def test_cloning_leaves_the_critic_alone_and_ptr_teaches_it() -> None:
    for name, moves in (("bc", False), ("ptr", True)):
        learner = learner_of(config_of(name))
        networks = learner.networks  # type: ignore[attr-defined]
        before = networks.critic.output.weight.clone()
        learner.update(a_batch())
        assert torch.equal(networks.critic.output.weight, before) != moves


def test_the_value_term_waits_for_the_warm_start_and_counts_earlier_critic_updates() -> None:
    config = config_of("ptr", extraction="value", bc_warm_start_steps=2)
    learner = learner_of(config)
    seen = ["actor" in learner.update(a_batch()) for _ in range(4)]
    assert seen == [False, False, True, True]
    later = learner_of(config, earlier_critic_updates=2)
    assert "actor" in later.update(a_batch())


def test_failures_teach_the_critic_but_are_not_cloned() -> None:
    learner = learner_of(config_of("ptr", bc_warm_start_steps=9))
    metrics = learner.update(a_batch(failures=1.0))
    assert metrics["arm"] == metrics["gripper"] == metrics["toggle"] == 0
    assert metrics["td"] > 0
    everything = learner_of(config_of("ptr", bc_warm_start_steps=9, bc_on="all"))
    assert everything.update(a_batch(failures=1.0))["arm"] > 0


def test_the_value_term_does_not_move_the_critic() -> None:
    # Without TD and CQL gradients reaching them, only the actor's loss could move the critics.
    config = config_of("ptr", extraction="value", bc_warm_start_steps=0, q_weight=1.0)
    config = dataclasses.replace(
        config, training=dataclasses.replace(config.training, critic_rate=1e-30)
    )
    learner = learner_of(config)
    critic = learner.networks.critic  # type: ignore[attr-defined]
    before = critic.output.weight.clone()
    assert "actor" in learner.update(a_batch())
    assert torch.equal(critic.output.weight, before)


def test_the_papers_temperature_adapts_to_the_entropy() -> None:
    learner = learner_of(paper_like())
    metrics = [learner.update(a_batch()) for _ in range(2)][-1]
    # A fresh actor's entropy, about 7 (0.5 log 2 pi e) less the squash, is far above -7.
    assert metrics["entropy"] > -7
    assert metrics["beta"] < 1.0


def test_a_cosine_schedule_ends_at_a_tenth() -> None:
    config = config_of("bc")
    config = dataclasses.replace(
        config, training=dataclasses.replace(config.training, rate_schedule="cosine")
    )
    learner = learner_of(config, planned_updates=4)
    rates = []
    for _ in range(5):
        learner.update(a_batch())
        optimiser = learner.optimisers["actor"]  # type: ignore[attr-defined]
        rates.append(optimiser.param_groups[0]["lr"] / config.training.actor_rate)
    assert rates == pytest.approx(
        [1.0, 0.1 + 0.45 * (1 + 2**-0.5), 0.55, 0.1 + 0.45 * (1 - 2**-0.5), 0.1]
    )


def test_scaled_gradients_leave_values_as_they_are() -> None:
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    y = scale_gradient(x, 0.25)
    assert torch.allclose(y, x)
    y.sum().backward()  # type: ignore[no-untyped-call]
    assert x.grad is not None
    assert x.grad.tolist() == [0.25, 0.25]


@pytest.mark.parametrize("learner", ["ptr", "bc", "iql"])
def test_bfloat16_is_for_processors_that_have_it(
    learner: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def update(precision: Precision, supported: bool) -> dict[str, float]:
        monkeypatch.setattr("policies.precision.has_bfloat16", lambda device: supported)
        config = config_of(learner)
        training = TrainingConfig(batch_size=16, precision=precision, crop_pixels=1)
        return learner_of(dataclasses.replace(config, training=training)).update(a_batch())

    plain = update("float32", True)
    assert update("bfloat16", False) == plain
    mixed = update("bfloat16", True)
    assert mixed != plain
    assert mixed == pytest.approx(plain, rel=0.2, abs=0.2)


def test_failed_episodes_are_cloned_as_far_as_their_values_keep_up_with_successes() -> None:
    config = config_of("ptr", extraction="advantage", bc_warm_start_steps=0)
    batch = a_batch(failures=0.5)
    for ahead, expected in ((50.0, 1.0), (-50.0, 0.0)):
        learner = learner_of(config)
        pace = learner.pace  # type: ignore[attr-defined]
        pace.sums[:], pace.counts[:] = -ahead * 1000.0, 1000.0
        metrics = learner.update(batch)
        assert metrics["failure_weight"] == pytest.approx(expected, abs=0.05)
        assert learner.cloned is not None
        assert learner.cloned[batch.success].tolist() == [1.0] * int(batch.success.sum())


@pytest.mark.parametrize("member", [0, 1])
def test_a_held_out_group_moves_no_weight_of_its_critic(member: int) -> None:
    config = config_of("ptr", cross_fit=True, critic_gradient_scale=0.0)
    batch = a_batch()
    alone = dataclasses.replace(batch, groups=torch.full_like(batch.groups, member))
    learner = learner_of(config)
    critic = learner.networks.critic  # type: ignore[attr-defined]
    before = critic.output.weight.detach().clone()
    learner.update(alone)
    moved = (critic.output.weight.detach() - before).abs().amax(dim=(1, 2))
    assert moved[member] == 0
    assert moved[1 - member] > 0
