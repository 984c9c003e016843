"""Pretrained networks: LoRA adapters, half precision, and the conditioning network alone in training."""

import copy

import pytest
import torch
from torch import nn

from yoto.bundle import load, save
from yoto.conditioning import condition
from yoto.space import LogUniform, LossSpace

SPACE = LossSpace(a=1.0, b=LogUniform(0.1, 10.0))


class Lora(nn.Module):
    """A frozen linear layer and a trained product of rank 2 beside it (Hu et al., LoRA, ICLR 2022)."""

    def __init__(self, base):
        super().__init__()
        self.base_layer = base.requires_grad_(False)
        self.lora_A = nn.Linear(base.in_features, 2, bias=False)
        self.lora_B = nn.Linear(2, base.out_features, bias=False)
        nn.init.normal_(self.lora_B.weight)

    def forward(self, x):
        return self.base_layer(x) + 0.5 * self.lora_B(self.lora_A(x))

    def merged(self):
        layer = copy.deepcopy(self.base_layer)
        layer.weight += 0.5 * self.lora_B.weight @ self.lora_A.weight
        return layer


def own_adapters():
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(6, 16), nn.ReLU(), nn.Linear(16, 3)).requires_grad_(False)
    net[0], net[2] = Lora(net[0]), Lora(net[2])
    return net


def merged(net):
    with torch.no_grad():
        return nn.Sequential(net[0].merged(), nn.ReLU(), net[2].merged())


def train(model, steps=60):
    """The mean output follows log b; the loss before and after."""
    generator = torch.Generator().manual_seed(0)
    x, lam = torch.randn(64, 6, generator=generator), SPACE.sample(64, generator)
    dtype = next(model.plain.parameters()).dtype
    optimiser = torch.optim.Adam([p for p in model.parameters() if p.requires_grad], 1e-2)
    losses = []
    for _ in range(steps):
        loss = (model(x.to(dtype), at=lam).float().mean(1) - lam[:, 1].log()).square().mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    return losses[0], losses[-1]


def shaken(model):
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in model.film.parameters():
            parameter += 0.3 * torch.randn(parameter.shape, generator=generator)
    return model


def test_adapters_learn_beside_the_conditioning_network_and_are_merged_after_baking():
    net, x = own_adapters(), torch.randn(5, 6)
    model = condition(net, SPACE, start="plain")
    assert torch.equal(model(x, at=SPACE.sample(5)), net(x))
    frozen = {name: p.clone() for name, p in model.plain.named_parameters() if not p.requires_grad}
    assert set(frozen) == {f"{i}.base_layer.{kind}" for i in (0, 2) for kind in ("weight", "bias")}
    first, last = train(model)
    assert last < 0.5 * first
    assert all(torch.equal(p, model.plain.get_parameter(name)) for name, p in frozen.items())
    assert not torch.equal(model.plain[0].lora_A.weight, net[0].lora_A.weight)
    baked = model.bake(b=3.0, probe=x)
    torch.testing.assert_close(merged(baked)(x), model(x, b=3.0), rtol=1e-5, atol=1e-5)


def test_adapters_per_sample_equal_a_loop():
    model, x, lam = shaken(condition(own_adapters(), SPACE)), torch.randn(4, 6), SPACE.sample(4)
    loop = torch.cat([model(x[i : i + 1], at=lam[i]) for i in range(4)])
    torch.testing.assert_close(model(x, at=lam), loop, rtol=1e-5, atol=1e-6)
    assert not torch.allclose(model(x, b=0.1), model(x, b=10.0), atol=0.01)


def test_adapters_of_peft():
    peft = pytest.importorskip("peft")
    torch.manual_seed(0)
    base = nn.Sequential(nn.Linear(6, 16), nn.ReLU(), nn.Linear(16, 3))
    config = peft.LoraConfig(target_modules=["0", "2"], r=2, init_lora_weights=False)
    net, x, lam = peft.get_peft_model(base, config), torch.randn(4, 6), SPACE.sample(4)
    model = condition(net, SPACE, start="plain")
    assert torch.equal(model(x, at=lam), net(x))
    first, last = train(model)
    assert last < 0.5 * first
    loop = torch.cat([model(x[i : i + 1], at=lam[i]) for i in range(4)])
    torch.testing.assert_close(model(x, at=lam), loop, rtol=1e-5, atol=1e-6)
    whole = model.bake(b=3.0, probe=x).merge_and_unload()
    torch.testing.assert_close(whole(x), model(x, b=3.0), rtol=1e-5, atol=1e-5)


def test_film_alone_learns_and_the_plain_network_stays():
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(6, 16), nn.LayerNorm(16), nn.ReLU(), nn.Linear(16, 3))
    model = condition(net, SPACE, start="plain", train="film")
    first, last = train(model)
    assert last < 0.5 * first
    assert all(torch.equal(p, q) for p, q in zip(model.plain.parameters(), net.parameters(), strict=True))
    assert all(p.grad is None for p in model.plain.parameters())


class Small(nn.Module):
    """Convolution, norm and linear layers."""

    def __init__(self):
        super().__init__()
        self.stem, self.conv, self.norm = nn.Linear(6, 32), nn.Conv2d(2, 8, 3, padding=1), nn.GroupNorm(2, 8)
        self.head = nn.Linear(8, 3)

    def forward(self, x):
        maps = self.norm(self.conv(self.stem(x).unflatten(1, (2, 4, 4)))).relu()
        return self.head(maps.mean((2, 3)))


@pytest.fixture(params=[torch.bfloat16, torch.float16], ids=["bfloat16", "float16"])
def half(request):
    torch.manual_seed(0)
    return Small().to(request.param)


def test_half_precision_throughout(half, tmp_path):
    dtype, x, lam = half.head.weight.dtype, torch.randn(5, 6).to(half.head.weight.dtype), SPACE.sample(5)
    fresh = condition(half, SPACE, start="plain")
    assert torch.equal(fresh(x, at=lam), half(x))
    assert {p.dtype for p in fresh.film.parameters()} == {torch.float32}
    model = shaken(condition(half, SPACE))
    y = model(x, at=lam)
    assert y.dtype == dtype
    wide = condition(copy.deepcopy(half).double(), SPACE)
    wide.film.load_state_dict(model.film.state_dict())
    tolerance = 8 * torch.finfo(dtype).eps
    torch.testing.assert_close(y.double(), wide(x.double(), at=lam), rtol=tolerance, atol=tolerance)
    loop = torch.cat([model(x[i : i + 1], at=lam[i]) for i in range(5)])
    torch.testing.assert_close(y, loop, rtol=tolerance, atol=tolerance)
    baked = model.bake(b=3.0, probe=x)
    assert {p.dtype for p in baked.parameters()} == {dtype}
    save(model, tmp_path / "m.safetensors")
    again = load(tmp_path / "m.safetensors", net=half).model
    assert again.plain.head.weight.dtype == dtype
    assert torch.equal(again(x, at=lam), y)


def test_half_precision_learns(half):
    model = condition(half, SPACE, start="plain", train="film")
    first, last = train(model)
    assert last < 0.7 * first
