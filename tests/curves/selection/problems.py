"""Selections with known answers, without a model."""

from __future__ import annotations

import torch

from yoto import LogUniform, LossSpace, Simplex
from yoto.curves.selection.coordinates import Coordinates
from yoto.curves.selection.evaluations import Budget
from yoto.curves.selection.request import Measured, request
from yoto.curves.selection.searching import Problem

SAMPLES = 40


def spread(values, noise):
    """A quantity of every sample: a mean, and an offset of each sample that cancels."""
    offsets = torch.linspace(-1, 1, SAMPLES, dtype=torch.float64)
    return values + noise * offsets


def pair(lam):
    """min x² + λ(x−1)²: x = λ/(1+λ), so that a = (λ/(1+λ))², b = 1/(1+λ)²."""
    weight = lam[1]
    return {"a": spread((weight / (1 + weight)) ** 2, 0.1), "b": spread((1 / (1 + weight)) ** 2, 0.1)}


def corners(lam):
    """Squared distances of x = w, the minimiser of Σ wⱼ|x − eⱼ|² on the simplex, to the unit vectors."""
    w = lam[:3]
    return {name: spread((w * w).sum() - 2 * w[j] + 1, 0.05) for j, name in enumerate("abc")}


def mixed(lam):
    """Four quadratics under four weights, in the plane, with a metric that is no term."""
    anchors = torch.tensor([[0, 0], [2, 0.5], [-1, 2], [1, -3]], dtype=torch.float64)
    w = lam[:4].double()
    x = (w[:, None] * anchors).sum(0) / w.sum()
    found = {name: spread((x - anchor).square().sum(), 0.1) for name, anchor in zip("abcd", anchors, strict=True)}
    return {**found, "height": spread(torch.tanh(x[1]) + 0.1 * x[0], 0.1)}


PAIR = LossSpace(a=1.0, b=LogUniform(0.01, 100.0))
CORNERS = LossSpace(mix=Simplex("a", "b", "c"))
MIXED = LossSpace(a=1.0, b=LogUniform(0.03, 30.0), c=LogUniform(0.03, 30.0), d=LogUniform(0.03, 30.0))


def measure(function, count=None):
    """Means and errors of the first `count` samples."""

    def evaluate(points):
        found = []
        for lam in points:
            values = {name: v[:count] for name, v in function(torch.tensor(lam, dtype=torch.float64)).items()}
            found.append(
                Measured(
                    lam=lam,
                    values={name: float(v.mean()) for name, v in values.items()},
                    errors={name: float(v.std() / len(v) ** 0.5) for name, v in values.items()},
                    samples=len(next(iter(values.values()))),
                )
            )
        return found

    return evaluate


def problem(function, space, wanted, *, count=None, gradient=True, at=None, budget=None, **more):
    """`wanted` are the arguments of `request`; `count` samples are the part that is searched on."""

    def derive(lam):
        values = {name: v[:count] for name, v in function(lam).items()}
        return [(len(values["a"]), values)]

    return Problem(
        request=request(*wanted),
        coordinates=Coordinates(space, at),
        evaluate=measure(function),
        evaluate_part=None if count is None else measure(function, count),
        share=1.0 if count is None else count / SAMPLES,
        derive=derive if gradient else None,
        budget=budget or Budget(),
        **more,
    )


def brute_force(function, space, wanted, n=1000):
    """The best of n Sobol points."""
    lams = space.sample(n, generator=torch.Generator().manual_seed(1), method="sobol").double().tolist()
    found = measure(function)([tuple(lam) for lam in lams])
    asked = request(*wanted)
    return found[asked.best(found)]
