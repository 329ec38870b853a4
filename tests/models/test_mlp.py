import torch

from course_lib.models.mlp import MLP


def test_features_by_hand_and_one_seed_one_network():
    torch.manual_seed(3)
    before = torch.get_rng_state()
    network, again, other = MLP(0), MLP(0), MLP(1)
    assert torch.equal(torch.get_rng_state(), before)
    x = torch.rand(5, 1, 32, 32)
    first, second = (block.linear for block in network.blocks)
    hidden = (x.flatten(1) @ first.weight.T + first.bias).clamp(min=0)
    features = (hidden @ second.weight.T + second.bias).clamp(min=0)
    assert torch.allclose(network(x), features, atol=1e-6)
    assert features.shape == (5, network.feature_dim)
    assert torch.equal(network(x), again(x))
    assert not torch.equal(network(x), other(x))
