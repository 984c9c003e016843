"""What the domain examples share: the training loop, the comparison with separate networks, tables and figures."""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import reading
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from settings import Experiment, choose
from torch import Tensor, nn

import yoto
from yoto.curves.batches import samples
from yoto.curves.regret import geometric_mean
from yoto.drawing.tables import markdown as markdown  # noqa: PLC0414 - for the examples
from yoto.drawing.theme import LIGHT, canvas, dress, heading
from yoto.errors import YotoError
from yoto.objective.terms import TermsLike
from yoto.optim import Clipper, cosine
from yoto.support.files import write_atomic
from yoto.support.memory import keep_freed
from yoto.training.machine import describe_machine

encoded, rows_of, split, standardised = reading.encoded, reading.rows_of, reading.split, reading.standardised
package_file, read_table, read_nifti = reading.package_file, reading.read_table, reading.read_nifti
read_wave, write_wave = reading.read_wave, reading.write_wave

Result: TypeAlias = dict[str, Any]
"""What one seed gave, as JSON holds it. `ratios` in it are losses of one network over those of separate ones."""


def train(
    net: nn.Module,
    terms: TermsLike,
    objective: yoto.Objective,
    batch: Callable[[], Any],
    steps: int,
    at: Tensor | None = None,
    *,
    lr: float = 0.01,
    **settings: Any,
) -> nn.Module:
    """Train a conditional network with a λ for every sample, or a plain one at one λ: the same loop for both.

    Args:
        net, terms, objective: As of `LossStep`.
        batch: Gives the next batch; the first dimension of its first tensor holds the samples.
        steps: How many.
        at: λ [D] of a plain network; None: λ is drawn, also for a plain network that is not told.
        lr, settings: As of `yoto.optimiser`.
    """
    step = yoto.LossStep(net, terms, objective)
    optimiser = yoto.optimiser(net, lr=lr, **settings)
    schedule, clip = cosine(optimiser, steps), Clipper()
    for done in range(steps):
        examples = batch()
        size = samples(examples) or 1
        lam = objective.space.sample(size, progress=done / steps) if at is None else at.expand(size, -1)
        loss, _ = step(examples, lam)
        loss.backward()
        clip(net.parameters())
        optimiser.step()
        schedule.step()
        optimiser.zero_grad()
    return net.eval()


def train_all(
    network: Callable[[], nn.Module],
    points: Mapping[str, Tensor],
    terms: TermsLike,
    objective: yoto.Objective,
    batch: Callable[[], Any],
    steps: int,
    **more: Any,
) -> tuple[yoto.Conditional, list[nn.Module]]:
    """The one network for every λ, and a separate one for each λ of `points`, all by `train`.

    Args:
        network: Makes a plain network with random parameters.
        points: λ [D] by the name that tables give it.
        terms, objective, batch, steps: As of `train`; `more` too.
    """
    model = yoto.condition(network(), objective.space)
    train(model, terms, objective, batch, steps, **more)
    return model, [train(network(), terms, objective, batch, steps, point, **more) for point in points.values()]


def compared(
    model: yoto.Conditional,
    alone: Sequence[nn.Module],
    points: Mapping[str, Tensor],
    test: Any,
    terms: TermsLike,
    *,
    objective: yoto.Objective | None = None,
    **more: Any,
) -> Result:
    """Every term and metric of the one network and of separate ones, at the λ [D] that these were trained for.

    Args:
        model, alone, points: As of `train_all`.
        test, terms, objective: As of `sweep`; `more` too.
    """
    more["objective"] = objective or yoto.Objective(model.space)
    one = yoto.sweep(model, test, terms, torch.stack(list(points.values())), **more)
    apart = [yoto.sweep(net, test, terms, lam[None], **more) for net, lam in zip(alone, points.values(), strict=True)]
    names = (*one.terms, *one.metrics, "loss")
    columns = {name: [list(one.series(name)), [each.series(name)[0] for each in apart]] for name in names}
    ratios = {name: a / b for name, a, b in zip(points, *columns["loss"], strict=True)}
    steered = yoto.steerability(model, test, terms, objective=more["objective"])
    judged = {"steers": not steered.decorative, "remarks": steered.remarks()}
    return {"columns": columns, "metrics": list(one.metrics), "ratios": ratios, **judged}


def joined(sets: Mapping[str, Result]) -> Result:
    """Results on several data sets as one, with the ratios of all."""
    ratios = {f"{name}, {point}": ratio for name, each in sets.items() for point, ratio in each["ratios"].items()}
    remarks = [f"{name}: {remark}" for name, each in sets.items() for remark in each["remarks"]]
    steers = all(each["steers"] for each in sets.values())
    return {"sets": dict(sets), "ratios": ratios, "steers": steers, "remarks": remarks}


def at_point(model: nn.Module, test: Any, terms: TermsLike, point: Mapping[str, Any], **more: Any) -> dict[str, Any]:
    """A point that was chosen, and every term and metric there on the test data."""
    curve = yoto.sweep(model, test, terms, [point], **more)
    return {"point": dict(point), **{name: curve.series(name)[0] for name in (*curve.terms, *curve.metrics)}}


def over_seeds(results: Sequence[Result], *keys: str | int, digits: int = 3) -> str:
    """Mean of a number over the seeds, with its range where there are several: "0.931 (0.925 to 0.936)"."""
    values = []
    for value in results:
        for key in keys:
            value = value[key]
        values.append(float(value))
    mean = f"{sum(values) / len(values):.{digits}f}"
    return mean if len(values) == 1 else f"{mean} ({min(values):.{digits}f} to {max(values):.{digits}f})"


def side_by_side(results: Sequence[Result], titles: Mapping[str, str], digits: int = 3) -> str:
    """A table of what `compared` gave: a line for the one network and one for the separate network of each λ.

    Args:
        results: Of each seed.
        titles: Terms and metrics to show, with the titles of their columns.
    """
    rows = [
        [name, kind, *(over_seeds(results, "columns", column, place, at, digits=digits) for column in titles)]
        for at, name in enumerate(results[0]["ratios"])
        for place, kind in enumerate(("one network", "separate"))
    ]
    return markdown(["λ", "network", *titles.values()], rows)


def verdict(results: Sequence[Result]) -> str:
    """In words: how far the one network is from separate ones, and where it is worse."""
    points = list(results[0]["ratios"])
    means = {point: geometric_mean([result["ratios"][point] for result in results]) for point in points}
    worse = {point: ratio for point, ratio in means.items() if ratio > 1.005}
    mean = geometric_mean(list(means.values()))
    text = (
        f"At equal steps the loss of the one network is {mean:.3f} times that of networks "
        f"trained for one λ each (test data, geometric mean over {len(points)} λ and {len(results)} seed(s))."
    )
    if not all(result["steers"] for result in results):
        remarks = dict.fromkeys(remark for result in results for remark in result.get("remarks", ["decorative λ"]))
        text += f" `steerability` on the test data remarks: {'; '.join(remarks)}."
    if not worse:
        return f"{text} It is nowhere more than 0.5 % worse."
    most = sorted(worse, key=lambda point: -worse[point])[:4]
    named = ", ".join(f"{point} ({100 * (worse[point] - 1):.1f} %)" for point in most)
    return f"{text} It is worse at {len(worse)} of {len(points)}{', most' if len(worse) > 4 else ''}: {named}."


def axes_of(titles: Sequence[str], width: float = 3.6, height: float = 3.1) -> tuple[Figure, list[Axes]]:
    """A figure with one pair of axes for each title, side by side."""
    figure = canvas(LIGHT, width * len(titles), height)
    figure.set_dpi(100)
    found = [figure.add_subplot(1, len(titles), 1 + place) for place in range(len(titles))]
    for axes, title in zip(found, titles, strict=True):
        dress(axes, LIGHT)
        heading(axes, LIGHT, title)
    return figure, found


def parsed(name: str, about: str | None, arguments: Sequence[str] | None) -> argparse.Namespace:
    """The options of an example's command line."""
    parser = argparse.ArgumentParser(prog=f"{name}.py", description=about)
    parser.add_argument("--seeds", type=int, default=1, help="how many; those in NAME.json are not trained again")
    parser.add_argument("--smoke", action="store_true", help="generated data and a few steps: does it run?")
    parser.add_argument("--again", action="store_true", help="train all seeds anew")
    parser.add_argument(
        "--validation", action="store_true", help="compare on validation data alone, to choose settings"
    )
    help_ = "other settings, LR=0.005 for example, with --validation: what is tested is chosen before"
    parser.add_argument("--set", nargs="+", default=[], metavar="NAME=VALUE", help=help_)
    parser.add_argument("-o", "--out", type=Path, default=Path("runs/examples"), help="folder (%(default)s)")
    options = parser.parse_args(arguments)
    if options.set and not options.validation:
        parser.error("--set should come with --validation.")
    return options


def launch(
    name: str,
    title: str,
    experiment: Experiment,
    report: Callable[[list[Result]], tuple[list[str], Figure]],
    arguments: Sequence[str] | None = None,
) -> str:
    """Run an example from its command line: train for each seed, print its text, write NAME.md, .json and .png.

    Args:
        name: Of the files.
        title: Of the text.
        experiment: `(seed, smoke, validation) -> result`; with `smoke` in seconds on generated data; with `validation`
            what `compared` gives on validation data, and no more.
        report: Makes paragraphs and figure of the results.
        arguments: In place of the command line's.
    """
    options = parsed(name, sys.modules[experiment.__module__].__doc__, arguments)
    torch.set_num_threads(1)
    keep_freed()
    try:
        text = (
            choose(name, experiment, options) if options.validation else run(name, title, experiment, report, options)
        )
    except YotoError as error:
        print(f"{name}: {error}", file=sys.stderr)
        raise SystemExit(2) from None
    print(text)
    return text


def run(
    name: str,
    title: str,
    experiment: Experiment,
    report: Callable[[list[Result]], tuple[list[str], Figure]],
    options: argparse.Namespace,
) -> str:
    """Train for each seed that is missing and write text and figure, as `launch` says."""
    path = options.out / f"{name}{'-smoke' if options.smoke else ''}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    record = json.loads(path.read_text("utf-8")) if path.is_file() and not (options.again or options.smoke) else {}
    seeds = record.setdefault("seeds", {})
    for seed in range(options.seeds):
        if str(seed) not in seeds:
            begin = time.process_time()
            found = experiment(seed, options.smoke)
            seeds[str(seed)] = {**found, "cpu_seconds": round(time.process_time() - begin)}
            record["machine"] = describe_machine(torch.device("cpu"))
            write_atomic(path, json.dumps(record, indent=1) + "\n")
    results = list(seeds.values())
    paragraphs, figure = report(results)
    cost = sum(each["cpu_seconds"] for each in results) / len(results)
    made = f"`python examples/{name}.py --seeds {len(seeds)}`; seeds {', '.join(seeds)}, {cost:.0f} CPU-seconds each"
    smoke = " Smoke run on generated data." if options.smoke else ""
    made += f" ({record['machine']['processor']}, one thread).{smoke}\n"
    text = "\n\n".join([f"# {title}", *paragraphs, verdict(results), made])
    for axes in figure.axes:
        if axes.get_legend_handles_labels()[1]:
            axes.legend(frameon=False, fontsize=8)
    figure.savefig(path.with_suffix(".png"), metadata={"Software": None})
    write_atomic(path.with_suffix(".md"), text)
    return text


def gallery(folder: Path) -> str:
    """How far the one network is from separate ones in each example whose results lie in a folder, as a table."""
    rows, means = [], {}
    for path in sorted(folder.glob("*.json")):
        results = list(json.loads(path.read_text("utf-8"))["seeds"].values())
        each = [geometric_mean(list(result["ratios"].values())) for result in results]
        points = [geometric_mean([result["ratios"][point] for result in results]) for point in results[0]["ratios"]]
        means[path.stem] = geometric_mean(each)
        shown = [f"{value:.3f}" for value in (means[path.stem], min(points), max(points))]
        rows.append([path.stem, str(len(results)), str(len(points)), *shown])
    rows.append(["all, geometric mean", "", "", f"{geometric_mean(list(means.values())):.3f}", "", ""])
    others = [mean for name, mean in means.items() if name != "pinn"]  # whose losses end near zero
    rows.append(["all but pinn", "", "", f"{geometric_mean(others):.3f}", "", ""])
    return markdown(
        ["example", "seeds", "λ compared", "loss, one over separate", "at the best λ", "at the worst"], rows
    )


if __name__ == "__main__":
    print(gallery(Path(sys.argv[1])))
