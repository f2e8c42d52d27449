"""Every loss against numbers worked out by hand."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from policies import losses


def test_the_backup_takes_the_best_of_the_actions_worst_values() -> None:
    # Two critics, one state, three actions: minima 1, 4, 3; the best is 4.
    next_q = torch.tensor([[[1.0, 5.0, 3.0]], [[2.0, 4.0, 9.0]]])
    y = losses.td_target(torch.tensor([-1.0]), torch.tensor([0.5]), next_q)
    assert y.tolist() == [1.0]


def test_no_value_is_taken_from_beyond_success() -> None:
    next_q = torch.full((2, 1, 4), 123.0)
    y = losses.td_target(torch.tensor([10.0]), torch.tensor([0.0]), next_q)
    assert y.tolist() == [10.0]


def test_targets_are_clamped_to_what_returns_can_be() -> None:
    y = losses.clamp_target(torch.tensor([-100.0, -24.0, 11.0]), gamma=0.96)
    assert y.tolist() == pytest.approx([-25.0, -24.0, 10.0])


def test_the_td_loss_averages_over_critics_and_batch_without_a_half() -> None:
    q = torch.tensor([[1.0, 2.0], [3.0, 2.0]])
    y = torch.tensor([1.0, 0.0])
    assert losses.td_loss(q, y, torch.ones(2, 2)).item() == pytest.approx((0 + 4 + 4 + 4) / 4)


def test_cal_ql_raises_sampled_values_to_the_return() -> None:
    # Two critics, two states, two actions: each state has its own return.
    q_policy = torch.tensor([[[-30.0, 2.0], [-30.0, 2.0]], [[0.0, -5.0], [0.0, -5.0]]])
    bounded = losses.cal_ql_bound(q_policy, torch.tensor([-4.0, 1.0]))
    assert bounded.tolist() == [[[-4.0, 2.0], [1.0, 2.0]], [[0.0, -4.0], [1.0, 1.0]]]


def test_cql_version_1_is_the_mean_gap() -> None:
    gap = losses.cql_regularizer(
        torch.tensor([[1.0]]),
        torch.tensor([[[2.0, 4.0]]]),
        torch.zeros(1, 2),
        torch.full((1, 1, 2), 99.0),
        version=1,
    )
    assert gap.tolist() == [[2.0]]


def test_cql_version_2_is_the_log_sum_exp_over_all_samples() -> None:
    gap = losses.cql_regularizer(
        torch.tensor([[1.0]]),
        torch.tensor([[[0.0, 0.0]]]),
        torch.full((1, 2), 5.0),
        torch.tensor([[[0.0, 0.0]]]),
        version=2,
    )
    assert gap.item() == pytest.approx(math.log(4) - 1)


def test_cql_version_3_takes_the_densities_out() -> None:
    # Policy: 3 - log pi 1 = 2. Random, density 2^-7: 0 + 7 log 2.
    gap = losses.cql_regularizer(
        torch.tensor([[0.5]]),
        torch.tensor([[[3.0]]]),
        torch.tensor([[1.0]]),
        torch.tensor([[[0.0]]]),
        version=3,
    )
    assert gap.item() == pytest.approx(math.log(math.exp(2) + 2**7) - 0.5, rel=1e-6)


def test_the_actor_loss_weighs_entropy_against_value() -> None:
    log_pi, min_q = torch.tensor([2.0, 4.0]), torch.tensor([1.0, -3.0])
    assert losses.actor_loss(log_pi, min_q, 0.5).item() == pytest.approx(1.5 - (-1.0))
    # Mean |Q| is 2, so the values count as 0.5 and -1.5.
    normalised = losses.actor_loss(log_pi, min_q, 0.5, normalise_q=True)
    assert normalised.item() == pytest.approx(1.5 + 0.5)


def test_the_scale_of_the_values_is_taken_as_given() -> None:
    min_q = torch.tensor([1.0, -3.0], requires_grad=True)
    loss = losses.actor_loss(torch.zeros(2), min_q, 0.0, normalise_q=True)
    loss.backward()  # type: ignore[no-untyped-call]
    # Half of the batch each, over a mean |Q| of 2.
    assert min_q.grad is not None
    assert min_q.grad.tolist() == [-0.25, -0.25]


def test_the_temperature_rises_when_entropy_is_below_its_target() -> None:
    log_beta = torch.tensor(math.log(2.0), requires_grad=True)
    # Entropy is -3, the target -1: 2 (-3 + 1) = -4.
    loss = losses.temperature_loss(log_beta, torch.tensor([3.0, 3.0]), target_entropy=-1.0)
    assert loss.item() == pytest.approx(-4.0)
    loss.backward()  # type: ignore[no-untyped-call]
    assert log_beta.grad is not None
    assert log_beta.grad.item() < 0


def test_the_cloning_loss_counts_only_what_its_weights_say() -> None:
    mu = torch.zeros(2, 7)
    actions = torch.zeros(2, 7)
    actions[0, :6] = 0.3  # Huber with 0.1: 0.3 - 0.05 = 0.25
    actions[0, 6] = 0.98  # wish to open 0.99 against 0.5: log 2
    actions[1] = 0.99
    arm, gripper = losses.bc_loss(mu, actions, torch.tensor([1.0, 0.0]))
    assert arm.item() == pytest.approx(0.25)
    assert gripper.item() == pytest.approx(math.log(2))
    nothing = losses.bc_loss(mu, actions, torch.zeros(2))
    assert [part.item() for part in nothing] == [0.0, 0.0]


def test_a_gripper_saturated_on_the_wrong_side_still_gets_a_gradient() -> None:
    mu = torch.zeros(1, 7)
    mu[0, 6] = -8.0
    mu.requires_grad_()
    _, gripper = losses.bc_loss(mu, torch.full((1, 7), 0.99), torch.ones(1))
    gripper.backward()  # type: ignore[no-untyped-call]
    assert mu.grad is not None
    assert mu.grad[0, 6].item() < -1.9


def test_the_deviation_loss_is_least_at_the_error_itself_and_leaves_the_mean_alone() -> None:
    mu = torch.zeros(1, 7, requires_grad=True)
    actions = torch.full((1, 7), math.tanh(0.2))
    at = [
        losses.deviation_loss(mu, torch.full((1, 7), math.log(sigma)), actions, torch.ones(1))
        for sigma in (0.1, 0.2, 0.4)
    ]
    assert at[1] < at[0]
    assert at[1] < at[2]
    assert at[1].item() == pytest.approx(0.5 + math.log(0.2), rel=1e-4)
    assert not at[1].requires_grad


def test_the_deviation_loss_counts_only_what_its_weights_say() -> None:
    mu, log_std = torch.zeros(2, 7), torch.zeros(2, 7)
    actions = torch.tensor([math.tanh(1.0), 0.99])[:, None].expand(2, 7)
    loss = losses.deviation_loss(mu, log_std, actions, torch.tensor([1.0, 0.0]))
    assert loss.item() == pytest.approx(0.5)
    assert losses.deviation_loss(mu, log_std, actions, torch.zeros(2)).item() == 0.0


def test_the_toggle_loss_leaves_out_unknown_toggles() -> None:
    predicted = torch.tensor([[0.0, 0.0, 0.0], [9.0, 9.0, 9.0]])
    target = torch.tensor([[0.6, 0.0, 0.0], [0.0, 0.0, 0.0]])
    loss = losses.toggle_loss(predicted, target, torch.tensor([True, False]))
    assert loss.item() == pytest.approx(0.55 / 3)


@given(st.permutations(range(3)), st.integers(1, 3), st.integers(0, 1000))
def test_the_order_of_critics_changes_no_loss(order: list[int], version: int, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    q_data, y = torch.randn(3, 4, generator=generator), torch.randn(4, generator=generator)
    q_policy, q_random = torch.randn(2, 3, 4, 5, generator=generator)
    log_pi = torch.randn(4, 5, generator=generator)

    def everything(index: list[int]) -> list[float]:
        regularizer = losses.cql_regularizer(
            q_data[index], q_policy[index], log_pi, q_random[index], version
        )
        return [
            losses.td_loss(q_data[index], y, torch.ones(3, 4)).item(),
            regularizer.mean().item(),
            losses.td_target(y, y, q_policy[index]).sum().item(),
        ]

    assert everything(order) == pytest.approx(everything([0, 1, 2]), rel=1e-4, abs=1e-5)


def test_a_critic_learns_nothing_of_the_groups_that_are_held_out_from_it() -> None:
    seen = losses.cross_fit_mask(torch.tensor([0, 1, 2, 5]), members=2)
    assert seen.tolist() == [[0, 1, 0, 1], [1, 0, 1, 0]]
    q = torch.tensor([[9.0, 1.0, 9.0, 3.0], [1.0, 9.0, 3.0, 9.0]])
    assert losses.td_loss(q, torch.zeros(4), seen).item() == pytest.approx((1 + 9 + 1 + 9) / 4)


def test_critics_that_learn_from_different_data_have_targets_of_their_own() -> None:
    next_q = torch.tensor([[[2.0, 4.0]], [[3.0, 1.0]]])
    y = losses.td_target(torch.tensor([1.0]), torch.tensor([0.5]), next_q, each_alone=True)
    assert y.tolist() == [[3.0], [2.5]]


def test_advantages_are_those_of_the_critic_that_has_not_seen_the_group() -> None:
    q_data, baseline = torch.tensor([[5.0, 6.0], [7.0, 8.0]]), torch.tensor([[1.0], [2.0]])
    held_out = losses.held_out_advantage(q_data, baseline, torch.tensor([1, 2]))
    assert held_out.tolist() == [5.0, 5.0]
    assert losses.held_out_advantage(q_data, baseline).tolist() == [4.5, 5.5]


def test_an_action_no_worse_than_usual_is_cloned_in_full() -> None:
    weights = losses.advantage_weight(torch.tensor([4.0, 0.0, -2.0]), temperature=2.0)
    assert weights.tolist() == pytest.approx([1.0, 1.0, 0.3679], abs=1e-4)


def test_an_expectile_above_a_half_leans_towards_the_larger_values() -> None:
    seen = torch.ones(1, 2)
    loss = losses.expectile_loss(torch.tensor([[1.0, -1.0]]), 0.7, seen)
    assert loss.item() == pytest.approx((0.7 + 0.3) / 2)
    one_sided = losses.expectile_loss(torch.tensor([[2.0, 0.0]]), 0.7, seen)
    assert one_sided.item() == pytest.approx(0.7 * 4 / 2)
