"""Fair classification: one network for every weight of demographic parity and of equalised odds.

Adult (income; women and men) and COMPAS (reoffence; African-American people and others), a logistic loss and two
penalties: the squared difference of the groups' rates of positive predictions (demographic parity), and those of their
true and false positive rates (equalised odds). Rates exist per batch; with a λ per sample they are estimated among
samples of similar λ. The penalties see probabilities, the gaps that are reported decisions. The group is among the
inputs, as in the files: a decision that must not see it leaves its column out of `encoded`. COMPAS has no licence:
yours is read, or it is left out. For your own data, replace `adult`: it gives inputs, outcomes and groups for training,
validation and test; set GROUPS, and BATCH so that the rarest group has some 50 samples of each outcome.
"""

import sys
from functools import partial

import common
import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits as logistic

import yoto
from yoto.objective import group_means

BATCH, LR, DECAY, WIDTH, GROUPS = 1536, 0.01, 0.1, 0.4, 2  # WIDTH: what "similar λ" means, see group_means
SPACE = yoto.LossSpace(logistic=1.0, parity=yoto.LogUniform(0.1, 30.0), odds=yoto.LogUniform(0.1, 30.0))
CORNERS = [(0.1, 0.1), (30, 0.1), (0.1, 30), (30, 30), (2, 2)]
POINTS = {f"parity {p:g}, odds {o:g}": SPACE.point(parity=p, odds=o) for p, o in CORNERS}
BOUNDS = ("parity gap <= 0.05", "odds gap <= 0.05")
FILES = {
    "adult-train.csv.gz": "c7a2b4716a97f930123e0baf879188d701e798172631a654fc703d4b082907f3",
    "adult-test.csv.gz": "41743e91fe4d25fd353ea754bfdb850444d050bd14aaee06a5be952b6dbfa3ec",
    "compas-two-years.csv.gz": "d59990d675b03ab70c179bd2a5d7babb33b1354d73256548da922cc0f64863b0",
}
Batch = tuple[Tensor, Tensor, Tensor]  # inputs [B, D], outcome [B] of 0 and 1, group [B] from 0


def adult() -> dict[str, Batch]:
    """Adult: does somebody earn more than 50,000 dollars? Groups by sex."""
    home = "https://archive.ics.uci.edu/dataset/2/adult"
    table = [
        row for name in list(FILES)[:2] for row in common.read_table(name, FILES[name], home, ",") if len(row) == 15
    ]
    x = common.standardised(common.encoded(table, [0, 4, 10, 11, 12], [1, 5, 6, 7, 8, 9]), 0.5)
    y = torch.tensor([float(row[14].startswith(">50K")) for row in table])
    return common.split([x, y, torch.tensor([float(row[9] == "Male") for row in table])], 0.5, 0.2)


def compas() -> dict[str, Batch]:
    """COMPAS: is somebody arrested again within two years? Groups by race."""
    home = "https://github.com/propublica/compas-analysis"
    table = common.read_table("compas-two-years.csv.gz", FILES["compas-two-years.csv.gz"], home, ",")[1:]
    x = common.standardised(common.encoded(table, [1, 4, 5, 6, 7], [0, 3, 8]), 0.5)
    y = torch.tensor([float(row[11]) for row in table])
    return common.split([x, y, torch.tensor([float(row[3] == "African-American") for row in table])], 0.5, 0.2)


def generated() -> dict[str, Batch]:
    """A stand-in: the outcome depends on the group."""
    x = torch.randn(1500, 6, generator=torch.Generator().manual_seed(0))
    return common.split([x, (x[:, 0] + x[:, 1] > 0.3).float(), (x[:, 1] > 0).float()], 0.5, 0.2)


def network(inputs: int) -> nn.Module:
    """A plain network that gives a logit."""
    return nn.Sequential(
        nn.Linear(inputs, 64), nn.SiLU(), nn.Linear(64, 64), nn.SiLU(), nn.Linear(64, 1), nn.Flatten(0)
    )


def terms(net: nn.Module, batch: Batch, at: Tensor) -> dict[str, Tensor]:
    """The logistic loss and the two penalties, [B]."""
    (_, y, group), logit = batch, net(batch[0])
    sides = torch.stack([group == side for side in range(GROUPS)], 1)
    outcomes = torch.stack([y >= 0, y == 0, y == 1], 1)
    even = torch.arange(len(y)) % 2 == 0
    halves = torch.stack([even, ~even], 1)  # for two independent estimates of each rate
    cells = halves[:, :, None, None] & sides[:, None, :, None] & outcomes[:, None, None, :]  # [B, 2, GROUPS, 3]
    rates = group_means(logit.sigmoid(), cells.flatten(1), at, SPACE, width=WIDTH).unflatten(1, (2, GROUPS, 3))
    one, other = torch.combinations(torch.arange(GROUPS)).T
    apart = rates[:, :, one] - rates[:, :, other]
    gaps = apart.prod(1).sum(1)  # over the halves, then the pairs of groups: a square would hold the variance too
    return {"logistic": logistic(logit, y, reduction="none"), "parity": gaps[:, 0], "odds": gaps[:, 1] + gaps[:, 2]}


def gap(*outcomes: int | None) -> yoto.Metric:
    """The largest difference between the groups' rates of positive decisions, for each of the outcomes (None: all)."""

    def largest(logit: Tensor, y: Tensor, group: Tensor) -> float:
        chosen = [y >= 0 if outcome is None else y == outcome for outcome in outcomes]
        rates = [[(logit[rows & (group == side)] > 0).float().mean() for side in range(GROUPS)] for rows in chosen]
        return max(float(max(each) - min(each)) for each in rates)

    return yoto.Metric(largest, better="lower", whole=True, outputs=lambda net, batch: (net(batch[0]), *batch[1:]))


METRICS = {
    "accuracy": yoto.Metric(lambda net, batch: ((net(batch[0]) > 0) == (batch[1] > 0)).float(), better="higher"),
    "parity gap": gap(None),
    "odds gap": gap(0, 1),
}


def experiment(seed: int, smoke: bool, validation: bool = False) -> common.Result:
    """All networks of one seed, measured on the test data, or compared on validation data to choose settings."""
    sets = {"generated": (generated, 10)} if smoke else {"Adult": (adult, 800), "COMPAS": (compas, 250)}
    found: dict[str, common.Result] = {}
    for name, (load, steps) in sets.items():
        torch.manual_seed(seed)
        try:
            data = load()
        except yoto.YotoError as error:
            if name == "COMPAS":
                print(f"Left out: {error}", file=sys.stderr)
                continue
            raise
        inputs, test, held = data["train"][0].shape[1], [data["test"]], [data["validation"]]
        how = (terms, yoto.Objective(SPACE), common.rows_of(data["train"], BATCH), steps)
        model, alone = common.train_all(partial(network, inputs), POINTS, *how, lr=LR, weight_decay=DECAY)
        if validation:
            found[name] = common.compared(model, alone, POINTS, held, terms)
            continue
        found[name] = common.compared(model, alone, POINTS, test, terms, metrics=METRICS)
        for bound in BOUNDS:  # the question: how accurate, with so small a gap?
            ask = {"maximise": "accuracy", "subject_to": [bound], "metrics": METRICS, "evaluations": 5 if smoke else 60}
            chosen = yoto.select(model, held, terms, seed=seed, **ask)
            found[name][bound] = common.at_point(model, test, terms, chosen.point, metrics=METRICS)
        found[name]["curve"] = yoto.sweep(model, test, terms, SPACE.grid(5, kind="lattice"), metrics=METRICS).metrics
    return common.joined(found)


def report(results: list[common.Result]) -> tuple[list[str], common.Figure]:
    """The tables, what was chosen, and the trade-off of the first seed."""
    paragraphs, names = [], list(results[0]["sets"])
    figure, axes = common.axes_of(names)
    for pair, name in zip(axes, names, strict=True):
        own = [result["sets"][name] for result in results]
        paragraphs += [name, common.side_by_side(own, {metric: metric for metric in METRICS})]
        for bound in BOUNDS:
            accuracy, gap = (common.over_seeds(own, bound, key) for key in ("accuracy", bound.partition(" <")[0]))
            paragraphs += [f"`{bound}` by validation data: on test data the gap is {gap}, the accuracy {accuracy}."]
        columns, curve = own[0]["columns"], own[0]["curve"]
        pair.scatter(curve["parity gap"], curve["accuracy"], s=12, label="one network, 25 λ")
        pair.scatter(columns["parity gap"][1], columns["accuracy"][1], marker="x", label="separate networks")
        pair.axvline(0.05, color="0.7", linewidth=1)
        pair.set(xlabel="difference in positive rates (parity gap)", ylabel="accuracy")
    return paragraphs, figure


if __name__ == "__main__":
    common.launch("fairness", "Fair classification", experiment, report)
