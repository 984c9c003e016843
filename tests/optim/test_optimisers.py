import copy
import math

import pytest
import torch
from torch import nn

from training.toy import settings
from yoto import LogUniform, LossSpace, Objective, condition, optimiser
from yoto.errors import YotoError
from yoto.objective.step import LossStep
from yoto.optim import cosine
from yoto.optim.muon import QUINTIC, Muon, orthogonalise
from yoto.training.schedules import make_optimiser

SPACE = LossSpace(a=1.0, b=LogUniform(0.1, 10.0))


def reference_orthogonalise(matrix, steps=5):
    """The iteration as published, in float64."""
    a, b, c = QUINTIC
    x = matrix.double()
    x = x / x.norm()
    for _ in range(steps):
        gram = x @ x.T
        x = a * x + (b * gram + c * gram @ gram) @ x
    return x


@pytest.mark.parametrize("shape", [(3, 3), (4, 36), (32, 288), (1, 7), (96, 100)])
def test_orthogonalise_follows_the_published_iteration(shape):
    matrices = torch.randn(3, *shape)
    expected = torch.stack([reference_orthogonalise(matrix) for matrix in matrices])
    torch.testing.assert_close(orthogonalise(matrices).double(), expected, rtol=0, atol=2e-4)
    torch.testing.assert_close(orthogonalise(matrices[0]).double(), expected[0], rtol=0, atol=2e-4)


def test_singular_values_come_near_one():
    values = torch.linalg.svdvals(orthogonalise(torch.randn(16, 40)))
    assert 0.6 < values.min() < values.max() < 1.3


def test_badly_conditioned_and_zero_matrices_stay_finite():
    thin = torch.randn(64, 1) @ torch.randn(1, 64) + 1e-6 * torch.randn(64, 64)
    result = orthogonalise(torch.stack([thin, torch.zeros(64, 64), 1e-20 * torch.randn(64, 64)]))
    assert result.isfinite().all()
    assert result[1].abs().max() == 0
    assert torch.linalg.svdvals(result)[0].max() < 1.3


def reference_step(weight, gradients, lr, decay, momentum=0.95):
    """Muon of a matrix [rows, columns], one matrix at a time."""
    buffer = torch.zeros_like(weight)
    for gradient in gradients:
        buffer = momentum * buffer + (1 - momentum) * gradient
        update = momentum * buffer + (1 - momentum) * gradient
        tall = update.shape[0] > update.shape[1]
        direction = reference_orthogonalise(update.T if tall else update)
        direction = direction.T if tall else direction
        weight = weight * (1 - lr * decay) - lr * 0.2 * math.sqrt(max(weight.shape)) * direction
    return weight


@pytest.mark.parametrize(
    ("layer", "to_matrix"),
    [
        (nn.Linear(12, 5), lambda w: w),
        (nn.Linear(5, 12), lambda w: w),
        (nn.Conv2d(3, 8, 3), lambda w: w.reshape(8, 27)),
        (nn.ConvTranspose2d(3, 8, 2), lambda w: w.transpose(0, 1).reshape(8, 12)),
    ],
    ids=["wide", "tall", "kernel", "transposed kernel"],
)
def test_muon_steps_each_matrix_as_a_reference_does(layer, to_matrix):
    stepper = make_optimiser(layer, settings(lr=0.03, weight_decay=0.1))
    start = layer.weight.detach().double()
    gradients = [torch.randn_like(layer.weight) for _ in range(3)]
    for gradient in gradients:
        layer.weight.grad = gradient.clone()
        stepper.step()
    expected = reference_step(to_matrix(start), [to_matrix(g).double() for g in gradients], 0.03, 0.1)
    torch.testing.assert_close(to_matrix(layer.weight.detach()).double(), expected, rtol=0, atol=1e-4)


def test_muon_agrees_with_torch_on_matrices():
    layers = [nn.Linear(20, 10, bias=False) for _ in range(2)]
    layers[1].load_state_dict(layers[0].state_dict())
    ours = Muon(layers[0].parameters(), 0.02)
    theirs = torch.optim.Muon(layers[1].parameters(), 0.02, weight_decay=0.0, adjust_lr_fn="match_rms_adamw")
    for _ in range(3):
        gradient = torch.randn(10, 20)
        for layer, stepper in zip(layers, (ours, theirs), strict=True):
            layer.weight.grad = gradient.clone()
            stepper.step()
    # torch iterates in bfloat16, which is good to about 1 % of a step of 0.02 · 0.2 · sqrt(20) / sqrt(20)
    torch.testing.assert_close(layers[0].weight, layers[1].weight, rtol=0, atol=1e-3)


def test_equal_shapes_in_one_batch_are_stepped_independently():
    net = nn.Sequential(nn.Linear(6, 6, bias=False), nn.Linear(6, 6, bias=False))
    alone = nn.Linear(6, 6, bias=False)
    alone.load_state_dict(net[1].state_dict())
    gradient = torch.randn(6, 6)
    net[0].weight.grad, net[1].weight.grad, alone.weight.grad = torch.randn(6, 6), gradient.clone(), gradient.clone()
    make_optimiser(net, settings(lr=0.1)).step()
    make_optimiser(alone, settings(lr=0.1)).step()
    torch.testing.assert_close(net[1].weight, alone.weight)


def mixed():
    """A conditional model with parameters of every kind."""
    plain = {
        "conv": nn.Conv2d(2, 4, 3),
        "up": nn.ConvTranspose2d(4, 2, 2),
        "norm": nn.LayerNorm([4, 3, 3]),
        "table": nn.Embedding(5, 4),
        "head": nn.Linear(4, 4),
    }
    return condition(nn.ModuleDict(plain), SPACE, sites="head")


def test_who_steps_what_at_which_rate():
    model = mixed()
    stepper = make_optimiser(model, settings(lr=1.0, adam_lr=0.5, conditioning_lr=0.25, weight_decay=0.1))
    found = {
        stepper.names[p]: (type(part).__name__, g["lr"], g["weight_decay"])
        for part in stepper.parts
        for g in part.param_groups
        for p in g["params"]
    }
    assert {name for name, entry in found.items() if entry == ("Muon", 1.0, 0.1)} == {
        "plain.conv.weight", "plain.up.weight", "plain.head.weight",
    }  # fmt: skip
    film = {name for name, _ in model.named_parameters() if name.startswith("film.")}
    assert {name for name, entry in found.items() if entry == ("AdamW", 0.25, 0.0)} == film
    assert {entry for name, entry in found.items() if "norm" in name or ("bias" in name and "film" not in name)} == {
        ("AdamW", 0.5, 0.1)
    }
    assert len(found) == len(list(model.parameters()))


@pytest.mark.parametrize(
    ("given", "expected"),
    [({}, 0.05), ({"adam_lr": 0.01}, 0.025), ({"algorithm": "adam"}, 0.02), ({"conditioning_lr": 0.007}, 0.007)],
)
def test_the_conditioning_network_learns_faster_beside_muon_unless_told(given, expected):
    model = mixed()
    stepper = optimiser(model, 0.02, **given)
    rates = {stepper.names[p]: group["lr"] for group in stepper.groups() for p in group["params"]}
    assert {rate for name, rate in rates.items() if name.startswith("film.")} == {expected}
    assert {rate for name, rate in rates.items() if not name.startswith("film.")} <= {0.02, given.get("adam_lr", 0.02)}


@pytest.mark.parametrize("more", [{}, {"adam_lr": 0.03}])
def test_in_a_recipe_it_does_not(more):
    model = mixed()
    stepper = make_optimiser(model, settings(lr=0.1, **more))
    rates = {stepper.names[p]: group["lr"] for group in stepper.groups() for p in group["params"]}
    assert {rate for name, rate in rates.items() if name.startswith("film.")} == {more.get("adam_lr", 0.1)}


@pytest.mark.parametrize("method", ["adam", "adamw"])
def test_adam_alone(method):
    model = mixed()
    stepper = make_optimiser(model, settings(optimiser=method, lr=0.1, adam_lr=9.0))
    assert [type(part).__name__ for part in stepper.parts] == ["AdamW"]
    assert {group["lr"] for group in stepper.groups()} == {0.1}


def test_weight_decay_is_decoupled_and_spares_the_conditioning_network():
    model = mixed()
    before = {name: value.detach().clone() for name, value in model.named_parameters()}
    stepper = make_optimiser(model, settings(lr=0.1, weight_decay=0.5))
    for parameter in model.parameters():
        parameter.grad = torch.zeros_like(parameter)
    stepper.step()
    for name, value in model.named_parameters():
        torch.testing.assert_close(value.detach(), before[name] * (1.0 if "film" in name else 0.95))


def test_scale_is_relative_to_the_initial_rates():
    stepper = make_optimiser(nn.Linear(3, 3), settings(lr=0.2, adam_lr=0.1))
    stepper.scale(0.5)
    stepper.scale(0.5)
    assert sorted(group["lr"] for group in stepper.groups()) == [0.05, 0.1]


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_state_goes_on_exactly(layout):
    def steps(net, stepper, count, offset):
        for step in range(count):
            generator = torch.Generator().manual_seed(offset + step)
            for parameter in net.parameters():
                parameter.grad = torch.randn(parameter.shape, generator=generator)
            stepper.step()

    first = nn.Sequential(nn.Conv2d(2, 4, 3), nn.ConvTranspose2d(4, 2, 2)).to(memory_format=layout)
    one = make_optimiser(first, settings(lr=0.1))
    steps(first, one, 3, 0)
    second = nn.Sequential(nn.Conv2d(2, 4, 3), nn.ConvTranspose2d(4, 2, 2)).to(memory_format=layout)
    second.load_state_dict(first.state_dict())
    two = make_optimiser(second, settings(lr=0.1))
    two.load_tensors({name: value.contiguous().clone() for name, value in one.tensors().items()})
    steps(first, one, 2, 3)
    steps(second, two, 2, 3)
    assert all(torch.equal(a, b) for a, b in zip(first.parameters(), second.parameters(), strict=True))


@pytest.mark.parametrize("method", ["adam", "muon"])
def test_learning_rates_by_name(method):
    model = condition(nn.Sequential(nn.Conv2d(1, 4, 3), nn.Conv2d(4, 2, 3)), SPACE)
    factors = {r"0\.weight": 0.5, r"0\..*": 0.25}
    stepper = make_optimiser(model, settings(optimiser=method, lr=0.1, adam_lr=0.02, lr_factors=factors))
    rates = {stepper.names[p]: group["lr"] for group in stepper.groups() for p in group["params"]}
    other = 0.1 if method == "adam" else 0.02
    assert rates["plain.0.weight"] == 0.05
    assert rates["plain.0.bias"] == other * 0.25
    assert rates["plain.1.weight"] == 0.1
    assert rates["film.heads.weight"] == other


def test_vectors_are_not_for_muon():
    with pytest.raises(YotoError, match="at least 2 dimensions"):
        Muon([nn.Parameter(torch.zeros(3))])


def test_nothing_to_train_is_an_error():
    with pytest.raises(YotoError, match="parameters to train"):
        make_optimiser(nn.ReLU(), settings(lr=0.1))


# ---- as any optimiser of torch


def trained(net, stepper, count, scaler=None):
    """`count` steps of a fit to fixed data."""
    x = torch.randn(8, 4, generator=torch.Generator().manual_seed(1))
    for _ in range(count):
        loss = (net(x) - 1).square().mean()
        if scaler is None:
            loss.backward()
            stepper.step()
        else:
            scaler.scale(loss).backward()
            scaler.step(stepper)
            scaler.update()
        stepper.zero_grad()
    return [parameter.detach().clone() for parameter in net.parameters()]


def small():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(4, 6), nn.ReLU(), nn.Linear(6, 2))


def same(a, b):
    return all(torch.equal(x, y) for x, y in zip(a, b, strict=True))


def test_steps_are_those_of_muon_and_adam_apart():
    one, two = small(), small()
    trained(one, optimiser(one, 0.02, adam_lr=0.01), 3)
    matrices, rest = [p for p in two.parameters() if p.ndim == 2], [p for p in two.parameters() if p.ndim == 1]
    parts = [Muon(matrices, 0.02), torch.optim.AdamW(rest, 0.01, weight_decay=0.0)]
    x = torch.randn(8, 4, generator=torch.Generator().manual_seed(1))
    for _ in range(3):
        two.zero_grad()
        (two(x) - 1).square().mean().backward()
        for part in parts:
            part.step()
    for a, b in zip(one.parameters(), two.parameters(), strict=True):
        torch.testing.assert_close(a, b)


def test_state_dict_goes_on_exactly(tmp_path):
    net = small()
    first = optimiser(net, 0.02)
    scheduler = cosine(first, 10, warmup=0)
    for _ in range(3):
        trained(net, first, 1)
        scheduler.step()
    again = copy.deepcopy(net)
    second = optimiser(again, 0.5)
    torch.save(first.state_dict(), tmp_path / "state.pt")
    second.load_state_dict(torch.load(tmp_path / "state.pt", weights_only=True))
    assert [g["lr"] for g in second.param_groups] == [g["lr"] for g in first.param_groups] != [0.02, 0.02]
    assert same(trained(net, first, 3), trained(again, second, 3))


def test_copies_go_on_exactly():
    net = small()
    first = optimiser(net, 0.02)
    trained(net, first, 3)
    again, second = copy.deepcopy((net, first))
    assert same(trained(net, first, 3), trained(again, second, 3))
    assert second.tensors().keys() == first.tensors().keys()


def test_schedulers_move_both_algorithms():
    stepper = optimiser(small(), 0.02, adam_lr=0.01)
    scheduler = cosine(stepper, 100, warmup=0, final=0.1)
    for _ in range(99):
        stepper.step()
        scheduler.step()
    assert [group["lr"] for group in stepper.param_groups] == pytest.approx([0.002, 0.001])
    torch.optim.lr_scheduler.OneCycleLR(stepper, max_lr=[0.5, 0.1], total_steps=10)
    assert [group["lr"] for group in stepper.param_groups] == pytest.approx([0.02, 0.004])


def test_a_scaler_gives_the_same_steps_and_skips_infinities():
    one, two = small(), small()
    scaler = torch.amp.GradScaler("cpu", init_scale=1024.0)
    assert same(trained(one, optimiser(one, 0.02), 3), trained(two, optimiser(two, 0.02), 3, scaler))
    stepper = optimiser(two, 0.02)
    before = [parameter.detach().clone() for parameter in two.parameters()]
    scaler.scale((two(torch.full((1, 4), math.inf))).sum()).backward()
    scaler.step(stepper)
    assert same(before, two.parameters())


def test_a_closure_is_called_with_gradients():
    net = small()
    stepper = optimiser(net, 0.02)

    def closure():
        stepper.zero_grad()
        loss = net(torch.ones(3, 4)).square().mean()
        loss.backward()
        return loss

    first = float(stepper.step(closure).detach())
    for _ in range(5):
        last = float(stepper.step(closure).detach())
    assert last < first


def test_groups_added_later():
    net = small()
    stepper = optimiser(net[0], 0.02)
    stepper.add_param_group({"params": [net[2].bias], "lr": 0.1})
    stepper.add_param_group({"params": [net[2].weight], "algorithm": "muon"})
    before = [parameter.detach().clone() for parameter in net.parameters()]
    after = trained(net, stepper, 1)
    assert all((a != b).any() for a, b in zip(before, after, strict=True))
    with pytest.raises(YotoError, match="algorithm"):
        stepper.add_param_group({"params": [nn.Parameter(torch.zeros(2, 2))], "algorithm": "sgd"})


def test_wrapped_models():
    model = condition(small(), SPACE)
    step = LossStep(model, lambda net, batch, at: {}, Objective(SPACE))
    rates = {}
    for wrapped, prefix in ((model, ""), (step, "model.")):
        stepper = optimiser(wrapped, 0.02, conditioning_lr=0.001, lr_factors={r"0\.weight": 0.5})
        rates[prefix] = {
            stepper.names[p].removeprefix(prefix): g["lr"] for g in stepper.param_groups for p in g["params"]
        }
    assert rates[""] == rates["model."]
    assert (rates[""]["plain.0.weight"], rates[""]["plain.2.weight"]) == (0.01, 0.02)
    assert rates[""]["film.heads.weight"] == 0.001


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"lr": 0.0}, "`lr` should be a number above 0"),
        ({"lr": math.nan}, "`lr` should be a number above 0"),
        ({"adam_lr": -1.0}, "`adam_lr`"),
        ({"conditioning_lr": 0.0}, "`conditioning_lr`"),
        ({"algorithm": "sgd"}, "'muon' or 'adam'"),
        ({"momentum": 1.0}, "momentum"),
        ({"betas": (0.9,)}, "betas"),
        ({"weight_decay": -0.1}, "weight_decay"),
    ],
)
def test_settings_out_of_range(wrong, message):
    with pytest.raises(YotoError, match=message):
        optimiser(small(), **wrong)


def test_parameters_in_place_of_the_model():
    with pytest.raises(YotoError, match="the model itself"):
        optimiser(small().parameters())


def test_complex_matrices_are_adams():
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.first, self.last = nn.Linear(4, 8), nn.Linear(8, 8, dtype=torch.complex64)

        def forward(self, x):
            return self.last(self.first(x) + 0j).abs()

    torch.manual_seed(0)
    net, x = Net(), torch.randn(16, 4)
    steps = optimiser(net, lr=0.02)
    assert steps.param_groups[0]["params"] == [net.first.weight]
    losses = []
    for _ in range(20):
        loss = (net(x) - 1).square().mean()
        loss.backward()
        steps.step()
        steps.zero_grad()
        losses.append(loss.item())
    assert losses[-1] < 0.3 * losses[0]
    with pytest.raises(YotoError, match="Muon's parameters should be real"):
        Muon([net.last.weight])


@pytest.mark.parametrize("order", [("words", "head"), ("head", "words")])
def test_a_head_tied_to_an_embedding_is_adams_in_either_order(order):
    net = nn.ModuleDict({name: {"words": nn.Embedding(9, 8), "head": nn.Linear(8, 9)}[name] for name in order})
    net["head"].weight = net["words"].weight
    assert {group["algorithm"] for group in optimiser(net).param_groups} == {"adam"}


@pytest.mark.parametrize("wrong", [{"lr": -1.0}, {"lr": "a"}, {"momentum": 1.0}, {"weight_decay": -1}, {"steps": 0}])
def test_settings_of_muon_out_of_range(wrong):
    with pytest.raises(YotoError, match=f"`{next(iter(wrong))}` should be"):
        Muon([nn.Parameter(torch.zeros(3, 3))], **wrong)


@pytest.mark.parametrize(
    ("factors", "said"),
    [
        ({r"0\.wieght": 2.0}, r"whole names of parameters, such as '0\.weight'. Found .*, which matches none"),
        ({"weight": 2.0}, "Found 'weight', which matches none"),
        ({"(": 2.0}, "Found '\\(': missing"),
        ({3: 2.0}, "Found 3: first argument must be"),
        ({r"0\.weight": -1.0}, "at least 0. Found -1.0"),
        ({r"0\.weight": float("nan")}, "at least 0. Found nan"),
        ({r"0\.weight": "a"}, "at least 0. Found 'a'"),
    ],
)
def test_factors_that_would_be_ignored_or_wrong_are_refused(factors, said):
    with pytest.raises(YotoError, match=said):
        optimiser(nn.Sequential(nn.Linear(2, 2)), lr_factors=factors)


def test_a_recipes_factor_of_another_network_is_left_out():
    """As `network=scale` has no layers of the name that the codec's recipe slows down."""
    net = nn.Sequential(nn.Linear(2, 2))
    stepper = make_optimiser(net, settings(optimiser="adam", lr=0.1, lr_factors={"blocks": 0.5, r"0\.bias": 0.25}))
    assert {group["lr"] for group in stepper.param_groups if group["params"]} == {0.1, 0.025}
    with pytest.raises(YotoError, match="regular expressions"):
        make_optimiser(net, settings(lr_factors={"(": 0.1}))


@pytest.mark.parametrize("widths", [(16, 8), (8, 16)])
@pytest.mark.parametrize("algorithm", ["muon", "adam"])
def test_a_state_of_parameters_of_other_shapes_is_refused(widths, algorithm):
    """torch's fused Adam takes it, reads and writes beyond the ends of the shorter one, and may end the process."""
    first, second = (nn.Linear(3, width) for width in widths)
    steps = [optimiser(net, algorithm=algorithm) for net in (first, second)]
    first(torch.ones(3)).sum().backward()
    steps[0].step()
    with pytest.raises(YotoError, match=r"Found a state of shape .* for 'weight', whose shape is"):
        steps[1].load_state_dict(steps[0].state_dict())
    assert not steps[1].state
