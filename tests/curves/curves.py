"""Curves and comparisons with made-up numbers."""

from __future__ import annotations

from yoto.curves.curve import TradeoffCurve
from yoto.curves.parity import Comparison, Contender, Cost

BETAS = (0.5, 8.0, 128.0)
INFO = {
    "data": "toys",
    "split": "test",
    "n": 100,
    "units": {"reconstruction": "nats per image", "kl": "nats per image", "loss": "nats per image"},
    "symbols": {"kl": "β"},
}


def curve(loss=(230.0, 290.0, 385.0), kl=(15.0, 5.0, 0.0), betas=BETAS, **changes):
    """A β-VAE's curve: reconstruction is what the KL term leaves of the loss."""
    return TradeoffCurve(
        **{
            "parameters": ("kl",),
            "points": tuple({"kl": beta} for beta in betas),
            "weights": tuple({"reconstruction": 1.0, "kl": beta} for beta in betas),
            "terms": {
                "reconstruction": tuple(a - b * c for a, b, c in zip(loss, betas, kl, strict=True)),
                "kl": tuple(kl),
            },
            "loss": tuple(loss),
            "metrics": {"mse": tuple(value / 1000 for value in loss)},
            "errors": {"loss": tuple(0.5 for _ in betas), "kl": tuple(0.1 for _ in betas)},
            "info": INFO,
            **changes,
        }
    )


def cost(steps=100, cpu_seconds=2.0):
    return Cost(steps=steps, seconds=1.1 * cpu_seconds, cpu_seconds=cpu_seconds, parameters=1000)


def contender(name="conditional-1x", losses=((234.0, 292.0, 386.0), (236.0, 294.0, 386.0)), **changes):
    return Contender(
        **{
            "name": name,
            "label": name.replace("-", ", "),
            "recipe": "toy",
            "multiple": 1.0,
            "curves": tuple(curve(loss) for loss in losses),
            "costs": tuple(cost() for _ in losses),
            **changes,
        }
    )


def comparison(**changes):
    """Two conditional models against three fixed ones, two seeds."""
    return Comparison(
        **{
            "title": "toy",
            "points": tuple({"kl": beta} for beta in BETAS),
            "seeds": (0, 1),
            "references": (curve(), curve()),
            "reference_costs": (tuple(cost() for _ in BETAS),) * 2,
            "contenders": (contender(), contender("paper", ((250.0, 300.0, 390.0),) * 2)),
            "floor": 190.0,
            "reference_point": {"reconstruction": 400.0, "kl": 20.0},
            "info": {**INFO, "machine": {"processor": "a processor", "threads": 1}},
            "recipes": {"conditional-1x": {"name": "toy"}},
            **changes,
        }
    )
