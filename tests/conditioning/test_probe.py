"""`bake(probe=)` compares what there is, tells rounding from a fault, and names the layers at fault."""

import pickle
import random
from dataclasses import dataclass

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.functional import linear, multi_head_attention_forward

from yoto.conditioning import condition
from yoto.errors import YotoError
from yoto.space import LogUniform, LossSpace

SPACE = LossSpace(a=1.0, b=LogUniform(0.1, 10.0))


@dataclass
class Out:
    y: torch.Tensor


class Holder:
    def __init__(self, y):
        self.inner = {"y": [y]}


class ReadsWeight(nn.Module):
    """One layer is called, the weight of another is read."""

    def __init__(self, wrap):
        super().__init__()
        self.read, self.called = nn.Linear(8, 4), nn.Linear(8, 4)
        self.wrap = wrap

    def forward(self, x):
        return self.wrap(linear(x, self.read.weight) + self.called(x))


def shaken(net, **settings):
    """A conditional network whose layers follow λ clearly."""
    return condition(net, SPACE, multiplier=1.0, **settings)


@pytest.mark.parametrize("wrap", [Out, Holder, lambda y: torch.complex(y, y), lambda y: (None, [Out(y)])])
def test_a_fault_is_found_in_any_output(wrap):
    with pytest.raises(YotoError, match="1 of 2 layers.*exclude='read'"):
        shaken(ReadsWeight(wrap)).bake(b=0.3, probe=torch.randn(5, 8))
    model = shaken(ReadsWeight(wrap), exclude="read")
    assert model.bake(b=0.3, probe=torch.randn(5, 8)).wrap is not None


@pytest.mark.parametrize("wrap", [lambda y: None, lambda y: y.argmax(1), lambda y: y[:0], lambda y: y.tolist()])
def test_a_probe_that_compares_nothing_is_refused(wrap):
    model = shaken(ReadsWeight(wrap))
    with pytest.raises(YotoError, match="should hold numbers to compare"):
        model.bake(b=0.3, probe=torch.randn(5, 8))


class Attention(nn.Module):
    def __init__(self):
        super().__init__()
        self.norm = nn.LayerNorm(8)
        self.q, self.k, self.v, self.o = (nn.Linear(8, 8) for _ in range(4))

    def forward(self, x):
        x = self.norm(x)
        bias = torch.cat([self.q.bias, self.k.bias, self.v.bias])
        split = {f"{n}_proj_weight": getattr(self, n).weight for n in "qkv"}
        zero = torch.empty(0)
        out = (self.o.weight, self.o.bias)
        return multi_head_attention_forward(
            x, x, x, 8, 2, zero, bias, None, None, False, 0.0, *out, use_separate_proj_weight=True, **split
        )[0]


def test_the_message_names_every_layer_at_fault():
    x = torch.randn(5, 3, 8)
    net = nn.Sequential(Attention(), nn.Linear(8, 8), Attention())
    with pytest.raises(YotoError) as caught:
        shaken(net).bake(b=0.3, probe=x)
    names = [f"{i}.{n}" for i in (0, 2) for n in "qkvo"]
    assert "8 of 11 layers. Usually" in str(caught.value)
    assert f"exclude='{'|'.join(names)}'" in str(caught.value)
    shaken(net, exclude="|".join(names)).bake(b=0.3, probe=x)


class Sine(nn.Module):
    def forward(self, x):
        return torch.sin(30 * x)


@pytest.mark.parametrize("seed", range(4))
def test_rounding_that_a_network_enlarges_is_no_fault(seed):
    torch.manual_seed(seed)
    net = nn.Sequential(
        nn.Linear(2, 64), Sine(), nn.Linear(64, 64), Sine(), nn.Linear(64, 64), Sine(), nn.Linear(64, 3)
    )
    model, x = condition(net, SPACE), torch.rand(256, 2)
    baked = model.bake(b=0.3, probe=x)
    with torch.no_grad():
        assert (baked(x) - model.at(b=0.3)(x)).abs().max() > 1e-5


class Island(nn.Module):
    """Runs in float32 alone."""

    def __init__(self, wrap):
        super().__init__()
        self.inner = ReadsWeight(wrap)

    def forward(self, x):
        return self.inner(x.float() @ torch.ones(8, 8))


def test_a_fault_is_one_where_the_network_does_not_run_in_double_precision():
    with pytest.raises(YotoError, match=r"above 1e-05, because of 1 of 2 layers.*exclude='inner\.read'"):
        shaken(Island(Out)).bake(b=0.3, probe=torch.randn(5, 8))


class Masked(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(4, 4)

    def forward(self, x):
        return self.layer(x.add_(1.0)).masked_fill(torch.eye(4) > 0, float("-inf"))


def test_equal_infinities_agree_and_the_probe_stays():
    x = torch.zeros(4, 4)
    shaken(Masked()).bake(b=0.3, probe=x)
    assert torch.equal(x, torch.zeros(4, 4))


class Tied(nn.Module):
    def __init__(self):
        super().__init__()
        self.emb, self.head = nn.Embedding(20, 16), nn.Linear(16, 20, bias=False)
        self.head.weight = self.emb.weight

    def forward(self, x):
        return self.head(torch.tanh(self.emb(x)))


def test_what_becomes_of_a_tied_head_is_said_with_the_ways_that_work():
    model, x = shaken(Tied(), sites=["head"]), torch.randint(0, 20, (3, 5))
    with pytest.warns(UserWarning, match=r"head\.weight is shared with emb\.weight") as caught:
        baked = model.bake(b=0.3, probe=x)
    (said,) = [str(w.message) for w in caught]
    assert "fits no fresh Tied" in said
    assert "torch.save" in said
    assert "bake(into=)" in said
    assert "exclude='head'" in said
    assert caught[0].filename == __file__
    fresh = Tied()
    fresh.load_state_dict(baked.state_dict())
    assert not torch.allclose(fresh(x), baked(x), atol=1e-2)
    assert torch.equal(pickle.loads(pickle.dumps(baked))(x), baked(x))
    model.bake(b=3.0, into=baked, probe=x)


def test_a_graph_module_is_baked_and_rewritten():
    model, x = shaken(torch.fx.symbolic_trace(nn.Sequential(nn.Linear(4, 4), nn.ReLU()))), torch.randn(3, 4)
    baked = model.bake(b=0.3, probe=x)
    assert model.bake(b=3.0, into=baked, probe=x) is baked


class Ensemble(nn.Module):
    """Stacks its members' parameters, which takes members of one class."""

    def __init__(self):
        super().__init__()
        self.members = nn.ModuleList(nn.Linear(4, 4) for _ in range(3))

    def forward(self, x):
        parameters, _ = torch.func.stack_module_state(list(self.members))
        one = lambda values: torch.func.functional_call(self.members[0], values, (x,))  # noqa: E731
        return torch.func.vmap(one)(parameters).mean(0)


def test_the_search_for_layers_at_fault_survives_what_does_not_run_in_part():
    model = condition(Ensemble(), SPACE, multiplier=1.0)
    with pytest.raises(YotoError, match=r"because of 3 of 3 layers.*exclude='members.0\|members.1\|members.2'"):
        model.bake(b=3.0, probe=torch.randn(2, 4))


class Together(nn.Module):
    """Reads whether the weights of two layers have changed, and tells it where both have."""

    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(*(nn.Linear(4, 4) for _ in range(6)))
        self.first, self.last = (self.layers[i].weight.detach().clone() for i in (1, 4))

    def forward(self, x):
        apart = (self.layers[1].weight - self.first).norm() * (self.layers[4].weight - self.last).norm()
        return self.layers(x) + apart


def test_of_layers_that_are_at_fault_together_only_these_are_named():
    model = condition(Together(), SPACE, multiplier=1.0)
    with pytest.raises(YotoError, match=r"because of 2 of 6 layers.*exclude='layers.1\|layers.4'"):
        model.bake(b=3.0, probe=torch.randn(2, 4))


class Noisy(nn.Module):
    """Draws from Python's and numpy's global random numbers."""

    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(4, 2)

    def forward(self, x):
        return self.layer(x + random.random() + float(np.random.rand()))  # noqa: NPY002


def test_random_numbers_of_python_and_numpy_are_equal_too():
    x = torch.randn(3, 4)
    states = random.getstate(), np.random.get_state()[1].tolist()  # noqa: NPY002
    model = condition(Noisy(), SPACE, example=x)
    assert model.conditioned.names == ("layer",)
    model.bake(b=3.0, probe=x)
    assert (random.getstate(), np.random.get_state()[1].tolist()) == states  # noqa: NPY002
