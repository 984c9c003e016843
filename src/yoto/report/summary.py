"""A comparison in words and rows of text, the same for every format of the report."""

from __future__ import annotations

from typing import TYPE_CHECKING

from yoto.curves.parity import Cost
from yoto.drawing.columns import point_label

if TYPE_CHECKING:
    from collections.abc import Sequence

    from yoto.curves.parity import Comparison, Spread

Rows = tuple[list[str], list[list[str]]]
"""Titles of the columns, and the rows."""


def one_name(comparison: Comparison) -> str:
    """What one point is called: the symbol of the parameter that varies if there is just one, else "point"."""
    parameter = comparison.references[0].parameter
    return "point" if parameter is None else comparison.symbols.get(parameter, parameter)


def labels(comparison: Comparison) -> list[str]:
    """The compared points for people, by what tells them apart."""
    curve = comparison.references[0]
    return [curve.label(index) for index in range(len(curve))]


def number(measure: str, value: float) -> str:
    """An excess ratio as 1.036, a full-loss ratio, which is closer to 1, as 1.0098, a difference as +2.72."""
    if measure == "difference":
        return f"{value:+.3g}" if abs(value) < 100 else f"{value:+.0f}"
    return f"{value:.{3 if measure == 'excess' else 4}f}" if value < 100 else f"{value:.3g}"


def spread_text(measure: str, spread: Spread) -> str:
    """Lowest to highest over the seeds, such as "1.034 to 1.037"."""
    return f"{number(measure, spread.low)} to {number(measure, spread.high)}"


def measure_text(comparison: Comparison, measure: str | None = None) -> str:
    """What a measure is, and how to read it."""
    unit = comparison.unit or "the unit of the loss"
    alone = f"of a model trained for that {one_name(comparison)} alone"
    return {
        "excess": f"loss above the floor, divided by that {alone}: 1 is as good, 1.05 is 5 % worse",
        "ratio": f"loss, divided by that {alone}: 1 is as good, 1.05 is 5 % worse",
        "difference": f"loss minus that {alone}, in {unit}: 0 is as good, above 0 is worse",
    }[measure or comparison.measure]


def mean_name(measure: str) -> str:
    """The kind of mean over the points."""
    return "mean" if measure == "difference" else "geometric mean"


def purpose(comparison: Comparison) -> str:
    """What was compared with what, and on which data."""
    curve, symbols = comparison.references[0], comparison.symbols
    ranges = []
    for name in curve.varying:
        values = curve.values(name)
        ranges.append(f"{symbols.get(name, name)} from {min(values):.4g} to {max(values):.4g}")
    count = len(comparison.points)
    where = " and ".join(ranges)
    held = {name: value for name, value in comparison.points[0].items() if name not in curve.varying}
    same = f" Everywhere {point_label(held, symbols)}." if held else ""
    seeds = len(comparison.seeds)
    return (
        f"One conditional network was trained to serve every trade-off with {where}; "
        f"against it stand {count} ordinary networks, each trained for one {one_name(comparison)} alone. "
        f"All were measured on {data_text(comparison)} that none of them was trained on"
        f"{'' if seeds == 1 else f', and everything was repeated with {seeds} seeds'}.{same}"
    )


def data_text(comparison: Comparison) -> str:
    """Such as "10,000 test examples of fashion-mnist"."""
    info = comparison.info
    examples = f"{info['n']:,} {info.get('split', '')} examples" if "n" in info else "examples"
    return f"{examples} of {info['data']}" if info.get("data") else examples


def settings(comparison: Comparison) -> str:
    """Data, seeds and floor in one line."""
    seeds = ", ".join(map(str, comparison.seeds))
    parts = [data_text(comparison), f"seed{'s' if len(comparison.seeds) > 1 else ''} {seeds}"]
    if comparison.floor is not None:
        parts.append(f"floor {comparison.floor:.2f} {comparison.unit}".rstrip())
    return "; ".join(parts)


def regret_rows(comparison: Comparison) -> Rows:
    """The headline: the strictest measure at each point and over all, then the other measures over all."""
    measure = comparison.measure
    others = [
        name
        for name in ("ratio", "difference")
        if name != measure and all(name in summary.mean for summary in comparison.summaries)
    ]
    names = {"ratio": "full-loss ratio", "difference": comparison.unit or "loss difference"}
    titles = ["model", *labels(comparison)]
    titles.append(mean_name(measure))
    several = len(comparison.seeds) > 1
    titles += ["over the seeds"] if several else []
    titles += [names[name] for name in others]
    rows = []
    for contender, summary in zip(comparison.contenders, comparison.summaries, strict=True):
        row = [contender.label, *[number(measure, spread.mean) for spread in summary.points[measure]]]
        row.append(number(measure, summary.mean[measure].mean))
        row += [spread_text(measure, summary.mean[measure])] if several else []
        row += [number(name, summary.mean[name].mean) for name in others]
        rows.append(row)
    return titles, rows


def loss_rows(comparison: Comparison) -> Rows:
    """Mean loss over the seeds at each point, the references first, and the hypervolume."""
    titles = ["model", *labels(comparison), "hypervolume"]
    named = [(f"trained for one {one_name(comparison)} alone", comparison.references)]
    named += [(contender.label, contender.curves) for contender in comparison.contenders]
    rows = []
    for label, curves in named:
        columns = zip(*(curve.at(comparison.points).loss for curve in curves), strict=True)
        losses = [f"{sum(values) / len(values):.2f}" for values in columns]
        volume = comparison.volume([curve.at(comparison.points) for curve in curves])
        rows.append([label, *losses, f"{volume.mean:.5g}"])
    return titles, rows


def losses_text(comparison: Comparison) -> str:
    """What the table of `loss_rows` shows."""
    unit = f" in {comparison.unit}" if comparison.unit else ""
    reference = ", ".join(f"{name} {value:.5g}" for name, value in comparison.reference_point.items())
    return (
        f"Full loss{unit}, mean over the seeds. Hypervolume: what the compared points dominate with every term "
        f"minimised, larger is better; reference point {reference}."
    )


def remarks(comparison: Comparison) -> list[str]:
    """What the conditional models' curves say against themselves, a line each."""
    return [
        f"{contender.label}, seed {seed}: {remark}"
        for contender in comparison.contenders
        for seed, curve in zip(comparison.seeds, contender.curves, strict=True)
        for remark in curve.remarks()
    ]


def mean_cost(costs: Sequence[Cost]) -> Cost:
    """The mean over the seeds."""
    total = Cost.total(costs)
    count = len(costs)
    return Cost(
        steps=round(total.steps / count),
        seconds=total.seconds / count,
        cpu_seconds=total.cpu_seconds / count,
        parameters=round(total.parameters / count),
    )


def cost_rows(comparison: Comparison) -> Rows:
    """What each side cost per seed, and as a share of all references together."""
    reference = mean_cost([Cost.total(costs) for costs in comparison.reference_costs])
    count = len(comparison.points)
    titles = ["model", "networks", "parameters", "steps", "seconds", "CPU seconds", "of the fixed models' CPU time"]
    rows = [
        [
            f"trained for one {one_name(comparison)} alone",
            f"{count}",
            f"{count} x {reference.parameters // count:,}",
            f"{reference.steps:,}",
            f"{reference.seconds:,.0f}",
            f"{reference.cpu_seconds:,.0f}",
            "100 %",
        ]
    ]
    for contender in comparison.contenders:
        cost = mean_cost(contender.costs)
        share = f"{100 * cost.cpu_seconds / reference.cpu_seconds:.0f} %" if reference.cpu_seconds else "-"
        rows.append(
            [
                contender.label,
                "1",
                f"{cost.parameters:,}",
                f"{cost.steps:,}",
                f"{cost.seconds:,.0f}",
                f"{cost.cpu_seconds:,.0f}",
                share,
            ]
        )
    return titles, rows


def spent_text(comparison: Comparison) -> str:
    """What the whole comparison cost, and on which machine."""
    spent, machine = comparison.spent, comparison.info.get("machine", {})
    device = machine.get("accelerator") or machine.get("processor") or "an unknown machine"
    threads = machine.get("threads")
    using = f", {threads} thread{'s' if threads != 1 else ''}" if threads and not machine.get("accelerator") else ""
    return (
        f"All runs together: {spent.steps:,} steps, {spent.cpu_seconds:,.0f} CPU seconds, "
        f"{spent.seconds:,.0f} seconds of training on {device}{using}."
    )


def headline(comparison: Comparison) -> str:
    """One sentence per contender."""
    measure = comparison.measure
    sentences = []
    for contender, summary in zip(comparison.contenders, comparison.summaries, strict=True):
        value = summary.mean[measure].mean
        worst = comparison.references[0].label(summary.worst)
        there = number(measure, summary.points[measure][summary.worst].mean)
        sentences.append(
            f"{contender.label}: {number(measure, value)} ({mean_name(measure)}), at worst {there} at {worst}."
        )
    return " ".join(sentences)
