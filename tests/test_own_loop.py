"""The benchmark of one's own loop, on a handful of its made-up curves."""

import math
import sys
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parents[1] / "benchmarks"))

from own_loop import measure, table, train, within
from own_loop_choice import TRIALS
from own_loop_choice import table as tried
from own_loop_problems import PROBLEMS, Problem

from yoto.curves.regret import geometric_mean

SETTINGS = {"algorithm": "muon", "lr": 0.02, "epochs": 2}


@pytest.fixture(scope="module")
def problem() -> Problem:
    return PROBLEMS["curves"]


@pytest.fixture(scope="module")
def data(problem):
    (train_data,), (test_data,) = problem.data()
    return (train_data[:512],), (test_data[:64],)


def test_one_network_is_measured_at_every_point_by_its_weighted_terms(problem, data):
    found = measure(problem, train(problem, data[0], 0, None, SETTINGS), data[1], list(problem.points))
    assert found.keys() == problem.points.keys()
    for point, means in found.items():
        weights = problem.points[point]
        assert means["loss"] == pytest.approx(sum(weight * means[name] for name, weight in weights.items()), rel=1e-5)
        assert math.isfinite(means["loss"])


def test_a_network_alone_starts_as_the_one_network_does_and_learns_its_point(problem, data):
    start = measure(problem, problem.network(1), data[1], ["fit"])["fit"]["loss"]
    first, again = (
        measure(problem, train(problem, data[0], 0, "fit", SETTINGS), data[1], ["fit"])["fit"] for _ in range(2)
    )
    assert first == again
    assert first["loss"] < start


def test_the_table_has_the_geometric_mean_of_the_ratios():
    losses = {"conditional": {"a": [2.0, 4.0], "b": [1.0, 1.0]}, "muon": {"a": [1.0, 2.0], "b": [2.0, 2.0]}}
    losses["adam"] = losses["muon"]
    ratios = {against: {"a": 2.0, "b": 0.5} for against in ("muon", "adam")}
    text = table({"problem": "toy", "losses": losses, "ratios": ratios})
    assert "| against alone, same optimiser | 2.000 | 0.500 | **1.000** | 2.000 |" in text
    assert geometric_mean([2.0, 0.5]) == pytest.approx(1.0)


def test_draws_from_a_part_of_a_range():
    space = PROBLEMS["pictures"].space
    part = within(space, {"reconstruction": [0.1, 1.0]})
    lam = part.sample(200)
    assert 0.1 <= float(lam[:, 1].min()) < 0.15 < 0.9 < float(lam[:, 1].max()) <= 1.0
    assert part.names == space.names
    assert within(space, {}) == space


def test_a_table_of_trials_has_a_line_for_each():
    trials = [
        {"trial": label, "seeds": seeds, "ratios": dict.fromkeys(PROBLEMS["pictures"].points, 0.98765)}
        for label, _, seeds in TRIALS["pictures"]
    ]
    lines = tried("pictures", trials).splitlines()
    assert lines[0] == "| pictures | 0.003 | 0.055 | 1 | seeds |"
    assert len(lines) == 2 + len(TRIALS["pictures"])
    assert all("| 0.988 | 0.988 | 0.988 |" in line for line in lines[2:])
