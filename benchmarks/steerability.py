"""Where the thresholds of decorative conditioning come from: the bundled models, and broken ones.

    python benchmarks/steerability.py -o results/steerability.md

The bundled models by the curves that they carry; the bank of styles along two weights on two photographs too. Small
ones (an autoencoder of 8x8 digits, fit against size of the code, 800 steps of Adam), three seeds each: healthy; FiLM
values that are the same at every λ; λ shuffled in training, so that the loss is weighted by another λ than the network
saw; a term without gradient.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

import yoto
from yoto import bundle
from yoto.apps.vae.data import digits
from yoto.curves import Steerability, TradeoffCurve
from yoto.curves.steering import EFFECT, FOLLOWS, OWN, OWN_IF_WEAK, WEAK
from yoto.data.pixels import to_unit
from yoto.training.machine import processor
from yoto.training.monitor import STEERED, Monitor

BUNDLED = ("vae/fashion-mnist", "vae/shapes", "compression/photo", "style/bank")
KINDS = ("healthy", "frozen", "λ shuffled", "dead term")
SEEDS = (0, 1, 2)


class Autoencoder(nn.Module):
    """A code of 16 numbers with noise."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder = nn.Sequential(nn.Flatten(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 16))
        self.decoder = nn.Sequential(nn.Linear(16, 64), nn.ReLU(), nn.Linear(64, 64))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Code and reconstruction."""
        code = self.encoder(x)
        return code, self.decoder(code + 0.5 * torch.randn_like(code))


def terms(net: Any, x: Tensor) -> dict[str, Tensor]:
    """Squared error, and squared length of the code."""
    code, y = net(x)
    return {"fit": (y - x.flatten(1)).square().sum(1), "size": code.square().sum(1)}


def dead(net: Any, x: Tensor) -> dict[str, Tensor]:
    """The same with a size that is no longer of the network."""
    found = terms(net, x)
    return {"fit": found["fit"], "size": found["fit"].detach() * 0 + 1}


def trained(kind: str, seed: int) -> tuple[Steerability, float]:
    """How a small model of one kind follows λ, and the rank correlation over its last steps that training logs."""
    torch.manual_seed(seed)
    space = yoto.LossSpace(fit=1.0, size=yoto.LogUniform(0.01, 10.0))
    model, objective = yoto.condition(Autoencoder(), space), yoto.Objective(space)
    if kind == "frozen":
        model.film.register_forward_pre_hook(lambda _, given: (torch.zeros_like(given[0]),))
    function = dead if kind == "dead term" else terms
    optimiser = torch.optim.Adam(model.parameters(), 2e-3)
    train, held = (to_unit(digits(split)) for split in ("train", "validation"))
    monitor = Monitor(objective)
    for step in range(1, 801):
        x = train[torch.randint(len(train), (64,))]
        lam = space.sample(len(x))
        seen = lam[torch.randperm(len(x))] if kind == "λ shuffled" else lam
        found = function(model.at(seen), x)
        objective(found, lam).backward()
        optimiser.step()
        optimiser.zero_grad()
        if step > 700:
            monitor.add(step, found, lam, torch.tensor(0.0))
    monitor.read_window()
    return yoto.steerability(model, held, function), monitor.steering["size"]


def bank() -> Steerability:
    """The bank of styles along the weights of style and smoothness, one painting, two photographs."""
    loaded = bundle.load("style/bank")
    space = loaded.space
    at = dict.fromkeys(("fine", "mid", "coarse", "coarser"), 1.0) | {"painting": "great-wave"}
    middle = {"style": 0.775, "smoothness": 0.0707}
    points = [
        {**at, **middle, name: float(value)}
        for name in middle
        for value in space.parameters[name].from_unit(torch.linspace(0, 1, 9)[:, None]).flatten()
    ]
    return yoto.steerability(loaded, loaded.task.data("test"), loaded.task, points=points, batch=1, limit=2)


def row(name: str, found: Steerability, logged: float | None = None) -> str:
    """A line of the table."""
    weights = ", ".join(f"{weight} {value:+.2f}" for weight, value in found.correlation.items())
    shares = ", ".join(f"{term} {value:.2g}" for term, value in found.share.items())
    own = "-" if found.own is None else f"{found.own:.2f} ({found.shuffled_own:.2f})"
    verdict = "decorative" if found.decorative else "steers"
    last = "-" if logged is None else f"{logged:+.2f}"
    return f"| {name} | {found.points} | {weights} | {own} | {shares} | {last} | {verdict} |"


def main() -> None:
    """Measure and write the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("-o", "--output", type=Path, required=True)
    given = parser.parse_args()
    rows = []
    for name in BUNDLED:
        curve = TradeoffCurve.from_dict(bundle.read_header(name).curve)
        rows.append(row(name, curve.steering()))
    rows.append(row("style/bank, two weights", bank()))
    rows += [row(f"digits, {kind}, seed {seed}", *trained(kind, seed)) for kind in KINDS for seed in SEEDS]
    limits = f"{EFFECT:g} of every term; where a weight's correlation is above {FOLLOWS:g}; where fewer than {OWN:g}"
    logged = "In training: rank correlation of weight and term over the samples of the last 100 steps"
    lines = [
        "# Does λ steer the network?",
        "",
        "`python benchmarks/steerability.py -o results/steerability.md`",
        "",
        "Rank correlation of each weight with its own term; share of the losses of other points' networks, at a λ,",
        "that are higher than that of its own network (in brackets: with λ shuffled); share of each term's variation",
        "over points and samples that λ explains. Conditioning is called decorative where λ explains at most",
        f"{limits} of the others'",
        f"losses are higher, or fewer than {OWN_IF_WEAK:g} where λ explains at most {WEAK:g} of every term.",
        "",
        f"Processor: {processor()}, one thread.",
        "",
        f"{logged}, which yoto train logs; it",
        f"tells at its end where that is above {STEERED:g}.",
        "",
        "| model | points | rank correlation | own network the best | share explained | in training | verdict |",
        "| --- | --- | --- | --- | --- | --- | --- |",
        *rows,
        "",
    ]
    given.output.write_text("\n".join(lines))


if __name__ == "__main__":
    main()
