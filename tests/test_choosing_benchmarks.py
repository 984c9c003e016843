"""The benchmarks of polishing and of bounds on few samples, on figures that are known."""

import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.append(str(Path(__file__).parents[1] / "benchmarks"))

import few_samples
from polishing_parity import Compared, page, ratio

from yoto.curves.regret import geometric_mean

FASHION = Path(__file__).parents[1] / "results/vae/fashion-mnist"


def row(index, point, **losses):
    found = {
        "arm": "conditional-2x",
        "seed": 0,
        "index": index,
        "at": point,
        "steps": 4000,
        "rate": 0.01,
        "asked": None,
    }
    errors = {"n": 100, "error": 0.1, "validation_n": 50, "validation_error": 0.2, "validation_gain": 1.0}
    return {**found, **errors, **losses, "gain": losses["conditional"] - losses["polished"]}


def test_a_conditional_training_and_five_polishings_are_weighed_in_the_comparisons_own_time():
    compared = Compared(FASHION, "conditional-2x", 0)
    costs = [182.99, 172.06, 172.86, 168.91, 163.8]  # of table.csv, for 8,000 steps each
    assert compared.share([0] * 5) == pytest.approx(419.9 / sum(costs))
    assert compared.share([4000] * 5) == pytest.approx(419.9 / sum(costs) + 0.5)
    assert compared.share([0, 8000, 0, 0, 0]) == pytest.approx((419.9 + 172.06) / sum(costs))
    assert compared.regret["difference"][0] == pytest.approx(229.10276 - 227.88665, abs=1e-4)
    assert compared.recipe.training.steps == 16_000
    assert Compared(FASHION, "conditional-1x", 1).recipe.seed == 1


def test_ratios_are_of_what_lies_above_the_floor_and_their_mean_is_geometric():
    compared = Compared(FASHION, "conditional-2x", 0)
    rows = [
        row(
            index,
            point,
            fixed=compared.floor + 10.0,
            conditional=compared.floor + 12.0,
            polished=compared.floor + after,
        )
        for index, (point, after) in enumerate(zip(compared.points, (5.0, 20.0, 10.0, 10.0, 10.0), strict=True))
    ]
    assert ratio(rows[0], "polished", compared.floor) == pytest.approx(0.5)
    assert geometric_mean([0.5, 2.0, 1.0]) == pytest.approx(1.0)
    kept = {"title": "t", "floor": compared.floor, "machine": "m", "link": "l", "rows": rows}
    shown = page(kept, FASHION).splitlines()
    assert "| conditional-2x | 0 | 4000 | 0.01 | 99 % | 1.2000 | 1.0000 | +0.00 | 50 % |" in shown
    second = next(line for line in shown if line.startswith("| kl = 2 |"))
    assert second.endswith("| 2.000 | -8.000 ± 0.100 | 1.000 ± 0.200 |")
    more = [{**rows[0], "steps": 8000, "polished": compared.floor + 2.5}]
    lines = page({**kept, "rows": rows + more}, FASHION).splitlines()
    assert (
        "| conditional-2x | 0 | 8000, 4000, 4000, 4000, 4000 | by default | 109 % | 1.2000 | 0.8706 | +0.00 | 50 % |"
        in lines
    )
    part = page({**kept, "rows": rows[:2]}, FASHION)
    assert "2 of 5 points" in part


def test_limits_for_a_mean_hold_as_often_as_they_say_where_the_samples_are_normal(monkeypatch):
    monkeypatch.setattr(few_samples, "SETS", 8000)
    draw = np.random.default_rng(1)
    found = few_samples.coverage(draw.normal(30, 2, 100_000), 8, draw)
    assert found["Student's t"] == pytest.approx([0.95, 0.95], abs=0.012)
    assert max(found["normal"]) < 0.94  # t at 7 degrees of freedom: 1.645 is its 92.8 % quantile
    assert max(found["percentile bootstrap"]) < 0.93
    assert few_samples.at_least(59) == pytest.approx(0.95, abs=1e-3)
