"""One network for every amount of smoothing: train once, choose afterwards. A few seconds on a CPU; needs torch only.

Noisy curves go in, smoothed ones come out. How smooth is a weight of the loss, `fit + λ·roughness`, which is usually
set before training; here one network is trained for every λ from 0.1 to 100.
"""

import tempfile
from pathlib import Path

import torch
from torch import Tensor, nn

import yoto
from yoto.optim import Clipper, cosine

POINTS = 32  # of a curve
STEPS = 800


def curves(n: int, seed: int) -> Tensor:
    """Sine waves of random phase, with noise, [n, POINTS]."""
    g = torch.Generator().manual_seed(seed)
    phase = 6.28 * torch.rand(n, 1, generator=g)
    return torch.sin(torch.linspace(0, 6.28, POINTS) + phase) + 0.3 * torch.randn(n, POINTS, generator=g)


def terms(net: nn.Module, x: Tensor) -> dict[str, Tensor]:
    """The loss terms, which λ weighs: one number per curve, [B], by name."""
    y = net(x)
    return {"fit": (y - x).square().mean(1), "roughness": y.diff(dim=1).square().mean(1)}


torch.manual_seed(0)
net = nn.Sequential(nn.Linear(POINTS, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, POINTS))
space = yoto.LossSpace(fit=1.0, roughness=yoto.LogUniform(0.1, 100.0))
model, objective = yoto.condition(net, space), yoto.Objective(space)
optimiser = yoto.optimiser(model, lr=0.02)
schedule, clip = cosine(optimiser, STEPS), Clipper()
train, test = curves(4096, seed=1), curves(512, seed=2)

for step in range(STEPS):
    x = train[torch.randint(len(train), (128,))]
    lam = space.sample(len(x), progress=step / STEPS)  # a λ for every curve
    loss = objective(terms(model.at(lam), x), lam)
    loss.backward()
    clip(model.parameters())
    optimiser.step()
    schedule.step()
    optimiser.zero_grad()

curve = yoto.sweep(model, test, terms, space.grid(7))
print("roughness weight     fit    roughness     on curves that it has not seen")
for point, fit, roughness in zip(curve.points, curve.terms["fit"], curve.terms["roughness"], strict=True):
    print(f"{point['roughness']:16.2f} {fit:7.4f} {roughness:12.5f}")

plain = model.bake(roughness=10.0, probe=test)  # an ordinary nn.Sequential for one λ
gap = (plain(test) - model(test, at={"roughness": 10.0})).abs().max()
print(f"baked at roughness 10: {type(plain).__name__}, largest difference {gap:.0e}")

file = Path(tempfile.mkdtemp()) / "smoothing.safetensors"
yoto.save(model, file, curve=curve)
again = yoto.load(file, net=net).model
same = torch.equal(again(test, at=lam[0]), model(test, at=lam[0]))
print(f"saved in {file.stat().st_size / 1e3:.0f} kB and loaded: {'the same outputs' if same else 'other outputs'}")
