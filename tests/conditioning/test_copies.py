"""Networks that keep results of earlier calls, computed weights among them, are conditioned, baked and copied."""

import copy

import pytest
import torch
from torch import nn
from torch.nn.utils import prune
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

import yoto
from yoto.conditioning import condition
from yoto.errors import YotoError
from yoto.space import LogUniform, LossSpace

SPACE = LossSpace(fit=1.0, size=LogUniform(0.01, 1.0))


class Keeps(nn.Module):
    """Keeps its features, as networks do whose attention maps somebody draws."""

    def __init__(self):
        super().__init__()
        self.first, self.last = nn.Linear(4, 8), nn.Linear(8, 2)
        self.history = []

    def forward(self, x):
        self.features = self.first(x)
        self.history.append(self.features)
        return self.last(self.features.relu())


def check(model, x):
    model.eval()
    lam = SPACE.sample(len(x))
    rows = torch.cat([model(x[i : i + 1], at=lam[i]) for i in range(len(x))])
    torch.testing.assert_close(model(x, at=lam), rows)
    torch.testing.assert_close(model.bake(lam[0], probe=x)(x[:1]), rows[:1])


@pytest.mark.parametrize("example", [False, True])
def test_results_of_earlier_calls_do_not_hinder(example):
    net, x = Keeps(), torch.randn(3, 4)
    net(x)
    model = condition(net, SPACE, example=x if example else None)
    check(model, x)
    model.plain(x)  # and after it
    check(model, x)
    assert net.features.requires_grad
    assert len(net.history) == 1


class Recorder:
    """Keeps activations: an object that is no module."""

    def __init__(self):
        self.kept, self.by_name = Kept(), {}

    def __call__(self, module, inputs, output):
        self.kept["all"] = self.by_name["first"] = output

    def keep(self, module, inputs, output):
        self(module, inputs, output)


class Kept(dict):
    """A dictionary of somebody's own."""


class Recorded(nn.Module):
    def __init__(self, attribute, method):
        super().__init__()
        self.first, self.last = nn.Linear(4, 8), nn.Linear(8, 2)
        recorder = Recorder()
        self.recorders = [recorder] if attribute else []
        self.first.register_forward_hook(recorder.keep if method else recorder)

    def forward(self, x):
        return self.last(self.first(x).relu())


@pytest.mark.parametrize("method", [False, True])
@pytest.mark.parametrize("attribute", [False, True])
def test_objects_may_keep_results_of_earlier_calls(attribute, method):
    model, x = condition(Recorded(attribute, method), SPACE), torch.randn(3, 4)
    model(x, at=SPACE.sample(3)).sum().backward()
    model.bake(size=0.3, probe=x)
    twin = copy.deepcopy(model)
    check(twin, x)


@pytest.mark.filterwarnings("ignore:.*weight_norm:FutureWarning", "ignore:condition")
@pytest.mark.parametrize("change", [lambda layer: prune.l1_unstructured(layer, "weight", 0.5), nn.utils.weight_norm])
def test_weights_that_a_hook_computes_stay_computed(change):
    net, x = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2)), torch.randn(3, 4)
    change(net[0])
    check(condition(net, SPACE, example=x), x)


def test_a_layer_that_was_pruned_since_is_told():
    model = condition(nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2)), SPACE)
    prune.l1_unstructured(model.plain[0], "weight", 0.5)
    model.at(size=0.1)(torch.randn(3, 4)).sum().backward()
    with pytest.raises(YotoError, match=r"Layer '0' should hold its parameters .* permanent first \(prune\.remove"):
        model.bake(size=0.1)
    prune.remove(model.plain[0], "weight")
    check(model, torch.randn(3, 4))


def test_a_moving_average_is_measured_and_saved_as_its_model(tmp_path):
    model = condition(nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2)), SPACE)
    average = AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(0.5))
    batches = [torch.randn(5, 4)]

    def terms(net, x):
        y = net(x)
        return {"fit": (y - 1).square().mean(1), "size": y.square().mean(1)}

    curve = yoto.sweep(average, batches, terms, SPACE.grid(3))
    assert curve.terms == yoto.sweep(average.module, batches, terms, SPACE.grid(3)).terms
    yoto.save(average, tmp_path / "average.safetensors")
    found = yoto.load(tmp_path / "average.safetensors", net=nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2)))
    torch.testing.assert_close(found.model(batches[0], size=0.1), average(batches[0], size=0.1))


def squashed(x: torch.Tensor) -> torch.Tensor:
    return x.tanh()


@pytest.mark.filterwarnings("ignore:.*torch.jit.script")
def test_a_scripted_function_is_shared():
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.first, self.activation, self.last = nn.Linear(4, 8), torch.jit.script(squashed), nn.Linear(8, 2)

        def forward(self, x):
            return self.last(self.activation(self.first(x)))

    check(condition(Net(), SPACE), torch.randn(3, 4))


def test_what_cannot_be_copied_is_told_whatever_it_raises():
    class Stubborn:
        def __deepcopy__(self, memo):
            raise ValueError("not me")

    net = nn.Linear(4, 2)
    net.part = Stubborn()
    with pytest.raises(YotoError, match=r"should be copyable \(copy.deepcopy\)\. Found: not me"):
        condition(net, SPACE)


class Frozen(nn.Linear):
    """Is never copied, as backbones that nobody trains."""

    def __deepcopy__(self, memo):
        return self


def test_a_copy_that_shares_weights_is_refused():
    net = nn.Sequential(Frozen(4, 8), nn.ReLU(), nn.Linear(8, 2))
    with pytest.raises(YotoError, match="should have weights of its own. Found that it shares '0.weight'"):
        condition(net, SPACE)


def test_a_copy_with_other_weights_is_refused():
    class Anew(nn.Linear):
        def __reduce_ex__(self, protocol):
            return Anew, (4, 2)

    with pytest.raises(YotoError, match="should have its weights. Found others at '0.weight'"):
        condition(nn.Sequential(Anew(4, 2)), SPACE)
    net = nn.Sequential(nn.Linear(4, 2), nn.PReLU())
    nn.init.constant_(net[1].weight, float("nan"))
    assert condition(net, SPACE).conditioned.names == ("0",)
    nn.init.constant_(net[0].bias, float("nan"))
    with pytest.raises(YotoError, match="'0' .Linear.: its parameters hold NaN or infinity"):
        condition(net, SPACE)


def test_a_bound_network_is_copied_without_the_graph_of_lambda():
    class Twice(nn.Module):
        """Takes a copy of a layer, as what adapts its weights does."""

        def __init__(self):
            super().__init__()
            self.first, self.last = nn.Linear(4, 8), nn.Linear(8, 2)

        def forward(self, x):
            return self.last(self.first(x) + copy.deepcopy(self.first)(x))

    x, lam = torch.rand(3, 4), SPACE.sample(3)
    model = condition(Twice(), SPACE, multiplier=1.0)
    bound = model.at(lam)
    expected = bound(x)
    for net in (bound, copy.deepcopy(bound)):
        torch.testing.assert_close(net(x), expected)
    expected.sum().backward()
    assert float(model.film.heads.weight.grad.abs().sum()) > 0
