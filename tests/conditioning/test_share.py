"""What `condition` says where it reaches little of a network, and what it says of networks that are not ready."""

import warnings

import pytest
import torch
from torch import nn

from yoto.conditioning import condition
from yoto.errors import YotoError
from yoto.space import LogUniform, LossSpace

SPACE = LossSpace(a=1.0, b=LogUniform(0.1, 10.0))


class Own(nn.Module):
    """Another library's linear layer."""

    def __init__(self, inputs, outputs):
        super().__init__()
        self.weight, self.bias = nn.Parameter(torch.randn(outputs, inputs)), nn.Parameter(torch.zeros(outputs))

    def forward(self, x):
        return nn.functional.linear(x, self.weight, self.bias)


def remarks(net, **arguments):
    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("always")
        condition(net, SPACE, **arguments)
    return [str(each.message) for each in found]


def test_layers_that_only_an_example_would_show_are_counted():
    net = nn.Sequential(Own(8, 8), nn.ReLU(), Own(8, 8), nn.ReLU(), nn.Linear(8, 2))
    (found,) = remarks(net)
    assert "1 of 3 layers are conditioned, 11 % of the parameters" in found
    assert "example=, may show how 2 more fold" in found
    assert remarks(net, example=torch.randn(3, 8)) == []


def test_norms_without_parameters_are_named_in_the_same_remark():
    block = lambda i, o: nn.Sequential(nn.Conv2d(i, o, 3), nn.InstanceNorm2d(o), nn.PReLU())  # noqa: E731
    (found,) = remarks(nn.Sequential(block(1, 8), block(8, 8), nn.Conv2d(8, 1, 1)))
    assert "1 of 5 layers are conditioned, 1 % of the parameters; the rule left out 2 InstanceNorm2d" in found
    assert "make it with affine parameters" in found


def test_a_convolution_in_front_of_a_conditioned_norm_counts():
    assert remarks(nn.Sequential(nn.Conv2d(3, 64, 3), nn.GroupNorm(4, 64), nn.ReLU())) == []


def test_who_chose_the_layers_is_told_nothing():
    net = nn.Sequential(nn.Linear(8, 64), nn.ReLU(), nn.Linear(64, 2))
    assert remarks(net, sites=["2"]) == remarks(net, exclude="0") == []


def test_lazy_networks_say_what_to_do():
    net = nn.Sequential(nn.LazyLinear(4), nn.ReLU(), nn.Linear(4, 2))
    with pytest.raises(YotoError, match="Found lazy ones, '0.weight' for one. Run the network once"):
        condition(net, SPACE)
    net(torch.randn(2, 3))
    assert remarks(net) == []


@pytest.mark.filterwarnings("ignore:.*weight_norm.*:FutureWarning")
def test_the_old_weight_norm_after_training_says_what_to_do():
    net = nn.Sequential(nn.utils.weight_norm(nn.Linear(4, 4)), nn.Linear(4, 4))
    net(torch.randn(2, 4)).sum().backward()
    with pytest.raises(YotoError, match="under torch.no_grad"):
        condition(net, SPACE)
    with torch.no_grad():
        net(torch.randn(2, 4))
    assert any("weight normalisation" in found for found in remarks(net))
