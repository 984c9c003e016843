import pytest
import torch
from torch import nn

from yoto.training.ema import EMA


def test_the_average_is_that_of_its_definition():
    net = nn.Linear(3, 2)
    ema = EMA(net, 0.5)
    expected = net.weight.detach().clone()
    for count in range(8):
        with torch.no_grad():
            net.weight.add_(1.0)
        ema.update()
        decay = min(0.5, (1 + count) / (10 + count))
        expected = decay * expected + (1 - decay) * net.weight.detach()
    torch.testing.assert_close(ema.averages["weight"], expected)


def test_weights_come_back_after_the_block():
    net = nn.Linear(3, 2)
    ema = EMA(net, 0.9)
    before = net.weight.detach().clone()
    with torch.no_grad():
        net.weight.mul_(2.0)
    with ema.applied():
        assert torch.equal(net.weight, before)
    assert torch.equal(net.weight, 2 * before)
    with pytest.raises(RuntimeError, match="inside"), ema.applied():
        raise RuntimeError("inside")
    assert torch.equal(net.weight, 2 * before)


def test_frozen_parameters_are_left_out():
    net = nn.Linear(3, 2)
    net.bias.requires_grad_(False)
    assert set(EMA(net, 0.9).averages) == {"weight"}


def test_state_goes_on_exactly():
    net = nn.Linear(3, 2)
    first, second = EMA(net, 0.9), EMA(net, 0.9)
    first.update()
    with torch.no_grad():
        net.weight.mul_(3.0)
    first.update()
    second.load_tensors({name: value.clone() for name, value in first.tensors().items()})
    first.update()
    second.update()
    assert all(torch.equal(first.averages[name], second.averages[name]) for name in first.averages)
    assert first.count == second.count == 3
