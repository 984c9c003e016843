"""The whole comparison: train, measure, report."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from yoto.build import build_task
from yoto.comparison.plan import make_plan
from yoto.comparison.runs import train_all
from yoto.curves.curve import TradeoffCurve
from yoto.curves.parity import Comparison, Contender
from yoto.report.report import report_comparison
from yoto.report.summary import labels
from yoto.support.locks import alone_in
from yoto.training.folder import clear, record

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    import numpy as np

    from yoto.comparison.measure import Bench
    from yoto.comparison.plan import Plan, PointLists
    from yoto.recipe import Recipe
    from yoto.task import Split, Task

MARGIN = 0.05
"""How far the default reference point of the hypervolume lies beyond the worst values, as a share of their range."""


def compare(
    recipe: Recipe,
    out: str | Path,
    *,
    points: PointLists | Sequence[Mapping[str, Any]] | None = None,
    seeds: int | Sequence[int] | None = None,
    multiples: Sequence[float] = (1.0,),
    others: Sequence[Recipe] = (),
    reference_point: Mapping[str, float] | None = None,
    split: Split = "test",
    task: Task | None = None,
    force: bool = False,
    jobs: int = 1,
    max_minutes: float | None = None,
    progress: bool = True,
    note: Callable[[str], None] | None = None,
) -> Comparison:
    """Hold conditional models against models that are trained for one λ each.

    Trains, for every seed, the recipe's conditional model at each multiple of its steps, the models of `others`, and
    one ordinary network per point under the same recipe (with the changes in its `comparison.fixed`). All are then
    measured on the same examples with the same random numbers. Runs are kept in `out`/runs: finished ones are not
    trained again and unfinished ones are resumed, so an interrupted comparison goes on where it was.

    Args:
        recipe: Of the conditional model.
        out: Folder of the report (report.html, report.md, report.json, table.csv, figures) and the runs.
        points: Lists of values by parameter, {"kl": [0.5, 8]}, or complete points; by default the recipe's.
        seeds: How many seeds, counted from the recipe's, or which; by default the recipe's number.
        multiples: Steps of the conditional models, as multiples of the recipe's.
        others: Further recipes of conditional models with the same loss.
        reference_point: Of the hypervolume, by loss term; by default just beyond the worst values found.
        split: The part of the data to measure on.
        task: In place of the recipes' own; it has to pickle where `jobs` is above 1.
        force: Train anew what an earlier comparison in `out` trained; other runs there stay.
        jobs: Training runs at a time; with more than one, each has a process and one thread.
        max_minutes: Time for training, over all runs.
        progress: Show the progress of each run on stderr.
        note: Called with a line of text when a run begins or ends.

    Raises:
        Stopped: If a signal or the time ended the training; call again to go on.
        YotoError: If there is nothing to compare, another process compares in the folder, or a run in it was made by
            another recipe.
    """
    plan = make_plan(recipe, points=points, seeds=seeds, multiples=multiples, others=others)
    folder = Path(out) / "runs"
    say = note or (lambda _: None)
    with alone_in(Path(out)):
        if force:
            build_task(recipe, task)  # what cannot begin removes nothing
            for name in plan.runs():
                clear(folder / name)
        train_all(plan.runs(), folder, task=task, jobs=jobs, max_minutes=max_minutes, progress=progress, note=say)

        from yoto.comparison.measure import Bench

        say(f"measuring {len(plan.runs())} models on the {split} split")
        bench = Bench(recipe, split, task)
        result = measured(plan, folder, bench, reference_point)
        report_comparison(result, out, pictures(plan, folder, bench, labels(result)))
    return result


def measured(plan: Plan, folder: Path, bench: Bench, reference_point: Mapping[str, float] | None) -> Comparison:
    """Every number of a comparison whose runs are finished."""
    from yoto.comparison.measure import cost_of, data_info

    recipe, grid = bench.recipe, bench.grid(plan.points)
    contenders = tuple(
        Contender(
            name=arm.name,
            label=arm.label,
            recipe=arm.recipes[0].name,
            multiple=arm.multiple,
            curves=tuple(
                bench.measure(folder / f"{arm.name}-seed-{seed}", own, grid)
                for seed, own in zip(plan.seeds, arm.recipes, strict=True)
            ),
            costs=tuple(cost_of(folder / f"{arm.name}-seed-{seed}") for seed in plan.seeds),
        )
        for arm in plan.arms
    )
    references = tuple(
        TradeoffCurve.join(
            [
                bench.measure(folder / f"{name}-seed-{seed}", own, grid[index : index + 1])
                for index, (name, own) in enumerate(zip(plan.reference_names, recipes, strict=True))
            ]
        )
        for seed, recipes in zip(plan.seeds, plan.references, strict=True)
    )
    curves = [*references, *(curve for each in contenders for curve in each.curves)]
    records = [record(folder / name) for name in plan.runs()]
    machines = [found["machine"] for found in records if "machine" in found]
    return Comparison(
        title=recipe.name,
        points=references[0].points,
        seeds=plan.seeds,
        references=references,
        reference_costs=tuple(
            tuple(cost_of(folder / f"{name}-seed-{seed}") for name in plan.reference_names) for seed in plan.seeds
        ),
        contenders=contenders,
        floor=bench.floor(plan.points),
        reference_point=dict(reference_point or beyond(curves)),
        info={
            **data_info(recipe),
            "split": bench.split,
            "n": bench.examples,
            "noise_seed": bench.settings.seed,
            "units": references[0].info.get("units", {}),
            "symbols": references[0].info.get("symbols", {}),
            "machine": machines[0] if machines else {},
            "machines": len({str(machine) for machine in machines}),
            "versions": records[0].get("versions", {}),
        },
        recipes={
            **{arm.name: arm.recipes[0].to_dict() for arm in plan.arms},
            "fixed": plan.references[0][0].to_dict(),
        },
    )


def beyond(curves: Sequence[TradeoffCurve]) -> dict[str, float]:
    """A reference point a little beyond the worst value of each loss term."""
    result = {}
    for name in curves[0].terms:
        values = [value for curve in curves for value in curve.series(name)]
        result[name] = max(values) + MARGIN * ((max(values) - min(values)) or abs(max(values)) or 1.0)
    return result


def pictures(plan: Plan, folder: Path, bench: Bench, names: Sequence[str]) -> dict[str, dict[str, np.ndarray]]:
    """What the first conditional model and the references do, at the lowest, the middle and the highest point.

    By model, by the name of the point; `names` are those of all points.
    """
    count, seed, arm = len(plan.points), plan.seeds[0], plan.arms[0]
    rows: dict[str, dict[str, np.ndarray]] = {}
    for index in sorted({0, count // 2, count - 1}):
        point = plan.points[index]
        models = {
            arm.label: (f"{arm.name}-seed-{seed}", arm.recipes[0]),
            "trained for it alone": (f"{plan.reference_names[index]}-seed-{seed}", plan.references[0][index]),
        }
        for label, (name, own) in models.items():
            picture = bench.picture(folder / name, own, point)
            if picture is None:
                return {}
            rows.setdefault(label, {})[names[index]] = picture
    return rows
