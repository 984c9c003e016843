"""Deformable registration: one network for every weight of smoothness against similarity.

T1 slices with labels (Debian's mricron-data). It is one head, so a pair is two neighbouring slices, each deformed at
random: held-out slices of one head, not held-out people. From moving and fixed image the network makes a displacement;
its loss is the squared difference plus a weight times the displacement's squared gradient. The best weight is known
after training, by overlap of labels (Dice), and may differ by structure (HyperMorph, Hoopes et al. 2021). Compared with
networks trained for one weight. For your own images, replace `load`; for pairs of people, `pairs` too.
"""

from functools import partial

import common
import torch
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d, grid_sample, interpolate

import yoto

BATCH, STEPS, LR, H, W = 8, 800, 0.01, 72, 64  # H and W: multiples of 8
SPACE = yoto.LossSpace(similarity=1.0, smoothness=yoto.LogUniform(0.01, 10.0))
WEIGHTS = (0.01, 0.3, 10.0)
STRUCTURES = {"thalamus": (77, 78), "putamen": (73, 74), "caudate": (71, 72), "insula": (29, 30), "calcarine": (43, 44)}
Batch = tuple[Tensor, ...]  # moving and fixed image [B, 1, H, W], and their labels [B, S, H, W]
Slices = tuple[Tensor, Tensor]  # images [Z, 1, H, W] and labels [Z, S, H, W]


def load(smoke: bool) -> dict[str, list[Slices]]:
    """Runs of axial slices at 3 mm, for each part; structures have a left and a right number in the atlas (AAL)."""
    if smoke:
        y, x = torch.meshgrid(torch.linspace(-1, 1, H), torch.linspace(-1, 1, W), indexing="ij")
        discs = [((x - c / 4).square() + y.square() < 0.1).float() for c in range(-2, len(STRUCTURES) - 2)]
        labels = torch.stack(discs).expand(6, -1, -1, -1)
        return {part: [(labels.mean(1, keepdim=True), labels)] for part in ("train", "validation", "test")}
    folder = common.package_file("/usr/share/mricron/templates", "mricron-data")
    head, atlas = (common.read_nifti(folder / f"{name}.nii.gz")[:, :216, :180] for name in ("ch2bet", "aal"))
    images = nn.functional.pad(avg_pool2d(head[:, None].float() / 160, 3), (2, 2))  # 0 to about 1
    masks = torch.stack([(atlas == left) | (atlas == right) for left, right in STRUCTURES.values()], dim=1)
    labels = nn.functional.pad(avg_pool2d(masks.float(), 3), (2, 2))
    runs = {"train": [(56, 69), (84, 98)], "validation": [(71, 74)], "test": [(76, 82)]}
    return {part: [(images[a:b], labels[a:b]) for a, b in each] for part, each in runs.items()}


def warped(image: Tensor, displacement: Tensor) -> Tensor:
    """Images [B, C, H, W] sampled at displacements [B, 2, H, W] (x, y; in pixels) from each pixel."""
    y, x = torch.meshgrid(torch.arange(H), torch.arange(W), indexing="ij")
    place = torch.stack([(x + displacement[:, 0]) / (W - 1), (y + displacement[:, 1]) / (H - 1)], dim=-1) * 2 - 1
    return grid_sample(image, place, align_corners=True)


def pairs(runs: list[Slices], n: int) -> Batch:
    """Neighbouring slices, each deformed by a random smooth field, with noise."""
    images, labels = runs[torch.randint(len(runs), ())]
    first, found = torch.randint(len(images), (n,)), []
    for rows in (first, (first + torch.randint(-1, 2, (n,))).clamp(0, len(images) - 1)):
        field = interpolate(1.8 * torch.randn(n, 2, 6, 5), (H, W), mode="bicubic", align_corners=True)
        image = warped(images[rows], field)
        found.append((image + 0.02 * torch.randn_like(image), (warped(labels[rows], field) > 0.5).float()))
    return found[0][0], found[1][0], found[0][1], found[1][1]


class UNet(nn.Module):
    """A displacement [B, 2, H, W], in pixels, of moving and fixed images."""

    def __init__(self) -> None:
        super().__init__()
        layer = lambda i, o, stride=1: nn.Sequential(nn.Conv2d(i, o, 3, stride, 1), nn.LeakyReLU(0.2))  # noqa: E731
        self.down = nn.ModuleList([layer(2, 12), layer(12, 24, 2), layer(24, 32, 2), layer(32, 32, 2)])
        self.up = nn.ModuleList([layer(64, 32), layer(56, 24), layer(36, 16)])
        self.last = nn.Conv2d(16, 2, 3, padding=1)

    def forward(self, moving: Tensor, fixed: Tensor) -> Tensor:
        x, kept = torch.cat([moving, fixed], dim=1), []
        for layer in self.down:
            x = layer(x)
            kept.append(x)
        for layer, skip in zip(self.up, kept[-2::-1], strict=True):
            x = layer(torch.cat([interpolate(x, scale_factor=2.0), skip], dim=1))
        return self.last(x)


def terms(net: nn.Module, batch: Batch) -> dict[str, Tensor]:
    """Of `net` at the λ of each pair: 100 × mean squared difference, mean squared gradient of the displacement, [B]."""
    moving, fixed, *_ = batch
    field = net(moving, fixed)
    rough = field.diff(dim=2).square().mean((1, 2, 3)) + field.diff(dim=3).square().mean((1, 2, 3))
    return {"similarity": 100 * (warped(moving, field) - fixed).square().mean((1, 2, 3)), "smoothness": rough}


def overlaps(net: nn.Module, batch: Batch) -> tuple[Tensor, Tensor]:
    """Pixels where both labels are, and the sum of their sizes, [B, S] each, after the warp."""
    moving, fixed, label, wanted = batch
    moved = (warped(label, net(moving, fixed)) > 0.5).float()
    return (moved * wanted).sum((2, 3)), (moved + wanted).sum((2, 3))


def dice(places: list[int]) -> yoto.Metric:
    """Dice of structures, their mean; pixels are counted over all pairs, for a slice may hold little of a structure."""
    function = lambda both, each: float((2 * both.sum(0) / each.sum(0).clamp_min(1))[places].mean())  # noqa: E731
    return yoto.Metric(function, better="higher", whole=True, outputs=overlaps)


METRICS = {name: dice([place]) for place, name in enumerate(STRUCTURES)} | {"all": dice(list(range(len(STRUCTURES))))}


def experiment(seed: int, smoke: bool, validation: bool = False) -> common.Result:
    """All networks of one seed, measured on test pairs, or compared on validation pairs to choose settings."""
    slices, known = load(smoke), {"metrics": METRICS}
    torch.manual_seed(1)  # the same pairs for all seeds
    test, held = ([pairs(slices[part], 8 if smoke else 100)] for part in ("test", "validation"))
    torch.manual_seed(seed)
    points = {f"weight {weight:g}": SPACE.point(smoothness=weight) for weight in WEIGHTS}
    how = (terms, yoto.Objective(SPACE), partial(pairs, slices["train"], BATCH), 2 if smoke else STEPS)
    model, alone = common.train_all(UNet, points, *how, lr=LR)
    if validation:
        return common.compared(model, alone, points, held, terms)
    # The question: which weight has the largest overlap, for all structures and for each? By validation pairs.
    grid = SPACE.grid(3 if smoke else 9)
    curve, chosen = yoto.sweep(model, held, terms, grid, **known), {}
    for name in METRICS:
        best = yoto.select(model, held, terms, maximise=name, curve=curve, evaluations=8, **known)
        chosen[name] = common.at_point(model, test, terms, best.point, **known)
    still = overlaps(lambda moving, _: torch.zeros(len(moving), 2, H, W), test[0])
    return {
        **common.compared(model, alone, points, test, terms, **known),
        "before": {name: metric.function(*still) for name, metric in METRICS.items()},
        "curve": yoto.sweep(model, test, terms, grid, **known).to_dict(),
        "chosen": chosen,
    }


def report(results: list[common.Result]) -> tuple[list[str], common.Figure]:
    """The table, what was chosen, and Dice over the weight for the first seed."""
    before = ", ".join(f"{name} {common.over_seeds(results, 'before', name)}" for name in METRICS)
    paragraphs = [common.side_by_side(results, {n: f"Dice, {n}" for n in METRICS}), f"Before registration: {before}."]
    for name in STRUCTURES:
        weight = common.over_seeds(results, "chosen", name, "point", "smoothness")
        own, other = (common.over_seeds(results, "chosen", weights, name) for weights in (name, "all"))
        paragraphs += [f"{name}: best at weight {weight} by validation; Dice {own}, at the common weight {other}."]
    figure, (axes,) = common.axes_of(["Dice over the weight of smoothness"], width=5.5)
    weights = [point["smoothness"] for point in results[0]["curve"]["points"]]
    for name in METRICS:
        (line,) = axes.semilogx(weights, results[0]["curve"]["metrics"][name], "-", label=name)
        axes.semilogx(WEIGHTS, results[0]["columns"][name][1], "x", color=line.get_color())
    label = "weight of smoothness (lines: one network; crosses: separate ones)"
    axes.set(xlabel=label, ylabel="Dice, test pairs", xlim=(0.5 * WEIGHTS[0], 8 * WEIGHTS[-1]))
    return paragraphs, figure


if __name__ == "__main__":
    common.launch("registration", "Registration", experiment, report)
