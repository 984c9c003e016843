"""What a call of the public API says where it is given something else than it takes: one line, a `YotoError`."""

from __future__ import annotations

import pytest
import torch
from torch import nn

import yoto
from yoto import LogUniform, LossSpace, Objective, TradeoffCurve, YotoError, condition
from yoto.curves.scaling import scaled
from yoto.export import export
from yoto.optim import Clipper, cosine

SPACE = LossSpace(fit=1.0, kl=LogUniform(0.5, 128.0))
NET, X = nn.Linear(3, 2), torch.rand(4, 3)
MODEL, LAM = condition(NET, SPACE), SPACE.sample(4)
TERMS = {"fit": torch.rand(4), "kl": torch.rand(4)}
ADAM = torch.optim.Adam(NET.parameters())
CURVE = TradeoffCurve(points=[{"kl": 1.0}], terms={"fit": [1.0]}, loss=[1.0])

CALLS = [
    ("a network called with λ by position", lambda _: MODEL(X, LAM), "model(x, at=lam)"),
    ("a network called without λ", lambda _: MODEL(X), "`kl` is free"),
    ("a number as λ", lambda _: MODEL(X, at=3.0), r"shape [2] or [B, 2]"),
    ("text as λ", lambda _: MODEL.at("kl=4"), "values by name. Found 'kl=4'"),
    ("λ of another batch", lambda _: MODEL(X, at=SPACE.sample(5)), "should have 5 samples"),
    ("a λ per sample baked", lambda _: MODEL.bake(LAM), "`bake` should get one λ"),
    ("arguments of condition in the other order", lambda _: condition(SPACE, NET), "`net` should be"),
    ("a mapping as space", lambda _: condition(NET, {"fit": 1.0}), "`space` should be a yoto.LossSpace. Found dict"),
    ("half a sample", lambda _: SPACE.sample(2.5), "a whole number, at least 1. Found 2.5"),
    ("a batch as number of samples", lambda _: SPACE.sample(X), "a whole number, at least 1. Found Tensor"),
    ("a seed as generator", lambda _: SPACE.sample(4, 3), "`generator` should be a torch.Generator. Found int"),
    ("text as size of a grid", lambda _: SPACE.grid("many"), "a whole number, at least 1. Found 'many'"),
    ("a number as point", lambda _: SPACE.point(3.0), "point(kl=…). Found 3.0"),
    ("a list of terms", lambda _: SPACE.combine([X], LAM), "tensors by name, such as"),
    ("numbers as terms", lambda _: SPACE.combine({"fit": 1.0, "kl": 2.0}, LAM), "'fit' should be a tensor"),
    ("a number as λ of a sum", lambda _: SPACE.combine(TERMS, 3.0), "λ should be a tensor [B, 2] or [2]"),
    ("a number as λ to encode", lambda _: SPACE.encode(3.0), "λ should be a tensor [..., 2]"),
    ("a list of terms to an objective", lambda _: Objective(SPACE)([X], LAM), "Found a list"),
    ("a number as λ of an objective", lambda _: Objective(SPACE)(TERMS, 3.0), "Found float"),
    ("a number as λ to balance", lambda _: Objective(SPACE).divisor(3.0), "Found float"),
    ("terms without an objective's λ", lambda _: Objective(SPACE)(TERMS, SPACE.sample(3)), "a row for each of the 4"),
    ("a number saved", lambda file: yoto.save(3, file), "`model` should be a network"),
    ("a number as curve", lambda file: yoto.save(MODEL, file, curve=3), "`curve` should be a TradeoffCurve"),
    ("text as objective", lambda file: yoto.save(MODEL, file, objective="sum"), "`objective` should be a yoto.Obj"),
    ("a tensor as fact", lambda file: yoto.save(MODEL, file, info={"x": X}), "`info` should hold what JSON can"),
    ("a direction that is none", lambda file: yoto.save(MODEL, file, directions={"a": "up"}), "'lower' or 'higher'"),
    ("a plain network without a space", lambda file: yoto.save(NET, file), "`space` should be given"),
    ("a number loaded", lambda _: yoto.load(3), "named by text or a path"),
    ("a recipe by name", lambda _: yoto.train("vae/digits", "run"), "yoto.recipe.read(name) gives. Found str"),
    ("a number as reference", lambda _: CURVE.regret(3), "`reference` should be a TradeoffCurve"),
    ("a point for points", lambda _: CURVE.at({"kl": 1.0}), "a list of points"),
    ("two numbers to bake", lambda _: MODEL.bake(kl=torch.tensor([1.0, 2.0])), "`kl` should be a number"),
    ("text in a reference point", lambda _: CURVE.hypervolume({"fit": "a"}), "`reference_point['fit']` should be"),
    ("text as learning rate", lambda _: yoto.optimiser(MODEL, lr="a"), "`lr` should be a number above 0. Found 'a'"),
    ("no learning rate", lambda _: yoto.optimiser(MODEL, lr=None), "`lr` should be a number above 0. Found None"),
    ("text as momentum", lambda _: yoto.optimiser(MODEL, momentum="a"), "should lie in [0, 1). Found 'a'"),
    ("one number as betas", lambda _: yoto.optimiser(MODEL, betas=0.9), "two `betas` should lie in [0, 1)"),
    ("text as weight decay", lambda _: yoto.optimiser(MODEL, weight_decay="a"), "`weight_decay` should be at least 0"),
    ("a list of factors", lambda _: yoto.optimiser(MODEL, lr_factors=[1.0]), "`lr_factors` should map"),
    ("text as factor of clipping", lambda _: Clipper(factor="a"), "`factor` should be above 1"),
    ("a list as limit", lambda _: Clipper([1.0]), "`limit` should be 'relative', a norm above 0 or None"),
    ("a network to clip", lambda _: Clipper()(NET), "model.parameters(). Found Linear"),
    ("text as steps", lambda _: cosine(ADAM, "a"), "`steps` should be at least 1"),
    ("text as warm-up", lambda _: cosine(ADAM, 9, warmup="a"), "`warmup` at least 0"),
    ("a network to schedule", lambda _: cosine(NET, 9), "`optimiser` should be one of torch.optim"),
    ("text as progress", lambda _: SPACE.sample(4, progress="a"), "`progress` should lie in [0, 1]"),
    ("text as spread", lambda _: SPACE.sample(4, spread="a"), "`spread` should lie in [0, 2]. Found 'a'"),
    ("text as tilt", lambda _: SPACE.sample(4, tilt="a"), "`tilt` should be a number, or one by parameter name"),
    ("text as a parameter's tilt", lambda _: SPACE.sample(4, tilt={"kl": "a"}), "`tilt` should be a number"),
    ("text as rank", lambda _: SPACE.sample(4, rank="a"), "`rank` should be a whole number in [0, world)"),
    ("text as multiplier", lambda _: condition(NET, SPACE, multiplier="a"), "`multiplier` should be a number"),
    ("text as widths", lambda _: condition(NET, SPACE, hidden="64"), "a list of widths ≥ 1. Found '64'"),
    (
        "half a Fourier feature",
        lambda _: condition(NET, SPACE, fourier=0.5),
        "`fourier` should be a whole number, at least 0",
    ),
    ("no dimension of samples", lambda _: condition(NET, SPACE, batch_dim=None), "`batch_dim` should be a whole"),
    ("axes without names", lambda _: condition(NET, SPACE, channel_axis=-1), "`channel_axis` should map"),
    ("a number as sites", lambda _: condition(NET, SPACE, sites=-1), "`sites` should be a regular expression, a type"),
    ("a number left out", lambda _: condition(NET, SPACE, exclude=-1), "`exclude` should be a regular expression"),
    ("text baked into", lambda _: MODEL.bake(kl=1.0, into="net"), "`into` should be a network that bake()"),
    ("one number to recalibrate by", lambda _: MODEL.bake(kl=1.0, recalibrate=3), "`recalibrate` should be batches"),
    (
        "one tensor to recalibrate by",
        lambda _: MODEL.bake(kl=1.0, recalibrate=torch.ones(2, 3)),
        "[x] for one. Found one tensor, whose rows would be taken for batches",
    ),
    ("text as seed of a curve", lambda _: yoto.sweep(MODEL, X, terms, seed="a"), "`seed` should be a whole number"),
    ("a list as info", lambda _: yoto.sweep(MODEL, X, terms, info=[1]), "`info` should map names to facts"),
    ("True as progress", lambda _: yoto.sweep(MODEL, X, terms, progress=True), "`progress` should be a function"),
    ("text as seed of a choice", lambda _: yoto.select(MODEL, X, terms, minimise="fit", seed="a"), "`seed` should be"),
    ("text as seed of polishing", lambda _: yoto.polish(MODEL, {"kl": 1.0}, X, terms, seed="a"), "`seed` should be"),
    ("text as its rate", lambda _: yoto.polish(MODEL, {"kl": 1.0}, X, terms, lr="a"), "`lr` should be a number"),
    ("a list as curve", lambda _: TradeoffCurve.from_dict([1]), "A curve should be a JSON object"),
    ("a number as column", lambda _: CURVE.knee(3, "fit"), "Found 3"),
    ("a number as file of a curve", lambda _: CURVE.to_csv(3), "named by a path. Found 3"),
    ("no file to save to", lambda _: yoto.save(MODEL, None), "named by a path. Found None"),
    ("text exported", lambda file: export("net", file), "`model` should be a network, conditional or plain. Found str"),
    ("no file to export to", lambda _: export(MODEL, None), "named by a path. Found None"),
    ("a number as scales", lambda _: scaled(terms, 3.0), "`scales` should map names of terms to numbers"),
    ("numbers as reference point", lambda _: CURVE.hypervolume([3.0]), "a value by name. Found [3.0]"),
]


@pytest.mark.parametrize(("call", "message"), [each[1:] for each in CALLS], ids=[each[0] for each in CALLS])
def test_it_is_said_in_one_line(call, message, tmp_path):
    with pytest.raises(YotoError) as caught:
        call(tmp_path / "model.safetensors")
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not list(tmp_path.iterdir())


def test_there_are_few_names():
    assert len(set(yoto.__all__) - {"__version__"}) <= 24


def terms(net, batch):
    y = net(batch)
    return {"fit": (y - 1).square().mean(1), "kl": y.square().mean(1)}


PUBLIC = {
    "sweep": lambda model, _: yoto.sweep(model, X, terms, SPACE.grid(3)).loss,
    "select": lambda model, _: yoto.select(model, X, terms, minimise="loss", evaluations=3).values,
    "steerability": lambda model, _: yoto.steerability(model, X, terms).share,
    "polish": lambda model, _: yoto.polish(model, {"kl": 1.0}, X, terms, steps=1)(X).tolist(),
    "estimate_regret": lambda model, _: (
        yoto.estimate_regret(model, [{"kl": 1.0}], X, terms, validation=X, steps=1).gain
    ),
    "widget": lambda model, _: yoto.widget(model, lambda net: str(net(X))).children[-1].value,
    "save": lambda model, file: (yoto.save(model, file), file.read_bytes())[1],
    "export": lambda model, file: (
        export(model, file.with_suffix(".pt2"), {"input": X}),
        sorted(file.parent.iterdir()),
    ),
}


@pytest.mark.parametrize("call", PUBLIC)
def test_what_wraps_a_network_makes_no_difference(call, tmp_path):
    file = tmp_path / "model.safetensors"
    assert PUBLIC[call](nn.DataParallel(MODEL), file) == PUBLIC[call](MODEL, file)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:.torch.jit.script_method. is:DeprecationWarning")
def test_compiling_a_network_makes_no_difference(tmp_path):
    compiled = torch.compile(MODEL)
    for call in PUBLIC.values():
        assert call(compiled, tmp_path / "model.safetensors") == call(MODEL, tmp_path / "model.safetensors")


@pytest.mark.parametrize("call", ["select", "steerability", "polish", "estimate_regret", "widget"])
def test_a_plain_network_has_no_point_to_choose(call, tmp_path):
    with pytest.raises(YotoError, match="`model` should be a conditional network, as condition"):
        PUBLIC[call](NET, tmp_path / "model.safetensors")
