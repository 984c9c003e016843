"""Class imbalance: one network for every focal γ, class weight and label smoothing, in place of a grid of networks.

Microcalcifications in mammograms: 260 of 11,183 (the data set "mammography"). Which loss is best is only known after
training, so a grid of networks is trained; here one network covers the whole box. Compared with twelve networks of a
grid, and with the control: a network trained with the same random settings that is not told them. For your own data,
replace `load`.
"""

import common
import torch
from sklearn.metrics import average_precision_score, roc_auc_score, roc_curve
from torch import Tensor, nn
from torch.nn.functional import softplus

import yoto

BATCH, STEPS, LR, DECAY = 256, 1200, 0.01, 0.5
SPACE = yoto.LossSpace(
    focal=1.0,  # the term itself, whose parameters follow
    gamma=yoto.Uniform(0.0, 4.0, weight=False),
    positives=yoto.LogUniform(1.0, 40.0, weight=False),
    smoothing=yoto.Uniform(0.0, 0.2, weight=False),
)
GRID = [{"gamma": g, "positives": p, "smoothing": s} for g in (0, 3) for p in (1, 6.3, 40) for s in (0, 0.1)]
FILE = ("mammography.csv.gz", "f0552558cd84c77c5bc2f0af705be22168a5147697f2310ba7a3781ebf319718")
Batch = tuple[Tensor, Tensor]


def load(seed: int, smoke: bool) -> dict[str, Batch]:
    """Standardised inputs [N, 6] and labels [N] of 0 and 1 for training, validation and test (60, 20 and 20 %).

    Each seed splits anew: a fifth of the rows holds some 52 positives, so that one split tells little of an area.
    """
    if smoke:
        x = torch.randn(1000, 6, generator=torch.Generator().manual_seed(0))
        return common.split([x, (x[:, 0] + 0.5 * x[:, 1] > 1.8).float()], 0.6, 0.2, seed)
    table = common.read_table(*FILE, "https://www.openml.org/d/310", ",")
    rows = torch.tensor([[float(cell) for cell in row] for row in table if len(row) == 7 and row[0][-1].isdigit()])
    return common.split([common.standardised(rows[:, :-1], 0.6, seed), (rows[:, -1] > 0).float()], 0.6, 0.2, seed)


def network() -> nn.Module:
    """A plain network that gives a logit."""
    return nn.Sequential(nn.Linear(6, 64), nn.SiLU(), nn.Linear(64, 64), nn.SiLU(), nn.Linear(64, 1), nn.Flatten(0))


def terms(net: nn.Module, batch: Batch, at: Tensor) -> dict[str, Tensor]:
    """The class-weighted focal loss with smoothed labels, [B]; its parameters are columns of λ `at` [B, D] or [D]."""
    (x, y), (gamma, positives, smoothing) = batch, (at[..., SPACE.index(name)] for name in SPACE.free)
    logit, target = net(x), y * (1 - smoothing) + smoothing / 2
    miss = torch.sigmoid(torch.where(y > 0, -logit, logit))  # probability of the wrong class
    entropy = softplus(logit) - target * logit
    focal = torch.where(y > 0, positives, 1.0) * (2 * miss + 1e-6) ** gamma * entropy
    return {"focal": focal / positives.sqrt()}  # the root, and the 2 above: no setting outweighs the others


OBJECTIVE = yoto.Objective(SPACE)


def caught(false_alarms: bool):  # noqa: ANN201
    """A metric: share of the positives (or of the negatives) that the network calls positive at a logit of 0."""
    wanted = 0.0 if false_alarms else 1.0
    share = lambda logit, y: float((logit[y == wanted] > 0).float().mean())  # noqa: E731
    return yoto.Metric(share, better="lower" if false_alarms else "higher", whole=True)


def auc(logit: Tensor, y: Tensor) -> float:
    """Area under the ROC curve."""
    return float(roc_auc_score(y, logit))


METRICS = {
    "auc": yoto.Metric(auc, better="higher", whole=True),
    "ap": yoto.Metric(lambda logit, y: float(average_precision_score(y, logit)), better="higher", whole=True),
    "caught": caught(False),
    "false alarms": caught(True),
}


def scores(net: nn.Module, data: Batch) -> dict[str, float]:
    """Area under the ROC curve, and average precision."""
    logit, y = net(data[0]).detach(), data[1]
    return {"auc": auc(logit, y), "ap": float(average_precision_score(y, logit))}


def experiment(seed: int, smoke: bool, validation: bool = False) -> common.Result:
    """All networks of one seed, measured on the test data, or compared on validation data to choose settings."""
    torch.manual_seed(seed)
    data, steps = load(seed, smoke), 20 if smoke else STEPS
    grid = GRID[:2] if smoke else GRID
    points = {
        f"γ {p['gamma']:g}, weight {p['positives']:g}, smoothing {p['smoothing']:g}": SPACE.point(p) for p in grid
    }
    how = (terms, OBJECTIVE, common.rows_of(data["train"], BATCH), steps)
    model, alone = common.train_all(network, points, *how, lr=LR, weight_decay=DECAY)
    test, held, known = [data["test"]], [data["validation"]], {"metrics": METRICS, "objective": OBJECTIVE}
    found = common.compared(model, alone, points, held if validation else test, terms, **known)
    if validation:
        return found
    untold = common.train(network(), *how, lr=LR, weight_decay=DECAY)
    # The questions: which setting has the largest area, and which catches most at 5 % of false alarms? By validation.
    search = {**known, "evaluations": 8 if smoke else 60, "seed": seed}
    best = yoto.select(model, held, terms, maximise="auc", **search)
    most = yoto.select(model, held, terms, maximise="caught", subject_to=["false alarms <= 0.05"], **search)
    fixed = max(alone, key=lambda net: scores(net, data["validation"])["auc"])
    nets = {"one network, best λ": best.plain, "separate, best of the grid": fixed, "λ drawn, not shown": untold}
    region = yoto.sweep(model, test, terms, SPACE.grid(8 if smoke else 64, kind="sobol"), **known).metrics
    return {
        **found,
        "chosen": {name: scores(net, data["test"]) for name, net in nets.items()},
        "selected": common.at_point(model, test, terms, most.point, **known),
        "region": [region["false alarms"], region["caught"]],
        "roc": {
            name: [v.tolist() for v in roc_curve(data["test"][1], net(data["test"][0]).detach())[:2]]
            for name, net in nets.items()
        },
    }


def report(results: list[common.Result]) -> tuple[list[str], common.Figure]:
    """The tables, what was chosen, and the ROC region of the first seed."""
    titles = {"auc": "AUC", "ap": "average precision"}
    rows = [[n, *(common.over_seeds(results, "chosen", n, key) for key in titles)] for n in results[0]["chosen"]]
    for place, kind in enumerate(("one network", "separate")):
        means = [{key: sum(r["columns"][key][place]) / len(r["ratios"]) for key in titles} for r in results]
        rows += [[f"{kind}, mean over the grid", *(common.over_seeds(means, key) for key in titles)]]
    caught, alarms = (common.over_seeds(results, "selected", key) for key in ("caught", "false alarms"))
    paragraphs = [
        common.markdown(["chosen on validation data", *titles.values()], rows),
        common.side_by_side(results, {"focal": "loss", **titles}),
        (
            "Most positives caught with at most 5 % of false alarms, by validation data: on test data "
            f"{caught} are caught with {alarms} false alarms."
        ),
    ]
    figure, (left, right) = common.axes_of(["ROC of what validation chose", "At a logit of 0, over all settings"])
    for name, (false, true) in results[0]["roc"].items():
        left.plot(false, true, label=name)
    right.scatter(*results[0]["region"], s=12, label="one network")
    columns = results[0]["columns"]
    right.scatter(columns["false alarms"][1], columns["caught"][1], s=30, marker="x", label="separate networks")
    for axes in (left, right):
        axes.set(xlabel="false positive rate", ylabel="true positive rate", xlim=(-0.01, 0.3))
    return paragraphs, figure


if __name__ == "__main__":
    common.launch("imbalance", "Class imbalance", experiment, report)
