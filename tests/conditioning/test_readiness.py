"""Networks that are not ready to be conditioned say in one line what to do, and are conditioned once that is done."""

import copy

import pytest
import torch
from torch import nn

from yoto.conditioning import condition
from yoto.errors import YotoError
from yoto.space import LogUniform, LossSpace

SPACE = LossSpace(a=1.0, b=LogUniform(0.1, 10.0))


def test_lazy_networks():
    net = nn.Sequential(nn.LazyLinear(4), nn.ReLU(), nn.Linear(4, 2))
    with pytest.raises(YotoError, match="Found lazy ones, '0.weight' for one. Run the network once"):
        condition(net, SPACE)
    net(torch.randn(2, 3))
    assert condition(net, SPACE).conditioned.names == ("0", "2")


def test_the_meta_device():
    with torch.device("meta"):
        net = nn.Linear(4, 4)
    with pytest.raises(YotoError, match="Materialise it first"):
        condition(net, SPACE)
    net = net.to_empty(device="cpu")
    net.reset_parameters()
    assert condition(net, SPACE).conditioned.names == ("",)


@pytest.mark.filterwarnings("ignore:.*weight_norm.*:FutureWarning")
def test_the_old_weight_norm_after_training():
    net = nn.Sequential(nn.utils.weight_norm(nn.Linear(4, 4)), nn.Linear(4, 4))
    net(torch.randn(2, 4)).sum().backward()
    with pytest.warns(UserWarning, match="weight normalisation"):
        assert condition(net, SPACE).conditioned.names == ("1",)


@pytest.mark.parametrize("rows", [0, 3])
def test_a_bound_network_is_copied_where_torch_copies_its_tensors(rows):
    """Torch copies no tensors that have a history: a network is copied that was bound without gradients."""
    model = condition(nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2)), SPACE)
    lam, x = SPACE.sample(rows) if rows else SPACE.point(b=2.0), torch.randn(3, 4)
    with torch.no_grad():
        bound = model.at(lam)
        expected = bound(x)
        for original in (bound, model.at(lam)):  # the model's first call is over, and was not
            again = copy.deepcopy(original)
            assert torch.equal(again(x), expected)
        fresh = condition(model.plain, SPACE)
        assert torch.equal(copy.deepcopy(fresh.at(lam))(x), fresh.at(lam)(x))


class Shard(nn.Parameter):
    """Looks like a parameter of FSDP2."""

    def full_tensor(self):
        return self


def test_a_network_in_shards_says_what_it_cannot_do():
    model, x = condition(nn.Sequential(nn.Linear(4, 3)), SPACE), torch.randn(5, 4)
    model.plain[0].weight = Shard(model.plain[0].weight.detach())
    with pytest.warns(UserWarning, match=r"dimension 0 .* are taken for the samples. condition\(…, example=inputs\)"):
        model(x, at=SPACE.sample(5))
    model(x, at=SPACE.sample(5))
    with pytest.raises(YotoError, match="A network to bake should be whole. Found parameters in shards"):
        model.bake(b=1.0)
