from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch

from policies.classifier import SuccessClassifier
from policies.config import EncoderConfig
from policies.encoders import Convolution, Encoder, Keypoints, SpatialEmbedding
from policies.heads import CriticEnsemble, TanhGaussian
from policies.learners import make_networks
from policies.networks import PolicyNetworks
from policies.presets import preset


@pytest.fixture(scope="module")
def paper_encoder() -> Encoder:
    config = preset("paper").network
    return Encoder(config.encoder, config.image_size, config.task_slots + 7)


def test_the_paper_encoder_has_the_published_shapes(paper_encoder: Encoder) -> None:
    sizes = []
    hooks = [
        module.register_forward_hook(lambda _m, _i, out: sizes.append(tuple(out.shape[1:])))
        for module in (paper_encoder.stem, *(paper_encoder.blocks[i] for i in (2, 6, 12, 15)))
    ]
    with torch.no_grad():
        z = paper_encoder(torch.rand(1, 3, 128, 128), torch.zeros(1, 71))
    for hook in hooks:
        hook.remove()
    assert sizes == [(64, 64, 64), (64, 32, 32), (128, 16, 16), (256, 16, 16), (512, 16, 16)]
    assert len(paper_encoder.blocks) == 16
    assert paper_encoder.spatial.kernel.shape == (512, 256, 8)
    assert paper_encoder.bottleneck.weight.shape == (256, 4096)
    assert z.shape == (1, 256)
    assert z.abs().max() <= 1


def test_the_paper_encoder_normalises_in_four_groups_and_has_no_convolution_bias(
    paper_encoder: Encoder,
) -> None:
    convolutions = [m for m in paper_encoder.modules() if isinstance(m, Convolution)]
    # Stem, two in each of 16 blocks, and a skip where the shape changes: 128, 256, 512.
    assert len(convolutions) == 1 + 32 + 3
    assert all(c.bias is None and c.norm.num_groups == 4 for c in convolutions)
    assert paper_encoder.norm.eps == 1e-6
    deviation = paper_encoder.spatial.kernel.std().item()
    assert deviation == pytest.approx((16 * 16 * 512) ** -0.5, rel=0.02)


def test_the_paper_networks_have_two_encoders_and_hide_proprioception_from_the_critic() -> None:
    networks = make_networks(preset("paper"), seed=0)
    assert networks.actor_encoder is not None
    assert networks.task_table.tolist() == torch.eye(64).tolist()
    assert not networks.task_table.requires_grad
    first = networks.critic.layers[0]
    assert first.parts == (64, 7, 256)  # task, action, embedding
    assert [layer.parts for layer in networks.critic.layers[1:]] == [(256, 7, 256)] * 2
    assert networks.actor.trunk[0].weight.shape == (256, 256 + 7 + 64)


@pytest.mark.parametrize(
    ("kernel", "stride", "size"), [(3, 2, 8), (3, 1, 8), (7, 2, 16), (1, 2, 8)]
)
def test_convolutions_pad_as_tensorflows_same(kernel: int, stride: int, size: int) -> None:
    convolution = Convolution(1, 1, kernel, stride, groups=0)
    convolution.weight.data.fill_(1.0)
    total = max((size // stride - 1) * stride + kernel - size, 0)
    before = total // 2
    image = torch.rand(1, 1, size, size)
    padded = torch.nn.functional.pad(image, (before, total - before, before, total - before))
    expected = torch.nn.functional.conv2d(padded, convolution.weight, stride=stride)
    assert torch.allclose(convolution(image), expected, atol=1e-5)
    assert expected.shape[-1] == size // stride
    if (kernel, stride) == (3, 2):
        assert before == 0  # all of it after, not (1, 1)


def test_the_paper_stem_pads_three_on_every_side(paper_encoder: Encoder) -> None:
    stem, image = paper_encoder.stem, torch.rand(1, 3, 128, 128)
    expected = torch.nn.functional.conv2d(image, stem.weight, stride=2, padding=3)
    assert torch.allclose(stem(image), stem.norm(expected), atol=1e-5)


def test_spatial_embeddings_are_the_sum_over_places() -> None:
    layer = SpatialEmbedding(channels=3, height=4, features=2)
    planes = torch.rand(5, 3, 4, 4)
    expected = torch.einsum("bcp,cpf->bcf", planes.flatten(2), layer.kernel).flatten(1)
    assert torch.allclose(layer(planes), expected, atol=1e-6)


def test_a_keypoint_lies_where_its_map_peaks() -> None:
    layer = Keypoints(channels=1, height=5, count=1)
    layer.maps.weight.data.fill_(1.0)
    layer.sharpness.data.fill_(30.0)
    planes = torch.zeros(1, 1, 5, 5)
    planes[0, 0, 1, 4] = 1.0  # row 1, last column
    assert layer(planes).flatten().tolist() == pytest.approx([1.0, -0.5], abs=1e-3)


def test_film_starts_without_effect_and_then_matters() -> None:
    encoder = Encoder(EncoderConfig(channels=(8,), blocks=(1,), strides=(1,)), 16, 4)
    picture = torch.rand(2, 3, 16, 16)
    one, other = encoder(picture, torch.zeros(2, 4)), encoder(picture, torch.ones(2, 4))
    assert torch.equal(one, other)
    torch.nn.init.normal_(encoder.film[-1].weight)  # type: ignore[index, union-attr]
    assert not torch.equal(encoder(picture, torch.zeros(2, 4)), encoder(picture, torch.ones(2, 4)))


def make_critic(members: int = 3, *, layer_norm: bool = True) -> CriticEnsemble:
    return CriticEnsemble(members, 6, 4, (16, 16), layer_norm=layer_norm)


def test_the_ensemble_equals_its_members_one_by_one() -> None:
    critic = make_critic()
    z, context, actions = torch.rand(5, 6), torch.rand(5, 4), torch.rand(5, 9, 7)
    values = critic(z, context, actions)
    assert values.shape == (3, 5, 9)

    def member(index: int, row: int, action: int) -> torch.Tensor:
        hidden = context[row]
        for layer in (*critic.layers, critic.output):
            joined = torch.cat([hidden, actions[row, action], z[row]])
            hidden = layer.weight[index] @ joined + layer.bias[index, 0, 0]
            if layer is not critic.output:
                hidden = torch.relu(torch.nn.functional.layer_norm(hidden, (16,)))
        return hidden[0]

    for place in ((0, 0, 0), (1, 4, 8), (2, 3, 5)):
        assert values[place].item() == pytest.approx(member(*place).item(), abs=1e-5)


def test_exchanging_members_exchanges_their_values() -> None:
    critic = make_critic()
    inputs = torch.rand(5, 6), torch.rand(5, 4), torch.rand(5, 2, 7)
    before = critic(*inputs)
    order = [2, 0, 1]
    for parameter in critic.parameters():
        parameter.data = parameter.data[order]
    assert torch.allclose(critic(*inputs), before[order], atol=1e-6)


def test_members_start_different() -> None:
    values = make_critic()(torch.rand(5, 6), torch.rand(5, 4), torch.rand(5, 2, 7))
    assert not torch.allclose(values[0], values[1])


def test_tanh_gaussian_densities_are_those_of_torchs_distributions() -> None:
    pi = TanhGaussian(torch.randn(4, 7), torch.randn(4, 7) * 0.3)
    actions, log_pi = pi.sample(5, torch.Generator().manual_seed(0))
    assert actions.shape == (4, 5, 7)
    normal = torch.distributions.Normal(pi.mu[:, None], pi.log_std.exp()[:, None])
    squashed = torch.distributions.TransformedDistribution(
        normal, [torch.distributions.TanhTransform(cache_size=1)]
    )
    inside = actions.abs().amax(dim=2) < 0.999  # further out torch loses digits
    expected = squashed.log_prob(actions).sum(dim=2)
    assert torch.allclose(log_pi[inside], expected[inside], atol=1e-2)


def test_a_new_task_starts_as_the_mean_of_similar_ones() -> None:
    networks = make_networks(preset("tiny"), seed=0)
    before = networks.task_table.detach().clone()
    networks.start_task(5, [1, 3])
    assert torch.allclose(networks.task_table[5], (before[1] + before[3]) / 2)
    networks.start_task(6, [])
    assert torch.equal(networks.task_table[6], before[6])
    assert torch.equal(networks.task_table[:5], before[:5])


def test_a_new_task_keeps_a_one_hot_that_does_not_learn() -> None:
    config = dataclasses.replace(preset("tiny").network, task_embedding=0)
    for networks in (PolicyNetworks(config), SuccessClassifier(config)):
        networks.task_table.data.copy_(torch.eye(config.task_slots))
        networks.start_task(5, [1])
        networks.start_task(6, [1])
        assert torch.equal(networks.task_table, torch.eye(config.task_slots))


def test_toggle_units_and_metres_are_inverse_and_state_statistics_matter() -> None:
    networks = make_networks(preset("tiny"), seed=0)
    mean = np.arange(7, dtype=np.float32)
    networks.set_state_statistics(mean, np.full(7, 2.0, np.float32))
    places = torch.rand(3, 3)
    assert torch.allclose(networks.toggle_to_metres(networks.toggle_target(places)), places)
    states = torch.from_numpy(mean)[None] + 4.0
    inputs = networks.inputs(states, torch.tensor([0]))
    assert inputs.proprioception.tolist() == [[2.0] * 7]
    assert inputs.gripper_position.flatten().tolist() == pytest.approx([40.0] * 3)


def test_the_same_seed_makes_the_same_networks_and_leaves_torchs_random_state_alone() -> None:
    state = torch.random.get_rng_state()
    one, other, third = (make_networks(preset("tiny"), seed) for seed in (1, 1, 2))

    def first(networks: PolicyNetworks) -> list[float]:
        return networks.encoder.stem.weight.flatten().tolist()

    assert first(one) == first(other) != first(third)
    assert torch.equal(torch.random.get_rng_state(), state)


def test_the_cpu_policy_is_a_few_megabytes_in_float16() -> None:
    parameters = sum(p.numel() for p in make_networks(preset("cpu"), 0).parameters())
    assert parameters * 2 < 5e6


def test_the_presets_build_with_what_they_say() -> None:
    config = preset("tiny").network
    bare = dataclasses.replace(
        config, predict_toggle=False, critic_sees_proprioception=False, shared_encoder=False
    )
    networks = PolicyNetworks(bare)
    assert networks.toggle is None
    assert networks.actor_encoder is not None
    assert networks.critic.layers[0].parts == (config.task_embedding, 7, 32)
