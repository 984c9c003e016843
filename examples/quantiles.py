"""Quantile regression: one network for every quantile level, in place of one network or one output per level.

The loss parameter is the level itself: the q-quantile of the target minimises the pinball loss at level q. Compared at
nine levels with nine separately trained networks and with one network of nine outputs, on three UCI regressions:
pinball loss, calibration (how many targets lie below the predicted quantile) and crossings (a higher quantile predicted
below a lower one). For your own data, replace `load`.
"""

from functools import partial

import common
import torch
from torch import Tensor, nn

import yoto

BATCH, STEPS, LR = 256, 1500, 0.01
SPACE = yoto.LossSpace(pinball=1.0, level=yoto.Uniform(0.05, 0.95, weight=False))
POINTS = {f"{lam[1]:.2f}": lam for lam in SPACE.grid(9)}
LEVELS = SPACE.grid(9)[:, 1]  # 0.05, 0.1625, …, 0.95
UCI = "https://archive.ics.uci.edu/dataset/"
FILES = {
    "protein-tertiary-structure": ("2800c60351bc34ad1acb29c5ef6fd8c3e3727c37b80874f1685273b30d5fc35d", UCI + "265"),
    "kin8nm": ("d42637ce7ef7ae1b27304d04855d7fc27da1fec079e90515be516bfc3456a05d", "https://www.openml.org/d/189"),
    "power-plant": ("d221ba9ea57b6c3ef5aa909e8afbcac6caf9d4d834b33e7b5b961b571b616de7", UCI + "294"),
}
Data = dict[str, tuple[Tensor, Tensor]]


def load(name: str, smoke: bool) -> Data:
    """Standardised inputs [N, D] and targets [N] for training, validation and test (70, 10 and 20 %)."""
    if smoke:
        rows = torch.randn(400, 5, generator=torch.Generator().manual_seed(0)).cumsum(1)
    else:
        rows = torch.tensor(
            [[float(cell) for cell in row] for row in common.read_table(f"{name}.txt.gz", *FILES[name])]
        )
    rows = common.standardised(rows, 0.7)
    return common.split([rows[:, :-1], rows[:, -1]], 0.7, 0.1)


def network(inputs: int, outputs: int = 1) -> nn.Module:
    """A plain network; it knows nothing of levels."""
    return nn.Sequential(nn.Linear(inputs, 64), nn.SiLU(), nn.Linear(64, 64), nn.SiLU(), nn.Linear(64, outputs))


def pinball(error: Tensor, level: Tensor) -> Tensor:
    """The pinball loss of target minus prediction."""
    return torch.maximum(level * error, (level - 1) * error)


def terms(net: nn.Module, batch: tuple[Tensor, Tensor], at: Tensor) -> dict[str, Tensor]:
    """The pinball loss [B] at the level of each sample's λ [B, 2] or [2]; of nine outputs the mean over nine levels."""
    (x, y), level = batch, at[..., SPACE.index("level")].reshape(-1, 1)
    predicted = net(x)
    levels = level if predicted.shape[1] == 1 else LEVELS
    return {"pinball": pinball(y[:, None] - predicted, levels).mean(1)}


def measured(predicted: Tensor, y: Tensor) -> common.Result:
    """Pinball loss and share of targets below, at each level, and crossings, of quantiles [N, 9] for targets [N]."""
    losses, below = pinball(y[:, None] - predicted, LEVELS).mean(0), (y[:, None] <= predicted).float().mean(0)
    return {
        "pinball": losses.tolist(),
        "mean": float(losses.mean()),
        "below": below.tolist(),
        "gap": float((below - LEVELS).abs().mean()),
        "crossings": float((predicted.diff(dim=1) < 0).float().mean()),
    }


def below(net: nn.Module, batch: tuple[Tensor, Tensor]) -> Tensor:
    """Whether each target lies below its predicted quantile, [B]."""
    return (batch[1] <= net(batch[0])[:, 0]).float()


@torch.no_grad()
def predictions(nets: list[nn.Module], x: Tensor) -> Tensor:
    """Quantiles [N, 9] of one network per level."""
    return torch.cat([net(x) for net in nets], dim=1)


def experiment(seed: int, smoke: bool, validation: bool = False) -> common.Result:
    """All networks of one seed, measured on the test data, or compared on validation data to choose settings."""
    steps, found = 30 if smoke else STEPS, {}
    for name in ["power-plant"] if smoke else FILES:
        torch.manual_seed(seed)
        data = load(name, smoke)
        x, y = data["test"]
        batch, count = common.rows_of(data["train"], BATCH), x.shape[1]
        how = (terms, yoto.Objective(SPACE), batch, steps)
        model, alone = common.train_all(partial(network, count), POINTS, *how, lr=LR)
        if validation:
            found[name] = common.compared(model, alone, POINTS, [data["validation"]], terms)
            continue
        nine = common.train(network(count, 9), *how, SPACE.median(), lr=LR)
        each = {
            **common.compared(model, alone, POINTS, [(x, y)], terms),
            "one network": measured(predictions([model.at(lam) for lam in POINTS.values()], x), y),
            "nine networks": measured(predictions(alone, x), y),
            "nine outputs": measured(nine(x).detach(), y),
        }
        # The question: a bound that 90 % of the targets keep, by validation data. Does it hold on the test data?
        metrics = {
            "below": yoto.Metric(below, better="higher"),
            "bound": yoto.Metric(lambda net, batch: net(batch[0])[:, 0], better="lower"),
        }
        ask = {"minimise": "bound", "subject_to": ["below >= 0.9"], "metrics": metrics}
        chosen = yoto.select(model, [data["validation"]], terms, **ask)
        each["selected"] = {"level": chosen.point["level"], "test": float(below(chosen.plain, data["test"]).mean())}
        found[name] = each
    return common.joined(found)


def report(results: list[common.Result]) -> tuple[list[str], common.Figure]:
    """The table, and the calibration of the first seed."""
    sets, kinds = list(results[0]["sets"]), ("one network", "nine networks", "nine outputs")
    titles = {"mean": "pinball loss, mean of nine levels", "gap": "calibration error", "crossings": "crossings"}
    rows = [
        [name, kind, *(common.over_seeds(results, "sets", name, kind, key, digits=4) for key in titles)]
        for name in sets
        for kind in kinds
    ]
    paragraphs = [common.markdown(["data", "networks", *titles.values()], rows)]
    for name in sets:
        level, share = (common.over_seeds(results, "sets", name, "selected", key) for key in ("level", "test"))
        paragraphs += [f"{name}: 90 % of validation targets lie below level {level}; on test data {share} do."]
    figure, axes = common.axes_of(sets, width=3.2)
    for pair, name in zip(axes, sets, strict=True):
        pair.plot([0, 1], [0, 1], color="0.7")
        for kind, style in zip(kinds, ("-o", "x", "+"), strict=True):
            pair.plot(LEVELS, results[0]["sets"][name][kind]["below"], style, markersize=5, label=kind)
        pair.set(xlabel="level", ylabel="share of targets below")
    return paragraphs, figure


if __name__ == "__main__":
    common.launch("quantiles", "Quantile regression", experiment, report)
