"""Small models for the page of a user's own."""

from torch import nn

from yoto import bundle, condition
from yoto.space import Choice, LogUniform, LossSpace, Simplex

MIXED = LossSpace(mix=Simplex("a", "b", "c", minimum=0.01), kind=Choice("x", "y"), kl=LogUniform(0.5, 128.0))


def curve(parameters, points, terms):
    """A trade-off curve in the form in which a model's file keeps it, with made-up numbers."""
    columns = {name: [10.0 + (3 * i + 7 * n) % 11 for i in range(len(points))] for n, name in enumerate(terms)}
    return {
        "format": "yoto-curve", "version": 1, "parameters": parameters, "points": points, "terms": columns,
        "weights": [dict.fromkeys(terms, 1.0)] * len(points), "loss": [float(i) for i in range(len(points))],
        "metrics": {}, "errors": {}, "info": {"n": 5, "units": {}, "symbols": {"kl": "β"}, "split": "test"},
    }  # fmt: skip


def mixed(path):
    """A model with every kind of parameter, without a task and with a curve."""
    net = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2))
    points = [
        {"a": a, "b": (1 - a) / 2, "c": (1 - a) / 2, "kind:x": x, "kind:y": 1.0 - x, "kl": kl}
        for a in (0.1, 0.8)
        for x in (1.0, 0.0)
        for kl in (1.0, 50.0)
    ]
    bundle.save(condition(net, MIXED), path, curve=curve(list(MIXED.names), points, ("a", "b", "c")))
    return path


def digits(path):
    """An untrained conditional VAE of 8x8 digits, whose data come with a package; with a curve over β."""
    from yoto.build import build_model
    from yoto.recipe import read
    from yoto.registry import load_task

    recipe = read("vae/digits", [])
    model = build_model(recipe, load_task(recipe.task, recipe.options))
    betas = (0.125, 0.5, 2.0, 8.0)
    points = [{"kl": beta} for beta in betas]
    made = curve(["kl"], points, ("reconstruction", "kl"))
    made["terms"] = {"reconstruction": [20.0, 22.0, 25.0, 30.0], "kl": [16.0, 9.0, 4.0, 1.0]}
    bundle.save(model, path, recipe=recipe, curve=made, info={"steps": 0})
    return path
