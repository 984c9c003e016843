"""Adversarial training: one network from accurate to robust, and for every size of the perturbation.

Fashion-MNIST; loss parameters are the weight of the adversarial cross entropy against the clean one, and ε, the largest
change of a pixel, which enters the data: training images are attacked with the ε of their own λ (one step from a random
start; tested by PGD-10). Compared with three fixed networks, and with two other ways of normalising: batch norms whose
statistics are estimated for one λ, and group norms. For your own pictures, replace `load` and `network`.
"""

import common
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

import yoto
from yoto.data.idx import read_idx

BATCH, STEPS, LR = 64, 1400, 0.01
SPACE = yoto.LossSpace(
    clean=1.0, adversarial=yoto.LogUniform(0.05, 20.0), epsilon=yoto.Uniform(0.02, 0.1, weight=False)
)
FIXED = {"adversarial": (0.05, 1.0, 20.0), "epsilon": (0.06, 0.06, 0.1)}
POINTS = {f"weight {w:g}, ε {e:g}": SPACE.point(adversarial=w, epsilon=e) for w, e in zip(*FIXED.values(), strict=True)}
TESTED = 0.06  # ε of the attack that accuracies are tested under
Batch = tuple[Tensor, Tensor]


def load(smoke: bool) -> dict[str, Batch]:
    """Images [N, 1, 28, 28] in [0, 1] with labels [N]; the test split's first 2,000."""
    if smoke:
        y = torch.arange(400) % 10
        x = torch.zeros(400, 1, 28, 28)
        x[torch.arange(400), 0, 2 * y + 4] = 1.0
        return {"train": (x, y), "validation": (x[:50], y[:50]), "test": (x[:50], y[:50])}
    folder = common.package_file("/usr/share/datasets/fashion-mnist", "dataset-fashion-mnist")
    parts = {}
    for part in ("train", "t10k"):
        x, y = (read_idx(next(folder.glob(f"{part}-{kind}*"))) for kind in ("images-idx3", "labels-idx1"))
        parts[part] = (torch.from_numpy(x)[:, None] / 255.0, torch.from_numpy(y).long())
    (x, y), (test, labels) = parts["train"], parts["t10k"]
    held = {"validation": (x[58000:], y[58000:]), "test": (test[:2000], labels[:2000])}
    return {"train": (x[:58000], y[:58000]), **held}


def network(group: bool = False) -> nn.Module:
    """A small plain network with batch norm, or group norm."""
    norm = (lambda width: nn.GroupNorm(4, width)) if group else nn.BatchNorm2d
    return nn.Sequential(
        nn.Conv2d(1, 16, 5, 2, 2), norm(16), nn.ReLU(), nn.Conv2d(16, 32, 3, 2, 1), norm(32), nn.ReLU(),
        nn.Flatten(), nn.Linear(32 * 49, 64), nn.ReLU(), nn.Linear(64, 10),
    )  # fmt: skip


def attacked(net: nn.Module, x: Tensor, y: Tensor, epsilon: Tensor, steps: int) -> Tensor:
    """Images at most ε [B] or [1] away from x in each pixel, by `steps` signed gradient steps from a random start."""
    # One step of 1.25 ε (Wong et al. 2020), or several of 0.25 ε (PGD, Madry et al. 2018).
    size = epsilon.reshape(-1, 1, 1, 1)
    change = size * (2 * torch.rand_like(x) - 1)
    for _ in range(steps):
        change.requires_grad_(True)
        with torch.enable_grad():
            (slope,) = torch.autograd.grad(cross_entropy(net(x + change), y, reduction="sum"), change)
        change = (change + size * (1.25 if steps == 1 else 0.25) * slope.sign()).detach()
        change = (x + torch.maximum(torch.minimum(change, size), -size)).clamp(0, 1) - x
    return x + change


def terms(net: nn.Module, batch: Batch, at: Tensor) -> dict[str, Tensor]:
    """Cross entropy of the clean images and of attacked ones, [B]; each sample is attacked with the ε of its own λ."""
    (x, y), epsilon = batch, at[..., SPACE.index("epsilon")]
    worse = attacked(net, x, y, epsilon, steps=1)
    clean, adversarial = (cross_entropy(net(each), y, reduction="none") for each in (x, worse))
    return {"clean": clean, "adversarial": adversarial}


def right(net: nn.Module, batch: Batch) -> Tensor:
    """Whether each clean image is classified right."""
    return (net(batch[0]).argmax(1) == batch[1]).float()


def withstood(net: nn.Module, batch: Batch) -> Tensor:
    """Whether each image is classified right under PGD-10 with ε = 0.06."""
    x, y = batch
    return right(net, (attacked(net, x, y, torch.tensor([TESTED]), steps=10), y))


METRICS = {"accuracy": yoto.Metric(right, better="higher"), "under PGD-10": yoto.Metric(withstood, better="higher")}


def measured(nets: list[nn.Module], test: list[Batch]) -> dict[str, list[float]]:
    """Accuracies of one network for each point."""
    known = {"metrics": METRICS, "objective": yoto.Objective(SPACE)}
    curves = [yoto.sweep(net, test, terms, at[None], **known) for net, at in zip(nets, POINTS.values(), strict=True)]
    return {name: [curve.series(name)[0] for curve in curves] for name in METRICS}


def experiment(seed: int, smoke: bool, validation: bool = False) -> common.Result:
    """All networks of one seed, measured on the test data, or compared on validation data to choose settings."""
    torch.manual_seed(seed)
    data, known = load(smoke), {"metrics": METRICS}
    test, held = [data["test"]], [data["validation"]]
    how = (terms, yoto.Objective(SPACE), common.rows_of(data["train"], BATCH), 4 if smoke else STEPS)
    model, alone = common.train_all(network, POINTS, *how, lr=LR)
    if validation:
        return common.compared(model, alone, POINTS, held, terms)
    grouped = common.train(yoto.condition(network(group=True), SPACE), *how, lr=LR)
    found = common.compared(model, alone, POINTS, test, terms, **known)
    # Statistics of batch norms: as trained, for all λ together, or estimated anew for one λ on clean training images.
    batches = list(data["train"][0][:2048].split(256))
    anew = [model.bake(SPACE.describe(point), recalibrate=batches) for point in POINTS.values()]
    others = {"statistics of its λ alone": anew, "group norm": [grouped] * len(POINTS)}
    # The question: the most accurate network that withstands PGD-10 on 70 % of the images.
    ask = {"maximise": "accuracy", "subject_to": ["under PGD-10 >= 0.7"], "evaluations": 4 if smoke else 20, **known}
    chosen = yoto.select(model, held, terms, seed=seed, **ask)
    along = torch.stack([SPACE.point(adversarial=w, epsilon=TESTED) for w in (0.05, 0.15, 0.4, 1, 2.5, 7, 20)])
    return {
        **found,
        "others": {name: measured(nets, test) for name, nets in others.items()},
        "curve": yoto.sweep(model, test, terms, along, **known).metrics,
        "selected": common.at_point(model, test, terms, chosen.point, **known),
    }


def report(results: list[common.Result]) -> tuple[list[str], common.Figure]:
    """The tables, what was chosen, and the trade-off of the first seed."""
    others, places = results[0]["others"], range(len(POINTS))
    rows = [
        [kind, metric, *(common.over_seeds(results, "others", kind, metric, at) for at in places)]
        for kind in others
        for metric in METRICS
    ]
    accuracy, kept = (common.over_seeds(results, "selected", key) for key in METRICS)
    paragraphs = [
        common.side_by_side(results, {name: name for name in METRICS}),
        common.markdown(["one network with", "images right", *POINTS], rows),
        f"Most accurate with 70 % right under PGD-10 by validation data: on test data {accuracy}, under PGD-10 {kept}.",
    ]
    figure, (axes,) = common.axes_of(["Accurate or robust"], width=4.8)
    axes.plot(*results[0]["curve"].values(), "-o", markersize=4, label=f"one network, ε = {TESTED}")
    columns, other = results[0]["columns"], others["group norm"]
    for kind, mark in enumerate("ox"):
        label = ("one network, λ of the separate ones", "separate networks")[kind]
        axes.plot(*(columns[name][kind] for name in METRICS), mark, label=label)
    axes.plot(*(other[name] for name in METRICS), "+", label="one network, group norm")
    axes.set(xlabel="accuracy, clean", ylabel="accuracy under PGD-10")
    return paragraphs, figure


if __name__ == "__main__":
    common.launch("robustness", "Adversarial training", experiment, report)
