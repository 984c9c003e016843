"""`LossStep` on two ranks: under DDP and FSDP2 its gradients and its training are those of one process."""

import warnings

import pytest
import torch
from torch import nn
from torch.distributed.checkpoint.state_dict import StateDictOptions, get_model_state_dict
from torch.nn.parallel import DistributedDataParallel

from ranks import run_on_ranks
from yoto import LogUniform, LossSpace, LossStep, Objective, YotoError, condition, sweep
from yoto.optim import Clipper
from yoto.recipe import Training
from yoto.training.ema import EMA
from yoto.training.schedules import make_optimiser

SPACE = LossSpace(fit=1.0, code=LogUniform(0.1, 10.0))
BATCH, STEPS = 8, 20
KINDS = ("ddp", "fsdp2")


class Autoencoder(nn.Module):
    """Used through `encode` and `decode`, never through `forward`."""

    def __init__(self):
        super().__init__()
        self.down, self.encoder = (
            nn.Conv2d(1, 4, 2, stride=2),
            nn.Sequential(nn.Linear(16, 12), nn.Tanh(), nn.Linear(12, 3)),
        )
        self.decoder, self.up = nn.Linear(3, 16), nn.ConvTranspose2d(4, 1, 2, stride=2)

    def encode(self, x):
        return self.encoder(self.down(x).tanh().flatten(1))

    def decode(self, code):
        return self.up(self.decoder(code).tanh().view(-1, 4, 2, 2))


def terms(net, batch):
    code = net.encode(batch)
    return {"fit": (net.decode(code) - batch).square().flatten(1).sum(1), "code": code.square().sum(1)}


def make():
    torch.manual_seed(0)
    model = condition(Autoencoder(), SPACE, hidden=(8,))
    for parameter in model.film.parameters():
        nn.init.normal_(parameter, std=0.3)
    return LossStep(model.double(), terms, Objective(SPACE))  # else Muon's iteration turns rounding into 1e-5


def wrapped(step, kind):
    if kind == "ddp":
        return DistributedDataParallel(step)
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.fsdp import fully_shard

    mesh = init_device_mesh("cpu", (2,))
    fully_shard(step.model.plain.encoder, mesh=mesh)
    return fully_shard(step, mesh=mesh)


def batches(rank, ranks):
    """Batch and λ of every step: this rank's share of what one process sees."""
    own = BATCH // ranks
    for number in range(STEPS):
        x = torch.randn(BATCH, 1, 4, 4, generator=torch.Generator().manual_seed(100 + number), dtype=torch.float64)
        generator = torch.Generator().manual_seed(number)
        yield x[rank * own : (rank + 1) * own], SPACE.sample(own, generator, rank=rank, world=ranks)


def whole(tensors):
    return {name: (t.full_tensor() if hasattr(t, "full_tensor") else t).clone() for name, t in tensors.items()}


def gradients(step, module, rank, ranks):
    x, lam = next(batches(rank, ranks))
    module(x, lam)[0].backward()
    return whole({name: parameter.grad for name, parameter in step.named_parameters()})


def trained(step, module, rank, ranks):
    """Parameters and their averages after some steps of Muon with relative clipping and EMA."""
    settings = Training(steps=STEPS, batch=BATCH, lr=0.02, clip_factor=1.05)
    model = step.model
    optimiser, clipper, ema = (
        make_optimiser(model, settings),
        Clipper(factor=1.05),
        EMA(model, 0.9),
    )
    for x, lam in batches(rank, ranks):
        module(x, lam)[0].backward()
        clipper(optimiser.parameters)
        optimiser.step()
        optimiser.zero_grad()
        ema.update()
    return whole(dict(model.named_parameters())), whole(ema.averages)


def unwrapped_on_a_rank(step, rank):
    """What `model.at` says where nothing averages its gradients, and where nothing needs to."""
    said = []
    for _ in range(2):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            step(*next(batches(rank, 2)))
            with torch.no_grad():
                step(*next(batches(rank, 2)))
        said.append([str(each.message) for each in caught])
    return said


def measured(model):
    """The loss of a model along its range, or what refuses to measure it."""
    try:
        return sweep(model, [torch.ones(4, 1, 4, 4, dtype=torch.float64)], terms, SPACE.grid(3)).loss
    except YotoError as error:
        return str(error)


def on_a_rank(rank, folder):
    warnings.simplefilter("error")
    result = {}
    for kind in KINDS:
        step = make()
        module = wrapped(step, kind)
        found = gradients(step, module, rank, 2)
        module.zero_grad()
        result[kind] = found, trained(step, module, rank, 2)
        result[f"{kind} measured"] = measured(step.model)
        if kind == "fsdp2":
            options = StateDictOptions(full_state_dict=True)
            whole_one = make().model
            whole_one.load_state_dict(get_model_state_dict(step.model, options=options))
            result["fsdp2 gathered"] = measured(whole_one)
    result["said"] = unwrapped_on_a_rank(make(), rank)
    if rank == 0:
        torch.save(result, folder / "result.pt")


@pytest.fixture(scope="module")
def result(tmp_path_factory):
    folder = tmp_path_factory.mktemp("ranks")
    run_on_ranks(on_a_rank, folder)
    return torch.load(folder / "result.pt")


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_gradients_of_two_ranks_are_those_of_one_process(kind, result):
    step = make()
    found, expected = result[kind][0], gradients(step, step, 0, 1)
    assert set(found) == set(expected)
    for name, value in expected.items():
        torch.testing.assert_close(found[name], value, rtol=1e-9, atol=1e-9)
        assert value.abs().max() > 1e-4


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_muon_clipping_and_averages_on_two_ranks_are_those_of_one_process(kind, result):
    step = make()
    for ours, theirs in zip(trained(step, step, 0, 1), result[kind][1], strict=True):
        for name, value in ours.items():
            torch.testing.assert_close(theirs[name], value, rtol=1e-9, atol=1e-9)


@pytest.mark.slow
def test_binding_without_a_wrapper_is_warned_of_once(result):
    first, second = result["said"]
    assert len(first) == 1
    assert "LossStep" in first[0]
    assert second == []


@pytest.mark.slow
def test_a_model_in_shards_is_measured_once_it_is_whole(result):
    assert "Load the full state" in result["fsdp2 measured"]
    assert result["fsdp2 gathered"] == pytest.approx(result["ddp measured"], rel=1e-8)
